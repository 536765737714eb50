"""What the events of an engine say about its adapters, its tasks and its operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from fuseboard_engine.commands import VERBS
from fuseboard_engine.events import (
    AdapterAdded,
    AdapterRemoved,
    Attempt,
    BatchFinished,
    CommandDone,
    ConfigReloaded,
    DeadLettered,
    EngineStarted,
    Event,
    PreferenceSet,
    RouteFinished,
    RoutesCounted,
    RoutingPolicySet,
    StateChanged,
    StreamRestarted,
    WorkflowFinished,
    WorkflowStarted,
)
from fuseboard_engine.routing.route import OF_THIS_CALL
from fuseboard_engine.scenario_derivation.observed_calls import ANSWERED, CountedCalls, Failure, ObservedCalls
from fuseboard_engine.scenario_derivation.observed_traffic import ObservedTraffic, order_of

OPERATORS_VERBS: Final = frozenset(VERBS) - {"dlq_stop", "inject", "heal"}
"""The commands of operators that a scenario repeats; it repeats faults by their events."""

HELD_BY: Final = {
    "open": "open_for",
    "forced_open": "force_open",
    "disabled": "disable",
    "metrics_only": "metrics_only",
}
"""The command that puts a breaker into each of these states."""

TAKES_A_WHILE: Final = frozenset(("dlq_retry", "resume"))
"""The commands whose outcome is known long after they are given."""

LONGER: Final = 0.05
"""Seconds that the call of a slower adapter of a fan-out would have taken in addition to those after which it was cut.
"""

MOST_ORDERS: Final = 1_000
"""Different chains of one type of task that are counted."""


@dataclass
class ObservedAdapter:
    """An adapter as it was registered, and its calls."""

    breaker: dict[str, Any] = field(default_factory=dict)
    retry: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    calls: ObservedCalls = field(default_factory=ObservedCalls)
    later: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The last of its policies that took effect after its first call, by section."""

    def now(self, section: str) -> dict[str, Any]:
        """Return the policy in effect; `section` is `breaker` or `retry`."""
        first = self.breaker if section == "breaker" else self.retry
        return self.later.get(section, first)


class ObservedCommand(NamedTuple):
    """An operator's command: when it was carried out (seconds), its verb, adapter, and for `open_for` its seconds.

    `restored`: no operator gave it; a restarted engine took up the state of the one before.
    """

    at: float
    verb: str
    adapter: str
    seconds: float | None = None
    restored: bool = False


class ObservedPolicy(NamedTuple):
    """A policy that took effect later: when (seconds), of which adapter, `breaker` or `retry`, and its fields."""

    at: float
    adapter: str
    section: str
    policy: dict[str, Any]


class ObservedRestart(NamedTuple):
    """An end of the engine, and the start of another one in its place: when (seconds), and for how long none ran."""

    at: float
    down: float


class ObservedLetters(NamedTuple):
    """Dead letters: whether some were to be retried automatically, and after how many seconds the first of them."""

    automatic: bool = False
    first_retry: float = 0.0


class ObservedChange(NamedTuple):
    """A change of a breaker's state: when (seconds), of which adapter, from which state to which, and why."""

    at: float
    adapter: str
    before: str
    after: str
    reason: str


class Counted(NamedTuple):
    """Ordinary tasks that a recording holds only as a number: from when until when (seconds), and how many by type."""

    since: float
    until: float
    types: dict[str, int]


_E = TypeVar("_E", bound=Event)
_Note = Callable[["Observation", Any], None]
_NOTES: Final[dict[type[Event], _Note]] = {}


def _notes(kind: type[_E]) -> Callable[[Callable[[Observation, _E], None]], Callable[[Observation, _E], None]]:
    def register(note: Callable[[Observation, _E], None]) -> Callable[[Observation, _E], None]:
        _NOTES[kind] = note
        return note

    return register


@dataclass
class Observation:
    """A fold of one engine's events, in order. Every time in it is in seconds from `began_at` (UTC microseconds).

    `only` are the adapters that matter; empty: all. Tasks that were given to none of them are left out.
    """

    began_at: int
    only: frozenset[str] = frozenset()
    ended: float = 0.0
    adapters: dict[str, ObservedAdapter] = field(default_factory=dict)
    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    adaptive: set[str] = field(default_factory=set)
    restartable: set[str] = field(default_factory=set)
    routing: dict[str, Any] = field(default_factory=dict)
    traffic: ObservedTraffic = field(default_factory=ObservedTraffic)
    counted: list[Counted] = field(default_factory=list)
    degraded: set[str] = field(default_factory=set)
    commands: list[ObservedCommand] = field(default_factory=list)
    changes: list[ObservedChange] = field(default_factory=list)
    restarts: list[ObservedRestart] = field(default_factory=list)
    policies: list[ObservedPolicy] = field(default_factory=list)
    letters: ObservedLetters | None = None
    succeeded: int = 0
    tasks: int = 0
    _waits: dict[str, float | None] = field(default_factory=dict)
    _states: dict[str, str] = field(default_factory=dict)
    _called: set[str] = field(default_factory=set)  # adapters that were called since they were added
    _orders: dict[str, Counter[tuple[str, ...]]] = field(default_factory=dict)  # of calls that name their chain
    _typed: Counter[str] = field(default_factory=Counter)  # tasks of each type, without those of workflows
    _alive: float = 0.0  # the last sign of life before this moment

    def add(self, event: Event) -> None:
        """Take up an event. Those that say nothing about calls, tasks, policies or operators have no effect."""
        now = self._seconds(event.at)
        if now > self.ended:
            self._alive, self.ended = self.ended, now
        if (note := _NOTES.get(type(event))) is not None:
            note(self, event)

    def end_process(self, at: int) -> None:
        """Note the last sign of life of a process (UTC microseconds); the events of the next one follow."""
        self.ended = max(self.ended, self._seconds(at))

    def chain_of(self, task_type: str) -> tuple[str, ...] | None:
        """Return the chain of a type of tasks, as it was set or as most calls named it; None: that of all others."""
        orders = self._orders.get(task_type)
        if orders and 2 * orders.total() > self._typed[task_type]:
            return orders.most_common(1)[0][0]
        return self.chains.get(task_type)

    @property
    def types_with_chains(self) -> list[str]:
        """The types of tasks that have a chain of their own, in the order in which it was seen."""
        return [name for name in dict.fromkeys([*self.chains, *self._orders]) if self.chain_of(name) is not None]

    def _matters(self, adapter: str) -> bool:
        return not self.only or adapter in self.only

    def _seconds(self, at: int) -> float:
        return (at - self.began_at) / 1e6

    def _adapter(self, name: str) -> ObservedAdapter:
        return self.adapters.setdefault(name, ObservedAdapter())

    @_notes(AdapterAdded)
    def _adapter_added(self, event: AdapterAdded) -> None:
        if not self._matters(event.adapter):
            return
        if event.adapter in self._called:  # it was not removed, so this is another engine
            self._restart()
        adapter = self._adapter(event.adapter)
        adapter.tags = event.tags
        self._take_up(event.adapter, adapter, event.policy, event.retry)

    @_notes(EngineStarted)
    def _engine_started(self, event: EngineStarted) -> None:
        if self._called:
            self._restart()

    def _restart(self) -> None:
        """Note that another engine has started. Its breakers are closed, unless it takes up their states."""
        now = self.ended
        self.restarts.append(ObservedRestart(self._alive, now - self._alive))
        self._called.clear()
        for name, state in self._states.items():
            if state != "closed":
                self.changes.append(ObservedChange(now, name, state, "closed", "reset"))
        self._states.clear()

    @_notes(AdapterRemoved)
    def _adapter_removed(self, event: AdapterRemoved) -> None:
        self._called.discard(event.adapter)

    @_notes(ConfigReloaded)
    def _config_reloaded(self, event: ConfigReloaded) -> None:
        for name, adapter in self.adapters.items():
            if event.ok and (name in event.policies or name in event.retry_policies):
                self._take_up(
                    name,
                    adapter,
                    event.policies.get(name, adapter.breaker),
                    event.retry_policies.get(name, adapter.retry),
                )

    def _take_up(self, name: str, adapter: ObservedAdapter, breaker: dict[str, Any], retry: dict[str, Any]) -> None:
        """Take up policies of an adapter: those that it begins with, until it is called, and changes from then on."""
        if not adapter.calls.began:
            adapter.breaker, adapter.retry = breaker, retry
            return
        for section, policy in (("breaker", breaker), ("retry", retry)):
            if policy and policy != adapter.now(section):
                self.policies.append(ObservedPolicy(self.ended, name, section, policy))
                adapter.later[section] = policy

    @_notes(PreferenceSet)
    def _preference_set(self, event: PreferenceSet) -> None:
        self.chains[event.task_type] = tuple(name for name in event.order if self._matters(name))
        (self.adaptive.add if event.adaptive else self.adaptive.discard)(event.task_type)

    @_notes(RoutingPolicySet)
    def _routing_policy_set(self, event: RoutingPolicySet) -> None:
        self.routing = event.policy

    @_notes(StateChanged)
    def _state_changed(self, event: StateChanged) -> None:
        name, at = event.adapter, self._seconds(event.at)
        if not self._matters(name):
            return
        before = self._states.get(name, "closed") if event.reason == "restored" else event.before
        self._waits[name], self._states[name] = event.wait, event.after
        if before == event.after:
            return
        self.changes.append(ObservedChange(at, name, before, event.after, event.reason))
        if event.reason == "restored" and event.after in HELD_BY:
            self.commands.append(ObservedCommand(at, HELD_BY[event.after], name, event.wait, restored=True))

    @_notes(CommandDone)
    def _command_done(self, event: CommandDone) -> None:
        if event.verb in OPERATORS_VERBS and (event.ok or event.verb in TAKES_A_WHILE):
            seconds = self._waits.get(event.adapter) if event.verb == "open_for" else None
            self.commands.append(ObservedCommand(self._time_of(event), event.verb, event.adapter, seconds))

    def _time_of(self, event: CommandDone) -> float:
        """Return when a command was carried out: retries take a while, and their outcome is known at their end."""
        at, asked = self._seconds(event.at), self._seconds(event.requested_at)
        return asked if event.verb in TAKES_A_WHILE and 0 <= asked <= at else at

    @_notes(BatchFinished)
    def _batch_finished(self, event: BatchFinished) -> None:
        if not self.only:
            self.traffic.add_batch(event, self._seconds(event.at))

    @_notes(WorkflowStarted)
    def _workflow_started(self, event: WorkflowStarted) -> None:
        if not self.only:
            self.traffic.add_run(event, max(0.0, self._seconds(event.at)))

    @_notes(WorkflowFinished)
    def _workflow_finished(self, event: WorkflowFinished) -> None:
        if event.state in ("done", "degraded"):
            self.traffic.end_run(event.run)

    @_notes(StreamRestarted)
    def _stream_restarted(self, event: StreamRestarted) -> None:
        self.restartable.add(event.task_type)

    @_notes(DeadLettered)
    def _dead_lettered(self, event: DeadLettered) -> None:
        if self.only or (self.letters is not None and self.letters.automatic):
            return
        wait = None if event.due_at is None else max(0.0, (event.due_at - event.at) / 1e6)
        self.letters = ObservedLetters() if wait is None else ObservedLetters(True, wait)

    @_notes(RoutesCounted)
    def _routes_counted(self, event: RoutesCounted) -> None:
        since, until = max(0.0, self._seconds(event.since)), self._seconds(event.at)
        self.counted.append(Counted(since, until, dict(event.types)))
        for name, counts in event.adapters.items():
            if self._matters(name) and counts.calls > 0:
                mean = max(0.0, counts.busy / counts.calls)
                self._adapter(name).calls.counted.append(CountedCalls(since, until, counts.calls, mean))
                self.tasks += counts.calls
                self.succeeded += counts.calls

    @_notes(RouteFinished)
    def _route_finished(self, event: RouteFinished) -> None:
        if self.only and not any(self._matters(attempt.adapter) for attempt in event.attempts):
            return
        ended = self._seconds(event.at)
        began = max(0.0, ended - event.duration)
        self._add_calls(event, began, ended)
        if event.letter is not None and self.letters is not None:
            return  # the retry of a dead letter is not a new task
        self.traffic.add_route(event, began, ended)
        self.tasks += 1
        self.succeeded += event.success
        self._typed[event.task_type] += 1
        if event.why.startswith(OF_THIS_CALL) and not event.strategy:
            orders = self._orders.setdefault(event.task_type, Counter())
            if len(orders) < MOST_ORDERS:
                orders[order_of(event)] += 1
        if event.degraded:
            self.degraded.add(event.task_type)

    def _add_calls(self, event: RouteFinished, began: float, ended: float) -> None:
        at = began
        for attempt in event.attempts:
            self._called.add(attempt.adapter)
            at = began if event.strategy else at + attempt.wait
            if attempt.outcome == "success" and attempt is event.attempts[-1] and not event.strategy:
                at = max(at, ended - attempt.duration)  # it may have waited for an adapter
            elif event.strategy == "hedged" and attempt.outcome in ("success", "cancelled"):
                at = max(began, ended - attempt.duration)
            if self._matters(attempt.adapter) and attempt.outcome != "rejected":
                self._add_call(attempt, at, bool(event.strategy))
            at += attempt.duration

    def _add_call(self, attempt: Attempt, at: float, of_fan_out: bool) -> None:
        calls, seconds = self._adapter(attempt.adapter).calls, attempt.duration
        if attempt.outcome == "cancelled":
            if of_fan_out:  # another adapter was faster, so it would have taken longer
                calls.add(at, seconds + LONGER, ANSWERED)
            return
        calls.add(at, seconds, _failure_of(attempt), attempt.items, attempt.first_item)


def _failure_of(attempt: Attempt) -> Failure:
    if attempt.outcome == "success":
        return ANSWERED
    return Failure(attempt.rule, attempt.error_type, attempt.error, attempt.retry_after)
