"""What the requests of one API share: the recording that is followed, and the way of commands to its engines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fuseboard_console.http_server.problems import Problem
from fuseboard_console.operator.command_target import instances_to_ask
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.suggestions import did_you_mean, rows_named
from fuseboard_engine.dead_letters.letter import StoreUnavailable
from fuseboard_storage.backend.values import CommandStatus, Target
from fuseboard_storage.board.board import AdapterRow, Board
from fuseboard_storage.board.presence import time_of
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.recording.tail import Tail
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

MAX_NAME: Final = 200
"""Characters of an unknown name that are compared and repeated."""


class RecordingService:
    """Follows a recording, and sends commands to its engines.

    Args:
        file: The recording.
        now: Returns the current time in UTC microseconds.
        expires_in: Seconds that an engine may take to accept a command.
    """

    def __init__(self, file: Path, now: Callable[[], int], expires_in: float) -> None:
        self.file = file
        self._now = now
        self._expires_in = expires_in
        self._tail: Tail | None = None
        self._advancing = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Follow the recording while the block runs."""
        async with Tail.open(self.file, now=self._now) as tail:
            self._tail = tail
            try:
                yield
            finally:
                self._tail = None

    async def board(self) -> Board:
        """Return the Board, up to date."""
        tail = self._opened_tail()
        async with self._advancing:
            await tail.advance()
        return tail.board

    def time(self, board: Board) -> int:
        """Return the current time of a Board: of the scenario that plays in it, else of the host's clock."""
        return time_of(board, self._now())

    def host_time(self) -> int:
        """Return the time of the host's clock, UTC microseconds."""
        return self._now()

    @property
    def newest(self) -> int:
        """The number of the last entry that the Board has."""
        return self._opened_tail().board.seq

    async def recording(self) -> Recording:
        """Return the recording that is at the path now.

        Raises:
            Problem: 503 while there is none.
        """
        await self.board()
        recording = self._opened_tail().recording
        if recording is None:
            name = safe_text(self.file.name, MAX_NAME)
            raise Problem(503, "recording unavailable", f"{name} is missing. Try again when it is back.")
        return recording

    @contextlib.asynccontextmanager
    async def dead_letters(self, *, reading: bool = True) -> AsyncIterator[SqliteDeadLetters]:
        """Open the dead letters of the recording.

        Raises:
            Problem: 503 while they cannot be read or changed; nothing was changed then.
        """
        path = (await self.recording()).path
        try:
            async with SqliteDeadLetters.open(path, reading=reading) as store:
                yield store
        except StoreUnavailable as error:
            unchanged = "" if reading else " Nothing was changed."
            raise Problem(503, "recording unavailable", f"{error}{unchanged}") from error

    def _opened_tail(self) -> Tail:
        if self._tail is None:
            raise Problem(503, "recording unavailable", "The recording is not open: the server starts or ends.")
        return self._tail

    async def rows(self, name: str) -> tuple[Board, list[AdapterRow]]:
        """Return the Board and the rows of an adapter."""
        board = await self.board()
        if not board.adapters:
            raise Problem(503, "no engine", "No engine has written to this recording yet. Start one, then try again.")
        rows = rows_named(board, name)
        if not rows:
            hint = did_you_mean(name[:MAX_NAME], sorted({row.name for row in board.rows()}))
            detail = f"There is no adapter {safe_text(name, MAX_NAME)!r}.{hint}"
            raise Problem(404, "unknown adapter", detail)
        return board, rows

    # ------------------------------------------------------------------ commands

    def running(self, board: Board, instances: Sequence[int], names: Sequence[str] = ()) -> list[int]:
        """Return which of these instances (empty: of all) are not known to have ended.

        Raises:
            Problem: 503 if no engine ever wrote to the recording, 409 if all of them have ended.
        """
        if not board.instances:
            raise Problem(503, "no engine", "No engine has written to this recording yet. Start one, then try again.")
        asked = [id for id in instances_to_ask(board, names, self._now()) if not instances or id in instances]
        if not asked:
            detail = "The engine has ended: the recording can be read and replayed, but no engine takes commands."
            raise Problem(409, "engine ended", detail)
        return sorted(asked)

    async def send(
        self, verb: str, targets: Sequence[Target], actor: str, args: Mapping[str, Any] | None = None
    ) -> list[CommandStatus]:
        """Send a command to each target, and return the outcomes when all are known.

        Args:
            verb: One of `fuseboard_engine.commands.VERBS`.
            targets: The instances and adapters it is for.
            actor: The operator, as shown in the audit.
            args: The verb's own arguments.
        """
        recording = await self.recording()
        ids = await recording.ask_many(verb, targets, actor=actor, args=dict(args or {}), expires_in=self._expires_in)
        return [await recording.outcome(id) for id in ids]


_REFUSALS: Final = {"expired": (504, "command not taken"), "failed": (409, "command refused")}
"""The HTTP status and the kind of problem for a command that is not done; the first that applies."""


def check_outcome(statuses: Sequence[CommandStatus]) -> dict[str, Any]:
    """Return the answer for commands that are done.

    Raises:
        Problem: 409 if an engine refused one, 504 if no engine took it. Its members have every outcome.
    """
    outcomes = [
        {
            "command": status.id,
            "instance": status.taken_by if status.instance is None else status.instance,
            "adapter": status.adapter or None,
            "status": status.status,
            "detail": status.detail,
        }
        for status in statuses
    ]
    found = {status.status for status in statuses}
    for refusal, (code, kind) in _REFUSALS.items():
        if refusal in found:
            first = next(status for status in statuses if status.status != "done")
            raise Problem(code, kind, safe_text(first.detail, 400), done=False, outcomes=outcomes)
    return {"done": True, "outcomes": outcomes}
