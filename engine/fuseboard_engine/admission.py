"""What stands before every attempt while an engine shuts down, or its protection is switched off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fuseboard_engine.errors import Rejected, SoftFailure
from fuseboard_engine.events import Attempt
from fuseboard_engine.registry import Adapter
from fuseboard_engine.route import RouteUnderWay

Gate = Callable[[Adapter, RouteUnderWay], Awaitable[bool | None]]
"""Asked before an attempt. None: go on as ever. Else it has dealt with this adapter; True ends the route."""


class Running:
    """The tasks with a call in flight, so that a shutdown can wait for them and cancel those that hang."""

    __slots__ = ("tasks",)

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()

    def enter(self) -> asyncio.Task[Any] | None:
        """Note that the present task makes a call. None: it does already, so the call within stands for nothing."""
        task = asyncio.current_task()
        if task is None or task in self.tasks:
            return None
        self.tasks.add(task)
        return task

    def leave(self, task: asyncio.Task[Any]) -> None:
        """Note that the call has ended."""
        self.tasks.discard(task)

    def cancel(self) -> int:
        """Cancel every task that has a call in flight, in whichever thread its loop runs; return how many."""
        hanging = [task for task in list(self.tasks) if not task.done()]
        for task in hanging:
            task.get_loop().call_soon_threadsafe(task.cancel)
        return len(hanging)


class ShuttingDown(Rejected):
    """The engine is shutting down and takes no new work; no adapter was called."""

    def __str__(self) -> str:
        return "shutting down: no new work is taken"


async def straight_through(adapter: Adapter, route: RouteUnderWay) -> bool:
    """Call an adapter once, with no breaker, no retry and no time limit, and count nothing. A gate."""
    name = adapter.name
    try:
        lifecycle = adapter.lifecycle
        if lifecycle is not None and not lifecycle.ready:
            await lifecycle.initialize(None)
        result = await adapter.call(route.task)
        soft = adapter.failed(result)
        if soft is not None:
            raise SoftFailure(soft)
    except Exception as error:
        route.fail(error)
        why = "fault tolerance is off: it was called once, and nothing is held against it"
        attempt = Attempt(
            adapter=name,
            outcome="ignored",
            number=1,
            error_type=type(error).__name__,
            error=route.error or "",
            why=why,
        )
        route.attempts.append(attempt)
        return False
    route.attempts.append(Attempt(adapter=name, outcome="success", number=1, why="fault tolerance is off"))
    route.adapter, route.result = name, result
    return True
