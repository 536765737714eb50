"""The router: calls the adapters of a task's chain until one answers.

It decides the order of the adapters; `AttemptRunner` runs the attempts on each.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypedDict

from fuseboard_engine.adapters.registry import Registry
from fuseboard_engine.context import CURRENT, complete
from fuseboard_engine.errors import describe
from fuseboard_engine.events import Event
from fuseboard_engine.retry.attribution import DEFAULT_TABLE, Rule, Table
from fuseboard_engine.retry.policy import Retry, RetryPolicy, retry_of_call
from fuseboard_engine.routing.all_unavailable import AllUnavailableHandler
from fuseboard_engine.routing.attempt_runner import AttemptRunner
from fuseboard_engine.routing.fallback import Fallbacks
from fuseboard_engine.routing.policy import RouteLimits, limits_of
from fuseboard_engine.routing.route import OF_THIS_CALL, RETRYING, ActiveRoute, RouteResult, Task, identify
from fuseboard_engine.routing.stream_router import RouteStream, StreamRouter
from fuseboard_engine.runtime.arguments import checked_seconds
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_engine.runtime.ids import new_id


class DeadLetterIntake(Protocol):
    """Stores the tasks of failed routes; implemented by `fuseboard_engine.dead_letters.queue.DeadLetters`."""

    async def on_chain_exhausted(self, route: ActiveRoute, seconds: float | None = None) -> None:
        """Keep the task as a dead letter, if the policy says so, and note its number in the route.

        Wait at most `seconds` (None for no limit) until it is durable.
        """


class RoutingStatistics(TypedDict):
    """Counts of an engine's tasks since its creation, fan-outs included, retries of dead letters excluded.

    `failed_over` counts tasks that another adapter than the first completed. `success_rate`, `fallback_rate` and
    `degraded_rate` are shares of all, 0..1; None before the first task. `partial_batches` counts the batches that were
    accepted although not every part succeeded, and `partial_rate` is their share of `batches`, None before the first.
    `breaker_opens` counts how often a breaker opened, by itself or by hand. `overdue_calls` counts the calls that go on
    now although they were cancelled at their time limit more than a second ago, `overdue_calls_total` all such calls.
    """

    tasks: int
    succeeded: int
    failed_over: int
    degraded: int
    failed: int
    success_rate: float | None
    fallback_rate: float | None
    degraded_rate: float | None
    batches: int
    partial_batches: int
    partial_rate: float | None
    breaker_opens: int
    overdue_calls: int
    overdue_calls_total: int


class TaskRouter:
    """Routes tasks over the adapters of a registry.

    Args:
        registry: the adapters and their chains.
        emit: receives every event; must not raise.
        table: the attribution table.
        clock: monotonic seconds. wall: UTC microseconds, to label events. rng: like `random.random`.
    """

    def __init__(
        self,
        registry: Registry,
        emit: Callable[[Event], None],
        *,
        table: tuple[Rule, ...] = DEFAULT_TABLE,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = wall_clock,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self.registry = registry
        self.table = Table(table)
        self._emit = emit
        self._clock = clock
        self._wall = wall
        self.attempts = AttemptRunner(registry, emit, self.table, clock, wall, rng)
        self._run_chain = self.attempts.run_chain
        self._streams = StreamRouter(self, self.attempts, clock)
        self._tasks = self._failed_over = self._degraded = self._failed = 0
        self._batches = self._partial_batches = 0
        self.fallbacks = Fallbacks(self.table.attribute, clock, registry.overdue)
        """The degraded answers for exhausted chains, by task type."""
        self.limits: RouteLimits | None = None
        """How many adapters and calls a task may cost, unless its call sets its own limits; None for no limit."""
        self.on_start: Callable[[ActiveRoute], None] | None = None
        """Called when a chain starts, for the log; must not raise. None while nothing is logged."""
        self.all_out: AllUnavailableHandler | None = None
        """Handles tasks that every adapter refused; None if they fail at once."""
        self.dead_letters: DeadLetterIntake | None = None
        """Stores tasks that no adapter completed; None if they are not stored."""

    async def execute_with_fallback(
        self,
        task: Any,
        preference_order: Iterable[str] | None = None,
        *,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
        context: Mapping[str, str] | None = None,
        max_retries: int | None = None,
        retry_delay_base: float | None = None,
        max_adapters: int | None = None,
        max_attempts: int | None = None,
    ) -> RouteResult:
        """Route a task to the first adapter of its chain that completes it.

        Each adapter is called at most `max_attempts` times, with backoff; one that may not be called is skipped. The
        result lists every attempt and rejection. Adapters are called with `task` unchanged.

        Args:
            task: a `Task`, a mapping (its `task_type` chooses the chain), or any payload.
            preference_order: the chain for this task, or the name of one adapter; default: that of its type, or the
                default one.
            deadline: seconds the whole route may take; default: the task's own, or none.
            retry: replaces each adapter's own retry policy for this task.
            context: ids (request, trace, user, session, correlation) that adapters, events and the result carry;
                default: the task's own.
            max_retries: attempts on each adapter, the first included; default: as its retry policy says.
            retry_delay_base: seconds before the first retry on each adapter; default: likewise.
            max_adapters: how many adapters are called at most; default: as the routing policy says.
            max_attempts: how many calls are made at most, retries included; default: likewise.

        Returns:
            The result. A failure of an adapter is not raised; `unwrap()` raises it.

        Raises:
            TypeError, ValueError: an argument is out of range. Nothing was called.
            asyncio.CancelledError: the caller was cancelled, and the call in flight has ended or passed its limit.
        """
        route = self.start_route(task, preference_order, deadline, context)
        asked: Retry = retry
        if (
            max_retries is not None
            or retry_delay_base is not None
            or max_adapters is not None
            or max_attempts is not None
        ):
            asked = retry_of_call(retry, max_retries, retry_delay_base)
            route.limits = limits_of(max_adapters, max_attempts, self.limits)
        if self.on_start is not None:
            self.on_start(route)
        token = None if route.context is None else CURRENT.set(route.context)
        try:
            if not await self._run_chain(route.order, route, asked) and self.all_out is not None:
                await self.all_out.handle(route, self.attempts.try_adapter, asked)
            if route.adapter is None:
                await self.on_chain_exhausted(route)
        except BaseException as error:
            route.error = "the caller gave up" if not isinstance(error, Exception) else describe(error)
            self.finish_route(route)
            raise
        finally:
            if token is not None:
                CURRENT.reset(token)
        return self.finish_route(route)

    def start_route(
        self,
        task: Any,
        preference_order: Iterable[str] | None,
        deadline: float | None,
        context: Mapping[str, str] | None = None,
    ) -> ActiveRoute:
        """Return the route of a task that starts now; the arguments are those of `execute_with_fallback`."""
        task_id, task_type = identify(task)
        if preference_order is not None:
            order = (preference_order,) if isinstance(preference_order, str) else tuple(dict.fromkeys(preference_order))
            why = OF_THIS_CALL
        else:
            order, why = self.registry.order_for(task_type)
        if type(task) is not dict and isinstance(task, Task):
            if deadline is None:
                deadline = task.deadline
            if context is None:
                context = task.context
        outer = CURRENT.get()
        started = self._clock()
        route = ActiveRoute(
            task,
            task_id or new_id(),
            task_type,
            order,
            why,
            started,
            None if deadline is None else started + checked_seconds(deadline, "deadline"),
            [],
            outer if context is None else complete(context, outer),
        )
        if self.limits is not None:
            route.limits = self.limits
        return route

    def stream_with_fallback(
        self,
        task: Any,
        preference_order: Iterable[str] | None = None,
        *,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
        restartable: bool | None = None,
        context: Mapping[str, str] | None = None,
    ) -> RouteStream:
        """Route a task to the first adapter of its chain that completes it, and yield its items as they arrive.

        Nothing happens before the first item is requested. Failover is as for `execute_with_fallback` until then;
        afterwards the route ends with an error, unless the stream can start over. An adapter that is not a stream
        yields its result as the only item.

        Args:
            task: as for `execute_with_fallback`.
            preference_order: likewise.
            deadline: likewise, until the last item.
            retry: likewise; it also says how long the first item and each further one may take.
            restartable: whether the stream may start over, on this adapter or the next. A `RestartMarker` among its
                items then says that those before it are void. Default: as set for the chain (`set_preference`).
            context: likewise.

        Returns:
            The items, for `async for`, best inside `async with`. Reading it raises `AllAdaptersFailed` when no adapter
            could do the task, and `StreamBroken` when items had been delivered.
        """
        if deadline is not None:
            deadline = checked_seconds(deadline, "deadline")
        if restartable is None:
            restartable = preference_order is None and self.registry.can_restart(identify(task)[1])

        def start() -> ActiveRoute:
            route = self.start_route(task, preference_order, deadline, context)
            if self.on_start is not None:
                self.on_start(route)
            return route

        return self._streams.route(start, retry, restartable)

    async def on_chain_exhausted(self, route: ActiveRoute, may_answer: bool = True, until: float | None = None) -> None:
        """Give a degraded answer if `may_answer` and one is defined; otherwise store a dead letter.

        `until` is when the caller wants an answer, by the engine's clock; default: when the route's deadline passes.
        """
        if may_answer and self.fallbacks.by_type:
            await self.fallbacks.answer(route)
        if self.dead_letters is not None and not route.degraded:
            until = route.until if until is None else until
            seconds = None if until is None else max(0.0, until - self._clock())
            await self.dead_letters.on_chain_exhausted(route, seconds)

    def emit(self, event: type[Event], **fields: Any) -> None:
        """Emit an event that happened now."""
        self._emit(event(at=self._wall(), **fields))

    def count_fan_out(self, route: ActiveRoute) -> None:
        """Count a finished fan-out. Its adapters run side by side, so it never counts as failed over."""
        self._tasks += 1
        if route.adapter is None:
            self._degraded += route.degraded
            self._failed += not route.degraded

    def count_batch(self, *, partial: bool) -> None:
        """Count a finished batch; `partial`: it was accepted although not every part succeeded."""
        self._batches += 1
        self._partial_batches += partial

    def after_fork(self) -> None:
        """Begin without tasks in a forked child, whose parent counts its own."""
        self._tasks = self._failed_over = self._degraded = self._failed = 0
        self._batches = self._partial_batches = 0

    def statistics(self, breaker_opens: int = 0) -> RoutingStatistics:
        """Return the counts and rates of the tasks so far; `breaker_opens` is counted elsewhere."""
        tasks, succeeded = self._tasks, self._tasks - self._degraded - self._failed
        return RoutingStatistics(
            tasks=tasks,
            succeeded=succeeded,
            failed_over=self._failed_over,
            degraded=self._degraded,
            failed=self._failed,
            success_rate=succeeded / tasks if tasks else None,
            fallback_rate=self._failed_over / tasks if tasks else None,
            degraded_rate=self._degraded / tasks if tasks else None,
            batches=self._batches,
            partial_batches=self._partial_batches,
            partial_rate=self._partial_batches / self._batches if self._batches else None,
            breaker_opens=breaker_opens,
            overdue_calls=self.registry.overdue.reported,
            overdue_calls_total=self.registry.overdue.total,
        )

    def finish_route(self, route: ActiveRoute) -> RouteResult:
        """Emit the route's final event, and return its result. The retry of a dead letter is not counted again."""
        again = None if self.dead_letters is None else RETRYING.get()
        if again is not None and again[0] is route.task:
            route.retried_letter = again[1]
        else:
            self._tasks += 1
            if route.adapter is None:
                self._degraded += route.degraded
                self._failed += not route.degraded
            elif route.attempts[0].adapter != route.adapter:
                self._failed_over += 1
        return route.end(self._wall(), self._clock() - route.started, self._emit)
