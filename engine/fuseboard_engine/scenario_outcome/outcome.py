"""What happened in a scenario, folded from its events."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
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
    """What counts: the seconds of the scenario from `since` to `until`, tasks of one type, and one engine.

    None as `type` or `engine`: those of all.
    """

    type: str | None = None
    since: float = -inf
    until: float = inf
    engine: str | None = None

    def covers(self, at: float) -> bool:
        """Return whether a moment counts."""
        return self.since <= at <= self.until

    def includes(self, engine: str, task_type: str) -> bool:
        """Return whether the tasks of a type in an engine count."""
        return self.type in (None, task_type) and self.engine in (None, engine)


EVERYTHING: Final = Scope()


class RouteKind(NamedTuple):
    """What routes of an engine have in common: `adapter` answered, after those that were `tried`, called or not.

    `letter`: it retried a dead letter, so its task is not a new one.
    """

    type: str
    adapter: str
    success: bool
    degraded: bool
    letter: bool
    tried: tuple[str, ...]
    engine: str = ""


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
    """A time in which an adapter of an engine had a fault, or several in a row; `ended` is None until it ends."""

    adapter: str
    began: float
    ended: float | None = None
    engine: str = ""


class Letter(NamedTuple):
    """A dead letter of an engine, and its status after its last change."""

    type: str
    at: float
    status: str = "pending"
    engine: str = ""


class Kept(NamedTuple):
    """An event that is kept as it is, and the engine that published it."""

    event: Event
    engine: str = ""


class Outcome:
    """What happened in a scenario. `observe` takes its events in order; all times are seconds since it began.

    Args:
        began_at: when it began, UTC microseconds.
        duration: how long it lasts. The end of a fault with the scenario does not count.
        keeps: the types of the events that it keeps as they are.
        engines: the names of its engines.
    """

    def __init__(
        self,
        began_at: int = 0,
        duration: float = inf,
        keeps: Collection[type[Event]] = (),
        engines: Sequence[str] = ("",),
    ) -> None:
        self.began_at = began_at
        self.engines = engines
        """The names of its engines."""
        self.changes: dict[tuple[str, str], list[Change]] = {}
        """The changes of each breaker, by the names of engine and adapter."""
        self.faults: list[Fault] = []
        self.letters: dict[tuple[str, int], Letter] = {}
        """The dead letters, by engine and id."""
        self.kept: list[Kept] = []
        """The events of the types that it keeps."""
        self._keeps = keeps
        self._duration = duration
        # A day has millions of routes: 20 bytes for each.
        self._kinds: dict[RouteKind, int] = {}
        self._kind = array("I")
        self._began = array("d")
        self._ended = array("d")
        self._calls: dict[tuple[str, str, str], array[float]] = {}  # by engine, adapter and type

    def observe(self, event: Event, engine: str = "") -> None:
        """Take an event of an engine."""
        if type(event) in self._keeps:
            self.kept.append(Kept(event, engine))
        if isinstance(event, RouteFinished):
            self._add_route(event, engine)
        elif isinstance(event, StateChanged):
            change = Change(self.seconds(event), event.before, event.after)
            self.changes.setdefault((engine, event.adapter), []).append(change)
        elif isinstance(event, FaultInjected):
            if self._fault_now(engine, event.adapter) is None:
                self.faults.append(Fault(event.adapter, self.seconds(event), engine=engine))
        elif isinstance(event, FaultEnded) and event.reason != "replaced":
            place, at = self._fault_now(engine, event.adapter), self.seconds(event)
            if place is not None and at < self._duration:
                self.faults[place] = self.faults[place]._replace(ended=at)
        elif isinstance(event, DeadLettered):
            self.letters[engine, event.letter] = Letter(event.task_type, self.seconds(event), engine=engine)
        elif isinstance(event, DeadLetterChanged):
            for key in self.letters.keys() & {(engine, letter) for letter in event.letters}:
                self.letters[key] = self.letters[key]._replace(status=event.status)

    def _fault_now(self, engine: str, adapter: str) -> int | None:
        """Return the place of the fault that an adapter has."""
        for place, fault in enumerate(self.faults):
            if fault.ended is None and (fault.engine, fault.adapter) == (engine, adapter):
                return place
        return None

    def seconds(self, event: Event) -> float:
        """Return when an event happened."""
        return (event.at - self.began_at) / 1e6

    def _add_route(self, event: RouteFinished, engine: str) -> None:
        attempts, ended = event.attempts, self.seconds(event)
        tried = tuple(dict.fromkeys(attempt.adapter for attempt in attempts))
        success = event.success
        letter = event.letter is not None
        kind = RouteKind(event.task_type, event.adapter, success, event.degraded, letter, tried, engine)
        self._kind.append(self._kinds.setdefault(kind, len(self._kinds)))
        self._began.append(ended - event.duration)
        self._ended.append(ended)
        at = ended - event.duration
        for attempt in attempts:
            if attempt.outcome != "rejected":
                key = (engine, attempt.adapter, event.task_type)
                calls = self._calls.get(key)
                if calls is None:
                    calls = self._calls[key] = array("d")
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
            if scope.covers(ended) and not kind.letter and scope.includes(kind.engine, kind.type):
                yield Route(kind, began, ended)

    def answers(self, scope: Scope = EVERYTHING) -> Iterator[Route]:
        """Yield the routes that succeeded in a scope, those of dead letters too."""
        kinds = list(self._kinds)
        for number, began, ended in zip(self._kind, self._began, self._ended, strict=True):
            kind = kinds[number]
            if kind.success and scope.covers(ended) and scope.includes(kind.engine, kind.type):
                yield Route(kind, began, ended)

    def calls(self, adapter: str, scope: Scope = EVERYTHING) -> list[float]:
        """Return when an adapter was called in a scope, in order."""
        return sorted(
            at
            for (engine, name, task_type), calls in self._calls.items()
            if name == adapter and scope.includes(engine, task_type)
            for at in calls
            if scope.covers(at)
        )

    def engines_in(self, scope: Scope) -> list[str]:
        """Return the names of the engines that count."""
        return [engine for engine in self.engines if scope.engine in (None, engine)]

    def states(self, engine: str, adapter: str, scope: Scope = EVERYTHING) -> list[tuple[float, State]]:
        """Return the states of a breaker in a scope, each with the moment of its beginning; the first may be older."""
        changes = self.changes.get((engine, adapter), [])
        first: State = changes[0].before if changes else "closed"
        states: list[tuple[float, State]] = [(-inf, first), *((change.at, change.after) for change in changes)]
        ends = [*(change.at for change in changes), inf]
        return [state for state, end in zip(states, ends, strict=True) if end > scope.since and state[0] <= scope.until]

    def periods(
        self, engine: str, states: dict[str, State], scope: Scope = EVERYTHING
    ) -> Iterator[tuple[float, float]]:
        """Yield the times in a scope in which all these breakers of an engine are in these states."""
        timelines = {name: self.states(engine, name, scope) for name in states}
        now = {name: timeline[0][1] for name, timeline in timelines.items()}
        later = [(at, name, state) for name, timeline in timelines.items() for at, state in timeline[1:]]
        since = scope.since
        for at, name, state in sorted(later, key=lambda change: change[0]):
            if now == states and since < at:
                yield since, at
            now[name], since = state, at
        if now == states:
            yield since, scope.until
