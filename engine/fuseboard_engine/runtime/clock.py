"""The wall clock: a label on events, never the basis of a decision."""

from __future__ import annotations

import time


def wall_clock() -> int:
    """Return the current time in UTC microseconds."""
    return time.time_ns() // 1000
