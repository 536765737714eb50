"""The speed of a scenario's script: its traffic and timeline, but not its adapters and breakers."""

from __future__ import annotations

import asyncio
from contextlib import suppress

SLOWEST, FASTEST = 0.25, 64.0
"""What a speed may be."""


class ScriptClock:
    """The script's own time, in seconds from its start; its speed can be changed while it runs.

    Breakers and adapters take their real time at any speed, because they are what the scenario shows.
    """

    def __init__(self, speed: float = 1.0) -> None:
        """Start at position 0. `speed` is in seconds of the script per second.

        Raises:
            ValueError: it is outside `SLOWEST` and `FASTEST`.
        """
        self._speed = _checked(speed)
        self._start = 0.0  # in the loop's time
        self._start_position = 0.0  # in the script's
        self._speed_changed = asyncio.Event()

    @property
    def speed(self) -> float:
        """Seconds of the script per second."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        speed = _checked(speed)
        self._start_position = self.position
        self._start = asyncio.get_running_loop().time()
        self._speed = speed
        self._speed_changed.set()
        self._speed_changed = asyncio.Event()

    @property
    def position(self) -> float:
        """Seconds of the script that have passed."""
        return self._start_position + (asyncio.get_running_loop().time() - self._start) * self._speed

    def begin(self) -> None:
        """Restart at position 0, now."""
        self._start = asyncio.get_running_loop().time()
        self._start_position = 0.0

    async def until(self, position: float) -> None:
        """Wait until the script is at `position` seconds; yield to other tasks once if it is already past it."""
        while (left := (position - self._start_position) / self._speed + self._start - _now()) > 0:
            changed = self._speed_changed
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await changed.wait()
                    continue
            return
        await asyncio.sleep(0)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _checked(speed: float) -> float:
    if not SLOWEST <= speed <= FASTEST:
        raise ValueError(f"the speed must be between {SLOWEST:g} and {FASTEST:g}, not {speed:g}")
    return speed
