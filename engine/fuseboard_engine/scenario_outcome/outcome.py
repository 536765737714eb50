"""What happened in a scenario, folded from its events."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from math import inf
from typing import Final, NamedTuple

from fuseboard_engine.events import (
    DeadLetterChanged,
    DeadLettered,
    Event,
    FaultEnded,
    FaultInjected,
    RouteFinished,
    State,
    StateChanged,
)


class Scope(NamedTuple):
    """What counts: tasks of one type (None: of all types), and the seconds of the scenario from `since` to `until`."""

    type: str | None = None
    since: float = -inf
    until: float = inf

    def covers(self, at: float) -> bool:
        """Return whether a moment counts."""
        return self.since <= at <= self.until


EVERYTHING: Final = Scope()


class RouteKind(NamedTuple):
    """What routes have in common: `adapter` answered, after those that were `tried`, called or not, in order.

    `letter`: it retried a dead letter, so its task is not a new one.
    """

    type: str
    adapter: str
    success: bool
    degraded: bool
    letter: bool
    tried: tuple[str, ...]


class Route(NamedTuple):
    """A route: its kind, and when it began and ended, in seconds of the scenario."""

    kind: RouteKind
    began: float
    ended: float


class Change(NamedTuple):
    """A change of a breaker's state."""

    at: float
    before: State
    after: State


class Fault(NamedTuple):
    """A time in which an adapter had a fault, or several in a row; `ended` is None until it ends."""

    adapter: str
    began: float
    ended: float | None = None


class Letter(NamedTuple):
    """A dead letter, and its status after its last change."""

    type: str
    at: float
    status: str = "pending"


class Outcome:
    """What happened in a scenario. `observe` takes its events in order; all times are seconds since it began.

    Args:
        began_at: when it began, UTC microseconds.
        duration: how long it lasts. The end of a fault with the scenario does not count.
        keeps: the types of the events that it keeps as they are.
    """

    def __init__(self, began_at: int = 0, duration: float = inf, keeps: Collection[type[Event]] = ()) -> None:
        self.began_at = began_at
        self.changes: dict[str, list[Change]] = {}
        """The changes of each breaker."""
        self.faults: list[Fault] = []
        self.letters: dict[int, Letter] = {}
        """The dead letters by id."""
        self.kept: list[Event] = []
        """The events of the types that it keeps."""
        self._keeps = keeps
        self._duration = duration
        # A day has millions of routes: 20 bytes for each.
        self._kinds: dict[RouteKind, int] = {}
        self._kind = array("I")
        self._began = array("d")
        self._ended = array("d")
        self._calls: dict[tuple[str, str], array[float]] = {}  # by adapter and type

    def observe(self, event: Event) -> None:
        """Take an event."""
        if type(event) in self._keeps:
            self.kept.append(event)
        if isinstance(event, RouteFinished):
            self._add_route(event)
        elif isinstance(event, StateChanged):
            change = Change(self.seconds(event), event.before, event.after)
            self.changes.setdefault(event.adapter, []).append(change)
        elif isinstance(event, FaultInjected):
            if not any(fault.adapter == event.adapter and fault.ended is None for fault in self.faults):
                self.faults.append(Fault(event.adapter, self.seconds(event)))
        elif isinstance(event, FaultEnded) and event.reason != "replaced":
            self._end_fault(event.adapter, self.seconds(event))
        elif isinstance(event, DeadLettered):
            self.letters[event.letter] = Letter(event.task_type, self.seconds(event))
        elif isinstance(event, DeadLetterChanged):
            for letter in self.letters.keys() & set(event.letters):
                self.letters[letter] = self.letters[letter]._replace(status=event.status)

    def _end_fault(self, adapter: str, at: float) -> None:
        for place, fault in enumerate(self.faults):
            if fault.adapter == adapter and fault.ended is None and at < self._duration:
                self.faults[place] = fault._replace(ended=at)

    def seconds(self, event: Event) -> float:
        """Return when an event happened."""
        return (event.at - self.began_at) / 1e6

    def _add_route(self, event: RouteFinished) -> None:
        attempts, ended = event.attempts, self.seconds(event)
        tried = tuple(dict.fromkeys(attempt.adapter for attempt in attempts))
        success = event.success
        kind = RouteKind(event.task_type, event.adapter, success, event.degraded, event.letter is not None, tried)
        self._kind.append(self._kinds.setdefault(kind, len(self._kinds)))
        self._began.append(ended - event.duration)
        self._ended.append(ended)
        at = ended - event.duration
        for attempt in attempts:
            if attempt.outcome != "rejected":
                calls = self._calls.get((attempt.adapter, event.task_type))
                if calls is None:
                    calls = self._calls[(attempt.adapter, event.task_type)] = array("d")
                calls.append(at + attempt.wait)
            if not event.strategy:  # those of a fan-out are called at the same time
                at += attempt.wait + attempt.duration

    def kinds(self) -> Counter[RouteKind]:
        """Return how many routes of each kind there were; without those of dead letters."""
        counts, kinds = Counter(self._kind), list(self._kinds)
        return Counter({kinds[number]: count for number, count in counts.items() if not kinds[number].letter})

    def routes(self, scope: Scope = EVERYTHING) -> Iterator[Route]:
        """Yield the routes that ended in a scope, in the order of their ends; without those of dead letters."""
        kinds = list(self._kinds)
        for number, began, ended in zip(self._kind, self._began, self._ended, strict=True):
            kind = kinds[number]
            if scope.covers(ended) and not kind.letter and scope.type in (None, kind.type):
                yield Route(kind, began, ended)

    def answers(self, scope: Scope = EVERYTHING) -> Iterator[Route]:
        """Yield the routes that succeeded in a scope, those of dead letters too."""
        kinds = list(self._kinds)
        for number, began, ended in zip(self._kind, self._began, self._ended, strict=True):
            kind = kinds[number]
            if kind.success and scope.covers(ended) and scope.type in (None, kind.type):
                yield Route(kind, began, ended)

    def calls(self, adapter: str, scope: Scope = EVERYTHING) -> list[float]:
        """Return when an adapter was called in a scope, in order."""
        return sorted(
            at
            for (name, task_type), calls in self._calls.items()
            if name == adapter and scope.type in (None, task_type)
            for at in calls
            if scope.covers(at)
        )

    def states(self, adapter: str, scope: Scope = EVERYTHING) -> list[tuple[float, State]]:
        """Return the states of a breaker in a scope, each with the moment of its beginning; the first may be older."""
        changes = self.changes.get(adapter, [])
        first: State = changes[0].before if changes else "closed"
        states: list[tuple[float, State]] = [(-inf, first), *((change.at, change.after) for change in changes)]
        ends = [*(change.at for change in changes), inf]
        return [state for state, end in zip(states, ends, strict=True) if end > scope.since and state[0] <= scope.until]

    def periods(self, states: dict[str, State], scope: Scope = EVERYTHING) -> Iterator[tuple[float, float]]:
        """Yield the times in a scope in which all these breakers are in these states."""
        timelines = {name: self.states(name, scope) for name in states}
        now = {name: timeline[0][1] for name, timeline in timelines.items()}
        later = [(at, name, state) for name, timeline in timelines.items() for at, state in timeline[1:]]
        since = scope.since
        for at, name, state in sorted(later, key=lambda change: change[0]):
            if now == states and since < at:
                yield since, at
            now[name], since = state, at
        if now == states:
            yield since, scope.until
