"""The rows of a Board: its adapters, engine instances and failures."""

from __future__ import annotations

from collections import deque
from itertools import islice
from operator import attrgetter
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from fuseboard_engine.events import Attempt, AttemptFailed, Event, ProbeChanged, ScenarioStep, State
from fuseboard_engine.runtime.formatting import slow_probe_text
from fuseboard_storage.board.clock_move import ClockMove, within_int64
from fuseboard_storage.board.histogram import merge, percentile
from fuseboard_storage.board.metrics import SECOND, AdapterSecond

KEPT_SECONDS = 120
KEPT_CHANGES = 100
MOMENT: Final = 0.05
"""Seconds of a scenario within which its steps count as of one moment."""
MAX_STEP_TEXT: Final = 1_000
GROUPED_FAILURES: Final = 20
"""How many of the newest failure groups a new failure may join."""


class Entry(NamedTuple):
    """One event in a recording: its number, the instance that wrote it, and the event."""

    seq: int
    instance: int
    event: Event


class AdapterKey(NamedTuple):
    """The key of an adapter. Two engine instances may each have an adapter of the same name."""

    instance: int
    adapter: str


class InstanceRow:
    """One engine process that writes, or wrote, to the recording. Times are UTC microseconds."""

    __slots__ = ("continues", "ended_at", "gone", "heartbeat_at", "host", "id", "name", "pid", "reason", "started_at")

    def __init__(self, id: int, name: str, host: str, pid: int, started_at: int) -> None:
        self.id = id
        self.name = name
        self.host = host
        self.pid = pid
        self.started_at = started_at
        self.heartbeat_at = started_at
        self.ended_at: int | None = None
        self.reason = ""
        self.continues = 0
        """The ended instance whose figures it continues; 0: none."""
        self.gone = False
        """Whether a reader on the same host found that its process has ended. Not recorded."""

    @property
    def label(self) -> str:
        """The display form `name@host:pid`."""
        return f"{self.name}@{self.host}:{self.pid}"


class Totals(NamedTuple):
    """An adapter's counts over some seconds. `rate` is calls per second; percentiles are in seconds or None."""

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
    first_p50: float | None = None
    """The median of the seconds until a stream's first item."""


FAULT_FIELDS: Final = ("fault", "fault_value", "fault_share", "fault_until", "fault_actor")
"""The fields of an `AdapterRow` that tell its injected fault."""


class AdapterRow:
    """One adapter on the Board: its breaker, its counters, and its last two minutes second by second.

    Times are UTC microseconds; `wait` and `busy` are seconds.
    """

    __slots__ = (
        "actor",
        "added_at",
        "budget",
        "busy",
        "calls",
        "changes",
        "detail",
        "down_since",
        "duration",
        "failed",
        "failures",
        "fault",
        "fault_actor",
        "fault_share",
        "fault_until",
        "fault_value",
        "generation",
        "health",
        "health_alert",
        "health_at",
        "health_detail",
        "held",
        "in_flight",
        "inherited",
        "key",
        "last_error",
        "last_failure",
        "latency",
        "needed",
        "openings",
        "opens",
        "overdue",
        "overdue_total",
        "policy",
        "probe_successes",
        "probes_in_flight",
        "reason",
        "rejections",
        "retries",
        "seconds",
        "since",
        "state",
        "stuck",
        "successes",
        "tags",
        "tasks_failed",
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
        self.down_since: int | None = None  # when its outage began, over probes and restarts; None: it is not down
        self.reason = ""
        self.detail = ""
        self.actor = ""
        self.generation = 0
        self.openings = 0
        self.opens = 0  # how often its breaker opened, by itself or by hand
        self.wait: float | None = None
        self.until: int | None = None
        self.failures = 0
        self.threshold: int | None = None
        self.needed = 0
        self.probe_successes = 0
        self.probes_in_flight = 0
        self.in_flight = 0  # at the last sample
        self.budget: int | None = None  # retries left at the last sample; None if never sampled
        self.policy: dict[str, Any] = {}
        self.tags: tuple[str, ...] = ()
        self.calls = 0
        self.successes = 0
        self.failed = 0
        self.timeouts = 0
        self.retries = 0
        self.tasks_failed = 0
        self.busy = 0.0
        self.duration = 0.0  # of all calls that this process recorded, and a histogram of them
        self.latency: dict[int, int] = {}
        self.stuck = 0
        self.overdue = 0  # calls in progress whose time limit passed more than a second ago
        self.overdue_total = 0  # all such calls
        self.rejections = 0
        self.health = ""  # the status of its last health check; empty: never checked
        self.health_detail = ""
        self.health_at: int | None = None  # when it last changed to that status
        self.health_alert = 0  # failed checks in a row at the current alert; 0: no alert
        self.held = ""  # why a trip was suppressed; empty: none was since the last change of state
        self.fault = ""  # the injected fault; empty: none
        self.fault_value: float | None = None
        self.fault_share = 1.0
        self.fault_until: int | None = None
        self.fault_actor = ""
        self.last_error = ""
        self.last_failure: int | None = None
        self.inherited: dict[str, float] = {}  # the part of the counts that other processes of this name count too
        self.seconds: deque[AdapterSecond] = deque(maxlen=KEPT_SECONDS)
        self.changes: deque[tuple[int, State]] = deque(maxlen=KEPT_CHANGES)

    @property
    def name(self) -> str:
        """The adapter's name."""
        return self.key.adapter

    def fault_seconds(self, now: int) -> float:
        """Return for how many seconds its injected fault still lasts at `now`; 0.0 if it has none."""
        return max(0.0, (self.fault_until - now) / 1e6) if self.fault and self.fault_until is not None else 0.0

    @property
    def success_rate(self) -> float | None:
        """The share of judged calls that succeeded since the adapter was added, 0..1; None before the first."""
        judged = self.successes + self.failed
        return self.successes / judged if judged else None

    def move_times(self, change: ClockMove) -> None:
        """Express its times on a wall clock that was set. A wait that is not over takes as long as the host slept."""
        if self.until is not None and change.is_of_before(self.since):
            self.until = within_int64(self.until + change.set_by + change.asleep)
        if self.fault_until is not None:
            self.fault_until = within_int64(self.fault_until + change.set_by + change.asleep)
        if not change.set_by:
            return
        self.added_at = change.moved(self.added_at)
        self.since = change.moved(self.since)
        if self.down_since is not None:
            self.down_since = change.moved(self.down_since)
        if self.health_at is not None:
            self.health_at = change.moved(self.health_at)
        if self.last_failure is not None:
            self.last_failure = change.moved(self.last_failure)
        change.move_seconds(self.seconds)
        self.seconds = deque(sorted(self.seconds, key=attrgetter("at")), KEPT_SECONDS)
        self.changes = deque([(change.moved(at), state) for at, state in self.changes], KEPT_CHANGES)

    def restore_counts(self, figures: dict[str, float]) -> None:
        """Continue the counters from the figures of an earlier run."""
        self.successes = int(figures.get("successes", 0))
        self.calls = int(figures.get("calls", 0))
        # Counts calls, not tasks. Ignored calls cannot be distinguished here, so they count as failed.
        self.failed = max(0, self.calls - self.successes)
        self.tasks_failed = int(figures.get("failures", 0))
        self.retries = int(figures.get("retries", 0))
        self.timeouts = int(figures.get("timeouts", 0))
        self.rejections = int(figures.get("rejections", 0))
        self.busy = figures.get("seconds", 0.0)
        self.opens = int(figures.get("opens", 0))
        self.overdue_total = int(figures.get("overdue_total", 0))

    def figures(self) -> dict[str, float]:
        """Return the counters, from which an adapter of a later run can continue."""
        return {
            "successes": self.successes,
            "failures": self.tasks_failed,
            "calls": self.calls,
            "retries": self.retries,
            "timeouts": self.timeouts,
            "rejections": self.rejections,
            "seconds": self.busy,
            "opens": self.opens,
            "overdue_total": self.overdue_total,
        }

    def totals(self, now: int, seconds: int) -> Totals:
        """Return the counts of the last `seconds` (at most `KEPT_SECONDS`) up to and including `now`.

        The rate is over the time since the adapter was added if that is shorter, but over at least one second.
        """
        first = now + 1 - seconds * SECOND
        elapsed = min(seconds, max(1.0, (now + 1 - self.added_at) / SECOND))
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
            rate=calls / elapsed,
            success_rate=successes / judged if judged else None,
            p50=percentile(latency, 0.50),
            p95=percentile(latency, 0.95),
            p99=percentile(latency, 0.99),
            first_p50=percentile(merge(span.first_item for span in spans), 0.50),
        )

    def outcomes(self, now: int, slices: int, seconds_each: int) -> tuple[list[int], list[int]]:
        """Return the calls and the failures per slice, oldest first, as bars of a sparkline that ends at `now`."""
        calls, failures = [0] * slices, [0] * slices
        for span in self.seconds:
            back = (now - span.at) // (seconds_each * SECOND)
            if 0 <= back < slices:
                calls[slices - 1 - back] += span.calls
                failures[slices - 1 - back] += span.failures
        return calls, failures

    def series(self, now: int, slices: int, seconds_each: int) -> list[int]:
        """Return the calls per slice, oldest first, as bars of a sparkline that ends at `now`."""
        bars = [0] * slices
        for span in self.seconds:
            back = (now - span.at) // (seconds_each * SECOND)
            if 0 <= back < slices:
                bars[slices - 1 - back] += span.calls
        return bars


class FailureRow:
    """A group of identical failures of one adapter: the newest of them, and how many there are."""

    __slots__ = ("at", "attempt", "context", "count", "first_at", "key", "task", "task_type", "then")

    def __init__(self, key: AdapterKey, event: AttemptFailed) -> None:
        self.key = key
        self.first_at = event.at
        self.count = 0
        self.repeat(event)

    @property
    def slow_probe(self) -> bool:
        """Whether it is a probe that succeeded too slowly. Its task was answered, so it is no failed attempt."""
        return self.attempt.outcome == "success"

    def is_same(self, attempt: Attempt) -> bool:
        """Return whether a failure of the same adapter belongs to the group: it says the same, or both were slow."""
        last = self.attempt
        if last.outcome == "success":
            return attempt.outcome == "success"
        return last.error_type == attempt.error_type and last.error == attempt.error

    def repeat(self, event: AttemptFailed) -> None:
        """Add another failure to the group."""
        self.at = event.at
        self.count += 1
        self.task = event.task
        self.task_type = event.task_type
        self.attempt: Attempt = event.attempt
        self.then = event.then
        self.context = event.context


def add_failure(failures: deque[FailureRow], row: AdapterRow, event: AttemptFailed) -> None:
    """Add a failure of an adapter to the failures of a Board, newest first."""
    for group in islice(failures, GROUPED_FAILURES):
        if group.key == row.key and group.is_same(event.attempt):
            group.repeat(event)
            failures.remove(group)
            failures.appendleft(group)
            return
    failures.appendleft(FailureRow(row.key, event))


def failure_of(event: Event) -> AttemptFailed | None:
    """Return the failure that an event tells of: a failed attempt, or a probe that succeeded too slowly; else None.

    A slow probe has the outcome `success`, because its task was answered, and says how long it took. A probe that
    failed is in the log as a failed attempt.
    """
    if isinstance(event, AttemptFailed):
        return event
    if not isinstance(event, ProbeChanged) or not event.slow or event.what != "success":
        return None
    attempt = Attempt(
        adapter=event.adapter, outcome="success", duration=event.duration, rule="slow_call_seconds",
        error=slow_probe_text(event.duration, event.limit),
    )  # fmt: skip
    return AttemptFailed(at=event.at, task="", task_type="", attempt=attempt)


def joined_step(before: ScenarioStep | None, step: ScenarioStep) -> ScenarioStep:
    """Return a scenario's step with the texts of those before it that fall on the same moment of the scenario."""
    if before is None or before.scenario != step.scenario or before.ends or step.ends:
        return step
    apart = abs(step.position - before.position) if step.duration else abs(step.at - before.at) / SECOND
    if apart > MOMENT:
        return step
    if step.text in before.text:
        return replace(step, text=before.text)
    mark = "" if before.text.endswith((".", "!", "?", ":", ";")) else ";"
    return replace(step, text=f"{before.text}{mark} {step.text}"[:MAX_STEP_TEXT])
