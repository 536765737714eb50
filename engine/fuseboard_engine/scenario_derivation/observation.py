"""What the events of an engine say about its adapters, its tasks and its operators."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from fuseboard_engine.events import (
    AdapterAdded,
    Attempt,
    CommandDone,
    ConfigReloaded,
    Event,
    PreferenceSet,
    RouteFinished,
    RoutesCounted,
    RoutingPolicySet,
    StateChanged,
)

OPERATORS_VERBS: Final = frozenset(
    ("reset", "reset_all", "force_open", "open_for", "half_open", "disable", "metrics_only", "enable")
)
"""The commands of operators that a scenario repeats."""


class Failure(NamedTuple):
    """How a call failed. The empty one is an answer."""

    rule: str = ""
    error_type: str = ""
    error: str = ""
    retry_after: float | None = None


ANSWERED: Final = Failure()


class CountedCalls(NamedTuple):
    """Answered calls that a recording holds only as a number: from when until when, how many, and their mean duration.

    All times are in seconds.
    """

    since: float
    until: float
    calls: int
    mean: float


@dataclass
class ObservedCalls:
    """The calls of an adapter, as columns: when each began (seconds), how long it took, and how it ended.

    `outcomes` holds places in `failures`, whose first one is the answer. `counted` are calls beside these.
    """

    began: array[float] = field(default_factory=lambda: array("d"))
    seconds: array[float] = field(default_factory=lambda: array("d"))
    outcomes: array[int] = field(default_factory=lambda: array("H"))
    failures: list[Failure] = field(default_factory=lambda: [ANSWERED])
    counted: list[CountedCalls] = field(default_factory=list)
    _place_of: dict[Failure, int] = field(default_factory=lambda: {ANSWERED: 0})

    def add(self, began: float, seconds: float, failure: Failure) -> None:
        """Add a call. Of more than 1,000 different failures the rest is taken for the first one with the same row."""
        place = self._place_of.get(failure)
        if place is None:
            place = len(self.failures)
            if place >= 1_000:
                failure = next((known for known in self.failures if known.rule == failure.rule), self.failures[1])
                place = self._place_of[failure]
            else:
                self.failures.append(failure)
            self._place_of[failure] = place
        self.began.append(began)
        self.seconds.append(seconds)
        self.outcomes.append(place)


@dataclass
class ObservedAdapter:
    """An adapter as it was registered, and its calls."""

    breaker: dict[str, Any] = field(default_factory=dict)
    retry: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    calls: ObservedCalls = field(default_factory=ObservedCalls)


class ObservedCommand(NamedTuple):
    """An operator's command: when it was carried out (seconds), its verb, adapter, and for `open_for` its seconds."""

    at: float
    verb: str
    adapter: str
    seconds: float | None = None


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
    routing: dict[str, Any] = field(default_factory=dict)
    arrivals: dict[str, array[float]] = field(default_factory=dict)
    counted: list[Counted] = field(default_factory=list)
    degraded: set[str] = field(default_factory=set)
    commands: list[ObservedCommand] = field(default_factory=list)
    changes: list[ObservedChange] = field(default_factory=list)
    succeeded: int = 0
    tasks: int = 0
    _waits: dict[str, float | None] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Take up an event. Those that say nothing about calls, tasks, policies or operators have no effect."""
        self.ended = max(self.ended, self._seconds(event.at))
        if (note := _NOTES.get(type(event))) is not None:
            note(self, event)

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
        adapter = self._adapter(event.adapter)
        adapter.breaker, adapter.retry, adapter.tags = event.policy, event.retry, event.tags

    @_notes(ConfigReloaded)
    def _config_reloaded(self, event: ConfigReloaded) -> None:
        """Take up changed policies of adapters that were not called before; others keep those that they began with."""
        fresh = {name: adapter for name, adapter in self.adapters.items() if not adapter.calls.began}
        for name, adapter in fresh.items():
            adapter.breaker = event.policies.get(name, adapter.breaker)
            adapter.retry = event.retry_policies.get(name, adapter.retry)

    @_notes(PreferenceSet)
    def _preference_set(self, event: PreferenceSet) -> None:
        self.chains[event.task_type] = tuple(name for name in event.order if self._matters(name))
        (self.adaptive.add if event.adaptive else self.adaptive.discard)(event.task_type)

    @_notes(RoutingPolicySet)
    def _routing_policy_set(self, event: RoutingPolicySet) -> None:
        self.routing = event.policy

    @_notes(StateChanged)
    def _state_changed(self, event: StateChanged) -> None:
        if event.before == event.after or not self._matters(event.adapter):
            return
        self.changes.append(
            ObservedChange(self._seconds(event.at), event.adapter, event.before, event.after, event.reason)
        )
        self._waits[event.adapter] = event.wait

    @_notes(CommandDone)
    def _command_done(self, event: CommandDone) -> None:
        if event.ok and event.verb in OPERATORS_VERBS:
            seconds = self._waits.get(event.adapter) if event.verb == "open_for" else None
            self.commands.append(ObservedCommand(self._seconds(event.at), event.verb, event.adapter, seconds))

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
        if not any(self._matters(attempt.adapter) for attempt in event.attempts):
            return
        began = self._seconds(event.at) - event.duration
        self.arrivals.setdefault(event.task_type, array("d")).append(max(0.0, began))
        self.tasks += 1
        self.succeeded += event.success
        if event.degraded:
            self.degraded.add(event.task_type)
        at = began
        for attempt in event.attempts:
            at += attempt.wait
            if self._matters(attempt.adapter) and attempt.outcome not in ("rejected", "cancelled"):
                self._adapter(attempt.adapter).calls.add(max(0.0, at), attempt.duration, _failure_of(attempt))
            if not event.strategy:  # those of a fan-out begin together
                at += attempt.duration


def _failure_of(attempt: Attempt) -> Failure:
    if attempt.outcome == "success":
        return ANSWERED
    return Failure(attempt.rule, attempt.error_type, attempt.error, attempt.retry_after)
