"""Calls in flight that may become slow: a call over the limit counts as slow before it ends."""

from __future__ import annotations

from typing import Any


class CallsInFlight:
    """Records when each call in flight started, and counts those that have become slow.

    Args:
        limit: a call longer than this many seconds is slow.
        window: seconds after which a slow call that never reports is dropped; None if `most` bounds them instead.
        most: how many slow calls are kept where no window of seconds bounds them.
    """

    __slots__ = ("_limit", "_most", "_overdue", "_started", "_window")

    def __init__(self, limit: float, window: float | None, most: int) -> None:
        self._limit = limit
        self._window = window
        self._most = most
        self._started: dict[Any, float] = {}  # oldest first
        self._overdue: dict[Any, float] = {}

    def start(self, call: object, now: float) -> None:
        """Record that a call starts at `now` (seconds of the breaker's clock)."""
        self._started[call] = now

    def finish(self, call: object) -> None:
        """Record that a call has reported an outcome."""
        self._started.pop(call, None)
        self._overdue.pop(call, None)

    def any_due(self, now: float) -> bool:
        """Return whether a call has become slow since the last `count_overdue`."""
        return bool(self._started) and now - next(iter(self._started.values())) > self._limit

    def count_overdue(self, now: float) -> int:
        """Return how many calls in flight are slow. Each call is moved once, so the cost is amortised."""
        started, overdue = self._started, self._overdue
        while started:
            call = next(iter(started))
            if now - started[call] <= self._limit:
                break
            overdue[call] = started.pop(call)
        # A call that never reports must not count for ever: it expires like an outcome of the same age.
        while overdue:
            call = next(iter(overdue))
            aged = self._window is not None and now - overdue[call] >= self._limit + self._window
            if not aged and (self._window is not None or len(overdue) <= self._most):
                break
            del overdue[call]
        return len(overdue)
