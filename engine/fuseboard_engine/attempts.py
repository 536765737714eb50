"""Making an adapter's attempts: leave from its breaker, the call within its time, the verdict, what follows.

The one implementation behind fallback chains and fan-outs. What decides is elsewhere: the breaker says whether an
adapter may be called, the attribution table whom an error blames, `next_step` what follows.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from fuseboard_engine.adapters.objects import first_call
from fuseboard_engine.attribution import Rule, Table
from fuseboard_engine.errors import AdapterDown, AttemptTimeout, CircuitOpen, DeadlineExceeded, SoftFailure, text_of
from fuseboard_engine.events import Attempt, AttemptFailed, Event
from fuseboard_engine.health import KnownDown
from fuseboard_engine.invoke import within
from fuseboard_engine.permit import Permit
from fuseboard_engine.policy import RetryPolicy
from fuseboard_engine.registry import Adapter, Registry
from fuseboard_engine.retry import Step, next_step
from fuseboard_engine.route import RouteUnderWay

if TYPE_CHECKING:
    from fuseboard_engine.admission import Gate, Running

A_MOMENT = 0.001  # seconds; a timer may ring that much early


class Attempts:
    """Makes the attempts of one adapter for one route.

    Args:
        registry: says which adapters of an order there are.
        emit: told of every failed attempt; must not raise.
        table: the attribution table.
        clock: seconds, never going back. wall: UTC microseconds, a label. rng: like `random.random`.
    """

    __slots__ = ("_clock", "_emit", "_find", "_rng", "_table", "_wall", "gate", "running")

    def __init__(
        self,
        registry: Registry,
        emit: Callable[[Event], None],
        table: Table,
        clock: Callable[[], float],
        wall: Callable[[], int],
        rng: Callable[[], float],
    ) -> None:
        self._find = registry.find
        self._emit = emit
        self._table = table
        self._clock = clock
        self._wall = wall
        self._rng = rng
        self.gate: Gate | None = None
        """Asked before every attempt, while the engine shuts down or its protection is off."""
        self.running: Running | None = None
        """The tasks with a call in flight; None: nobody wants to know."""

    async def make(self, adapter: Adapter, route: RouteUnderWay, policy: RetryPolicy) -> bool:
        """Make this adapter's attempts. True when the route ends here, whatever its outcome."""
        name, clock, until = adapter.name, self._clock, route.until
        if route.only is not None and route.only not in adapter.handles:
            reject(adapter, route, f"it does not handle {route.only}")
            return False
        number, wait, remaining = 0, 0.0, None
        limit = policy.attempt_timeout
        while True:
            if self.gate is not None and (settled := await self.gate(adapter, route)) is not None:
                return settled
            if until is not None:
                remaining = until - clock()
                if remaining <= 0:
                    self.too_late(adapter, route, number)
                    return True
                limit = remaining if policy.attempt_timeout is None else min(policy.attempt_timeout, remaining)
            if adapter.down is not None and self.is_down(adapter, adapter.down, route, number):
                return False
            try:
                permit = adapter.breaker.admit()
            except CircuitOpen as refusal:
                self.refused(adapter, route, number, refusal)
                return False
            number += 1
            if number == 1:
                adapter.budget.deposit()
            else:
                adapter.retries += 1
            adapter.calls += 1
            adapter.in_flight += 1
            caller = None if self.running is None else self.running.enter()
            began = clock()
            try:
                lifecycle = adapter.lifecycle
                if lifecycle is None or lifecycle.ready:
                    result = await within(adapter.call, route.task, name, limit)
                else:
                    result = await first_call(lifecycle, adapter.call, route.task, name, limit, policy.initialize_share)
                soft = adapter.failed(result)
                if soft is not None:
                    raise SoftFailure(soft)
                if route.cut:  # it made light of being cancelled; nobody waits for it any more
                    raise asyncio.CancelledError(route.cut)
            except BaseException as raised:
                duration = clock() - began
                if route.cut or not isinstance(raised, Exception):
                    release(adapter, route, permit, number, wait, duration)
                    raise
                error = raised
            else:
                duration = clock() - began
                permit.success(duration)
                adapter.successes += 1
                adapter.seconds += duration
                if adapter.latency is not None:
                    adapter.latency.add(duration)
                route.attempts.append(
                    Attempt(adapter=name, outcome="success", number=number, wait=wait, duration=duration)
                )
                route.adapter, route.result = name, result
                return True
            finally:
                adapter.in_flight -= 1
                if caller is not None and self.running is not None:
                    self.running.leave(caller)
            if (
                until is not None
                and limit == remaining
                and isinstance(error, AttemptTimeout)
                and clock() > until - A_MOMENT
            ):
                if route.cut_at_end:
                    route.cut = f"not done within the {route.bound}"
                    release(adapter, route, permit, number, wait, duration)
                    del error
                    return True
                if number > 1 or not route.patience:
                    timeout, error = error, cut_short(route, name)
                    error.__cause__ = timeout
                    del timeout
            step = self.after_failure(adapter, route, policy, permit, error, number, wait, duration)
            del error  # its traceback leads to this frame: without the cycle it is freed at once
            if step.then != "retry":
                return step.then == "stop"
            wait = step.delay
            if wait > 0:
                await asyncio.sleep(wait)

    def is_down(self, adapter: Adapter, down: KnownDown, route: RouteUnderWay, number: int) -> bool:
        """Skip an adapter whose health check was bad, unless this is the route's last resort."""
        left = down.until - self._clock()
        if left <= 0 or route.last_resort:
            return False
        reject(adapter, route, str(down), left)
        if number:
            adapter.failures += 1
        elif route.exception is None:
            route.fail(AdapterDown(f"{adapter.name} is {down}"))
        return True

    def too_late(self, adapter: Adapter, route: RouteUnderWay, made: int) -> None:
        """Note that the task's deadline passed before the next attempt of an adapter that had `made` so many."""
        route.fail(DeadlineExceeded(f"the {route.bound} of task {route.id} passed before {adapter.name} was asked"))
        if made:
            adapter.failures += 1
        else:
            route.reached -= 1

    def refused(self, adapter: Adapter, route: RouteUnderWay, made: int, refusal: CircuitOpen) -> None:
        """Note that an adapter's breaker refused the next attempt after it had `made` so many."""
        reject(adapter, route, str(refusal), refusal.retry_after)
        if made:
            adapter.failures += 1
        elif route.exception is None:
            route.fail(refusal)

    def after_failure(
        self,
        adapter: Adapter,
        route: RouteUnderWay,
        policy: RetryPolicy,
        permit: Permit,
        error: Exception,
        number: int,
        wait: float,
        duration: float,
        *,
        first_item: float | None = None,
        items: int = 0,
        stop: str = "",
    ) -> Step:
        """Settle a failed attempt, tell of it, and decide what follows.

        `first_item` and `items` are what a stream had brought. `stop` says why the route must end here; empty: it need
        not.
        """
        rule, retry_after = self._table.read(error)
        kind, message = type(error).__name__, text_of(error)
        route.exception, route.error = error, message or kind
        if rule.only_handlers:
            route.only = rule.name
        text = f"{kind}: {message}" if message else kind
        self._settle(adapter, route, permit, rule, error, text, duration, retry_after)
        breaker, now = adapter.breaker, self._clock()
        if stop:
            step = Step("stop", 0.0, stop)
        else:
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
            first_item=first_item,
            items=items,
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
                context=route.context,
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
        find = self._find
        for other in order:  # noqa: SIM110 - a generator costs four times as much
            if other != name and find(other) is not None:
                return True
        return False


def cut_short(route: RouteUnderWay, adapter: str) -> DeadlineExceeded:
    """Return the error of an attempt that the end of all cut short: the caller's doing, not the adapter's."""
    return DeadlineExceeded(f"the {route.bound} of task {route.id} passed while {adapter} was at it")


def release(adapter: Adapter, route: RouteUnderWay, permit: Permit, number: int, wait: float, duration: float) -> None:
    """Give the permit of a call that was cut short back, without a verdict, and note that in the route."""
    permit.release()
    if adapter.latency is not None:
        adapter.latency.add(duration)
    route.attempts.append(
        Attempt(adapter=adapter.name, outcome="cancelled", number=number, wait=wait, duration=duration, why=route.cut)
    )


def reject(adapter: Adapter, route: RouteUnderWay, why: str, retry_after: float | None = None) -> None:
    """Note in the route that an adapter was skipped, and why."""
    adapter.rejections += 1
    route.attempts.append(Attempt(adapter=adapter.name, outcome="rejected", why=why, retry_after=retry_after))
