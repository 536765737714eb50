"""An event loop whose time is virtual: what sleeps an hour is over at once, in the right order.

For scenarios and tests. The clock jumps to the next timer whenever nothing else is left to do, so a run is
deterministic and takes milliseconds. Sockets know nothing of virtual time: use them in real time. For an engine's
plain functions, which run in threads, the clock stands still until they are done, but not for long.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 1.0  # real seconds that virtual time waits for a thread; one that takes longer hangs


class _JumpingSelector(selectors.SelectSelector):
    """Never waits for a timer: it moves the loop's time there instead."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            # Neither a timer nor anything ready: only another thread can go on from here.
            return super().select(None)
        if not ready and timeout:
            if self.loop.in_threads:
                ready = super().select(PATIENCE)
            if not ready:
                self.loop.advance(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Its `time()` starts at 0 and is the clock to give to an engine: `Engine(clock=loop.time)`."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self._now = 0.0
        self.in_threads = 0
        """Calls of plain functions under way; whoever makes one counts it here."""
        super().__init__(selector)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the virtual time on."""
        self._now += seconds
        # asyncio runs a timer that is due within this; after some months a nanosecond is lost in the float.
        self._clock_resolution = max(1e-9, 2 * math.ulp(self._now))

    def wall(self) -> int:
        """Return virtual UTC microseconds, from 2026-01-01T00:00:00Z: `Engine(wall=loop.wall)`."""
        return 1_767_225_600_000_000 + round(self._now * 1e6)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
