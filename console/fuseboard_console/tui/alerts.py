"""Detects the breakers that have opened, for a bell or a notice."""

from __future__ import annotations

from collections.abc import Sequence

from fuseboard_console.text.formatting import SECOND
from fuseboard_console.views.adapters.engine_names import engine_names
from fuseboard_storage.board.board import AdapterKey, Board

ALERT_INTERVAL = 2 * SECOND
"""Microseconds at least between two alerts."""
NAMED = 3
"""The number of adapters that an alert names."""


class Alerts:
    """Compares the Board with how it was at the previous check.

    A breaker that is open at the first check raises no alert, nor does one that opens again because its probe failed.
    Breakers that open within two seconds of an alert are part of the next one.
    """

    def __init__(self) -> None:
        self._down: frozenset[AdapterKey] | None = None
        self._pending: dict[AdapterKey, None] = {}
        self._version = -1
        self._board: Board | None = None
        self._alerted_at = -ALERT_INTERVAL

    def forget(self) -> None:
        """Treat the next check as the first, because the view was paused or showed the past."""
        self._down = None
        self._pending.clear()

    def opened(self, board: Board, now: int) -> tuple[str, ...]:
        """Return the adapters to alert to at `now` (UTC microseconds), as safe text; usually none."""
        if board is not self._board:  # the file was replaced
            self._board = board
            self.forget()
        if self._down is None or board.state_version != self._version:
            self._version = board.state_version
            self._compare(board)
        if not self._pending or now - self._alerted_at < ALERT_INTERVAL:
            return ()
        engines = engine_names(board)
        names = tuple(engines.adapter(key) for key in self._pending)
        self._pending.clear()
        self._alerted_at = now
        return names

    def _compare(self, board: Board) -> None:
        down = frozenset(key for key, row in board.adapters.items() if row.state in ("open", "half_open"))
        if self._down is not None:
            opened = (key for key in down - self._down if board.adapters[key].state == "open")
            self._pending |= dict.fromkeys(sorted(opened))
            self._pending = {key: None for key in self._pending if key in down}
        self._down = down


def alert_text(names: Sequence[str]) -> str:
    """Return the sentence about breakers that have opened: `prefect and agno have opened.`"""
    if len(names) == 1:
        return f"{names[0]} has opened."
    if len(names) <= NAMED:
        return f"{', '.join(names[:-1])} and {names[-1]} have opened."
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more have opened."
