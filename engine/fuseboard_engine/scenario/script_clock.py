"""How fast a scenario's script runs: its traffic and its timeline, not the adapters and breakers it meets."""

from __future__ import annotations

import asyncio
from contextlib import suppress

SLOWEST, FASTEST = 0.25, 64.0
"""What a speed may be."""


class ScriptClock:
    """The script's own time, in seconds from its beginning; its speed can be changed while it runs.

    Breakers wait, and adapters take, as long as they do at any speed: that is what is shown.
    """

    def __init__(self, speed: float = 1.0) -> None:
        """Stand at the beginning. `speed` is in seconds of the script per second.

        Raises:
            ValueError: it is not within `SLOWEST` and `FASTEST`.
        """
        self._speed = _checked(speed)
        self._begun_at = 0.0  # in the loop's time
        self._at_begun_at = 0.0  # in the script's
        self._speed_changed = asyncio.Event()

    @property
    def speed(self) -> float:
        """Seconds of the script per second."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        speed = _checked(speed)
        self._at_begun_at = self.position
        self._begun_at = asyncio.get_running_loop().time()
        self._speed = speed
        self._speed_changed.set()
        self._speed_changed = asyncio.Event()

    @property
    def position(self) -> float:
        """Seconds of the script that have passed."""
        return self._at_begun_at + (asyncio.get_running_loop().time() - self._begun_at) * self._speed

    def begin(self) -> None:
        """Stand at the beginning, now."""
        self._begun_at = asyncio.get_running_loop().time()
        self._at_begun_at = 0.0

    async def until(self, position: float) -> None:
        """Wait until the script is at `position` seconds; let others run once if it is already."""
        while (left := (position - self._at_begun_at) / self._speed + self._begun_at - _now()) > 0:
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
        raise ValueError(f"a speed is between {SLOWEST:g} and {FASTEST:g}, not {speed:g}")
    return speed
