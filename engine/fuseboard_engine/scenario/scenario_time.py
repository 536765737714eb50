"""The time of a scenario: how much of it has passed, in the event loop that plays it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_engine.scenario.paced_time import PacedLoop
from fuseboard_engine.virtual_time import VirtualTimeLoop


class ScenarioTime:
    """The time of a scenario that plays in the running event loop, in that loop's time.

    Args:
        wall: UTC microseconds, the time of events; the default is the wall time of the loop.
    """

    def __init__(self, wall: Callable[[], int] | None = None) -> None:
        self.loop = loop = asyncio.get_running_loop()
        """The loop that plays it."""
        self.paced = loop if isinstance(loop, PacedLoop) else None
        """The loop that plays it, if it has a pace."""
        if wall is None:
            wall = loop.wall if isinstance(loop, PacedLoop | VirtualTimeLoop) else wall_clock
        self.wall = wall
        """Returns the time of events, UTC microseconds."""
        self.began = loop.time()
        """When the scenario began, in the loop's time."""

    def begin(self) -> None:
        """Let the scenario begin now."""
        self.began = self.loop.time()

    @property
    def position(self) -> float:
        """Seconds of the scenario that have passed."""
        return self.loop.time() - self.began

    @property
    def pace(self) -> float:
        """Seconds of the scenario per second; 0 while it is stopped."""
        if self.paced is None:
            return 1.0
        return 0.0 if self.paced.paused else self.paced.speed

    async def until(self, position: float) -> None:
        """Wait until a position in the scenario; yield to other tasks once if it is already past it."""
        await asyncio.sleep(max(0.0, position - self.position))
