"""The wall clock: a label on events, never the basis of a decision."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple


def wall_clock() -> int:
    """Return the current time in UTC microseconds."""
    return time.time_ns() // 1000


class EngineClocks(NamedTuple):
    """The clocks of an engine that is given none: monotonic seconds, and UTC microseconds."""

    monotonic: Callable[[], float]
    wall: Callable[[], int]


_engine_clocks = EngineClocks(time.monotonic, wall_clock)


def engine_clocks() -> EngineClocks:
    """Return the clocks of an engine that is given none."""
    return _engine_clocks


def set_engine_clocks(clocks: EngineClocks) -> None:
    """Give other clocks to the engines that are made from now on. For tests, whose time is not that of the host."""
    global _engine_clocks
    _engine_clocks = clocks


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
