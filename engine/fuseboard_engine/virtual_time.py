"""An event loop in virtual time: an hour's sleep ends at once, in the correct order.

For scenarios and tests. The clock jumps to the next timer whenever nothing else is left to do, so a run is
deterministic and takes milliseconds. Sockets do not work in virtual time: use them in real time. While an engine's
plain functions run in threads, and while its stores write, the clock stops, for at most a second at a time.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

THREAD_WAIT = 1.0  # real seconds that virtual time waits for a thread; a slower one counts as hanging


class _JumpingSelector(selectors.SelectSelector):
    """Never waits for a timer; advances the loop's time to it instead."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            # Neither a timer nor a ready event: only another thread can wake the loop.
            return super().select(None)
        if not ready and timeout:
            if self.loop.in_threads:
                ready = super().select(THREAD_WAIT)
            if not ready:
                self.loop.advance(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` starts at 0; use it as an engine's clock: `Engine(clock=loop.time)`."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self._now = 0.0
        self.in_threads = 0
        """Number of answers of threads that the loop waits for, such as those of plain functions and of stores."""
        super().__init__(selector)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Advance the virtual time."""
        self._now += seconds
        # asyncio runs timers due within its clock resolution; after months a float cannot resolve a nanosecond.
        self._clock_resolution = max(1e-9, 2 * math.ulp(self._now))

    def on_thread_answer(self, _: object) -> None:
        """Let the time go on after the answer of a thread."""
        self.in_threads -= 1

    def wall(self) -> int:
        """Return virtual UTC microseconds, from 2026-01-01T00:00:00Z: `Engine(wall=loop.wall)`."""
        return 1_767_225_600_000_000 + round(self._now * 1e6)


def stop_time_until(answer: asyncio.Future[Any]) -> None:
    """Stop virtual time until a thread settles a future of this loop. In any other loop this does nothing."""
    loop = answer.get_loop()
    if isinstance(loop, VirtualTimeLoop):
        loop.in_threads += 1
        answer.add_done_callback(loop.on_thread_answer)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
