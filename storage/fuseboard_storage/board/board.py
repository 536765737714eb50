"""The Board: what an operator sees, as a pure fold of the recorded events.

`board.apply(entry)` is the only way to build one. It reads no clock, so the same entries always give the same
Board, whether live, in a replay or in a test. Times are UTC microseconds; readers pass "now" where it is needed.

A new event type gets a method decorated with `@fold(ItsType)`, unless it changes nothing on the Board.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from fuseboard_engine.events import (
    AdapterAdded,
    AdapterRemoved,
    Attempt,
    AttemptFailed,
    BatchFinished,
    CallOverdue,
    ClockChanged,
    CommandDone,
    ConfigReloaded,
    DeadLetterChanged,
    DeadLettered,
    DeadLettersCounted,
    EngineStarted,
    EngineStopped,
    Event,
    EventsDropped,
    FaultEnded,
    FaultInjected,
    GaugesSampled,
    HealthAlert,
    HealthChecked,
    NodeChanged,
    OverdueCallEnded,
    PreferenceSet,
    ProbeChanged,
    RecordingRestarted,
    RouteFinished,
    RoutesCounted,
    ScenarioPaced,
    ScenarioStep,
    ShutdownChanged,
    StateChanged,
    ThreadsStuck,
    TripSuppressed,
    WaitExtended,
    WorkflowFinished,
    WorkflowStarted,
)
from fuseboard_storage.board import workflow_runs
from fuseboard_storage.board.chain_rows import ChainRow, Chains, move_chains, new_chain
from fuseboard_storage.board.clock_move import ClockMove
from fuseboard_storage.board.follow_ups import EXPECTED, FollowUps
from fuseboard_storage.board.histogram import add_histogram
from fuseboard_storage.board.metrics import SECOND, AdapterSecond, attempts_of
from fuseboard_storage.board.name_totals import EngineTotals
from fuseboard_storage.board.route_counts import span_of
from fuseboard_storage.board.rows import (
    AdapterKey,
    AdapterRow,
    Entry,
    FailureRow,
    InstanceRow,
    Totals,
    add_failure,
    failure_of,
    joined_step,
)

KEPT_ROUTES: Final = 500
KEPT_FAILURES: Final = 200
KEPT_ACTIONS: Final = 200
KEPT_BATCHES: Final = 100
KEPT_LEFT: Final = 64
KEPT_LEFT_ROWS: Final = 10_000
KEPT_OUTAGES: Final = 10_000
REMOVED: Final = ("evicted", "purged", "moved")
"""Statuses of dead letters that have left the queue."""

__all__ = ["FOLDS", "AdapterKey", "AdapterRow", "Board", "ChainRow", "Entry", "FailureRow", "InstanceRow", "Totals"]

E = TypeVar("E", bound=Event)
Fold = Callable[["Board", Entry, E], None]

FOLDS: Final[dict[type[Event], Fold[Any]]] = {}
"""The method that folds each event type into a Board; filled by `fold`."""


def fold(type_: type[E]) -> Callable[[Fold[E]], Fold[E]]:
    """Register the decorated method of `Board` as the fold of an event type."""

    def register(method: Fold[E]) -> Fold[E]:
        FOLDS[type_] = method
        return method

    return register


class Board:
    """The adapters, chains, failures and operators' actions of a recording as of the last applied entry."""

    def __init__(self) -> None:
        self.seq = 0
        """Number of the last applied entry."""
        self.at = 0
        """Newest time seen, UTC microseconds."""
        self.roster_version = 0
        """Incremented whenever the set of adapters, engines or chains changes. Not stored in keyframes."""
        self.state_version = 0
        """Incremented whenever a breaker's state or count, or an adapter's health, changes. Not stored in keyframes."""
        self.dead_letters_version = 0
        """Incremented whenever a dead letter is added, removed or changes its status. Not stored in keyframes."""
        self.instances: dict[int, InstanceRow] = {}
        self.adapters: dict[AdapterKey, AdapterRow] = {}
        self.base_totals: dict[str, EngineTotals] = {}
        """The totals of each engine name. They include only the adapters that are no longer shown; see `totals`."""
        self._base_of: dict[int, EngineTotals] = {}
        self.left: dict[int, dict[str, AdapterRow]] = {}
        """The adapters of ended instances that are no longer shown and that no process has continued, oldest first."""
        self.outages: dict[tuple[str, str], int] = {}
        """When the outage of an adapter began that its engine's process did not see end: by engine name and adapter."""
        self.chains: dict[tuple[int, str], tuple[str, ...]] = {}
        self.chain_rows: Chains = {}
        """How the tasks of each engine name and task type ended."""
        self.routes: deque[Entry] = deque(maxlen=KEPT_ROUTES)
        """Finished routes, newest first. Each entry's event is a `RouteFinished`."""
        self.failures: deque[FailureRow] = deque(maxlen=KEPT_FAILURES)
        """Groups of identical failures, newest first."""
        self.actions: deque[CommandDone] = deque(maxlen=KEPT_ACTIONS)
        """Operators' commands that were executed or refused, newest first. Their `target` is their instance, or 0."""
        self.follow_ups = FollowUps()
        """What followed operators' commands on breakers."""
        self.dead_letters: dict[str, int] = {}
        """The number of dead letters per status that occurs."""
        self.workflows: workflow_runs.Runs = {}
        """Workflow runs by id, newest last."""
        self.batches: deque[BatchFinished] = deque(maxlen=KEPT_BATCHES)
        """Finished batches of tasks, newest first."""
        self.scenario: ScenarioStep | None = None
        self.restarted: RecordingRestarted | None = None
        """Why this recording started in place of another one, and where the other one is; None if it replaced none."""
        self.dropped = 0
        self.tasks = 0
        self.batches_ended = 0
        self.batches_partial = 0
        """Batches that were accepted although not every part succeeded."""
        self.tasks_ok = 0
        self.tasks_degraded = 0
        self.tasks_failed_over = 0
        """Tasks answered by another adapter of the chain than the first one tried."""

    # ---------------------------------------------------------------- the fold

    def apply(self, entry: Entry) -> None:
        """Fold one entry. Entries come in the order of their numbers; one already applied is ignored."""
        if entry.seq <= self.seq:
            return
        self.seq = entry.seq
        event = entry.event
        if event.at > self.at:
            self.at = event.at
        method = FOLDS.get(type(event))
        if method is not None:
            method(self, entry, event)

    def heartbeat(self, instance: int, at: int) -> None:
        """Record the last heartbeat of an instance (UTC microseconds). It may be earlier than the one before."""
        row = self.instances.get(instance)
        if row is not None:
            row.heartbeat_at = at

    @fold(EngineStarted)
    def _engine_started(self, entry: Entry, event: EngineStarted) -> None:
        self.roster_version += 1
        # A start replaces the ended instances of the same engine; a sibling that still runs stays.
        for old in [i for i in self.instances.values() if i.name == event.name and i.ended_at is not None]:
            self._retire(old)
        row = InstanceRow(entry.instance, event.name, event.host, event.pid, event.at)
        self.instances[entry.instance] = row
        self._base_of.pop(row.id, None)
        self._base_totals(row.id).started += 1
        if event.restored:
            row.continues = event.replaces
        else:
            self.left.pop(event.replaces, None)

    def _retire(self, old: InstanceRow) -> None:
        """Remove an ended instance from view, but keep its adapters until another process continues their state."""
        self.roster_version += 1
        self._keep_outages(old)
        totals = self._base_totals(old.id)
        del self.instances[old.id]
        self._base_of.pop(old.id, None)
        rows = {key.adapter: row for key, row in self.adapters.items() if key.instance == old.id}
        for row in rows.values():
            del self.adapters[row.key]
            totals.adapter(row.name).add(row)
            row.latency.clear()
            row.seconds.clear()
            row.changes.clear()
        for chain in [chain for chain in self.chains if chain[0] == old.id]:
            del self.chains[chain]
        self.left[old.id] = rows
        while len(self.left) > 1 and (
            len(self.left) > KEPT_LEFT or sum(len(rows) for rows in self.left.values()) > KEPT_LEFT_ROWS
        ):
            del self.left[next(iter(self.left))]

    def _keep_outages(self, old: InstanceRow) -> None:
        """Remember which adapters of an ended instance were down."""
        for key, row in self.adapters.items():
            if key.instance == old.id and row.down_since is not None:
                outage = (old.name, key.adapter)
                self.outages[outage] = min(row.down_since, self.outages.pop(outage, row.down_since))
        while len(self.outages) > KEPT_OUTAGES:
            del self.outages[next(iter(self.outages))]

    def _outage_began(self, row: AdapterRow, at: int) -> int:
        """Return when the outage began in which a breaker opens at a time: earlier, if a process of its engine's name
        saw it begin and this one has seen no success since.
        """
        engine = self.instances.get(row.key.instance)
        if engine is None or row.successes > row.inherited.get("successes", 0):
            return at
        began = self.outages.pop((engine.name, row.name), at)
        for sibling in self.instances.values():
            other = self.adapters.get(AdapterKey(sibling.id, row.name)) if sibling.name == engine.name else None
            if other is not None and other.down_since is not None:
                began = min(began, other.down_since)
        return min(began, at)  # the clock may have been set back since

    @fold(EngineStopped)
    def _engine_stopped(self, entry: Entry, event: EngineStopped) -> None:
        workflow_runs.orphan(self.workflows, entry.instance, event)
        row = self.instances.get(entry.instance)
        if row is not None:
            self.state_version += 1
            row.ended_at = event.at
            row.reason = event.reason
            for adapter in self.adapters.values():
                if adapter.key.instance == row.id:
                    adapter.overdue = 0
            self.follow_ups.leave(self.rows_of(row.id), event.at)
            # It may be found dead only after the engine was restarted. A sibling that ran beside it replaces nothing.
            if any(i.name == row.name and i.id != row.id and i.started_at >= event.at for i in self.instances.values()):
                self._retire(row)

    def row(self, instance: int, adapter: str, at: int) -> AdapterRow:
        """Return the row of an adapter; create it when the adapter is first mentioned, at `at`."""
        key = AdapterKey(instance, adapter)
        row = self.adapters.get(key)
        if row is None:
            self.roster_version += 1
            row = self.adapters[key] = AdapterRow(key, at)
        return row

    def _base_totals(self, instance: int) -> EngineTotals:
        """Return the base totals of the name of an instance; of an unknown instance those of the empty name."""
        found = self._base_of.get(instance)
        if found is None:
            engine = self.instances.get(instance)
            name = "" if engine is None else engine.name
            found = self.base_totals.get(name)
            if found is None:
                found = self.base_totals[name] = EngineTotals()
            if engine is not None:
                self._base_of[instance] = found
        return found

    @fold(AdapterAdded)
    def _adapter_added(self, entry: Entry, event: AdapterAdded) -> None:
        row = self.row(entry.instance, event.adapter, event.at)
        row.policy = event.policy
        if row.tags != event.tags:
            self.roster_version += 1
        row.tags = event.tags
        row.threshold = _threshold_of(event.policy)
        engine = self.instances.get(entry.instance)
        earlier = None if engine is None else self.left.get(engine.continues, {}).pop(event.adapter, None)
        if earlier is not None:
            row.restore_counts(earlier.figures())
            row.inherited = earlier.figures()
        elif event.figures is not None:
            row.restore_counts(event.figures)
            # Figures of another recording are not inherited: no process of this one counts them.
            row.inherited = event.figures if engine is not None and engine.continues else {}

    @fold(AdapterRemoved)
    def _adapter_removed(self, entry: Entry, event: AdapterRemoved) -> None:
        self.roster_version += 1
        row = self.adapters.pop(AdapterKey(entry.instance, event.adapter), None)
        self.follow_ups.leave([] if row is None else [row], event.at)
        engine = self.instances.get(entry.instance)
        if engine is None:
            return
        siblings = [i.id for i in self.instances.values() if i.name == engine.name]
        totals = self._base_totals(entry.instance)
        if not any(AdapterKey(sibling, event.adapter) in self.adapters for sibling in siblings):
            totals.adapters.pop(event.adapter, None)  # no process has it any more
        elif row is not None:
            totals.adapter(event.adapter).add(row)

    @fold(ConfigReloaded)
    def _config_reloaded(self, entry: Entry, event: ConfigReloaded) -> None:
        for adapter, policy in event.policies.items():
            row = self.row(entry.instance, adapter, event.at)
            row.policy = policy
            row.threshold = _threshold_of(policy)

    @fold(ShutdownChanged)
    def _shutdown_changed(self, entry: Entry, event: ShutdownChanged) -> None:
        instance = self.instances.get(entry.instance)
        if instance is not None:
            instance.reason = f"shutting down: {event.reason}" if event.what == "began" else event.reason

    @fold(PreferenceSet)
    def _preference_set(self, entry: Entry, event: PreferenceSet) -> None:
        self.roster_version += 1
        self.chains[entry.instance, event.task_type] = event.order

    @fold(StateChanged)
    def _state_changed(self, entry: Entry, event: StateChanged) -> None:
        self.state_version += 1
        row = self.row(entry.instance, event.adapter, event.at)
        row.opens += event.after == "open" != event.before and event.reason != "restored"
        row.state = event.after
        if event.after == "open":
            if row.down_since is None:
                row.down_since = self._outage_began(row, event.at)
        elif event.after not in ("half_open", "forced_open"):
            row.down_since = None
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
        self.follow_ups.change(row, event)

    @fold(WaitExtended)
    def _wait_extended(self, entry: Entry, event: WaitExtended) -> None:
        self.state_version += 1
        row = self.row(entry.instance, event.adapter, event.at)
        row.wait = (event.until - row.since) / 1e6
        row.until = event.until

    @fold(TripSuppressed)
    def _trip_suppressed(self, entry: Entry, event: TripSuppressed) -> None:
        self.state_version += 1
        self.row(entry.instance, event.adapter, event.at).held = event.detail

    @fold(FaultInjected)
    def _fault_injected(self, entry: Entry, event: FaultInjected) -> None:
        self.state_version += 1
        row = self.row(entry.instance, event.adapter, event.at)
        row.fault, row.fault_value, row.fault_share = event.fault, event.value, event.share
        row.fault_until, row.fault_actor = event.until, event.actor

    @fold(FaultEnded)
    def _fault_ended(self, entry: Entry, event: FaultEnded) -> None:
        self.state_version += 1
        row = self.row(entry.instance, event.adapter, event.at)
        row.fault, row.fault_value, row.fault_share, row.fault_until, row.fault_actor = "", None, 1.0, None, ""

    @fold(HealthChecked)
    def _health_checked(self, entry: Entry, event: HealthChecked) -> None:
        self.state_version += 1
        row = self.row(entry.instance, event.adapter, event.at)
        row.health = event.status
        row.health_detail = event.detail
        row.health_at = event.at
        if event.status != "unhealthy":
            row.health_alert = 0

    @fold(HealthAlert)
    def _health_alert(self, entry: Entry, event: HealthAlert) -> None:
        self.state_version += 1
        row = self.row(entry.instance, event.adapter, event.at)
        row.health_alert = event.failures
        row.health_detail = event.detail

    @fold(ProbeChanged)
    def _probe_changed(self, entry: Entry, event: ProbeChanged) -> None:
        row = self.row(entry.instance, event.adapter, event.at)
        row.probes_in_flight = event.in_flight
        row.probe_successes = event.successes
        row.needed = event.needed
        if failure := failure_of(event):
            row.last_error = failure.attempt.error
            add_failure(self.failures, row, failure)

    @fold(GaugesSampled)
    def _gauges_sampled(self, entry: Entry, event: GaugesSampled) -> None:
        for adapter, (in_flight, budget) in event.gauges.items():
            row = self.adapters.get(AdapterKey(entry.instance, adapter))
            if row is not None:  # None: the adapter was removed in the meantime
                row.in_flight, row.budget = in_flight, budget

    @fold(AttemptFailed)
    def _attempt_failed(self, entry: Entry, event: AttemptFailed) -> None:
        attempt = event.attempt
        row = self._count_attempt(entry, attempt, event.at)
        row.threshold = event.threshold
        row.last_failure = event.at
        row.tasks_failed += event.then != "retry" and attempt.outcome == "failure"
        row.last_error = f"{attempt.error_type}: {attempt.error}" if attempt.error else attempt.error_type
        add_failure(self.failures, row, event)
        self.follow_ups.fail(row, event)

    @fold(RouteFinished)
    def _route_finished(self, entry: Entry, event: RouteFinished) -> None:
        self.routes.appendleft(entry)
        if event.letter is None:  # the task of a dead letter was counted when it became one
            self._count_task(entry, event)
        for attempt in attempts_of(event):
            self._count_attempt(entry, attempt, event.at)

    def _count_task(self, entry: Entry, event: RouteFinished) -> None:
        totals = self._base_of.get(entry.instance) or self._base_totals(entry.instance)
        self.tasks += 1
        totals.tasks += 1
        if event.degraded:
            self.tasks_degraded += 1
            totals.degraded += 1
        elif event.success:
            self.tasks_ok += 1
            totals.answered += 1
            if not event.strategy and event.attempts and event.attempts[0].adapter != event.adapter:
                self.tasks_failed_over += 1
                totals.failed_over += 1
        if not (event.attempts and event.attempts[-1].outcome == "cancelled"):  # cancelled by its caller
            self._chain_of(entry.instance, event.task_type).add(event)

    @fold(RoutesCounted)
    def _routes_counted(self, entry: Entry, event: RoutesCounted) -> None:
        totals, tasks = self._base_totals(entry.instance), event.tasks
        self.tasks += tasks
        self.tasks_ok += tasks
        totals.tasks += tasks
        totals.answered += tasks
        self._count_types(entry.instance, event)
        for adapter, counts in event.adapters.items():
            row = self.row(entry.instance, adapter, event.since)
            second = self._second_of(row, event.at)
            second.merge(span_of(adapter, counts))
            add_histogram(row.latency, counts.latency)
            row.calls += counts.calls
            row.successes += counts.calls
            row.busy += counts.busy
            row.duration += counts.busy
            if counts.failures is not None:
                row.held = ""
                if row.state == "closed" and row.failures != counts.failures:
                    self.state_version += 1
                    row.failures = counts.failures

    def _count_types(self, instance: int, event: RoutesCounted) -> None:
        """Count routes that the first adapter of their chain answered."""
        for task_type, tasks in (event.types or {"": event.tasks}).items():
            order = self.chains.get((instance, task_type)) or self.chains.get((instance, "")) or ()
            first = next((adapter for adapter in order if adapter in event.adapters), next(iter(event.adapters), ""))
            self._chain_of(instance, task_type).add_answered(event.at, first, tasks)

    def _chain_of(self, instance: int, task_type: str) -> ChainRow:
        engine = self.instances.get(instance)
        name = "" if engine is None else engine.name
        return self.chain_rows.get((name, task_type)) or new_chain(self.chain_rows, name, task_type)

    @staticmethod
    def _second_of(row: AdapterRow, at: int) -> AdapterSecond:
        second = at - at % SECOND
        if not row.seconds or row.seconds[-1].at < second:
            row.seconds.append(AdapterSecond(second, row.name))
        return row.seconds[-1]

    def _count_attempt(self, entry: Entry, attempt: Attempt, at: int) -> AdapterRow:
        row = self.row(entry.instance, attempt.adapter, at)
        bucket = self._second_of(row, at).add(attempt)
        if bucket is None:
            row.rejections += 1
            return row
        row.calls += 1
        row.duration += attempt.duration
        try:
            row.latency[bucket] += 1
        except KeyError:
            row.latency[bucket] = 1
        row.retries += attempt.number > 1
        if attempt.outcome == "success":
            row.successes += 1
            row.held = ""
            row.busy += attempt.duration
        elif attempt.outcome == "failure":
            row.failed += 1
            row.timeouts += attempt.rule == "timeout"
        if row.state == "closed" and row.failures != attempt.failures:
            self.state_version += 1
            row.failures = attempt.failures
        return row

    @fold(CommandDone)
    def _command_done(self, entry: Entry, event: CommandDone) -> None:
        by = entry.instance if event.target is None else event.target
        self.actions.appendleft(replace(event, target=by))
        if event.verb in EXPECTED:
            named = self.adapters.get(AdapterKey(by, event.adapter))
            self.follow_ups.begin(event, self.rows_of(by) if named is None else [named])

    @fold(DeadLettered)
    def _dead_lettered(self, entry: Entry, event: DeadLettered) -> None:
        self.dead_letters_version += 1
        self.dead_letters["pending"] = self.dead_letters.get("pending", 0) + 1

    @fold(DeadLetterChanged)
    def _dead_letter_changed(self, entry: Entry, event: DeadLetterChanged) -> None:
        self.dead_letters_version += 1
        count, letters = len(event.letters), self.dead_letters
        letters[event.before] = max(0, letters.get(event.before, 0) - count)
        if event.status not in REMOVED:
            letters[event.status] = letters.get(event.status, 0) + count

    @fold(DeadLettersCounted)
    def _dead_letters_counted(self, entry: Entry, event: DeadLettersCounted) -> None:
        self.dead_letters_version += 1
        self.dead_letters = dict(event.counts)

    @fold(ThreadsStuck)
    def _threads_stuck(self, entry: Entry, event: ThreadsStuck) -> None:
        self.state_version += 1
        self.row(entry.instance, event.adapter, event.at).stuck = event.stuck

    @fold(CallOverdue)
    def _call_overdue(self, entry: Entry, event: CallOverdue) -> None:
        row = self.adapters.get(AdapterKey(entry.instance, event.adapter))
        if row is not None:  # None: it is a fallback or a hook, or the adapter was removed
            self.state_version += 1
            row.overdue_total += max(1, event.overdue - row.overdue)  # more when the recording began later
            row.overdue = event.overdue

    @fold(OverdueCallEnded)
    def _overdue_call_ended(self, entry: Entry, event: OverdueCallEnded) -> None:
        row = self.adapters.get(AdapterKey(entry.instance, event.adapter))
        if row is not None:
            self.state_version += 1
            row.overdue = event.overdue

    @fold(BatchFinished)
    def _batch_finished(self, entry: Entry, event: BatchFinished) -> None:
        self.batches.appendleft(event)
        self.batches_ended += 1
        self.batches_partial += event.accepted and event.succeeded < event.parts

    @fold(WorkflowStarted)
    def _workflow_started(self, entry: Entry, event: WorkflowStarted) -> None:
        workflow_runs.start(self.workflows, entry.instance, event)

    @fold(NodeChanged)
    def _node_changed(self, entry: Entry, event: NodeChanged) -> None:
        workflow_runs.change(self.workflows, event)

    @fold(WorkflowFinished)
    def _workflow_finished(self, entry: Entry, event: WorkflowFinished) -> None:
        workflow_runs.finish(self.workflows, event)

    @fold(EventsDropped)
    def _events_dropped(self, entry: Entry, event: EventsDropped) -> None:
        self.dropped += event.count

    @fold(RecordingRestarted)
    def _recording_restarted(self, entry: Entry, event: RecordingRestarted) -> None:
        self.restarted = event

    @fold(ClockChanged)
    def _clock_changed(self, entry: Entry, event: ClockChanged) -> None:
        self.state_version += 1
        change = ClockMove.of(event)
        for row in self.rows_of(entry.instance):
            row.move_times(change)
        self.follow_ups.move_times(entry.instance, change)
        move_chains(self.chain_rows, self.instances, entry.instance, change)

    @fold(ScenarioStep)
    def _scenario_step(self, entry: Entry, event: ScenarioStep) -> None:
        self.scenario = joined_step(self.scenario, event)

    @fold(ScenarioPaced)
    def _scenario_paced(self, entry: Entry, event: ScenarioPaced) -> None:
        if self.scenario is not None:
            self.scenario = replace(self.scenario, paced_at=event.at, clock_at=event.clock_at, pace=event.pace)

    # ---------------------------------------------------------------- reading

    def rows(self) -> Iterator[AdapterRow]:
        """Return the adapters in the order they were added."""
        return iter(self.adapters.values())

    def totals(self) -> dict[str, EngineTotals]:
        """Return the counts of all processes of each name, of ended ones too. Each call counts once."""
        found = {name: base.copy() for name, base in self.base_totals.items()}
        for row in self.adapters.values():
            engine = self.instances.get(row.key.instance)
            name = "" if engine is None else engine.name
            if name not in found:
                found[name] = EngineTotals()
            found[name].adapter(row.name).add(row)
        return found

    def rows_of(self, instance: int) -> list[AdapterRow]:
        """Return the adapters of an instance, also of an ended one that is no longer shown."""
        if instance in self.left:
            return list(self.left[instance].values())
        return [row for row in self.adapters.values() if row.key.instance == instance]

    def find(self, adapter: str) -> list[AdapterRow]:
        """Return the rows of an adapter name, one per instance that has it."""
        return [row for row in self.adapters.values() if row.name == adapter]


def _threshold_of(policy: dict[str, Any]) -> int | None:
    """Return the failure threshold of a policy, which a damaged file may hold as anything."""
    found = policy.get("failure_threshold")
    return found if type(found) is int and abs(found) < 2**63 else None
