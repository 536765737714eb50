"""What happened in a time: a fold of recorded events into outages, sufferers, errors and a timeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from msgspec.structs import replace

from fuseboard_engine.events import (
    AttemptFailed,
    ClockChanged,
    CommandDone,
    ConfigReloaded,
    DeadLettered,
    EngineStarted,
    EngineStopped,
    Event,
    EventsDropped,
    FailureRateAlert,
    FaultEnded,
    FaultInjected,
    HealthAlert,
    HealthChecked,
    RecordingRestarted,
    RouteFinished,
    RoutesCounted,
    ScenarioStep,
    ShutdownChanged,
    State,
    StateChanged,
    TripSuppressed,
)
from fuseboard_storage.board.rows import Entry

K = TypeVar("K")

MOST_SLICES: Final = 120
"""Slices of time in the charts; each is at least a second long."""
MOST_TIMELINE: Final = 400
MOST_KEYS: Final = 5_000
"""Different errors, users and task types that are counted; further ones are counted together."""
OTHERS: Final = "(others)"

_TIMELINE: Final = (
    ClockChanged, CommandDone, ConfigReloaded, EngineStarted, EngineStopped, EventsDropped, FailureRateAlert,
    FaultEnded, FaultInjected, HealthAlert, HealthChecked, RecordingRestarted, ScenarioStep, ShutdownChanged,
    StateChanged, TripSuppressed,
)  # fmt: skip
KINDS: Final[tuple[type[Event], ...]] = (*_TIMELINE, AttemptFailed, DeadLettered, RouteFinished, RoutesCounted)
"""The events that the fold needs."""


class Lane(NamedTuple):
    """The key of a breaker: its engine instance and its adapter."""

    instance: int
    adapter: str


@dataclass
class Outage:
    """A time in which a breaker refused calls, over its probes. Times are UTC microseconds.

    Attributes:
        lane: the breaker.
        since: when it opened.
        until: when it took calls again; None if it did not.
        why: what opened it, as recorded.
        by: the operator who held it open; empty for the engine's own decision.
        openings: how often it opened.
        error: the last error before it opened.
        took_over: how many tasks other adapters answered, by adapter, after this one had failed or refused.
    """

    lane: Lane
    since: int
    until: int | None = None
    why: str = ""
    by: str = ""
    openings: int = 1
    error: str = ""
    took_over: Counter[str] = field(default_factory=Counter)


@dataclass
class TaskCounts:
    """Tasks of one type by how they ended. `first`: the first adapter of the chain answered; `other`: another one."""

    first: int = 0
    other: int = 0
    degraded: int = 0
    failed: int = 0
    letters: int = 0

    @property
    def tasks(self) -> int:
        """All tasks."""
        return self.first + self.other + self.degraded + self.failed


@dataclass
class ErrorCount:
    """How often one error of one adapter occurred. Times are UTC microseconds."""

    number: int
    first: int
    last: int


class Incident:
    """What happened from `begin` to `end` (UTC microseconds).

    Args:
        begin: the start.
        end: the end, inclusive.
        states: the state of each breaker at the start.
    """

    def __init__(self, begin: int, end: int, states: dict[Lane, State] | None = None) -> None:
        self.begin = begin
        self.end = max(end, begin + 1)
        self.changes: dict[Lane, list[tuple[int, State]]] = {}
        """The states of each breaker: when it entered them."""
        self.outages: list[Outage] = []
        self.types: dict[str, TaskCounts] = {}
        self.users: dict[str, TaskCounts] = {}
        seconds = (self.end - begin) // 1_000_000
        self.slices = [TaskCounts() for _ in range(min(max(seconds, 1), MOST_SLICES))]
        self.errors: dict[tuple[str, str, str], ErrorCount] = {}
        self.letters: Counter[tuple[str, str]] = Counter()
        """Dead letters by task type and category."""
        self.commands: list[CommandDone] = []
        """Operators' commands that ended."""
        self.timeline: list[Entry] = []
        self.not_shown = 0
        """Entries of the timeline beyond the limit."""
        self.dropped = 0
        """Events that the recorder had to drop."""
        self._open: dict[Lane, Outage] = {}
        self._last_error: dict[Lane, str] = {}
        for lane, state in (states or {}).items():
            self.changes[lane] = [(begin, state)]
            if state in ("open", "half_open", "forced_open"):
                self._begin_outage(lane, begin, "it was out before")

    @property
    def counts(self) -> TaskCounts:
        """All tasks."""
        total = TaskCounts()
        for one in self.slices:
            total.first += one.first
            total.other += one.other
            total.degraded += one.degraded
            total.failed += one.failed
        total.letters = sum(self.letters.values())
        return total

    def slice_of(self, at: int) -> int:
        """Return the number of the slice that a time lies in."""
        number = len(self.slices)
        return min(max((at - self.begin) * number // (self.end - self.begin), 0), number - 1)

    def add(self, entry: Entry) -> None:
        """Fold one event."""
        event = entry.event
        match event:
            case RouteFinished():
                self._add_route(entry.instance, event)
            case AttemptFailed():
                self._add_failure(entry.instance, event)
            case RoutesCounted():
                self._add_counted(event)
            case DeadLettered():
                self.letters[self._key(self.letters, (event.task_type, event.category), (OTHERS, ""))] += 1
                self._of_type(event.task_type).letters += 1
            case StateChanged():
                self._add_change(Lane(entry.instance, event.adapter), event)
            case CommandDone():
                self.commands.append(event if event.target is not None else replace(event, target=entry.instance))
            case EventsDropped():
                self.dropped += max(0, event.count)
        if isinstance(event, _TIMELINE) and not self._is_repetition(event):
            if len(self.timeline) < MOST_TIMELINE:
                self.timeline.append(entry)
            else:
                self.not_shown += 1

    # ---------------------------------------------------------------- breakers

    @staticmethod
    def _is_repetition(event: Event) -> bool:
        """Return whether an event only says what another one says: a command, whose change of state is there too."""
        return isinstance(event, StateChanged) and event.before == event.after

    def _add_change(self, lane: Lane, event: StateChanged) -> None:
        changes = self.changes.setdefault(lane, [(self.begin, event.before)])
        changes.append((event.at, event.after))
        outage = self._open.get(lane)
        if event.after in ("open", "forced_open"):
            if outage is None:
                outage = self._begin_outage(lane, event.at, event.detail or event.reason)
                outage.by = event.actor
                outage.error = self._last_error.get(lane, "")
            elif event.before != "half_open" or event.reason != "restored":
                outage.openings += 1
        elif event.after not in ("half_open", "open") and outage is not None:
            outage.until = event.at
            del self._open[lane]

    def _begin_outage(self, lane: Lane, at: int, why: str) -> Outage:
        outage = self._open[lane] = Outage(lane, at, why=why)
        self.outages.append(outage)
        return outage

    # ---------------------------------------------------------------- tasks

    def _add_route(self, instance: int, event: RouteFinished) -> None:
        passed = {attempt.adapter for attempt in event.attempts if attempt.outcome in ("failure", "rejected")}
        passed.discard(event.adapter)
        if event.success:
            name = "other" if passed else "first"
            for adapter in passed:
                if (outage := self._open.get(Lane(instance, adapter))) is not None:
                    outage.took_over[event.adapter] += 1
        else:
            name = "degraded" if event.degraded else "failed"
        counted = [self.slices[self.slice_of(event.at)], self._of_type(event.task_type)]
        if not event.success and event.context and (user := event.context.get("user")):
            key = self._key(self.users, user, OTHERS)
            counted.append(self.users.setdefault(key, TaskCounts()))
        for one in counted:
            setattr(one, name, getattr(one, name) + 1)

    def _add_counted(self, event: RoutesCounted) -> None:
        first, last = sorted((self.slice_of(event.since), self.slice_of(event.at)))
        number, slices = max(0, event.tasks), last - first + 1
        for place in range(first, last + 1):
            self.slices[place].first += number * (place - first + 1) // slices - number * (place - first) // slices
        for task_type, tasks in event.types.items():
            self._of_type(task_type).first += max(0, tasks)

    def _of_type(self, task_type: str) -> TaskCounts:
        return self.types.setdefault(self._key(self.types, task_type, OTHERS), TaskCounts())

    def _add_failure(self, instance: int, event: AttemptFailed) -> None:
        attempt = event.attempt
        text = f"{attempt.error_type}: {attempt.error}" if attempt.error else attempt.error_type or attempt.rule
        self._last_error[Lane(instance, attempt.adapter)] = text
        key = self._key(self.errors, (attempt.adapter, attempt.error_type, attempt.error[:300]), (OTHERS, "", ""))
        found = self.errors.get(key)
        if found is None:
            self.errors[key] = ErrorCount(1, event.at, event.at)
        else:
            found.number += 1
            found.last = max(found.last, event.at)

    @staticmethod
    def _key(known: Mapping[K, object], key: K, otherwise: K) -> K:
        return key if key in known or len(known) < MOST_KEYS else otherwise
