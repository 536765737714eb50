"""Runs the attempts of fallback chains and fan-outs.

Decisions are made elsewhere: `gates.admit` decides whether an adapter may be called, the attribution table whom an
error blames, and `retry` whether the adapter is called again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from fuseboard_engine.adapters.lifecycle import first_call
from fuseboard_engine.adapters.registry import Adapter, Registry, soft_failure
from fuseboard_engine.adapters.timeouts import as_coroutine, bounded
from fuseboard_engine.breaker.permit import OPENING, Permit
from fuseboard_engine.errors import AdapterCancelled, AttemptTimeout, DeadlineExceeded, text_of
from fuseboard_engine.events import Attempt, AttemptFailed, Event
from fuseboard_engine.retry.attribution import Table
from fuseboard_engine.retry.decision import no_retry_reason, retry_delay
from fuseboard_engine.retry.policy import Retry, RetryPolicy, policy_for
from fuseboard_engine.routing.gates import OpenStreams, admit
from fuseboard_engine.routing.route import ActiveRoute

if TYPE_CHECKING:
    from fuseboard_engine.routing.gates import Gate, InFlightTasks

ACCEPTING = frozenset({"closed", "disabled", "metrics_only"})  # states in which a breaker admits every call
TIMER_TOLERANCE = 0.001  # seconds that a timer may fire early


class FailedCall(msgspec.Struct, gc=False):
    """A call that raised, before its error is attributed.

    Attributes:
        adapter: the adapter that was called.
        route: the task's route.
        policy: the retry policy in effect.
        permit: the breaker's permit for the call.
        number: which attempt on this adapter it was, from 1.
        wait: seconds waited before it.
        duration: seconds it took.
        first_item: seconds until a stream's first item; None if there was none.
        items: how many items a stream delivered.
    """

    adapter: Adapter
    route: ActiveRoute
    policy: RetryPolicy
    permit: Permit
    number: int
    wait: float
    duration: float
    first_item: float | None = None
    items: int = 0


class AttemptRunner:
    """Runs the attempts of a route.

    Args:
        registry: finds the adapters of a chain.
        emit: receives an event for every failed attempt; must not raise.
        table: the attribution table.
        clock: monotonic seconds.
        wall: UTC microseconds, to label events.
        rng: a function like `random.random`, for the jitter of retries.
    """

    __slots__ = ("_clock", "_emit", "_find", "_overdue", "_rng", "_table", "_wall", "gate", "running", "streams")

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
        self._overdue = registry.overdue
        self._emit = emit
        self._table = table
        self._clock = clock
        self._wall = wall
        self._rng = rng
        self.gate: Gate | None = None
        """Called before every attempt, while the engine shuts down or its protection is off."""
        self.running: InFlightTasks | None = None
        """The tasks with a call in flight; None while they are not tracked."""
        self.streams = OpenStreams()
        """The streams in progress."""

    def try_adapter(self, name: str, route: ActiveRoute, retry: Retry) -> Coroutine[Any, Any, bool]:
        """Run the attempts on one adapter, as `run_chain` does."""
        return self.run_chain((name,), route, retry)

    async def run_chain(self, names: Iterable[str], route: ActiveRoute, retry: Retry) -> bool:
        """Try adapters in order until the route ends. Return whether it ended, with whatever outcome.

        Each adapter gets as many attempts as `retry` allows (None for its own policy), with backoff. An adapter that
        is not registered or may not be called is skipped.
        """
        # One coroutine for the whole chain: another one per adapter costs 3 % of a route.
        clock, find = self._clock, self._find
        for wanted in names:
            route.reached += 1
            adapter = find(wanted)
            if adapter is None:
                route.why += f"; {wanted} is not registered"
                continue
            policy, number, wait = adapter.retry if retry is None else policy_for(adapter.retry, retry), 0, 0.0
            while True:
                if self.gate is not None and (ended := await self.gate(adapter, route)) is not None:
                    if ended:
                        return True
                    break
                permit = admit(adapter, route, number, clock)
                if permit is None:
                    if route.expired:
                        return True
                    if (
                        number
                        and names is route.order
                        and self.can_fail_over(route, adapter.name, True)
                        and route.return_to is not None
                    ):  # while it waited, its breaker opened and another adapter returned
                        return await self.run_chain(rest_of(route), route, retry)
                    break
                number += 1
                caller = None if self.running is None else self.running.enter()
                began = clock()
                limit = policy.attempt_timeout if route.until is None else shorter(policy, route.until - began)
                try:
                    lifecycle = adapter.lifecycle
                    if lifecycle is None or lifecycle.ready:
                        # As `within` does it, inline: its coroutine would cost another 3 %.
                        result = adapter.call(route.task)
                        if type(result) is not CoroutineType:
                            result = as_coroutine(result)
                        try:
                            waiting_for = result.send(None)
                        except StopIteration as stop:
                            result = stop.value
                        except asyncio.CancelledError as own:
                            raise AdapterCancelled.by(own, adapter.name) from own
                        else:
                            result = await bounded(result, waiting_for, adapter.name, limit, self._overdue)
                    else:
                        share, late = policy.initialize_share, self._overdue
                        result = await first_call(lifecycle, adapter.call, route.task, adapter.name, limit, share, late)
                    soft = adapter.failed(result)
                    if soft is not None and soft is not False:
                        raise soft_failure(soft)
                    if route.cancel_reason:  # the adapter swallowed the cancellation; discard its result
                        raise asyncio.CancelledError(route.cancel_reason)
                except BaseException as raised:
                    duration = clock() - began
                    if route.cancel_reason or not isinstance(raised, Exception):
                        release(adapter, route, permit, number, wait, duration)
                        raise
                    error = raised
                else:
                    ended_at = clock()
                    duration = ended_at - began
                    permit.success(duration)
                    adapter.answered_at = ended_at
                    adapter.successes += 1
                    adapter.seconds += duration
                    if adapter.latency is not None:
                        adapter.latency.add(duration)
                    done = Attempt(adapter=adapter.name, outcome="success", number=number, wait=wait, duration=duration)
                    if retry is not None:
                        done = msgspec.structs.replace(done, limit=policy.max_attempts)
                    route.attempts.append(done)
                    route.adapter, route.result = adapter.name, result
                    return True
                finally:
                    adapter.in_flight -= 1
                    if caller is not None and self.running is not None:
                        self.running.leave(caller)
                call = FailedCall(adapter, route, policy, permit, number, wait, duration)
                if route.until is None:
                    step: AttemptFailed | None = self.after_failure(call, error, may_return=names is route.order)
                else:
                    step = self._after_limited_call(call, error, route.until, began, names is route.order)
                del error  # its traceback leads to this frame: without the cycle it is freed at once
                if step is None or step.then == "stop":
                    return True
                if step.then == "failover":
                    if route.return_to is not None:
                        return await self.run_chain(rest_of(route), route, retry)
                    break
                wait = step.delay
                if wait > 0:
                    await asyncio.sleep(wait)
        return False

    def _after_limited_call(
        self, call: FailedCall, error: Exception, until: float, began: float, may_return: bool
    ) -> AttemptFailed | None:
        """Handle a failed call of a route that ends at `until`. Return None if it gets no verdict."""
        route = call.route
        if (
            isinstance(error, AttemptTimeout)
            and shorter(call.policy, until - began) == until - began
            and self._clock() > until - TIMER_TOLERANCE
        ):
            if route.no_verdict_at_limit:
                route.cancel_reason = f"not done within the {route.limit_name}"
                release(call.adapter, route, call.permit, call.number, call.wait, call.duration)
                return None
            if call.number > 1 or not route.blame_timeout:
                cut = deadline_error(route, call.adapter.name)
                cut.__cause__ = error
                return self.after_failure(call, cut)
        return self.after_failure(call, error, may_return=may_return)

    def after_failure(
        self, call: FailedCall, error: Exception, stop: str = "", *, may_return: bool = False
    ) -> AttemptFailed:
        """Report a failed call to the breaker, decide what follows, and emit the event.

        Args:
            call: the call.
            error: what it raised.
            stop: why the route must end here; empty if it need not.
            may_return: whether the route may go back to an adapter of its order that refused and takes calls now.

        Returns:
            The event; its `then` and `delay` say what follows.
        """
        adapter, route, breaker = call.adapter, call.route, call.adapter.breaker
        rule, retry_after = self._table.read(error)
        kind, message = type(error).__name__, text_of(error)
        route.exception, route.error = error, message or kind
        if rule.only_handlers:
            route.only_handlers_of = rule.name
        told = ""
        if retry_after is not None and retry_after > call.policy.max_retry_after:
            told = f"; it asked for {retry_after:.3g} s, and max_retry_after is {call.policy.max_retry_after:.3g} s"
            retry_after = call.policy.max_retry_after
        may_return = may_return and rule.retry and retry_after is not None
        asks_to_wait = rule.opens or (rule.counts and retry_after is not None)
        if not rule.counts:
            call.permit.ignored()
        else:
            text = f"{kind}: {message}" if message else kind
            if asks_to_wait and (not rule.retry or self._has_replacement(route.order, adapter.name)):
                call.permit.failure(
                    rule.name if rule.name in OPENING else "rate_limited", call.duration, retry_after, text
                )
            elif rule.opens:
                # It is the last that takes calls, and opening it would lose the calls that it does answer.
                call.permit.ignored()
            elif rule.name == "timeout":
                adapter.timeouts += 1
                # An attempt that the engine timed out would have taken longer still: slow by any limit.
                duration = math.inf if isinstance(error, AttemptTimeout) else call.duration
                call.permit.failure("timeout", duration, None, text)
            else:
                call.permit.failure("error", call.duration, None, text, retry_after)
        delay: float | None = None
        others = self._has_others(route.order, adapter.name, route.reached)
        if route.limits is not None:
            stop = stop or route.limits.no_attempt_reason(route.attempts)
            if others and (no_adapter := route.limits.no_adapter_reason(route.attempts, adapter.name)):
                others = False
                if route.reached < len(route.order) and no_adapter not in route.why:
                    route.why += f"; {no_adapter}"
        if stop:
            why = stop
        elif rule.opens and self.can_fail_over(route, adapter.name, may_return):
            why = rule.reason
        elif not (why := no_retry_reason(rule, error, call.policy, call.number)):
            now = self._clock()
            if self._waits_as_asked(call, retry_after) and self.can_fail_over(route, adapter.name, may_return):
                why = f"it asked to wait {retry_after:.3g} s, and another adapter takes calls"
            else:
                delay, why = retry_delay(
                    call.policy,
                    call.number,
                    remaining=None if route.until is None else route.until - now,
                    retry_after=retry_after,
                    open_for=breaker.snapshot().retry_after if breaker.state == "open" else None,
                    budget=adapter.budget,
                    now=now,
                    random=self._rng,
                )
        why += told
        then: Literal["retry", "failover", "stop"] = "stop"
        if delay is not None:
            then = "retry"
        else:
            if rule.failover and not stop and (others or route.return_to is not None):
                then = "failover"
            if rule.counts:
                adapter.failures += 1
        attempt = Attempt(
            adapter=adapter.name,
            outcome="failure" if rule.counts else "ignored",
            number=call.number,
            wait=call.wait,
            duration=call.duration,
            rule=rule.name,
            error_type=kind,
            error=message,
            why=why,
            failures=breaker.failures,
            retry_after=retry_after,
            first_item=call.first_item,
            items=call.items,
            limit=call.policy.max_attempts,
        )
        route.attempts.append(attempt)
        event = AttemptFailed(
            at=self._wall(),
            task=route.id,
            task_type=route.type,
            attempt=attempt,
            then=then,
            delay=delay or 0.0,
            threshold=breaker.threshold,
            context=route.context,
        )
        self._emit(event)
        return event

    @staticmethod
    def _waits_as_asked(call: FailedCall, retry_after: float | None) -> bool:
        """Return whether a retry would wait as long as the adapter asked for."""
        if retry_after is None or retry_after <= 0:
            return False
        return call.route.until is not None or retry_after <= call.policy.max_delay

    def _has_replacement(self, order: tuple[str, ...], name: str) -> bool:
        """Return whether another adapter of a chain takes calls without limit; a half-open one cannot take its load."""
        now = self._clock()
        for other in order:
            if other != name and (adapter := self._find(other)) is not None:
                down = adapter.down
                if adapter.breaker.state in ACCEPTING and (down is None or down.until <= now):
                    return True
        return False

    def can_fail_over(self, route: ActiveRoute, name: str, may_return: bool) -> bool:
        """Return whether another adapter of the route may be called now, after this one or, if it refused, before it.

        One that comes before is stored in the route as the one to return to.
        """
        order, now, required = route.order, self._clock(), route.only_handlers_of
        if route.limits is not None and route.limits.no_adapter_reason(route.attempts, name):
            return False
        called = {attempt.adapter for attempt in route.attempts if attempt.outcome != "rejected"} if may_return else ()
        for place in (*range(route.reached, len(order)), *range(route.reached if may_return else 0)):
            other = order[place]
            adapter = None if other == name or other in called else self._find(other)
            if adapter is None or (required is not None and required not in adapter.handles):
                continue
            down = adapter.down
            if adapter.breaker.retry_after() == 0.0 and (down is None or down.until <= now):
                if place < route.reached:
                    route.return_to = other
                return True
        return False

    def _has_others(self, order: tuple[str, ...], name: str, start: int = 0) -> bool:
        """Return whether a chain holds, from position `start` on, another registered adapter than the named one."""
        find, end = self._find, len(order)
        while start < end:
            other = order[start]
            if other != name and find(other) is not None:
                return True
            start += 1
        return False


def rest_of(route: ActiveRoute) -> tuple[str, ...]:
    """Return the adapters that a route which goes back to an earlier one still has to try, that one first."""
    assert route.return_to is not None
    rest = (route.return_to, *route.order[route.reached :])
    route.return_to = None
    route.reached -= 1  # the earlier one was reached before
    return rest


def shorter(policy: RetryPolicy, remaining: float) -> float:
    """Return the seconds an attempt may take: the policy's time limit, or what remains if that is less."""
    limit = policy.attempt_timeout
    return remaining if limit is None or remaining < limit else limit


def deadline_error(route: ActiveRoute, adapter: str) -> DeadlineExceeded:
    """Return the error of an attempt that the route's time limit cut short: the adapter is not to blame."""
    return DeadlineExceeded(f"the {route.limit_name} of task {route.id} passed during a call of {adapter}")


def release(adapter: Adapter, route: ActiveRoute, permit: Permit, number: int, wait: float, duration: float) -> None:
    """Return the permit of a call that was cut short, without a verdict, and note the attempt in the route."""
    permit.release()
    if adapter.latency is not None:
        adapter.latency.add(duration)
    route.attempts.append(
        Attempt(
            adapter=adapter.name,
            outcome="cancelled",
            number=number,
            wait=wait,
            duration=duration,
            why=route.cancel_reason,
        )
    )
