"""What stands before every attempt while an engine shuts down, or its protection is switched off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fuseboard_engine.adapters.registry import Adapter
from fuseboard_engine.adapters.timeouts import within
from fuseboard_engine.errors import Rejected, SoftFailure, text_of
from fuseboard_engine.events import Attempt
from fuseboard_engine.routing.route import ActiveRoute

Gate = Callable[[Adapter, ActiveRoute], Awaitable[bool | None]]
"""Asked before an attempt. None: go on as ever. Else it has dealt with this adapter; True ends the route."""


class InFlightTasks:
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


class BypassGate:
    """A gate: calls an adapter once, with no breaker and no retry, and counts nothing. A task's deadline still holds.

    Args:
        clock: the engine's.
        running: what keeps track of calls in flight, if anything does.
    """

    def __init__(self, clock: Callable[[], float], running: Callable[[], InFlightTasks | None]) -> None:
        self._clock = clock
        self._running = running

    async def __call__(self, adapter: Adapter, route: ActiveRoute) -> bool:
        """Call it. True ends the route: it answered, or the task's time is over."""
        name, began, running = adapter.name, self._clock(), self._running()
        caller = None if running is None else running.enter()
        adapter.in_flight += 1
        try:
            limit = None if route.until is None else max(0.0, route.until - began)
            if adapter.lifecycle is not None and not adapter.lifecycle.ready:
                await within(adapter.lifecycle.initialize, None, name, limit)
                limit = None if route.until is None else max(0.0, route.until - self._clock())
            result = await within(adapter.call, route.task, name, limit)
            soft = adapter.failed(result)
            if soft is not None:
                raise SoftFailure(soft)
        except Exception as error:
            self._note(adapter, route, began, error)
            return route.until is not None and self._clock() >= route.until
        finally:
            adapter.in_flight -= 1
            if caller is not None and running is not None:
                running.leave(caller)
        self._note(adapter, route, began, None)
        route.adapter, route.result = name, result
        return True

    def _note(self, adapter: Adapter, route: ActiveRoute, began: float, error: Exception | None) -> None:
        if error is not None:
            route.fail(error)
        attempt = Attempt(
            adapter=adapter.name,
            outcome="success" if error is None else "ignored",
            number=1,
            duration=self._clock() - began,
            error_type="" if error is None else type(error).__name__,
            error="" if error is None else text_of(error),
            why="fault tolerance is off: it was called once, and nothing is held against it",
        )
        route.attempts.append(attempt)
