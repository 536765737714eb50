"""The wall clock: a label on events, and never what a decision is taken from."""

from __future__ import annotations

import time


def wall_clock() -> int:
    """Return the present time in UTC microseconds."""
    return time.time_ns() // 1000
