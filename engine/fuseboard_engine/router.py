"""The router: takes a task along its chain until an adapter answers.

This is the thin shell around what decides: the breaker says whether an adapter may be called, the attribution table
whom an error blames, `next_step` what follows. The router awaits, and tells.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import time
from collections.abc import Callable, Iterable
from typing import Any

from fuseboard_engine.attribution import DEFAULT_TABLE, Rule, Table, retry_after_of
from fuseboard_engine.breaker import Permit, describe, wall_clock
from fuseboard_engine.degradation import Degradation
from fuseboard_engine.errors import AttemptTimeout, CircuitOpen, DeadlineExceeded, SoftFailure, text_of
from fuseboard_engine.events import Attempt, AttemptFailed, Event
from fuseboard_engine.invoke import within
from fuseboard_engine.policy import RetryPolicy
from fuseboard_engine.registry import Adapter, Registry
from fuseboard_engine.retry import Step, next_step
from fuseboard_engine.route import RouteResult, RouteUnderWay, Task, identify


class TaskRouter:
    """Routes tasks over the adapters of a registry.

    Args:
        registry: the adapters and their chains.
        emit: told of every event; must not raise.
        table: the attribution table.
        clock: seconds, never going back. wall: UTC microseconds, a label. rng: like `random.random`.
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
        self._rng = rng
        # Ids made up for tasks that have none: short, and not those of the run before.
        self._ids = itertools.count((wall() // 1_000_000 % 0xFFFF) << 16)
        self.degradation: Degradation | None = None
        """What answers when a chain is exhausted; None: nothing does."""

    async def execute_with_fallback(
        self,
        task: Any,
        preference_order: Iterable[str] | None = None,
        *,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> RouteResult:
        """Give a task to the first adapter of its chain that does it.

        Each adapter is asked at most `max_attempts` times, with backoff; one that may not be called is skipped. The
        result tells every attempt and rejection. An adapter is called with `task` as it was given here.

        Args:
            task: a `Task`, a mapping (its `task_type` chooses the chain), or any payload.
            preference_order: the chain for this task; default: that of its type, or the default one.
            deadline: seconds the whole route may take; default: the task's own, or none.
            retry: replaces each adapter's own retry policy for this task.

        Returns:
            The route. It raises for no failure of an adapter; `unwrap()` does.

        Raises:
            asyncio.CancelledError: the caller was cancelled; the call in flight was cancelled and has ended.
        """
        task_id, task_type = identify(task)
        if preference_order is not None:
            order, why = tuple(preference_order), "order of this call"
        else:
            order, why = self.registry.order_for(task_type)
        if deadline is None and isinstance(task, Task):
            deadline = task.deadline
        begun = self._clock()
        route = RouteUnderWay(
            task,
            task_id or f"{next(self._ids):x}",
            task_type,
            order,
            why,
            begun,
            None if deadline is None else begun + deadline,
            [],
        )
        find = self.registry.find
        try:
            for name in order:
                route.reached += 1
                adapter = find(name)
                if adapter is None:
                    route.why += f"; {name} is not registered"
                elif await self._ask(adapter, route, retry or adapter.retry):
                    break
            if route.adapter is None and self.degradation is not None:
                await self.degradation.answer(route)
        except BaseException as error:
            route.error = "the caller gave up" if not isinstance(error, Exception) else describe(error)
            self._finish(route)
            raise
        return self._finish(route)

    async def _ask(self, adapter: Adapter, route: RouteUnderWay, policy: RetryPolicy) -> bool:
        """Make this adapter's attempts. True when the route ends here, whatever its outcome."""
        name, clock, until = adapter.name, self._clock, route.until
        if route.only is not None and route.only not in adapter.handles:
            reject(adapter, route, f"it does not handle {route.only}")
            return False
        number, wait, remaining = 0, 0.0, None
        limit = policy.attempt_timeout
        while True:
            if until is not None:
                remaining = until - clock()
                if remaining <= 0:
                    route.fail(DeadlineExceeded(f"the deadline of task {route.id} passed before {name} was asked"))
                    if number:
                        adapter.failures += 1
                    else:
                        route.reached -= 1
                    return True
                limit = remaining if policy.attempt_timeout is None else min(policy.attempt_timeout, remaining)
            try:
                permit = adapter.breaker.admit()
            except CircuitOpen as refusal:
                reject(adapter, route, str(refusal), refusal.retry_after)
                if number:
                    adapter.failures += 1
                elif route.exception is None:
                    route.fail(refusal)
                return False
            number += 1
            if number == 1:
                adapter.budget.deposit()
            else:
                adapter.retries += 1
            adapter.calls += 1
            adapter.in_flight += 1
            began = clock()
            try:
                result = await within(adapter.call, route.task, name, limit)
                soft = adapter.failed(result)
                if soft is not None:
                    raise SoftFailure(soft)
            except Exception as raised:
                duration = clock() - began
                error = raised
            except BaseException:
                permit.release()
                route.attempts.append(
                    Attempt(adapter=name, outcome="cancelled", number=number, wait=wait, duration=clock() - began)
                )
                raise
            else:
                duration = clock() - began
                permit.success(duration)
                adapter.successes += 1
                adapter.seconds += duration
                route.attempts.append(
                    Attempt(adapter=name, outcome="success", number=number, wait=wait, duration=duration)
                )
                route.adapter, route.result = name, result
                return True
            finally:
                adapter.in_flight -= 1
            if until is not None and limit == remaining and isinstance(error, AttemptTimeout):
                # Cut short by the task's deadline: the caller's doing, not the adapter's.
                timeout = error
                error = DeadlineExceeded(f"the deadline of task {route.id} passed while {name} was at it")
                error.__cause__ = timeout
                del timeout
            step = self._after_failure(adapter, route, policy, permit, error, number, wait, duration)
            del error  # its traceback leads to this frame: without the cycle it is freed at once
            if step.then != "retry":
                return step.then == "stop"
            wait = step.delay
            if wait > 0:
                await asyncio.sleep(wait)

    def _after_failure(
        self,
        adapter: Adapter,
        route: RouteUnderWay,
        policy: RetryPolicy,
        permit: Permit,
        error: Exception,
        number: int,
        wait: float,
        duration: float,
    ) -> Step:
        """Settle a failed attempt, tell of it, and decide what follows."""
        rule = self.table.attribute(error)
        retry_after = retry_after_of(error)
        kind, message = type(error).__name__, text_of(error)
        route.exception, route.error = error, message or kind
        if rule.only_handlers:
            route.only = rule.name
        text = f"{kind}: {message}" if message else kind
        self._settle(adapter, route, permit, rule, error, text, duration, retry_after)
        breaker, now = adapter.breaker, self._clock()
        step = next_step(
            rule,
            error,
            policy=policy,
            number=number,
            others=self._has_others(route.order[route.reached :], adapter.name),
            remaining=None if route.until is None else route.until - now,
            retry_after=retry_after,
            open_for=breaker.snapshot().retry_after if breaker.state == "open" else None,
            budget=adapter.budget,
            now=now,
            random=self._rng,
        )
        if step.then != "retry" and rule.counts:
            adapter.failures += 1
        attempt = Attempt(
            adapter=adapter.name,
            outcome="failure" if rule.counts else "ignored",
            number=number,
            wait=wait,
            duration=duration,
            rule=rule.name,
            error_type=kind,
            error=message,
            why=step.why,
            failures=breaker.failures,
            retry_after=retry_after,
        )
        route.attempts.append(attempt)
        self._emit(
            AttemptFailed(
                at=self._wall(),
                task=route.id,
                task_type=route.type,
                attempt=attempt,
                then=step.then,
                delay=step.delay,
                threshold=breaker.policy.failure_threshold,
            )
        )
        return step

    def _settle(
        self,
        adapter: Adapter,
        route: RouteUnderWay,
        permit: Permit,
        rule: Rule,
        error: Exception,
        text: str,
        duration: float,
        retry_after: float | None,
    ) -> None:
        """Tell the breaker, and count, whom a failed attempt is held against. `text` is the error's type and text."""
        if not rule.counts:
            permit.ignored()
            return
        if rule.opens and self._has_others(route.order, adapter.name):
            permit.failure("rate_limited", duration, retry_after, text)
            return
        if rule.name == "timeout":
            adapter.timeouts += 1
            if isinstance(error, AttemptTimeout):
                duration = math.inf  # it would have taken longer still: slow by any limit
        permit.failure("error", duration, None, text)

    def _has_others(self, order: tuple[str, ...], name: str) -> bool:
        """Say whether an order holds a registered adapter besides the named one."""
        find = self.registry.find
        for other in order:  # noqa: SIM110 - a generator costs four times as much
            if other != name and find(other) is not None:
                return True
        return False

    def _finish(self, route: RouteUnderWay) -> RouteResult:
        event, result = route.finished(self._wall(), self._clock() - route.begun)
        self._emit(event)
        return result


def reject(adapter: Adapter, route: RouteUnderWay, why: str, retry_after: float | None = None) -> None:
    """Note in the route that an adapter was skipped, and why."""
    adapter.rejections += 1
    route.attempts.append(Attempt(adapter=adapter.name, outcome="rejected", why=why, retry_after=retry_after))
