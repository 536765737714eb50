"""Which breakers have opened since the last look, for a bell or a notice."""

from __future__ import annotations

from collections.abc import Sequence

from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.safe_text import safe_text
from fuseboard_storage.board.board import AdapterKey, Board

EVERY = 2 * SECOND
"""Microseconds at least between two alerts."""
NAMED = 3
"""How many adapters an alert names."""


class Alerts:
    """Compares each look at a Board with the one before.

    What is open at the first look is no news, nor is a breaker that opens again because its probe failed. What opens
    within two seconds of an alert is told with the next.
    """

    def __init__(self) -> None:
        self._down: frozenset[AdapterKey] | None = None
        self._untold: dict[AdapterKey, None] = {}
        self._moves = -1
        self._board: Board | None = None
        self._told_at = -EVERY

    def forget(self) -> None:
        """Take the next look as the first: the past is shown, or the view was held still."""
        self._down = None
        self._untold.clear()

    def look(self, board: Board, now: int) -> tuple[str, ...]:
        """Return the names, as safe text, of the adapters to tell of at `now` (UTC microseconds); mostly none."""
        if board is not self._board:  # the file was replaced
            self._board = board
            self.forget()
        if self._down is None or board.state_version != self._moves:
            self._moves = board.state_version
            self._compare(board)
        if not self._untold or now - self._told_at < EVERY:
            return ()
        told = tuple(safe_text(key.adapter, 60) for key in self._untold)
        self._untold.clear()
        self._told_at = now
        return told

    def _compare(self, board: Board) -> None:
        down = frozenset(key for key, row in board.adapters.items() if row.state in ("open", "half_open"))
        if self._down is not None:
            opened = (key for key in down - self._down if board.adapters[key].state == "open")
            self._untold |= dict.fromkeys(sorted(opened))
            self._untold = {key: None for key in self._untold if key in down}
        self._down = down


def alert_text(names: Sequence[str]) -> str:
    """Return the sentence about breakers that have opened: `prefect and agno have opened.`"""
    if len(names) == 1:
        return f"{names[0]} has opened."
    if len(names) <= NAMED:
        return f"{', '.join(names[:-1])} and {names[-1]} have opened."
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more have opened."
