"""The runs of workflows that an engine is at, and those that were interrupted, so that a shutdown can name them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

KEPT: Final = 100  # interrupted runs that nobody resumed


class InterruptedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was left before its end. `nodes` are those to be done yet, `kept`: it can be resumed."""

    run: str
    workflow: str
    nodes: tuple[str, ...] = ()
    kept: bool = False
    registered: bool = False
    """Whether the engine knows the workflow by its id, so that the run's id is enough to resume it."""


class ActiveRuns:
    """What an engine knows of its runs; it is used in the engine's loop only."""

    def __init__(self) -> None:
        self.now: dict[str, Callable[[], InterruptedRun]] = {}
        """The runs under way, by id; each says what is left of it at the moment."""
        self.interrupted: dict[str, InterruptedRun] = {}
        """Those that ended early and were not resumed since, the last hundred."""
        self.asked: set[asyncio.Task[None]] = set()
        """What carries out operators' commands to resume; the loop itself holds on to no task."""

    def begin(self, run: str, left: Callable[[], InterruptedRun]) -> None:
        """Note that a run is under way; `left` returns what is left of it."""
        self.interrupted.pop(run, None)
        self.now[run] = left

    def end(self, run: InterruptedRun, interrupted: bool) -> None:
        """Note that a run is under way no more."""
        self.now.pop(run.run, None)
        if interrupted:
            self.interrupted[run.run] = run
            if len(self.interrupted) > KEPT:
                del self.interrupted[next(iter(self.interrupted))]

    async def stop(self) -> None:
        """Cancel the runs that operators asked for, and wait until they are saved as they stand."""
        here = asyncio.get_running_loop()
        tasks = [task for task in self.asked if task.get_loop() is here and task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def left(self) -> tuple[InterruptedRun, ...]:
        """Return the runs that are not at their end."""
        return (*self.interrupted.values(), *(left() for left in self.now.values()))
