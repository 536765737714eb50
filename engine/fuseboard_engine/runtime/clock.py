"""The wall clock: a label on events, never the basis of a decision."""

from __future__ import annotations

import time
from typing import NamedTuple


def wall_clock() -> int:
    """Return the current time in UTC microseconds."""
    return time.time_ns() // 1000


class Clocks(NamedTuple):
    """A moment on three clocks of a host, in microseconds.

    `wall` is UTC and may be set to anything. `since_boot` is the time since the host's boot, and `running` the part of
    it in which the host was not suspended: the clock of timers.
    """

    wall: int
    since_boot: int
    running: int


def read_clocks() -> Clocks:
    """Return the current moment."""
    running = time.monotonic_ns() // 1000
    boot_clock = getattr(time, "CLOCK_BOOTTIME", None)
    since_boot = running if boot_clock is None else time.clock_gettime_ns(boot_clock) // 1000
    return Clocks(wall_clock(), since_boot, running)
