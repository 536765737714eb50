"""Clocks of engines that follow virtual time while a test runs in it, and are those of the host otherwise."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from fuseboard_engine.runtime.clock import EngineClocks, set_engine_clocks, wall_clock
from fuseboard_engine.testing.blocking_io import watched_in_thread
from fuseboard_engine.virtual_time import VirtualTimeLoop

T = TypeVar("T")

TICK: Final = 2.0**-20
"""Seconds between two moments of a test's virtual time, about a microsecond."""


class TickingLoop(VirtualTimeLoop):
    """An event loop in virtual time whose moments are whole ticks.

    A float holds a sum of whole ticks and whole seconds without an error. So what is due at a moment is due then
    whatever the clock of the host said when virtual time began.
    """

    def advance(self, seconds: float) -> None:
        """Advance the virtual time to the next tick after so many seconds."""
        now = self.time()
        super().advance(math.ceil((now + seconds) / TICK) * TICK - now)

    def run_in_executor(  # type: ignore[override]  # a TypeVarTuple of the base class
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run a plain function in a thread, where it is refused what the test is refused."""
        if not self.allows_io and isinstance(executor, ThreadPoolExecutor | None):
            func = watched_in_thread(func, self)
        return super().run_in_executor(executor, func, *args)


class FollowingClocks:
    """Clocks that never go back: after virtual hours the host's time goes on from there."""

    def __init__(self) -> None:
        self._loop: VirtualTimeLoop | None = None
        self._entered = 0.0
        self._entered_wall = 0
        self._lead = 0.0

    def monotonic(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic() + self._lead if self._loop is None else self._entered + self._loop.time()

    def wall(self) -> int:
        """Return UTC microseconds."""
        if self._loop is None:
            return wall_clock() + round(self._lead * 1e6)
        return self._entered_wall + round(self._loop.time() * 1e6)

    @property
    def began_at(self) -> int | None:
        """When the virtual time began that a test runs in, in UTC microseconds; None in real time."""
        return None if self._loop is None else self._entered_wall

    @contextmanager
    def follow(self, loop: VirtualTimeLoop) -> Iterator[None]:
        """Follow a loop that begins now. They follow one at a time."""
        self._entered, self._entered_wall = float(math.ceil(self.monotonic())), self.wall()
        self._loop = loop
        try:
            yield
        finally:
            reached = self.monotonic()
            self._loop = None
            self._lead += max(0.0, reached - self.monotonic())


CLOCKS = FollowingClocks()
"""The clocks of the engines that are made while the plugin is in use."""


def install() -> None:
    """Let the engines that are made from now on have these clocks."""
    set_engine_clocks(EngineClocks(CLOCKS.monotonic, CLOCKS.wall))
