"""How long an adapter took lately: what a hedge is timed by."""

from __future__ import annotations

from collections import deque
from math import ceil

MAX_CALLS = 100  # calls
MIN_CALLS = 20  # calls, before a percentile says anything


class RecentLatency:
    """The durations of an adapter's last calls, in seconds.

    A call that was cut short counts with the time it had until then: leaving it out would make the adapter look faster
    than it is.
    """

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=MAX_CALLS)

    def add(self, seconds: float) -> None:
        """A call took that long."""
        self._seconds.append(seconds)

    def percentile(self, share: float) -> float | None:
        """Return the seconds that `share` (0..1) of the calls did not exceed; None before there were enough calls."""
        known = sorted(self._seconds)
        if len(known) < MIN_CALLS:
            return None
        return known[max(1, ceil(share * len(known))) - 1]
