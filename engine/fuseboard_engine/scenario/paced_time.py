"""An event loop whose time runs at any pace, stops, and jumps, without a change of what happens in it.

As in virtual time, the clock goes from one timer exactly to the next. The pace only decides how long the loop waits
between them, so latencies, waits and countdowns scale together, and a slow host delays a run instead of changing it.
"""

from __future__ import annotations

import math
import selectors
import time
from collections.abc import Callable
from typing import NamedTuple

from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_engine.virtual_time import StoppableLoop

SLOWEST, FASTEST = 0.25, 64.0
"""What a speed may be."""
STORE_WAIT = 5.0
"""Real seconds that the time stands still for a store that does not answer; then it goes on."""
LATE = 0.25
"""Real seconds that the loop may be late before it stops catching up."""


class _Anchor(NamedTuple):
    """A moment in both times: `real` and `paced` seconds, and the pace since then; 0 while time stands still."""

    real: float
    paced: float
    pace: float


class _PacingSelector(selectors.DefaultSelector):
    """Waits for a timer as long as the pace says, and then advances the loop's time exactly to it."""

    loop: PacedLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if self.loop.in_threads:
            self.loop.hold()
            if ready := super().select(STORE_WAIT):
                self.loop.end_wait(due=False)
                return ready
        seconds, exact = self.loop.plan_wait(timeout)
        ready = super().select(seconds)
        self.loop.end_wait(exact and not ready)
        return ready


class PacedLoop(StoppableLoop):
    """An event loop in paced time; use it as an engine's clocks: `Engine(clock=loop.time, wall=loop.wall)`.

    Its time starts at 0. Its wall time starts at the present and is ahead of the real one after a fast stretch, and
    behind it after a slow one. While a store writes, its time stands still.

    Args:
        speed: seconds of paced time per real second.
        monotonic: real seconds.
        wall: real UTC microseconds.

    Raises:
        ValueError: `speed` is outside `SLOWEST` and `FASTEST`.
    """

    def __init__(
        self,
        speed: float = 1.0,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = wall_clock,
    ) -> None:
        selector = _PacingSelector()
        selector.loop = self
        self._monotonic = monotonic
        self._speed = 1.0
        self._paused = False
        self._now = 0.0
        self._limit = 0.0  # how far the time may be while the loop waits
        self._skip_to = 0.0
        self._anchor = _Anchor(monotonic(), 0.0, self._speed)
        self._began_at = wall()
        super().__init__(selector)
        try:
            self.speed = speed
        except ValueError:
            self.close()
            raise

    def time(self) -> float:
        """Return the paced time in seconds."""
        return self._now

    def wall(self) -> int:
        """Return the paced wall time, UTC microseconds. While the loop waits, it goes on; any thread may ask."""
        now, limit = self._now, self._limit
        return self._began_at + round(max(now, min(limit, self._paced())) * 1e6)

    @property
    def speed(self) -> float:
        """Seconds of paced time per real second while it is not paused."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._speed = _checked_speed(speed)
        self._set_anchor()

    @property
    def paused(self) -> bool:
        """Whether time stands still. Callbacks from outside, such as an operator's commands, still run."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused = paused
        self._set_anchor()

    def skip_to(self, when: float) -> None:
        """Run without waiting until a paced time, also while paused."""
        self._skip_to = when

    @property
    def skips_to(self) -> float:
        """The paced time until which the loop runs without waiting; the present if it waits."""
        return max(self._now, self._skip_to)

    @property
    def skipping(self) -> bool:
        """Whether the loop runs without waiting."""
        return self._now < self._skip_to

    def _set_anchor(self) -> None:
        self._anchor = _Anchor(self._monotonic(), self._now, 0.0 if self._paused else self._speed)

    def _paced(self) -> float:
        anchor = self._anchor
        return anchor.paced + (self._monotonic() - anchor.real) * anchor.pace

    def plan_wait(self, timeout: float | None) -> tuple[float | None, bool]:
        """Return the real seconds to wait for a timer in `timeout` paced seconds, and whether it is due after them."""
        if self.skipping:
            self._limit = self._skip_to if timeout is None else min(self._now + timeout, self._skip_to)
            return 0, True
        if self._paused:
            self._limit = self._now
            return None, False
        if timeout is None:
            self._limit = math.inf
            return None, False
        self._limit = self._now + timeout
        wait = (self._limit - self._paced()) / self._anchor.pace
        return max(0.0, wait), True

    def hold(self) -> None:
        """Let the time stand still during the next wait."""
        self._limit = self._now

    def end_wait(self, due: bool) -> None:
        """Advance the time: to the timer that was waited for if it is `due`, else as far as real time has gone."""
        skipped = self.skipping
        now = self._limit if due else max(self._now, min(self._limit, self._paced()))
        if now > self._now:
            self._now = now
            # asyncio runs timers due within its clock resolution; after months a float cannot resolve a nanosecond.
            self._clock_resolution = max(1e-9, 2 * math.ulp(now))
        self._limit = self._now
        if skipped or self._paced() - self._now > LATE * self._anchor.pace:
            self._set_anchor()


def _checked_speed(speed: float) -> float:
    """Return a speed. Raise ValueError if it is outside `SLOWEST` and `FASTEST`."""
    if not SLOWEST <= speed <= FASTEST:
        raise ValueError(f"the speed must be between {SLOWEST:g} and {FASTEST:g}, not {speed:g}")
    return speed
