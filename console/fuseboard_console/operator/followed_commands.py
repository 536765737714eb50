"""Tells the operator what followed a command: calls that succeeded, or a breaker that opened again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

from fuseboard_console.operator.follow_up import Followed, followed_of, is_known, notice_text
from fuseboard_console.operator.messages import outcome_text
from fuseboard_console.text.formatting import SECOND
from fuseboard_console.views.adapters.engine_names import engine_names
from fuseboard_engine.dead_letters.operator_retry import CONTINUES
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.follow_ups import EXPECTED

if TYPE_CHECKING:
    from fuseboard_console.operator.dispatcher import Notify

FIRST_WORD: Final = 10 * SECOND
"""Microseconds after which a notice says how it goes, even after few calls."""
FOLLOWED: Final = 120 * SECOND
"""Microseconds for which a command is followed."""


class FollowedCommands:
    """The operator's latest commands, until it is known what followed them.

    A command is reported once it has enough calls, or after a while; and once more if a breaker opens again by itself.

    Args:
        board: Returns the Board; None if nothing is followed.
        now: Returns the present, in UTC microseconds.
        notify: Shows a sentence to the operator.
    """

    def __init__(self, board: Callable[[], Board] | None, now: Callable[[], int], notify: Notify) -> None:
        self._board = board
        self._now = now
        self._notify = notify
        self._commands: dict[frozenset[int], int] = {}  # sent together; when their outcome was known
        self._reported: set[frozenset[int]] = set()
        self._retries: set[int] = set()  # commands whose retries of many dead letters go on

    def add(self, verb: str, commands: Collection[int]) -> None:
        """Follow commands that were sent together and done."""
        if self._board is not None and commands and verb in EXPECTED:
            self._commands[frozenset(commands)] = self._now()

    def add_retry(self, command: int) -> None:
        """Report when the retry of many dead letters that a command began has ended."""
        self._retries.add(command)

    def clear(self) -> None:
        """Follow nothing any more."""
        self._retries.clear()
        self._commands.clear()
        self._reported.clear()

    def report(self) -> None:
        """Report what is known by now."""
        if self._board is None or not (self._commands or self._retries):
            return
        board, now = self._board(), self._now()
        if self._retries:
            self._report_retries(board)
        found = followed_of(board)
        for commands, begun in list(self._commands.items()):
            many = [one for (command, _), ones in found.items() if command in commands for one in ones]
            age = now - begun
            if (many and self._report(board, commands, many, age)) or age > FOLLOWED:
                del self._commands[commands]
                self._reported.discard(commands)

    def _report_retries(self, board: Board) -> None:
        """Report the retries of many dead letters that have ended."""
        for event in [one for one in board.actions if one.command in self._retries]:
            if not event.detail.endswith(CONTINUES):
                self._retries.discard(event.command)
                engine = engine_names(board).command(event.target or None, "")
                text = outcome_text(event.verb, "", event.ok, event.detail, engine=engine)
                self._notify(text, "information" if event.ok else "warning")

    def _report(self, board: Board, commands: frozenset[int], many: list[Followed], age: int) -> bool:
        """Report on commands if there is something to say; return whether there will be no more."""
        reopened = any(one.reopened for one in many)
        if not reopened:
            due = is_known(many) or (age >= FIRST_WORD and any(one.calls for one in many))
            if not due or commands in self._reported:
                return commands in self._reported and all(one.row.ended_at is not None for one in many)
        if reopened or not all(one.row.ended_by for one in many):  # what an operator did next has its own notice
            self._notify(notice_text(many, engine_names(board)), "warning" if reopened else "information")
        self._reported.add(commands)
        return reopened or all(one.row.ended_at is not None for one in many)
