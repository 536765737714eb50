"""The workflow runs of an engine that are in progress or were interrupted, so that a shutdown can name them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

MAX_INTERRUPTED: Final = 100
"""Interrupted runs that are remembered; the oldest are dropped."""


class InterruptedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that ended early. `nodes` are the unfinished ones; `kept` says whether the run was saved."""

    run: str
    workflow: str
    nodes: tuple[str, ...] = ()
    kept: bool = False
    registered: bool = False
    """Whether the engine knows the workflow by its id, so that the run's id is enough to resume it."""


class ActiveRuns:
    """The runs of one engine. Used in the engine's loop only."""

    def __init__(self) -> None:
        self.active: dict[str, Callable[[], InterruptedRun]] = {}
        """The runs in progress by id, each with a function that returns what is unfinished now."""
        self.interrupted: dict[str, InterruptedRun] = {}
        """The last hundred runs that ended early and were not resumed since."""
        self.resumes: set[asyncio.Task[None]] = set()
        """The tasks of operators' resumes. The event loop itself holds no strong reference to a task."""

    def begin(self, run: str, unfinished: Callable[[], InterruptedRun]) -> None:
        """Add a run in progress; `unfinished` returns what is left of it."""
        self.interrupted.pop(run, None)
        self.active[run] = unfinished

    def end(self, run: InterruptedRun, interrupted: bool) -> None:
        """Remove a run from those in progress, and remember it if it was interrupted."""
        self.active.pop(run.run, None)
        if interrupted:
            self.interrupted[run.run] = run
            if len(self.interrupted) > MAX_INTERRUPTED:
                del self.interrupted[next(iter(self.interrupted))]

    async def stop(self) -> None:
        """Cancel the runs that operators resumed, and wait until their state is saved."""
        here = asyncio.get_running_loop()
        tasks = [task for task in self.resumes if task.get_loop() is here and task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def unfinished(self) -> tuple[InterruptedRun, ...]:
        """Return the interrupted runs and those still in progress."""
        return (*self.interrupted.values(), *(unfinished() for unfinished in self.active.values()))
