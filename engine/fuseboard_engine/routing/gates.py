"""Admission of attempts: whether an adapter may be called now, and the gates that may prevent a call.

`admit` is asked before every attempt. A gate is asked before that while the engine shuts down or its protection is
switched off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

from fuseboard_engine.adapters.registry import Adapter, soft_failure
from fuseboard_engine.adapters.timeouts import within
from fuseboard_engine.breaker.permit import Permit
from fuseboard_engine.errors import AdapterDown, CircuitOpen, DeadlineExceeded, Rejected, text_of
from fuseboard_engine.events import Attempt
from fuseboard_engine.routing.route import ActiveRoute
from fuseboard_engine.runtime.cancellation import call_in_loop
from fuseboard_engine.runtime.overdue_calls import OverdueCalls

Gate = Callable[[Adapter, ActiveRoute], Awaitable[bool | None]]
"""Called before an attempt; returns None to proceed. Else the gate has handled the adapter; True ends the route."""


def admit(adapter: Adapter, route: ActiveRoute, made: int, clock: Callable[[], float]) -> Permit | None:
    """Return the breaker's permit for the next attempt on an adapter, counted as in flight; or None.

    None means that the adapter is skipped, or that the route's deadline has passed (`route.expired`); the route says
    why.

    Args:
        adapter: the adapter.
        route: the task's route.
        made: how many attempts on this adapter the route has made.
        clock: monotonic seconds.
    """
    if (route.until is not None or route.only_handlers_of is not None) and not is_eligible(adapter, route, made, clock):
        return None
    if adapter.down is not None and _is_down(adapter, route, made, clock()):
        return None
    try:
        permit = adapter.breaker.admit()
    except CircuitOpen as refusal:
        _skip(adapter, route, made, refusal, refusal.why, refusal.retry_after)
        return None
    if made:
        adapter.retries += 1
    else:
        adapter.budget.first_attempts += 1
    adapter.calls += 1
    adapter.in_flight += 1
    return permit


def is_eligible(adapter: Adapter, route: ActiveRoute, made: int, clock: Callable[[], float]) -> bool:
    """Return whether an adapter handles the task and the task has time left. If not, the route says so."""
    required = route.only_handlers_of
    if required is not None and not made and required not in adapter.handles:
        reject(adapter, route, f"it does not handle {required}")
        return False
    if route.until is not None and clock() >= route.until:
        route.expired = True
        route.fail(
            DeadlineExceeded(f"the {route.limit_name} of task {route.id} passed before {adapter.name} was called")
        )
        if made:
            adapter.failures += 1
        else:
            route.reached -= 1
        return False
    return True


def _is_down(adapter: Adapter, route: ActiveRoute, made: int, now: float) -> bool:
    """Return whether a failed health check rules an adapter out; a last resort ignores it."""
    down = adapter.down
    if down is None or route.last_resort or down.until <= now:
        return False
    _skip(adapter, route, made, AdapterDown(f"{adapter.name} is {down}"), str(down), down.until - now)
    return True


def _skip(
    adapter: Adapter, route: ActiveRoute, made: int, refusal: Rejected, why: str, retry_after: float | None
) -> None:
    """Note a refusal in the route. It is the route's error only while no adapter has failed."""
    reject(adapter, route, why, retry_after)
    if made:
        adapter.failures += 1
    elif route.exception is None or isinstance(route.exception, Rejected):
        route.exception, route.error = refusal, why if isinstance(refusal, CircuitOpen) else str(refusal)


def reject(adapter: Adapter, route: ActiveRoute, why: str, retry_after: float | None = None) -> None:
    """Note in the route that an adapter was skipped, and why."""
    adapter.rejections += 1
    route.attempts.append(Attempt(adapter=adapter.name, outcome="rejected", why=why, retry_after=retry_after))


class InFlightTasks:
    """The tasks with a call in flight, so that a shutdown can cancel those that hang."""

    __slots__ = ("tasks",)

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()

    def enter(self) -> asyncio.Task[Any] | None:
        """Record that the current task makes a call. Return None for an inner call, which does not count."""
        task = asyncio.current_task()
        if task is None or task in self.tasks:
            return None
        self.tasks.add(task)
        return task

    def leave(self, task: asyncio.Task[Any]) -> None:
        """Record that the call has ended."""
        self.tasks.discard(task)

    def cancel(self, but: Collection[asyncio.Task[Any]] = ()) -> int:
        """Cancel every task with a call in flight, in the thread of its loop. Return how many.

        Args:
            but: tasks that are not cancelled.
        """
        hanging = [task for task in list(self.tasks) if not task.done() and task not in but]
        for task in hanging:
            call_in_loop(task.get_loop(), task.cancel)
        return len(hanging)


class OpenStream(Protocol):
    """The protocol of a stream for `OpenStreams`; `StreamAttempt` implements it."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it is read in."""

    @property
    def reader(self) -> asyncio.Task[Any] | None:
        """The task that read an item last."""

    def stop(self) -> None:
        """Raise `ShuttingDown` from the read in progress, or from the next one. Called in its loop."""


class OpenStreams:
    """The streams in progress, so that a shutdown can end them and notify their consumers."""

    __slots__ = ("streams",)

    def __init__(self) -> None:
        self.streams: set[OpenStream] = set()

    def stop(self) -> set[asyncio.Task[Any]]:
        """End every stream. Return the tasks that read them."""
        streams = list(self.streams)
        for stream in streams:
            call_in_loop(stream.loop, stream.stop)
        return {stream.reader for stream in streams if stream.reader is not None}

    def cancel(self) -> None:
        """Cancel the tasks that read the streams, for those that were stopped and are not read any more."""
        for reader in {stream.reader for stream in list(self.streams)}:
            if reader is not None and not reader.done():
                call_in_loop(reader.get_loop(), reader.cancel)


class ShuttingDown(Rejected):
    """The engine is shutting down: it accepts no new work, and no adapter was called; or it ended a stream."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else "shutting down: no new work is taken"


class BypassGate:
    """A gate that calls an adapter once, without breaker or retry, and counts nothing. Deadlines still apply.

    Args:
        clock: monotonic seconds.
        running: returns the tracker of calls in flight, or None.
        overdue: watches the calls that continue after the deadline.
    """

    def __init__(
        self, clock: Callable[[], float], running: Callable[[], InFlightTasks | None], overdue: OverdueCalls
    ) -> None:
        self._clock = clock
        self._overdue = overdue
        self._running = running

    async def __call__(self, adapter: Adapter, route: ActiveRoute) -> bool:
        """Call the adapter. True ends the route: the adapter answered, or the task's time is over."""
        if not is_eligible(adapter, route, 0, self._clock):
            return route.expired
        name, began, running = adapter.name, self._clock(), self._running()
        caller = None if running is None else running.enter()
        adapter.in_flight += 1
        try:
            limit = None if route.until is None else max(0.0, route.until - began)
            if adapter.lifecycle is not None and not adapter.lifecycle.ready:
                await adapter.lifecycle.initialize(limit)
                limit = None if route.until is None else max(0.0, route.until - self._clock())
            result = await within(adapter.call, route.task, name, limit, self._overdue)
            soft = adapter.failed(result)
            if soft is not None and soft is not False:
                raise soft_failure(soft)
        except Exception as error:
            self._record(adapter, route, began, error)
            return route.until is not None and self._clock() >= route.until
        finally:
            adapter.in_flight -= 1
            if caller is not None and running is not None:
                running.leave(caller)
        self._record(adapter, route, began, None)
        route.adapter, route.result = name, result
        return True

    def _record(self, adapter: Adapter, route: ActiveRoute, began: float, error: Exception | None) -> None:
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
