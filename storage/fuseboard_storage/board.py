"""The Board: what an operator sees, as a pure fold of what was recorded.

`board.apply(entry)` is the only way to build one. It reads no clock, so the same entries always give the same
Board, live, in a replay, or in a test. Times are UTC microseconds; a reader passes "now" where one is needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from fuseboard_engine.events import (
    AdapterAdded,
    AdapterRemoved,
    Attempt,
    AttemptFailed,
    CommandDone,
    EngineStarted,
    EngineStopped,
    Event,
    EventsDropped,
    PreferenceSet,
    ProbeChanged,
    RouteFinished,
    ScenarioStep,
    State,
    StateChanged,
)
from fuseboard_engine.histogram import merge, percentile
from fuseboard_storage.metrics import SECOND, AdapterSecond, attempts_of

KEPT_SECONDS = 120
KEPT_ROUTES = 500
KEPT_FAILURES = 200
KEPT_ACTIONS = 200
KEPT_CHANGES = 100


class Entry(NamedTuple):
    """One event as it stands in a recording: its number, the instance that wrote it, and the event."""

    seq: int
    instance: int
    event: Event


class AdapterKey(NamedTuple):
    """What an adapter is known by: two engines may each have one of the same name."""

    instance: int
    adapter: str


class InstanceRow:
    """One engine that writes, or wrote, to the recording."""

    __slots__ = ("ended_at", "heartbeat_at", "host", "id", "name", "pid", "reason", "started_at")

    def __init__(self, id: int, name: str, host: str, pid: int, started_at: int) -> None:
        self.id = id
        self.name = name
        self.host = host
        self.pid = pid
        self.started_at = started_at
        self.heartbeat_at = started_at
        self.ended_at: int | None = None
        self.reason = ""

    @property
    def label(self) -> str:
        """`name@host:pid`, as people write it."""
        return f"{self.name}@{self.host}:{self.pid}"


class Totals(NamedTuple):
    """What was counted over some seconds. Rates are per second; percentiles in seconds; None: nothing to say."""

    calls: int
    successes: int
    failures: int
    timeouts: int
    rejections: int
    rate: float
    success_rate: float | None
    p50: float | None
    p95: float | None
    p99: float | None


class AdapterRow:
    """One adapter on the Board: its breaker, its counters, its last two minutes."""

    __slots__ = (
        "actor",
        "added_at",
        "calls",
        "changes",
        "detail",
        "failed",
        "failures",
        "generation",
        "key",
        "last_error",
        "last_failure",
        "needed",
        "openings",
        "policy",
        "probe_successes",
        "probes_in_flight",
        "reason",
        "rejections",
        "seconds",
        "since",
        "state",
        "successes",
        "tags",
        "threshold",
        "timeouts",
        "until",
        "wait",
    )

    def __init__(self, key: AdapterKey, at: int) -> None:
        self.key = key
        self.added_at = at
        self.state: State = "closed"
        self.since = at
        self.reason = ""
        self.detail = ""
        self.actor = ""
        self.generation = 0
        self.openings = 0
        self.wait: float | None = None
        self.until: int | None = None
        self.failures = 0
        self.threshold: int | None = None
        self.needed = 0
        self.probe_successes = 0
        self.probes_in_flight = 0
        self.policy: dict[str, Any] = {}
        self.tags: tuple[str, ...] = ()
        self.calls = 0
        self.successes = 0
        self.failed = 0
        self.timeouts = 0
        self.rejections = 0
        self.last_error = ""
        self.last_failure: int | None = None
        self.seconds: deque[AdapterSecond] = deque(maxlen=KEPT_SECONDS)
        self.changes: deque[tuple[int, State]] = deque(maxlen=KEPT_CHANGES)

    @property
    def name(self) -> str:
        """The adapter's name."""
        return self.key.adapter

    @property
    def success_rate(self) -> float | None:
        """Share of calls that succeeded since the adapter was added, 0..1; None before the first verdict."""
        judged = self.successes + self.failed
        return self.successes / judged if judged else None

    def totals(self, now: int, seconds: int) -> Totals:
        """Return what was counted in the last `seconds` (at most `KEPT_SECONDS`) before `now`."""
        first = now - seconds * SECOND
        spans = [span for span in self.seconds if first < span.at + SECOND and span.at <= now]
        calls = sum(span.calls for span in spans)
        successes = sum(span.successes for span in spans)
        failures = sum(span.failures for span in spans)
        latency = merge(span.latency for span in spans)
        judged = successes + failures
        return Totals(
            calls=calls,
            successes=successes,
            failures=failures,
            timeouts=sum(span.timeouts for span in spans),
            rejections=sum(span.rejections for span in spans),
            rate=calls / seconds,
            success_rate=successes / judged if judged else None,
            p50=percentile(latency, 0.50),
            p95=percentile(latency, 0.95),
            p99=percentile(latency, 0.99),
        )

    def series(self, now: int, slices: int, seconds_each: int) -> list[int]:
        """Return calls per slice, oldest first: the bars of a sparkline that ends at `now`."""
        bars = [0] * slices
        for span in self.seconds:
            back = (now - span.at) // (seconds_each * SECOND)
            if 0 <= back < slices:
                bars[slices - 1 - back] += span.calls
        return bars


class FailureRow:
    """Failures of one adapter that say the same thing, one after the other: the newest, and how many."""

    __slots__ = ("at", "attempt", "count", "first_at", "key", "task", "task_type", "then")

    def __init__(self, key: AdapterKey, event: AttemptFailed) -> None:
        self.key = key
        self.first_at = event.at
        self.count = 0
        self.repeat(event)

    def repeat(self, event: AttemptFailed) -> None:
        """Take one more of the same."""
        self.at = event.at
        self.count += 1
        self.task = event.task
        self.task_type = event.task_type
        self.attempt: Attempt = event.attempt
        self.then = event.then


class Board:
    """All adapters, chains, failures and operators' actions of a recording, as of the last applied entry."""

    def __init__(self) -> None:
        self.seq = 0
        """Number of the last applied entry."""
        self.at = 0
        """Newest time seen, UTC microseconds."""
        self.instances: dict[int, InstanceRow] = {}
        self.adapters: dict[AdapterKey, AdapterRow] = {}
        self.chains: dict[tuple[int, str], tuple[str, ...]] = {}
        self.routes: deque[Entry] = deque(maxlen=KEPT_ROUTES)
        """Finished routes, newest first; each entry's event is a `RouteFinished`."""
        self.failures: deque[FailureRow] = deque(maxlen=KEPT_FAILURES)
        """Failures in groups that say the same, newest first."""
        self.actions: deque[CommandDone] = deque(maxlen=KEPT_ACTIONS)
        """Operators' commands that were carried out or refused, newest first."""
        self.scenario: ScenarioStep | None = None
        self.dropped = 0
        self.tasks = 0
        self.tasks_ok = 0
        self.tasks_degraded = 0

    # ---------------------------------------------------------------- the fold

    def apply(self, entry: Entry) -> None:
        """Take one entry in. Entries come in the order of their numbers; one seen before is passed over."""
        if entry.seq <= self.seq:
            return
        self.seq = entry.seq
        event = entry.event
        if event.at > self.at:
            self.at = event.at
        fold = _FOLDS.get(type(event))
        if fold is not None:
            fold(self, entry, event)

    def heartbeat(self, instance: int, at: int) -> None:
        """Note that an instance was alive at `at` (UTC microseconds)."""
        row = self.instances.get(instance)
        if row is not None and at > row.heartbeat_at:
            row.heartbeat_at = at

    def _started(self, entry: Entry, event: EngineStarted) -> None:
        self.instances[entry.instance] = InstanceRow(entry.instance, event.name, event.host, event.pid, event.at)
        # A restart replaces what the same engine left behind; what still runs elsewhere stays.
        for old in [i for i in self.instances.values() if i.name == event.name and i.ended_at is not None]:
            self._forget(old.id)

    def _forget(self, instance: int) -> None:
        del self.instances[instance]
        for key in [key for key in self.adapters if key.instance == instance]:
            del self.adapters[key]
        for chain in [chain for chain in self.chains if chain[0] == instance]:
            del self.chains[chain]

    def _stopped(self, entry: Entry, event: EngineStopped) -> None:
        row = self.instances.get(entry.instance)
        if row is not None:
            row.ended_at = event.at
            row.reason = event.reason
            successors = [i for i in self.instances.values() if i.name == row.name and i.ended_at is None]
            if successors:  # found dead only after it was started anew
                self._forget(row.id)

    def row(self, instance: int, adapter: str, at: int) -> AdapterRow:
        """Return the row of an adapter, made when first spoken of at `at`."""
        key = AdapterKey(instance, adapter)
        row = self.adapters.get(key)
        if row is None:
            row = self.adapters[key] = AdapterRow(key, at)
        return row

    def _added(self, entry: Entry, event: AdapterAdded) -> None:
        row = self.row(entry.instance, event.adapter, event.at)
        row.policy = event.policy
        row.tags = event.tags
        row.threshold = event.policy.get("failure_threshold")

    def _removed(self, entry: Entry, event: AdapterRemoved) -> None:
        self.adapters.pop(AdapterKey(entry.instance, event.adapter), None)

    def _preference(self, entry: Entry, event: PreferenceSet) -> None:
        self.chains[entry.instance, event.task_type] = event.order

    def _changed(self, entry: Entry, event: StateChanged) -> None:
        row = self.row(entry.instance, event.adapter, event.at)
        row.state = event.after
        row.since = event.at
        row.reason = event.reason
        row.detail = event.detail
        row.actor = event.actor
        row.generation = event.generation
        row.openings = event.openings
        row.wait = event.wait
        row.until = event.until
        row.failures = event.failures
        row.threshold = event.threshold
        row.needed = event.needed
        row.probe_successes = 0
        row.probes_in_flight = 0
        row.changes.append((event.at, event.after))

    def _probe(self, entry: Entry, event: ProbeChanged) -> None:
        row = self.row(entry.instance, event.adapter, event.at)
        row.probes_in_flight = event.in_flight
        row.probe_successes = event.successes
        row.needed = event.needed

    def _failed(self, entry: Entry, event: AttemptFailed) -> None:
        attempt = event.attempt
        row = self._count(entry, attempt, event.at)
        row.threshold = event.threshold
        row.last_failure = event.at
        row.last_error = f"{attempt.error_type}: {attempt.error}" if attempt.error else attempt.error_type
        for group in islice(self.failures, 20):
            last = group.attempt
            if group.key == row.key and last.error_type == attempt.error_type and last.error == attempt.error:
                group.repeat(event)
                self.failures.remove(group)
                self.failures.appendleft(group)
                return
        self.failures.appendleft(FailureRow(row.key, event))

    def _route(self, entry: Entry, event: RouteFinished) -> None:
        self.routes.appendleft(entry)
        self.tasks += 1
        if event.degraded:
            self.tasks_degraded += 1
        elif event.success:
            self.tasks_ok += 1
        for attempt in attempts_of(event):
            self._count(entry, attempt, event.at)

    def _count(self, entry: Entry, attempt: Attempt, at: int) -> AdapterRow:
        row = self.row(entry.instance, attempt.adapter, at)
        second = at - at % SECOND
        if not row.seconds or row.seconds[-1].at < second:
            row.seconds.append(AdapterSecond(second, attempt.adapter))
        row.seconds[-1].add(attempt)
        if attempt.outcome == "rejected":
            row.rejections += 1
            return row
        row.calls += 1
        if attempt.outcome == "success":
            row.successes += 1
        elif attempt.outcome == "failure":
            row.failed += 1
            row.timeouts += attempt.rule == "timeout"
        if row.state == "closed":
            row.failures = attempt.failures
        return row

    def _command(self, entry: Entry, event: CommandDone) -> None:
        self.actions.appendleft(event)

    def _lost(self, entry: Entry, event: EventsDropped) -> None:
        self.dropped += event.count

    def _scenario(self, entry: Entry, event: ScenarioStep) -> None:
        self.scenario = event

    # ---------------------------------------------------------------- reading

    def rows(self) -> Iterator[AdapterRow]:
        """Every adapter, in the order they were added."""
        return iter(self.adapters.values())

    def find(self, adapter: str) -> list[AdapterRow]:
        """Return the rows of that name, one for each instance that has it."""
        return [row for row in self.adapters.values() if row.name == adapter]


_FOLDS: dict[type[Event], Any] = {
    EngineStarted: Board._started,
    EngineStopped: Board._stopped,
    AdapterAdded: Board._added,
    AdapterRemoved: Board._removed,
    PreferenceSet: Board._preference,
    StateChanged: Board._changed,
    ProbeChanged: Board._probe,
    AttemptFailed: Board._failed,
    RouteFinished: Board._route,
    CommandDone: Board._command,
    EventsDropped: Board._lost,
    ScenarioStep: Board._scenario,
}
