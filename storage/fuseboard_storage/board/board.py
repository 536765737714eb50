"""The Board: what an operator sees, as a pure fold of what was recorded.

`board.apply(entry)` is the only way to build one. It reads no clock, so the same entries always give the same
Board, live, in a replay, or in a test. Times are UTC microseconds; a reader passes "now" where one is needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

from fuseboard_engine.events import (
    AdapterAdded,
    AdapterRemoved,
    Attempt,
    AttemptFailed,
    BatchFinished,
    CommandDone,
    ConfigReloaded,
    DeadLetterChanged,
    DeadLettered,
    DeadLettersCounted,
    EngineStarted,
    EngineStopped,
    Event,
    EventsDropped,
    GaugesSampled,
    HealthAlert,
    HealthChecked,
    NodeChanged,
    PreferenceSet,
    ProbeChanged,
    RouteFinished,
    ScenarioStep,
    ShutdownChanged,
    StateChanged,
    ThreadsStuck,
    TripSuppressed,
    WorkflowFinished,
    WorkflowStarted,
)
from fuseboard_storage.board import workflow_runs
from fuseboard_storage.board.metrics import SECOND, AdapterSecond, attempts_of
from fuseboard_storage.board.rows import AdapterKey, AdapterRow, Entry, FailureRow, InstanceRow, TaskSecond, Totals

KEPT_ROUTES = 500
KEPT_FAILURES = 200
KEPT_ACTIONS = 200
KEPT_BATCHES = 100
KEPT_TASK_SECONDS = 15
NO_MORE = ("evicted", "purged", "moved")  # dead letters that are kept no more

__all__ = ["AdapterKey", "AdapterRow", "Board", "Entry", "FailureRow", "InstanceRow", "TaskSecond", "Totals"]


class Board:
    """All adapters, chains, failures and operators' actions of a recording, as of the last applied entry."""

    def __init__(self) -> None:
        self.seq = 0
        """Number of the last applied entry."""
        self.at = 0
        """Newest time seen, UTC microseconds."""
        self.roster = 0
        """Another number whenever an adapter, an engine or a chain came, went or was set anew; kept nowhere."""
        self.moves = 0
        """Another number whenever a breaker's state or count changed, or an adapter's health; kept nowhere."""
        self.letters = 0
        """Another number whenever a dead letter came, went or changed its status; kept nowhere."""
        self.instances: dict[int, InstanceRow] = {}
        self.adapters: dict[AdapterKey, AdapterRow] = {}
        self.chains: dict[tuple[int, str], tuple[str, ...]] = {}
        self.routes: deque[Entry] = deque(maxlen=KEPT_ROUTES)
        """Finished routes, newest first; each entry's event is a `RouteFinished`."""
        self.failures: deque[FailureRow] = deque(maxlen=KEPT_FAILURES)
        """Failures in groups that say the same, newest first."""
        self.actions: deque[CommandDone] = deque(maxlen=KEPT_ACTIONS)
        """Operators' commands that were carried out or refused, newest first."""
        self.dead_letters: dict[str, int] = {}
        """How many dead letters there are of each status that occurs."""
        self.workflows: workflow_runs.Runs = {}
        """Runs of workflows by their id, the newest last."""
        self.batches: deque[BatchFinished] = deque(maxlen=KEPT_BATCHES)
        """Batches of tasks that ended, newest first."""
        self.scenario: ScenarioStep | None = None
        self.dropped = 0
        self.tasks = 0
        self.task_seconds: deque[TaskSecond] = deque(maxlen=KEPT_TASK_SECONDS)
        """The last seconds in which tasks ended, oldest first."""
        self.tasks_ok = 0
        self.tasks_degraded = 0
        self.tasks_failed_over = 0
        """Tasks of a chain that another adapter did than was asked first."""

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
        self.roster += 1
        self.instances[entry.instance] = InstanceRow(entry.instance, event.name, event.host, event.pid, event.at)
        # A restart replaces what the same engine left behind; what still runs elsewhere stays.
        for old in [i for i in self.instances.values() if i.name == event.name and i.ended_at is not None]:
            self._forget(old.id)

    def _forget(self, instance: int) -> None:
        self.roster += 1
        del self.instances[instance]
        for key in [key for key in self.adapters if key.instance == instance]:
            del self.adapters[key]
        for chain in [chain for chain in self.chains if chain[0] == instance]:
            del self.chains[chain]

    def _stopped(self, entry: Entry, event: EngineStopped) -> None:
        workflow_runs.orphan(self.workflows, entry.instance, event)
        row = self.instances.get(entry.instance)
        if row is not None:
            self.moves += 1
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
            self.roster += 1
            row = self.adapters[key] = AdapterRow(key, at)
        return row

    def _added(self, entry: Entry, event: AdapterAdded) -> None:
        row = self.row(entry.instance, event.adapter, event.at)
        row.policy = event.policy
        if row.tags != event.tags:
            self.roster += 1
        row.tags = event.tags
        row.threshold = event.policy.get("failure_threshold")
        if event.figures is not None:
            row.restore_counts(event.figures)

    def _removed(self, entry: Entry, event: AdapterRemoved) -> None:
        self.roster += 1
        self.adapters.pop(AdapterKey(entry.instance, event.adapter), None)

    def _reconfigured(self, entry: Entry, event: ConfigReloaded) -> None:
        for adapter, policy in event.policies.items():
            row = self.row(entry.instance, adapter, event.at)
            row.policy = policy
            row.threshold = policy.get("failure_threshold")

    def _shutdown(self, entry: Entry, event: ShutdownChanged) -> None:
        instance = self.instances.get(entry.instance)
        if instance is not None:
            instance.reason = f"shutting down: {event.reason}" if event.what == "began" else event.reason

    def _preference(self, entry: Entry, event: PreferenceSet) -> None:
        self.roster += 1
        self.chains[entry.instance, event.task_type] = event.order

    def _changed(self, entry: Entry, event: StateChanged) -> None:
        self.moves += 1
        row = self.row(entry.instance, event.adapter, event.at)
        row.state = event.after
        row.held = ""
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

    def _held(self, entry: Entry, event: TripSuppressed) -> None:
        self.moves += 1
        self.row(entry.instance, event.adapter, event.at).held = event.detail

    def _health(self, entry: Entry, event: HealthChecked) -> None:
        self.moves += 1
        row = self.row(entry.instance, event.adapter, event.at)
        row.health = event.status
        row.health_detail = event.detail
        row.health_at = event.at
        if event.status != "unhealthy":
            row.health_alert = 0

    def _alert(self, entry: Entry, event: HealthAlert) -> None:
        self.moves += 1
        row = self.row(entry.instance, event.adapter, event.at)
        row.health_alert = event.failures
        row.health_detail = event.detail

    def _probe(self, entry: Entry, event: ProbeChanged) -> None:
        row = self.row(entry.instance, event.adapter, event.at)
        row.probes_in_flight = event.in_flight
        row.probe_successes = event.successes
        row.needed = event.needed

    def _gauged(self, entry: Entry, event: GaugesSampled) -> None:
        for adapter, (in_flight, budget) in event.gauges.items():
            row = self.adapters.get(AdapterKey(entry.instance, adapter))
            if row is not None:  # else it was taken out meanwhile
                row.in_flight, row.budget = in_flight, budget

    def _failed(self, entry: Entry, event: AttemptFailed) -> None:
        attempt = event.attempt
        row = self._count(entry, attempt, event.at)
        row.threshold = event.threshold
        row.last_failure = event.at
        row.tasks_failed += event.then != "retry" and attempt.outcome == "failure"
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
        if event.letter is None:  # else it is a task that was counted when it became a dead letter
            self._task(event)
        for attempt in attempts_of(event):
            self._count(entry, attempt, event.at)

    def _task(self, event: RouteFinished) -> None:
        self.tasks += 1
        if event.degraded:
            self.tasks_degraded += 1
        elif event.success:
            self.tasks_ok += 1
            if not event.strategy and event.attempts and event.attempts[0].adapter != event.adapter:
                self.tasks_failed_over += 1
        if not (event.attempts and event.attempts[-1].outcome == "cancelled"):  # its caller gave it up
            self._ended(event.at, event.success and not event.degraded)

    def _ended(self, at: int, answered: bool) -> None:
        """Count a task in its second; one that comes late counts in the newest."""
        second, lately = at - at % SECOND, self.task_seconds
        if lately and second <= lately[-1].at:
            last = lately[-1]
            lately[-1] = TaskSecond(last.at, last.routed + 1, last.answered + answered)
        else:
            lately.append(TaskSecond(second, 1, int(answered)))

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
        row.retries += attempt.number > 1
        if attempt.outcome == "success":
            row.successes += 1
            row.held = ""
            row.busy += attempt.duration
        elif attempt.outcome == "failure":
            row.failed += 1
            row.timeouts += attempt.rule == "timeout"
        if row.state == "closed" and row.failures != attempt.failures:
            self.moves += 1
            row.failures = attempt.failures
        return row

    def _command(self, entry: Entry, event: CommandDone) -> None:
        self.actions.appendleft(event)

    def _lettered(self, entry: Entry, event: DeadLettered) -> None:
        self.letters += 1
        self.dead_letters["pending"] = self.dead_letters.get("pending", 0) + 1

    def _letters_changed(self, entry: Entry, event: DeadLetterChanged) -> None:
        self.letters += 1
        count, letters = len(event.letters), self.dead_letters
        letters[event.before] = max(0, letters.get(event.before, 0) - count)
        if event.status not in NO_MORE:
            letters[event.status] = letters.get(event.status, 0) + count

    def _letters_counted(self, entry: Entry, event: DeadLettersCounted) -> None:
        self.letters += 1
        self.dead_letters = dict(event.counts)

    def _stuck(self, entry: Entry, event: ThreadsStuck) -> None:
        self.moves += 1
        self.row(entry.instance, event.adapter, event.at).stuck = event.stuck

    def _batch(self, entry: Entry, event: BatchFinished) -> None:
        self.batches.appendleft(event)

    def _run_started(self, entry: Entry, event: WorkflowStarted) -> None:
        workflow_runs.start(self.workflows, entry.instance, event)

    def _node(self, entry: Entry, event: NodeChanged) -> None:
        workflow_runs.change(self.workflows, event)

    def _run_finished(self, entry: Entry, event: WorkflowFinished) -> None:
        workflow_runs.finish(self.workflows, event)

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
    ConfigReloaded: Board._reconfigured,
    ShutdownChanged: Board._shutdown,
    StateChanged: Board._changed,
    TripSuppressed: Board._held,
    HealthChecked: Board._health,
    HealthAlert: Board._alert,
    ProbeChanged: Board._probe,
    GaugesSampled: Board._gauged,
    AttemptFailed: Board._failed,
    RouteFinished: Board._route,
    CommandDone: Board._command,
    BatchFinished: Board._batch,
    WorkflowStarted: Board._run_started,
    NodeChanged: Board._node,
    WorkflowFinished: Board._run_finished,
    DeadLettered: Board._lettered,
    DeadLetterChanged: Board._letters_changed,
    DeadLettersCounted: Board._letters_counted,
    ThreadsStuck: Board._stuck,
    EventsDropped: Board._lost,
    ScenarioStep: Board._scenario,
}
