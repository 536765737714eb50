"""Replays the recorded work of one engine through the engine's breakers, failure decisions and retry decisions.

The breakers, the trip rules, the admission, what follows a failure, and the retry decision are those of the engine,
with a clock that is set here. Only the order of events in time, which asyncio gives in an engine, comes from a heap.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Mapping
from contextlib import suppress
from heapq import heapify, heappop, heappush
from itertools import count
from random import Random
from typing import Any

from fuseboard_engine.adapters.registry import Adapter
from fuseboard_engine.breaker.permit import Permit
from fuseboard_engine.errors import CircuitOpen
from fuseboard_engine.events import Event, StateChanged
from fuseboard_engine.policy_replay.estimates import Between, CallHistory
from fuseboard_engine.policy_replay.outcome import AdapterOutcome, ReplayOutcome
from fuseboard_engine.policy_replay.replayed_adapters import PolicyChanges, ReplayClock, ReplayedAdapters
from fuseboard_engine.policy_replay.rules import RecordedTable, error_of
from fuseboard_engine.policy_replay.waiting_tasks import (
    Callback,
    Pause,
    RecordingOver,
    ReplayedTask,
    awaitable,
    steps_of,
)
from fuseboard_engine.policy_replay.workload import Operation, RecordedCall, RecordedTask, Workload
from fuseboard_engine.retry.default_table import DEFAULT_TABLE
from fuseboard_engine.retry.policy import Retry, policy_for
from fuseboard_engine.routing.all_unavailable import AllUnavailableHandler, TryAdapter
from fuseboard_engine.routing.attempt_runner import AttemptRunner, FailedCall, deadline_error, rest_of
from fuseboard_engine.routing.gates import admit, reject
from fuseboard_engine.routing.policy import limits_of
from fuseboard_engine.routing.route import ActiveRoute

_TIMEOUT = next(rule for rule in DEFAULT_TABLE if rule.name == "timeout")


_TOLERANCE = 0.001
"""Seconds by which a recorded call may end after the deadline of its task, which is rounded."""

_WOKEN = 2**40
"""The number from which on steps of waiting tasks are counted: they come after what else is due at the same time."""

Steps = Generator[float | Pause, None, bool]
"""A part of a route: yields when it continues, and returns whether the route ended."""


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
        self._clock = clock = ReplayClock(load.origin)
        self._rng = Random(seed)
        self._heap: list[tuple[float, int, Any, float]] = []
        self._soon: list[Callback] = []
        self._woken = count(_WOKEN)
        self._all_out: AllUnavailableHandler | None = None
        self.outcome = ReplayOutcome()
        for record in load.adapters.values():
            self.outcome.adapters[record.name] = AdapterOutcome()
        self._adapters = ReplayedAdapters(load, self._changes, clock, self._rng, self._keep)
        registry, routing = self._adapters.registry, load.routing
        self._find = registry.find
        self._runner = AttemptRunner(registry, _ignore, RecordedTable(), clock, clock.wall, self._rng.random)
        self._limits = limits_of(routing.max_adapters, routing.max_attempts, None)
        if routing.all_out != "fail":
            self._all_out = AllUnavailableHandler(registry, routing, clock, self._new_waiting_task)

    def _keep(self, event: Event) -> None:
        """Keep a breaker's change of state, and tell tasks that wait of it."""
        if isinstance(event, StateChanged):
            self.outcome.adapters[event.adapter].states.append(event)
        if self._all_out is not None:
            self._all_out.observe(event)

    def _new_waiting_task(self) -> ReplayedTask:
        return ReplayedTask(self._clock, self._load.end, self._wake, self._soon)

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
            self._adapters.operate(what)
        elif type(what) is ReplayedTask:
            if what.turn == entry[3]:
                what.turn += 1
                self._resume(entry[0], what.number, what.route)
        else:
            self._resume(entry[0], entry[1], what)

    def _resume(self, at: float, number: int, route: Generator[float | Pause, None, None]) -> None:
        until = next(route, None)
        if self._soon:
            for callback in self._soon:
                callback.run()
            self._soon.clear()
        if isinstance(until, Pause):
            task = until.task
            task.route, task.number = route, number
            heappush(self._heap, (until.until, next(self._woken), task, task.turn))
        elif until is not None:
            heappush(self._heap, (until, number, route, 0.0))

    def _wake(self, task: ReplayedTask) -> None:
        heappush(self._heap, (self._clock.now, next(self._woken), task, task.turn))

    def _finish(self) -> None:
        for adapter in self._adapters.registry:
            self.outcome.adapters[adapter.name].calls = adapter.calls
        self.outcome.tasks += len(self.outcome.latencies)

    # ---------------------------------------------------------------- routes

    def _route(self, task: RecordedTask) -> Generator[float | Pause, None, None]:
        route = ActiveRoute(
            task=None, id="", type="", order=task.chain, why="", started=task.at,
            until=None if task.deadline is None else task.at + task.deadline, attempts=[], limits=self._limits,
        )  # fmt: skip
        if not (yield from self._try_chain(task.chain, task, route)) and self._all_out is not None:
            with suppress(RecordingOver):
                yield from steps_of(self._all_out.handle(route, self._try_again(task), None))
        if not route.cancel_reason:
            self.outcome.answered += route.adapter is not None
            self.outcome.latencies.append(self._clock.now - task.at)

    def _try_again(self, task: RecordedTask) -> TryAdapter:
        """Return what tries one adapter of a task whose whole chain refused."""

        def try_adapter(name: str, route: ActiveRoute, retry: Retry) -> Awaitable[bool]:
            return awaitable(self._try_chain((name,), task, route, retry, again=True))

        return try_adapter

    def _try_chain(
        self,
        names: tuple[str, ...],
        task: RecordedTask,
        route: ActiveRoute,
        retry: Retry = None,
        *,
        again: bool = False,
    ) -> Steps:
        """Try adapters in order as `AttemptRunner.run_chain` does. Return whether the route ended."""
        clock, runner = self._clock, self._runner
        may_return = names is route.order
        for wanted in names:
            route.reached += 1
            adapter = self._find(wanted)
            if adapter is None:
                continue
            policy = policy_for(adapter.retry, retry)
            number, wait = 0, 0.0
            while True:
                call = self._admit(adapter, route, task, number, again)
                if call is None:
                    if route.expired:
                        return True
                    if number and may_return and runner.can_fail_over(route, wanted, True) and route.return_to:
                        return (yield from self._try_chain(rest_of(route), task, route, retry))
                    break
                number += 1
                permit, met = call
                left = _seconds_left(route, clock.now, met.duration)
                yield clock.now + (met.duration if left is None else left)
                adapter.in_flight -= 1
                if left is not None:
                    cut = FailedCall(adapter, route, policy, permit, number, wait, left)
                    step = runner.after_failure(cut, deadline_error(route, wanted))
                elif met.outcome == "success":
                    permit.success(met.duration)
                    route.adapter = wanted
                    return True
                elif met.outcome == "cancelled":
                    permit.release()
                    route.cancel_reason = "cancelled"
                    return True
                else:
                    self.outcome.adapters[wanted].failed += met.outcome == "failure"
                    failed = FailedCall(adapter, route, policy, permit, number, wait, met.duration)
                    step = runner.after_failure(failed, error_of(met), may_return=may_return)
                if step.then == "stop" or clock.now > self._load.end:  # nothing is known of services after the end
                    return True
                if step.then == "failover":
                    if route.return_to is not None:
                        return (yield from self._try_chain(rest_of(route), task, route, retry))
                    break
                wait = self._delay(task, wanted, number, step.delay)
                if wait > 0:
                    yield clock.now + wait
        return False

    def _admit(
        self, adapter: Adapter, route: ActiveRoute, task: RecordedTask, made: int, again: bool
    ) -> tuple[Permit, RecordedCall] | None:
        """Return a permit and what the call will meet; None if the adapter refuses or was never called.

        `again`: the whole chain of the task has refused before, and its rejections are counted.
        """
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
            outcome.unknown += not again
            reject(adapter, route, "no call of it was recorded")
            return None
        outcome.ambiguous += ambiguous
        permit = admit(adapter, route, made, self._clock)
        if permit is None:
            if again or route.expired:
                return None
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


def _seconds_left(route: ActiveRoute, now: float, duration: float) -> float | None:
    """Return after how many seconds the deadline ends a call of this duration; None if it does not."""
    if route.until is None or now + duration <= route.until + _TOLERANCE:
        return None
    return max(0.0, route.until - now)


def _ignore(event: Event) -> None:
    """Discard an event."""
