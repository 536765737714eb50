"""The recent latency of one adapter, which determines when a call is hedged."""

from __future__ import annotations

from collections import deque
from math import ceil

MAX_CALLS = 100
MIN_CALLS = 20  # a percentile of fewer calls means nothing


class RecentLatency:
    """The durations of an adapter's last 100 calls, in seconds.

    A call that was cut short counts with its duration until then; leaving it out would make the adapter look faster
    than it is.
    """

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=MAX_CALLS)

    def add(self, seconds: float) -> None:
        """Record the duration of one call, in seconds."""
        self._seconds.append(seconds)

    def percentile(self, share: float) -> float | None:
        """Return the seconds that `share` (0..1) of the calls did not exceed; None before 20 calls."""
        known = sorted(self._seconds)
        if len(known) < MIN_CALLS:
            return None
        return known[max(1, ceil(share * len(known))) - 1]
