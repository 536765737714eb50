"""Replays the recorded work of one engine through the engine's breakers, failure decisions and retry decisions.

The breakers, the trip rules, the admission, what follows a failure, and the retry decision are those of the engine,
with a clock that is set here. Only the order of events in time, which asyncio gives in an engine, comes from a heap.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any

from fuseboard_engine.adapters.call_target import Target
from fuseboard_engine.adapters.registry import Adapter, Registry
from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.ejection_limit import EjectionLimits
from fuseboard_engine.breaker.permit import Permit
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.errors import CircuitOpen
from fuseboard_engine.events import AdapterAdded, ConfigReloaded, Event, StateChanged
from fuseboard_engine.policy_replay.estimates import Between, CallHistory
from fuseboard_engine.policy_replay.rules import RecordedTable, error_of
from fuseboard_engine.policy_replay.workload import (
    AdapterRecord,
    Operation,
    RecordedCall,
    RecordedTask,
    Workload,
    recorded_policy,
    recorded_retry,
    with_changes,
)
from fuseboard_engine.retry.default_table import DEFAULT_TABLE
from fuseboard_engine.routing.attempt_runner import AttemptRunner, FailedCall, rest_of
from fuseboard_engine.routing.features import ejection_shares
from fuseboard_engine.routing.gates import admit, reject
from fuseboard_engine.routing.policy import limits_of
from fuseboard_engine.routing.route import ActiveRoute

Changes = Mapping[str, Any]
"""Fields of a policy and their values."""


@dataclass(frozen=True)
class PolicyChanges:
    """What to change in the recorded policies of one adapter."""

    breaker: Changes = field(default_factory=dict)
    retry: Changes = field(default_factory=dict)


UNCHANGED = PolicyChanges()

_TIMEOUT = next(rule for rule in DEFAULT_TABLE if rule.name == "timeout")


class AdapterOutcome:
    """What a replay did with one adapter."""

    __slots__ = ("ambiguous", "calls", "estimated", "failed", "lost", "rejections", "states", "unknown", "wasted")

    def __init__(self) -> None:
        self.calls = 0
        self.failed = 0
        self.wasted = 0
        """Failed calls that were made while the service was down."""
        self.rejections = 0
        self.lost = 0
        """Rejections of calls that would have succeeded."""
        self.estimated = 0
        """Calls whose outcome was estimated, because the recording does not hold them."""
        self.ambiguous = 0
        """Calls and rejections with a good and a bad recorded call beside them."""
        self.unknown = 0
        """Tasks that passed an adapter without any recorded call."""
        self.states: list[StateChanged] = []


class ReplayOutcome:
    """What a replay of one engine's work came to. Latencies are those of tasks, in seconds."""

    __slots__ = ("adapters", "answered", "latencies", "tasks")

    def __init__(self) -> None:
        self.tasks = 0
        self.answered = 0
        self.latencies = array("d")
        self.adapters: dict[str, AdapterOutcome] = {}


class _Clock:
    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


Step = Generator[float, None, None]
"""A route: yields the time at which it continues."""


class Simulation:
    """One replay of a workload.

    Args:
        load: the recorded work.
        histories: what the recorded calls show, by adapter.
        changes: what to change in the recorded policies, by adapter.
        between: how calls are estimated that have a good and a bad recorded call beside them.
        seed: seed of the jitter that the recording does not show.
    """

    def __init__(
        self,
        load: Workload,
        histories: Mapping[str, CallHistory],
        changes: Mapping[str, PolicyChanges] | None = None,
        *,
        between: Between = "nearest",
        seed: int = 0,
    ) -> None:
        self._load = load
        self._histories = histories
        self._changes = changes or {}
        self._between = between
        self._clock = clock = _Clock()
        self._registry = Registry()
        self._find = self._registry.find
        self._rng = Random(seed)
        self._runner = AttemptRunner(self._registry, _ignore, RecordedTable(), clock, self._wall, self._rng.random)
        self._draws: dict[str, Iterator[float]] = {}
        self._heap: list[tuple[float, int, Any, float]] = []
        self.outcome = ReplayOutcome()
        routing = load.routing
        self._limits = limits_of(routing.max_adapters, routing.max_attempts, None)
        shares = ejection_shares(routing)
        self._ejection_limits = EjectionLimits(shares) if shares else None
        for record in load.adapters.values():
            self.outcome.adapters[record.name] = AdapterOutcome()
            if record.name:  # a damaged file may hold an empty one
                self._add(record, record.policy)
                self._restore(record)

    def _wall(self) -> int:
        return self._load.origin + round(self._clock.now * 1e6)

    def _add(self, record: AdapterRecord, recorded: BreakerPolicy) -> None:
        """Register an adapter with a breaker that has a recorded policy and its changes."""
        changes = self._changes.get(record.name, UNCHANGED)
        policy, retry = with_changes(recorded, changes.breaker), with_changes(record.retry, changes.retry)
        draws = self._draws.setdefault(record.name, iter(record.draws))
        dice = self._rng.random

        def draw() -> float:
            found = next(draws, None)
            return dice() if found is None else found

        outcome = self.outcome.adapters[record.name]

        def keep(event: Event) -> None:
            if isinstance(event, StateChanged):
                outcome.states.append(event)

        breaker = CircuitBreaker(
            record.name, policy, clock=self._clock, on_event=keep, wall=self._wall, rng=draw
        )  # fmt: skip
        target = Target(_never_called, _never_streamed)
        if self._ejection_limits is not None:
            breaker.ejection_limits = self._ejection_limits
            self._ejection_limits.add(record.name, record.tags, breaker.state)
        handles = frozenset(record.handles)
        self._registry.add(Adapter(record.name, target, breaker, retry, tags=record.tags, handles=handles))

    def _restore(self, record: AdapterRecord) -> None:
        breaker, state = self._registry[record.name].breaker, record.state
        if state is not None:
            with suppress(ValueError):
                repeat_change(breaker, state)

    # ---------------------------------------------------------------- time

    def run(self) -> ReplayOutcome:
        """Replay all tasks and return what came of it."""
        heap, clock, find, outcome = self._heap, self._clock, self._find, self.outcome
        arrived = outcome.latencies.append
        heap += [(op.at, place - len(self._load.operations), op, 0.0) for place, op in enumerate(self._load.operations)]
        heapify(heap)
        pushed = 0
        cuts = any("attempt_timeout" in changes.retry for changes in self._changes.values())
        for task in self._load.tasks:
            at = task.at
            while heap and heap[0][0] <= at:
                self._continue(heappop(heap))
            clock.now = at
            only = task.only
            adapter = None if only is None else find(task.chain[0])
            if only is not None and adapter is not None and not (cuts and self._cuts(adapter, only)):
                try:
                    permit = adapter.breaker.admit()
                except CircuitOpen:
                    pass
                else:  # the most frequent case, without a route
                    pushed += 1
                    latency = only.duration
                    adapter.calls += 1
                    adapter.budget.first_attempts += 1
                    outcome.answered += 1
                    arrived(latency)
                    heappush(heap, (at + latency, pushed, permit, latency))
                    continue
            pushed += 1
            self._resume(at, pushed, self._route(task))
        while heap:
            self._continue(heappop(heap))
        self._finish()
        return outcome

    def _continue(self, entry: tuple[float, int, Any, float]) -> None:
        self._clock.now = entry[0]
        what = entry[2]
        if type(what) is Permit:
            what.success(entry[3])
        elif type(what) is Operation:
            self._operate(what)
        else:
            self._resume(entry[0], entry[1], what)

    def _resume(self, at: float, number: int, route: Step) -> None:
        until = next(route, None)
        if until is not None:
            heappush(self._heap, (until, number, route, 0.0))

    def _finish(self) -> None:
        for adapter in self._registry:
            self.outcome.adapters[adapter.name].calls = adapter.calls
        self.outcome.tasks += len(self.outcome.latencies)

    # ---------------------------------------------------------------- routes

    def _route(self, task: RecordedTask) -> Step:
        route = ActiveRoute(
            task=None, id="", type="", order=task.chain, why="", started=task.at, until=None, attempts=[],
            limits=self._limits,
        )  # fmt: skip
        yield from self._try_chain(task.chain, task, route)
        if not route.cancel_reason:
            self.outcome.answered += route.adapter is not None
            self.outcome.latencies.append(self._clock.now - task.at)

    def _try_chain(self, names: tuple[str, ...], task: RecordedTask, route: ActiveRoute) -> Step:
        """Try adapters in order as `AttemptRunner.run_chain` does."""
        clock, runner = self._clock, self._runner
        may_return = names is route.order
        for wanted in names:
            route.reached += 1
            adapter = self._find(wanted)
            if adapter is None:
                continue
            number, wait = 0, 0.0
            while True:
                call = self._admit(adapter, route, task, number)
                if call is None:
                    if number and may_return and runner.can_fail_over(route, wanted, True) and route.return_to:
                        yield from self._try_chain(rest_of(route), task, route)
                        return
                    break
                number += 1
                permit, met = call
                yield clock.now + met.duration
                adapter.in_flight -= 1
                if met.outcome == "success":
                    permit.success(met.duration)
                    route.adapter = wanted
                    return
                if met.outcome == "cancelled":
                    permit.release()
                    route.cancel_reason = "cancelled"
                    return
                self.outcome.adapters[wanted].failed += met.outcome == "failure"
                failed = FailedCall(adapter, route, adapter.retry, permit, number, wait, met.duration)
                step = runner.after_failure(failed, error_of(met), may_return=may_return)
                if step.then == "stop" or clock.now > self._load.end:  # nothing is known of services after the end
                    return
                if step.then == "failover":
                    if route.return_to is not None:
                        yield from self._try_chain(rest_of(route), task, route)
                        return
                    break
                wait = self._delay(task, wanted, number, step.delay)
                if wait > 0:
                    yield clock.now + wait

    def _admit(
        self, adapter: Adapter, route: ActiveRoute, task: RecordedTask, made: int
    ) -> tuple[Permit, RecordedCall] | None:
        """Return a permit and what the call will meet; None if the adapter refuses or was never called."""
        name, now = adapter.name, self._clock.now
        outcome, history = self.outcome.adapters[name], self._histories.get(name)
        if not made and task.refused is not None and (why := task.refused.get(name)):
            reject(adapter, route, why)
            return None
        own = task.call(name, made + 1)
        ambiguous = False
        call = own
        if own is None and history is not None:
            call, ambiguous = history.estimate(now, self._between)
        if call is None or history is None:
            outcome.unknown += 1
            reject(adapter, route, "no call of it was recorded")
            return None
        outcome.ambiguous += ambiguous
        permit = admit(adapter, route, made, self._clock)
        if permit is None:
            outcome.rejections += 1
            outcome.lost += not history.is_bad(call) and call.outcome == "success"
            return None
        outcome.estimated += own is None
        if self._cuts(adapter, call):
            limit = adapter.retry.attempt_timeout
            call = RecordedCall(call.at, limit or 0.0, "failure", rule=_TIMEOUT, error_type="AttemptTimeout")
        outcome.wasted += call.outcome == "failure" and history.is_down(now)
        return permit, call

    def _cuts(self, adapter: Adapter, call: RecordedCall) -> bool:
        """Return whether a changed time limit ends a call."""
        changes = self._changes.get(adapter.name)
        if changes is None or "attempt_timeout" not in changes.retry:
            return False
        limit = adapter.retry.attempt_timeout
        return limit is not None and call.duration > limit

    def _delay(self, task: RecordedTask, adapter: str, made: int, decided: float) -> float:
        """Return the recorded delay before a retry, which has the recorded jitter; the decided one without it."""
        changes = self._changes.get(adapter)
        recorded = task.call(adapter, made + 1)
        return decided if recorded is None or (changes is not None and changes.retry) else recorded.waited

    # ---------------------------------------------------------------- operations

    def _operate(self, operation: Operation) -> None:
        name, event = operation.adapter, operation.event
        adapter = self._find(name)
        if adapter is None:
            return
        if isinstance(event, AdapterAdded):
            self._registry.remove(name)
            self._add(self._load.adapters[name], recorded_policy(event.policy))
        elif isinstance(event, ConfigReloaded):
            changes = self._changes.get(name, UNCHANGED)
            if (policy := event.policies.get(name)) is not None:
                adapter.breaker.update_policy(with_changes(recorded_policy(policy), changes.breaker))
            if (retry := event.retry_policies.get(name)) is not None:
                adapter.retry = with_changes(recorded_retry(retry), changes.retry)
                adapter.budget.update_policy(adapter.retry)
        else:
            with suppress(ValueError):  # a damaged file may hold a wait that cannot be
                repeat_change(adapter.breaker, event)


def repeat_change(breaker: CircuitBreaker, event: StateChanged) -> None:
    """Do to a breaker what a recorded change of state says was done from outside."""
    actor = event.actor
    match event.reason, event.after:
        case "restored", state:
            breaker.restore(state, wait=event.wait or 0.0, openings=event.openings, failures=event.failures)
        case "reset", _:
            breaker.reset(actor=actor)
        case "probe_due", _:
            breaker.half_open_early(event.detail)
        case _, "open":
            breaker.open_for(event.wait, actor=actor)
        case _, "half_open":
            breaker.half_open(actor=actor)
        case _, "forced_open":
            breaker.force_open(actor=actor)
        case _, "disabled":
            breaker.disable(actor=actor)
        case _, "metrics_only":
            breaker.metrics_only(actor=actor)
        case _:
            breaker.enable(actor=actor)


def _ignore(event: Event) -> None:
    """Discard an event."""


async def _never_called(task: Any) -> Any:
    raise AssertionError("a replay calls no adapter")


async def _never_streamed(task: Any) -> AsyncIterator[Any]:
    nothing: tuple[Any, ...] = ()
    for item in nothing:
        yield item
