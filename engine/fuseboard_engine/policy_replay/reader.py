"""Reads the work of engines from recorded events."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any

from fuseboard_engine.breaker.permit import OPENING
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.events import (
    AdapterAdded,
    Attempt,
    AttemptFailed,
    ConfigReloaded,
    EngineStarted,
    Event,
    PreferenceSet,
    RouteFinished,
    RoutesCounted,
    RoutingPolicySet,
    StateChanged,
    TripSuppressed,
)
from fuseboard_engine.policy_base import LONGEST_WAIT
from fuseboard_engine.policy_replay.rules import rule_of
from fuseboard_engine.policy_replay.workload import (
    AdapterRecord,
    Operation,
    RecordedCall,
    RecordedTask,
    Workload,
    recorded_policy,
    recorded_retry,
    recorded_routing,
)
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.all_unavailable import LAST_RESORT, WAITED
from fuseboard_engine.routing.policy import RoutingPolicy

KINDS: tuple[type[Event], ...] = (
    AdapterAdded,
    AttemptFailed,
    ConfigReloaded,
    EngineStarted,
    PreferenceSet,
    RouteFinished,
    RoutesCounted,
    RoutingPolicySet,
    StateChanged,
    TripSuppressed,
)
"""The events that a reader needs."""

EARLIER_KINDS: tuple[type[Event], ...] = (
    AdapterAdded,
    ConfigReloaded,
    EngineStarted,
    PreferenceSet,
    RoutingPolicySet,
)
"""The events before the time that was chosen that a reader needs."""

MOST_ATTEMPTS = 5_000_000
"""Attempts that are read at most; about 400 bytes each."""

WAIT_OVER = "the wait is over; the next call is a probe"
_OF_BREAKER = ("is open", "is half-open and its probe", "is held open by hand", "it does not handle")


class TooManyAttempts(ValueError):
    """A recording holds more attempts than are read."""


class WorkloadReader:
    """Reads events in their order, each with its number and the instance that wrote it; `finish` returns the work.

    Args:
        bucket_seconds: returns the seconds that represent a bucket of a latency histogram, for routes that a
            recording only counts.
        origin: UTC microseconds of the time that was chosen; None for the time of the first event.
        most: attempts that are read at most.
    """

    def __init__(
        self, bucket_seconds: Callable[[int], float], origin: int | None = None, most: int = MOST_ATTEMPTS
    ) -> None:
        self._most = most
        self._bucket_seconds = bucket_seconds
        self._loads: dict[int, Workload] = {}
        self._policies: dict[tuple[int, str], BreakerPolicy] = {}
        self._failed_at: dict[tuple[int, str], deque[float]] = {}
        self._chains: dict[int, dict[str, tuple[str, ...]]] = {}
        self._shared: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._counted: list[tuple[Workload, int, RoutesCounted]] = []
        self._attempts = 0
        self._origin = origin

    def add_earlier(self, seq: int, instance: int, event: Event) -> None:
        """Read an event before the time that was chosen: only policies, chains and the engine's name are kept."""
        load = self._load(instance, event.at)
        match event:
            case AdapterAdded():
                self._add(load, instance, event, f"event {seq:,}, adapter_added")
            case ConfigReloaded() if event.ok:
                for name, record in load.adapters.items():
                    if name in event.policies:
                        record.policy = self._policies[instance, name] = recorded_policy(event.policies[name])
                        record.source = f"event {seq:,}, config_reloaded"
                    if name in event.retry_policies:
                        record.retry = recorded_retry(event.retry_policies[name])
                        record.retry_source = f"event {seq:,}, config_reloaded"
            case PreferenceSet() | RoutingPolicySet() | EngineStarted():
                self._read_setting(load, instance, event)

    def begin_with(self, instance: int, policy: dict[str, Any], state: StateChanged) -> None:
        """Take up the state of a breaker before the first event; its policy, if its registration was not read."""
        load = self._load(instance, state.at)
        record = load.adapters.get(state.adapter)
        if record is None:
            added = AdapterAdded(at=state.at, adapter=state.adapter, policy=policy)
            record = self._add(load, instance, added, "the state before the time that was chosen")
        record.state = state

    def add(self, seq: int, instance: int, event: Event) -> None:
        """Read one event.

        Raises:
            TooManyAttempts: it holds one attempt too many.
        """
        load = self._loads.get(instance)
        if load is None:
            load = self._load(instance, event.at)
        at = (event.at - load.origin) / 1e6
        load.end = max(load.end, at)
        match event:
            case RouteFinished():
                self._read_route(load, instance, event)
            case AttemptFailed():
                self._failed_at.setdefault((instance, event.task), deque()).append(at)
            case RoutesCounted():
                self._count_attempts(sum(max(0, counts.calls) for counts in event.adapters.values()))
                self._counted.append((load, instance, event))
            case StateChanged():
                self._read_change(load, instance, at, event)
            case AdapterAdded():
                if event.adapter in load.adapters:
                    load.operations.append(Operation(at, event.adapter, event))
                    self._policies[instance, event.adapter] = recorded_policy(event.policy)
                else:
                    self._add(load, instance, event, f"event {seq:,}, adapter_added")
            case ConfigReloaded() if event.ok:
                for name in {**event.policies, **event.retry_policies}:
                    load.operations.append(Operation(at, name, event))
                for name, policy in event.policies.items():
                    self._policies[instance, name] = recorded_policy(policy)
            case PreferenceSet() | RoutingPolicySet() | EngineStarted():
                self._read_setting(load, instance, event)
            case TripSuppressed():
                load.suppressed += 1

    def finish(self) -> list[Workload]:
        """Return the work of each engine that had an attempt."""
        for load, instance, event in self._counted:
            self._expand(load, instance, event)
        found = list({id(load): load for load in self._loads.values() if load.tasks}.values())
        for load in found:
            load.tasks.sort(key=lambda task: task.at)
            for record in load.adapters.values():
                record.calls.sort(key=lambda call: call.at)
                _infer_retry(record)
        return found

    # ---------------------------------------------------------------- adapters

    def _load(self, instance: int, at: int) -> Workload:
        load = self._loads.get(instance)
        if load is None:
            self._origin = at if self._origin is None else self._origin
            load = self._loads[instance] = Workload("", self._origin, {}, RoutingPolicy(), [], [])
        return load

    def _read_setting(self, load: Workload, instance: int, event: Event) -> None:
        match event:
            case PreferenceSet():
                self._chains.setdefault(instance, {})[event.task_type] = event.order
            case RoutingPolicySet():
                load.routing = recorded_routing(event.policy)
            case EngineStarted():
                load.engine = event.name
                if event.restored and event.replaces in self._loads:
                    self._loads[instance] = self._loads[event.replaces]

    def _add(self, load: Workload, instance: int, event: AdapterAdded, source: str) -> AdapterRecord:
        record = load.adapters[event.adapter] = AdapterRecord(event.adapter, event.policy, source, event.tags)
        self._policies[instance, event.adapter] = record.policy
        if event.retry:
            record.retry, record.retry_source = recorded_retry(event.retry), source
        return record

    def _record(self, load: Workload, instance: int, name: str) -> AdapterRecord:
        record = load.adapters.get(name)
        if record is None:
            added = AdapterAdded(at=load.origin, adapter=name, policy={})
            record = self._add(load, instance, added, "the default: its registration is no longer recorded")
        return record

    def _read_change(self, load: Workload, instance: int, at: float, event: StateChanged) -> None:
        self._record(load, instance, event.adapter)
        if event.detail == LAST_RESORT and load.routing.all_out == "last_resort":
            return  # the replay has its own
        early = event.reason == "probe_due" and event.detail != WAIT_OVER
        if event.reason in ("reset", "by_hand", "restored") or early:
            load.by_hand += bool(event.actor)
            load.operations.append(Operation(at, event.adapter, event))
        elif event.after == "open" and event.wait is not None:
            policy = self._policies[instance, event.adapter]
            draw = jitter_draw(policy, event.openings, event.wait)
            if draw is None and event.reason not in OPENING:
                draw = 0.5  # the adapter asked for a longer wait
            if draw is not None:
                load.adapters[event.adapter].draws.append(draw)

    # ---------------------------------------------------------------- routes

    def _count_attempts(self, number: int) -> None:
        self._attempts += number
        if self._attempts > self._most:
            raise TooManyAttempts(f"more than {self._most:,} attempts")

    def _chain(self, names: Iterable[str]) -> tuple[str, ...]:
        chain = tuple(dict.fromkeys(names))
        return self._shared.setdefault(chain, chain)

    def _read_route(self, load: Workload, instance: int, event: RouteFinished) -> None:
        attempts = event.attempts
        failed_at = self._failed_at.pop((instance, event.task), deque())
        end = (event.at - load.origin) / 1e6
        began = end - _seconds(event.duration)
        if not event.strategy and len(attempts) == 1 and attempts[0].outcome == "success" and not _waited(event):
            attempt = attempts[0]
            self._count_attempts(1)
            duration = _seconds(attempt.duration)
            call = RecordedCall(end - duration, duration, "success")
            record = load.adapters.get(attempt.adapter) or self._record(load, instance, attempt.adapter)
            record.calls.append(call)
            load.attempts += 1
            chain = self._chain((attempt.adapter, *event.left))
            load.tasks.append(RecordedTask(call.at, chain, call, deadline=_deadline(event)))
            return
        calls: list[tuple[str, RecordedCall]] = []
        refused: dict[str, str] = {}
        at = began
        for place, attempt in enumerate(attempts):
            if attempt.outcome == "rejected":
                if not any(text in attempt.why for text in _OF_BREAKER):
                    refused[attempt.adapter] = attempt.why
                continue
            at += _seconds(attempt.wait)
            duration = _seconds(attempt.duration)
            if event.strategy:
                at = began
            elif attempt.outcome in ("failure", "ignored") and failed_at:
                at = failed_at.popleft() - duration
            elif place == len(attempts) - 1 and attempt.outcome == "success":
                at = end - duration
            calls.append((attempt.adapter, self._read_call(load, instance, at, attempt, attempts[place + 1 :])))
            at += duration
        self._count_attempts(len(calls))
        load.attempts += len(calls)
        if event.strategy:
            load.tasks += [RecordedTask(began, self._chain((name,)), None, ((name, call),)) for name, call in calls]
        elif attempts or event.left:
            chain = self._chain([*(attempt.adapter for attempt in attempts), *event.left])
            load.tasks.append(
                RecordedTask(max(0.0, began), chain, None, tuple(calls), refused or None, _deadline(event))
            )

    def _read_call(
        self, load: Workload, instance: int, at: float, attempt: Attempt, later: tuple[Attempt, ...]
    ) -> RecordedCall:
        record, outcome = self._record(load, instance, attempt.adapter), attempt.outcome
        assert outcome != "rejected"
        rule = None
        if outcome in ("failure", "ignored"):
            rule = rule_of(attempt, any(next.adapter == attempt.adapter for next in later))
            if rule.only_handlers:
                for other in later:
                    if other.outcome != "rejected" and other.adapter in load.adapters:
                        load.adapters[other.adapter].handles.add(rule.name)
            record.limit = attempt.limit or record.limit
        call = RecordedCall(
            at, _seconds(attempt.duration), outcome, max(1, attempt.number), _seconds(attempt.wait), rule,
            attempt.error_type, attempt.retry_after,
        )  # fmt: skip
        if outcome != "cancelled":
            record.calls.append(call)
        return call

    # ---------------------------------------------------------------- counted routes

    def _expand(self, load: Workload, instance: int, event: RoutesCounted) -> None:
        """Spread routes that were only counted evenly over their time."""
        began, end = (event.since - load.origin) / 1e6, (event.at - load.origin) / 1e6
        dice = Random(event.at)
        for name, counts in event.adapters.items():
            record = self._record(load, instance, name)
            seconds: list[float] = []
            for bucket, number in counts.latency.items():
                seconds += [self._bucket_seconds(bucket)] * min(number, counts.calls - len(seconds))
            seconds += [_seconds(counts.busy / max(1, counts.calls))] * (counts.calls - len(seconds))
            dice.shuffle(seconds)
            chain = self._chain_of(load, instance, name, event.types)
            for place, duration in enumerate(seconds):
                ended = began + (end - began) * (place + 1) / len(seconds)
                call = RecordedCall(max(0.0, ended - duration), duration, "success", counted=True)
                record.calls.append(call)
                load.tasks.append(RecordedTask(call.at, chain, call))
            load.attempts += len(seconds)
            load.counted += len(seconds)

    def _chain_of(self, load: Workload, instance: int, adapter: str, types: Mapping[str, int]) -> tuple[str, ...]:
        """Return the chain that begins with an adapter, as recorded: of these types, else the most frequent."""
        orders = self._chains.get(instance, {})
        for task_type in sorted(types, key=lambda name: -types[name]):
            order = orders.get(task_type) or orders.get("")
            if order and order[0] == adapter:
                return self._chain(order)
        seen = Counter(task.chain for task in load.tasks[:10_000] if task.chain[0] == adapter)
        return seen.most_common(1)[0][0] if seen else self._chain((adapter,))


def _seconds(recorded: float) -> float:
    """Return recorded seconds; 0.0 for what cannot be seconds, in a damaged file."""
    return recorded if 0.0 <= recorded <= LONGEST_WAIT else 0.0


def _waited(event: RouteFinished) -> bool:
    """Return whether a task waited for an adapter before its only call."""
    return WAITED in event.why


def _deadline(event: RouteFinished) -> float | None:
    seconds = event.deadline
    return seconds if seconds is not None and 0.0 < seconds <= LONGEST_WAIT else None


def jitter_draw(policy: BreakerPolicy, openings: int, wait: float) -> float | None:
    """Return the random number with which a policy gives a wait; None if no number does."""
    shortest, longest = policy.wait_with_jitter(openings, 0.0), policy.wait_with_jitter(openings, 1.0)
    if longest - shortest < 1e-9:
        return 0.0 if abs(wait - shortest) < 1e-5 else None
    draw = (wait - shortest) / (longest - shortest)
    return min(max(draw, 0.0), 1.0) if -1e-5 < draw < 1 + 1e-5 else None


def _infer_retry(record: AdapterRecord) -> None:
    """Take the retry policy of an adapter that is not recorded from its attempts: their limit and their waits."""
    if record.retry_source or not any(call.rule is not None for call in record.calls):
        record.retry_source = record.retry_source or "the default: older recordings do not hold it"
        return
    waits = [call.waited for call in record.calls if call.number == 2]
    changes: dict[str, Any] = {"max_attempts": record.limit} if record.limit else {}
    if waits:
        changes["base_delay"] = min(waits)
    if changes.get("base_delay", 0.0) > RetryPolicy.model_fields["max_delay"].default:
        changes["max_delay"] = changes["base_delay"]
    record.retry = recorded_retry(changes)
    record.retry_source = "the limit and the waits of recorded attempts; the rest is the default"
