"""Making attempts: leave from the breaker, the call within its time, the verdict, and who is asked next.

The one implementation behind fallback chains and fan-outs. What decides is elsewhere: the breaker says whether an
adapter may be called, the attribution table whom an error blames, `retry` whether it is asked again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Literal

from fuseboard_engine.adapters.lifecycle import first_call
from fuseboard_engine.adapters.registry import Adapter, DownMark, Registry
from fuseboard_engine.adapters.timeouts import awaited, resumed
from fuseboard_engine.breaker.permit import Permit
from fuseboard_engine.errors import (
    AdapterDown,
    AttemptTimeout,
    CircuitOpen,
    DeadlineExceeded,
    Rejected,
    SoftFailure,
    text_of,
)
from fuseboard_engine.events import Attempt, AttemptFailed, Event
from fuseboard_engine.retry.attribution import Table
from fuseboard_engine.retry.decision import no_retry_reason, retry_delay
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.route import ActiveRoute

if TYPE_CHECKING:
    from fuseboard_engine.routing.gates import Gate, InFlightTasks

A_MOMENT = 0.001  # seconds; a timer may ring that much early


class AttemptRunner:
    """Makes the attempts of a route.

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
        self.running: InFlightTasks | None = None
        """The tasks with a call in flight; None: nobody wants to know."""

    def try_adapter(self, name: str, route: ActiveRoute, retry: RetryPolicy | None) -> Coroutine[Any, Any, bool]:
        """Make the attempts of one adapter, as `run_chain` does."""
        return self.run_chain((name,), route, retry)

    async def run_chain(self, names: Iterable[str], route: ActiveRoute, retry: RetryPolicy | None) -> bool:
        """Ask adapters one after another until the route ends; True when it did, whatever its outcome.

        Each is asked as often as `retry` allows (None: its own policy), with backoff. One that is not registered, or
        may not be called, is passed over.
        """
        clock, until, find = self._clock, route.until, self._find
        for wanted in names:
            route.reached += 1
            adapter = find(wanted)
            if adapter is None:
                route.why += f"; {wanted} is not registered"
                continue
            name = adapter.name
            if route.only is not None and route.only not in adapter.handles:
                reject(adapter, route, f"it does not handle {route.only}")
                continue
            policy = retry or adapter.retry
            number, wait, remaining = 0, 0.0, None
            limit = policy.attempt_timeout
            while True:
                if self.gate is not None and (settled := await self.gate(adapter, route)) is not None:
                    if settled:
                        return True
                    break
                if until is not None:
                    remaining = until - clock()
                    if remaining <= 0:
                        self.too_late(adapter, route, number)
                        return True
                    limit = remaining if policy.attempt_timeout is None else min(policy.attempt_timeout, remaining)
                if adapter.down is not None and self.is_down(adapter, adapter.down, route, number):
                    break
                try:
                    permit = adapter.breaker.admit()
                except CircuitOpen as refusal:
                    self.refused(adapter, route, number, refusal)
                    break
                number += 1
                if number == 1:
                    adapter.budget.first_attempts += 1
                else:
                    adapter.retries += 1
                adapter.calls += 1
                adapter.in_flight += 1
                caller = None if self.running is None else self.running.enter()
                began = clock()
                try:
                    lifecycle = adapter.lifecycle
                    if lifecycle is None or lifecycle.ready:
                        # As `within` does it, but without a coroutine in between where the call never waits.
                        call = adapter.call(route.task)
                        if type(call) is CoroutineType:
                            try:
                                waiting_for = call.send(None)
                            except StopIteration as stop:
                                result = stop.value
                            else:
                                result = await awaited(resumed(call, waiting_for), name, limit)
                        else:
                            result = await awaited(call, name, limit)
                    else:
                        result = await first_call(
                            lifecycle, adapter.call, route.task, name, limit, policy.initialize_share
                        )
                    soft = adapter.failed(result)
                    if soft is not None:
                        raise SoftFailure(soft)
                    if route.cut:  # it made light of being cancelled; nobody waits for it any more
                        raise asyncio.CancelledError(route.cut)
                except Exception as raised:
                    duration = clock() - began
                    if route.cut:
                        release(adapter, route, permit, number, wait, duration)
                        raise
                    error = raised
                except BaseException:
                    release(adapter, route, permit, number, wait, clock() - began)
                    raise
                else:
                    ended = clock()
                    duration = ended - began
                    permit.success(duration)
                    adapter.answered_at = ended
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
                    if step.then == "stop":
                        return True
                    break
                wait = step.delay
                if wait > 0:
                    await asyncio.sleep(wait)
        return False

    def is_down(self, adapter: Adapter, down: DownMark, route: ActiveRoute, number: int) -> bool:
        """Skip an adapter whose health check was bad, unless this is the route's last resort."""
        left = down.until - self._clock()
        if left <= 0 or route.last_resort:
            return False
        reject(adapter, route, str(down), left)
        if number:
            adapter.failures += 1
        elif route.exception is None or isinstance(route.exception, Rejected):
            route.fail(AdapterDown(f"{adapter.name} is {down}"))
        return True

    def too_late(self, adapter: Adapter, route: ActiveRoute, made: int) -> None:
        """Note that the task's deadline passed before the next attempt of an adapter that had `made` so many."""
        route.fail(DeadlineExceeded(f"the {route.bound} of task {route.id} passed before {adapter.name} was asked"))
        if made:
            adapter.failures += 1
        else:
            route.reached -= 1

    def refused(self, adapter: Adapter, route: ActiveRoute, made: int, refusal: CircuitOpen) -> None:
        """Note that an adapter's breaker refused the next attempt after it had `made` so many."""
        why = refusal.why
        reject(adapter, route, why, refusal.retry_after)
        if made:
            adapter.failures += 1
        elif route.exception is None or isinstance(route.exception, Rejected):
            route.exception, route.error = refusal, why

    def after_failure(
        self,
        adapter: Adapter,
        route: ActiveRoute,
        policy: RetryPolicy,
        permit: Permit,
        error: Exception,
        number: int,
        wait: float,
        duration: float,
        first_item: float | None = None,
        items: int = 0,
        stop: str = "",
    ) -> AttemptFailed:
        """Settle a failed attempt, tell of it, and decide what follows.

        `first_item` and `items` are what a stream had brought. `stop` says why the route must end here; empty: it need
        not. Returns what was told; its `then` and `delay` are what follows.
        """
        rule, retry_after = self._table.read(error)
        kind, message = type(error).__name__, text_of(error)
        route.exception, route.error = error, message or kind
        name, breaker = adapter.name, adapter.breaker
        if rule.only_handlers:
            route.only = rule.name
        if not rule.counts:
            permit.ignored()
        else:
            text = f"{kind}: {message}" if message else kind
            if rule.opens and self._has_others(route.order, name):
                permit.failure("rate_limited", duration, retry_after, text)
            elif rule.name == "timeout":
                adapter.timeouts += 1
                # One that the engine set would have taken longer still: slow by any limit.
                permit.failure("error", math.inf if isinstance(error, AttemptTimeout) else duration, None, text)
            else:
                permit.failure("error", duration, None, text)
        delay: float | None = None
        if stop or (rule.opens and self._has_others(route.order, name, route.reached)):
            why = stop or rule.reason
        elif not (why := no_retry_reason(rule, error, policy, number)):
            now = self._clock()
            delay, why = retry_delay(
                policy,
                number,
                remaining=None if route.until is None else route.until - now,
                retry_after=retry_after,
                open_for=breaker.snapshot().retry_after if breaker.state == "open" else None,
                budget=adapter.budget,
                now=now,
                random=self._rng,
            )
        then: Literal["retry", "failover", "stop"] = "stop"
        if delay is not None:
            then = "retry"
        else:
            if rule.failover and not stop and self._has_others(route.order, name, route.reached):
                then = "failover"
            if rule.counts:
                adapter.failures += 1
        attempt = Attempt(
            adapter=name,
            outcome="failure" if rule.counts else "ignored",
            number=number,
            wait=wait,
            duration=duration,
            rule=rule.name,
            error_type=kind,
            error=message,
            why=why,
            failures=breaker.failures,
            retry_after=retry_after,
            first_item=first_item,
            items=items,
        )
        route.attempts.append(attempt)
        told = AttemptFailed(
            at=self._wall(),
            task=route.id,
            task_type=route.type,
            attempt=attempt,
            then=then,
            delay=delay or 0.0,
            threshold=breaker.threshold,
            context=route.context,
        )
        self._emit(told)
        return told

    def _has_others(self, order: tuple[str, ...], name: str, place: int = 0) -> bool:
        """Say whether an order holds, from a place on, a registered adapter besides the named one."""
        find, end = self._find, len(order)
        while place < end:
            other = order[place]
            if other != name and find(other) is not None:
                return True
            place += 1
        return False


def cut_short(route: ActiveRoute, adapter: str) -> DeadlineExceeded:
    """Return the error of an attempt that the end of all cut short: the caller's doing, not the adapter's."""
    return DeadlineExceeded(f"the {route.bound} of task {route.id} passed while {adapter} was at it")


def release(adapter: Adapter, route: ActiveRoute, permit: Permit, number: int, wait: float, duration: float) -> None:
    """Give the permit of a call that was cut short back, without a verdict, and note that in the route."""
    permit.release()
    if adapter.latency is not None:
        adapter.latency.add(duration)
    route.attempts.append(
        Attempt(adapter=adapter.name, outcome="cancelled", number=number, wait=wait, duration=duration, why=route.cut)
    )


def reject(adapter: Adapter, route: ActiveRoute, why: str, retry_after: float | None = None) -> None:
    """Note in the route that an adapter was skipped, and why."""
    adapter.rejections += 1
    route.attempts.append(Attempt(adapter=adapter.name, outcome="rejected", why=why, retry_after=retry_after))
