"""Calls under way that may turn out slow: one that takes too long is slow before it ends."""

from __future__ import annotations

from typing import Any


class CallsInFlight:
    """Knows when each call under way began, and counts those that have become slow.

    Args:
        limit: a call longer than this many seconds is slow.
        window: seconds after which one that never reports no longer weighs; None: `most` bounds them instead.
        most: calls that may weigh at a time, where no window of seconds bounds them.
    """

    __slots__ = ("_begun", "_limit", "_most", "_overdue", "_window")

    def __init__(self, limit: float, window: float | None, most: int) -> None:
        self._limit = limit
        self._window = window
        self._most = most
        self._begun: dict[Any, float] = {}  # oldest first
        self._overdue: dict[Any, float] = {}

    def enter(self, call: object, now: float) -> None:
        """A call begins at `now`, seconds of the breaker's clock."""
        self._begun[call] = now

    def leave(self, call: object) -> None:
        """A call has reported, whatever came of it."""
        self._begun.pop(call, None)
        self._overdue.pop(call, None)

    def any_due(self, now: float) -> bool:
        """Say whether a call has become slow since they were last counted."""
        return bool(self._begun) and now - next(iter(self._begun.values())) > self._limit

    def count_overdue(self, now: float) -> int:
        """Return how many calls under way are slow. Each moves over once, so this costs little."""
        begun, overdue = self._begun, self._overdue
        while begun:
            call = next(iter(begun))
            if now - begun[call] <= self._limit:
                break
            overdue[call] = begun.pop(call)
        # A call that never reports must not weigh for ever: it leaves like any outcome of its age would.
        while overdue:
            call = next(iter(overdue))
            aged = self._window is not None and now - overdue[call] >= self._limit + self._window
            if not aged and (self._window is not None or len(overdue) <= self._most):
                break
            del overdue[call]
        return len(overdue)
