"""One plain sentence for each type of event, with the logger, level and fields of its log line.

The log and the console both read these. A new type of event needs one function with the decorator `@sentence`; a test
compares the registered types with `AnyEvent`. Pure: nothing here logs or prints.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeVar

from fuseboard_engine.event_log.policy_text import policy_text
from fuseboard_engine.event_log.text_style import TextStyle
from fuseboard_engine.events import (
    LOST,
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
    DeadLetterRefused,
    DeadLettersCounted,
    EngineStarted,
    EngineStopped,
    Event,
    EventsDropped,
    FailureRateAlert,
    FaultEnded,
    FaultInjected,
    GaugesSampled,
    HealthAlert,
    HealthChecked,
    LateResult,
    ListenerFailed,
    NodeChanged,
    OverdueCallEnded,
    PreferenceSet,
    ProbeChanged,
    RecordingRestarted,
    RouteFinished,
    RoutesCounted,
    RoutingPolicySet,
    ScenarioPaced,
    ScenarioStep,
    ShutdownChanged,
    StateChanged,
    StreamRestarted,
    ThreadsStuck,
    TripSuppressed,
    WaitExtended,
    WorkflowFinished,
    WorkflowStarted,
)
from fuseboard_engine.runtime.formatting import (
    exact_span,
    latency,
    ordinal,
    pause,
    percent,
    plural,
    slow_probe_text,
    stamp,
)
from fuseboard_engine.workflow.result import describe_state

DEBUG, INFO, WARNING = 10, 20, 30  # the numbers of `logging`, which this module does not import


class Wording(NamedTuple):
    """What is registered for a type of event.

    Args:
        write: Returns the sentence.
        logger: Logger under `fuseboard.`; empty for events that are not logged.
        level: Level of the log line, or a function of the event that returns it.
        fields: Structured fields of the log line, as (name in the log, field of the event).
    """

    write: Callable[[Any, TextStyle], str]
    logger: str
    level: int | Callable[[Any], int]
    fields: tuple[tuple[str, str], ...]

    def level_of(self, event: Event) -> int:
        """Return the level of this event's log line."""
        return self.level if isinstance(self.level, int) else self.level(event)


WORDINGS: Final[dict[type[Event], Wording]] = {}
"""The wording of every type of event."""

_E = TypeVar("_E", bound=Event)
_Write = Callable[[_E, TextStyle], str]


def sentence(
    kind: type[_E], logger: str = "", level: int | Callable[[_E], int] = INFO, fields: str = ""
) -> Callable[[_Write[_E]], _Write[_E]]:
    """Register the decorated function as the sentence of an event type.

    Args:
        kind: The type of event.
        logger: Logger under `fuseboard.`; empty if such events are not logged.
        level: Level of the log line, or a function of the event that returns it.
        fields: Fields of the event that the log line carries, separated by blanks; `after=status` logs `status` under
            the name `after`.
    """
    pairs = [field.partition("=") for field in fields.split()]

    def register(write: _Write[_E]) -> _Write[_E]:
        WORDINGS[kind] = Wording(write, logger, level, tuple((name, field or name) for name, _, field in pairs))
        return write

    return register


def sentence_of(event: Event, style: TextStyle) -> str:
    """Return what an event says. Times are local times; durations have their unit."""
    return WORDINGS[type(event)].write(event, style)


# ---------------------------------------------------------------- engines and adapters


@sentence(EngineStarted)  # the recorder's, for the board
def _engine_started(event: EngineStarted, style: TextStyle) -> str:
    return f"Engine {style.name(event.name)} started on {style.name(event.host)}, process {event.pid}"


@sentence(EngineStopped)  # the recorder's, for the board
def _engine_stopped(event: EngineStopped, style: TextStyle) -> str:
    if event.reason == LOST:
        return "Engine killed: its process ended without a shutdown"
    return f"Engine ended{style.suffix(event.reason)}"


@sentence(AdapterAdded, "engine", DEBUG, "adapter")
def _adapter_added(event: AdapterAdded, style: TextStyle) -> str:
    tags = f" ({style.listed(event.tags)})" if event.tags else ""
    policy = style.suffix(policy_text(event.policy))
    restored = "; counts restored from an earlier run" if event.figures else ""
    return f"Adapter {style.name(event.adapter)} added{tags}{policy}{restored}"


@sentence(AdapterRemoved, "engine", INFO, "adapter")
def _adapter_removed(event: AdapterRemoved, style: TextStyle) -> str:
    return f"Adapter {style.name(event.adapter)} removed"


@sentence(PreferenceSet, "engine", DEBUG, "task_type chain=order")
def _preference_set(event: PreferenceSet, style: TextStyle) -> str:
    name = f"Chain for {style.name(event.task_type)}" if event.task_type else "Default chain"
    chain = f" {style.arrow} ".join(style.name(adapter) for adapter in event.order) or "none"
    return f"{name}: {chain}{' (adaptive)' if event.adaptive else ''}"


@sentence(RoutingPolicySet, "engine", DEBUG, "policy")
def _routing_policy_set(event: RoutingPolicySet, style: TextStyle) -> str:
    fields = (f"{style.name(field)} {style.name(str(value))}" for field, value in event.policy.items())
    return f"Routing policy: {', '.join(fields)}"


def _level_of_state(event: StateChanged) -> int:
    return WARNING if event.after in ("open", "forced_open") else INFO


@sentence(StateChanged, "breaker", _level_of_state, "adapter before after reason actor wait openings failures")
def _state_changed(event: StateChanged, style: TextStyle) -> str:
    name, by, detail = style.name(event.adapter), style.actor(event.actor), style.text(event.detail)
    if event.after == "open":
        wait = "" if event.wait is None else f"; next probe in {pause(event.wait)}"
        in_a_row = f", {ordinal(event.openings)} time in a row" if event.openings > 1 else ""
        return f"{name} opens{by}: {detail}{wait}{in_a_row}"
    if event.after == "half_open":
        return f"{name} is half-open{by}: {detail}"
    if event.after == "closed":
        return f"{name} is closed{by}: {detail}"
    return f"{name} is {event.after.replace('_', ' ')}{by}"


@sentence(WaitExtended, "breaker", WARNING, "adapter wait")
def _wait_extended(event: WaitExtended, style: TextStyle) -> str:
    name = f"Circuit breaker of adapter {style.name(event.adapter)}"
    return f"{name} stays open: a call that began earlier was asked to wait {exact_span(event.wait)}"


@sentence(TripSuppressed, "breaker", WARNING, "adapter reason share")
def _trip_suppressed(event: TripSuppressed, style: TextStyle) -> str:
    group = f" of {style.name(event.group)}" if event.group else ""
    limit = f"{event.out} of {plural(event.size, 'adapter')}{group} are out, at most {percent(event.share)} % may be"
    why = style.text(event.detail) or f"{style.name(event.reason)}; {limit}"
    return f"Circuit breaker of adapter {style.name(event.adapter)} was not opened: {why}"


def _level_of_health(event: HealthChecked) -> int:
    return INFO if event.status == "healthy" else WARNING


@sentence(HealthChecked, "health", _level_of_health, "adapter before after=status")
def _health_checked(event: HealthChecked, style: TextStyle) -> str:
    change = f"{style.name(event.status)} (was {style.name(event.before)})"
    took = f"; checked in {latency(event.duration)}" if event.duration else ""
    return f"Health of adapter {style.name(event.adapter)}: {change}{style.suffix(event.detail)}{took}"


def _level_of_rate(event: FailureRateAlert) -> int:
    return WARNING if event.high else INFO


@sentence(FailureRateAlert, "health", _level_of_rate, "adapter high rate threshold calls seconds")
def _failure_rate_alert(event: FailureRateAlert, style: TextStyle) -> str:
    calls = f"{100 * event.rate:.0f}% of {plural(event.calls, 'call')} in {pause(event.seconds)}"
    alert = "Failure rate alert for" if event.high else "Failure rate is below the threshold again for"
    return f"{alert} adapter {style.name(event.adapter)}: {calls} failed, the threshold is {100 * event.threshold:.0f}%"


@sentence(FaultInjected, "commands", WARNING, "adapter fault share actor")
def _fault_injected(event: FaultInjected, style: TextStyle) -> str:
    fault = style.text(event.fault) + ("" if event.value is None else f" {event.value:g}")
    part = "" if event.share >= 1 else f" in {100 * event.share:.3g}% of the calls"
    seconds = pause(max(0.0, (event.until - event.at) / 1e6))
    adapter, by = style.name(event.adapter), style.actor(event.actor)
    return f"Fault {fault}{part} injected into adapter {adapter} for {seconds}{by}"


_FAULT_ENDS = {
    "healed": "",
    "over": ": its time was over",
    "replaced": ": another one takes its place",
    "removed": ": the adapter was removed",
    "refused": ": the configuration allows none",
}


@sentence(FaultEnded, "commands", INFO, "adapter fault reason actor")
def _fault_ended(event: FaultEnded, style: TextStyle) -> str:
    why = _FAULT_ENDS.get(event.reason, style.suffix(event.reason))
    fault, adapter = style.text(event.fault), style.name(event.adapter)
    return f"Injected fault {fault} of adapter {adapter} ended{why}{style.actor(event.actor)}"


@sentence(HealthAlert, "health", WARNING, "adapter failures")
def _health_alert(event: HealthAlert, style: TextStyle) -> str:
    checks = plural(event.failures, "bad check")
    return f"Health alert for adapter {style.name(event.adapter)}: {checks} in a row{style.suffix(event.detail)}"


_PROBES = {
    "admitted": "admitted",
    "success": "succeeded",
    "failure": "failed",
    "released": "ended without a verdict",
    "expired": "expired without a result",
}


@sentence(ProbeChanged, "breaker", DEBUG, "adapter probe=what successes needed")
def _probe_changed(event: ProbeChanged, style: TextStyle) -> str:
    good = f" ({event.successes} of {event.needed} good)" if event.needed else ""
    too_slow = event.slow and event.what == "success"
    slow = f" but was too slow: {slow_probe_text(event.duration, event.limit)}" if too_slow else ""
    return f"Probe of adapter {style.name(event.adapter)} {_PROBES[event.what]}{slow}{good}"


@sentence(GaugesSampled)  # figures, once a second
def _gauges_sampled(event: GaugesSampled, style: TextStyle) -> str:
    return "; ".join(
        f"{style.name(adapter)} {in_flight} in flight, {plural(left, 'retry', 'retries')} left"
        for adapter, (in_flight, left) in event.gauges.items()
    )


@sentence(LateResult, "breaker", DEBUG, "adapter outcome")
def _late_result(event: LateResult, style: TextStyle) -> str:
    late = f"Late {event.outcome} of adapter {style.name(event.adapter)}"
    return f"{late} ignored: the call started before the last state change"


@sentence(ThreadsStuck)  # the thread pool logs it
def _threads_stuck(event: ThreadsStuck, style: TextStyle) -> str:
    hangs = f"{plural(event.stuck, 'thread')} of adapter {style.name(event.adapter)} hang{'s' * (event.stuck == 1)}"
    return f"{hangs}; {event.total} in all, at most {event.limit}"


@sentence(CallOverdue)  # the watcher of overdue calls logs it
def _call_overdue(event: CallOverdue, style: TextStyle) -> str:
    calls = f"{plural(event.overdue, 'overdue call')} of it, {event.total} in all"
    return f"A call of {style.name(event.adapter)} does not end after its time limit: {calls}"


@sentence(OverdueCallEnded)  # the watcher of overdue calls logs it
def _overdue_call_ended(event: OverdueCallEnded, style: TextStyle) -> str:
    late = f"{pause(event.seconds)} after its time limit{style.suffix(event.outcome)}"
    return f"An overdue call of {style.name(event.adapter)} ended {late}; {event.total} left in all"


# ---------------------------------------------------------------- tasks and dead letters


def failed_attempt_text(attempt: Attempt, style: TextStyle, *, short: bool = False) -> str:
    """Return what went wrong: `TimeoutError after 2.0 s`, `ConnectError: refused`.

    Args:
        attempt: The failed attempt.
        style: How foreign text is made safe.
        short: Leave out the `Error` at the end of the error's type.
    """
    kind = style.name(attempt.error_type)
    if short and len(kind) > 5:
        kind = kind.removesuffix("Error")
    text = style.text(attempt.error)
    if attempt.rule == "timeout" and (not text or attempt.error_type == "AttemptTimeout"):
        return f"{kind or 'timeout'} after {latency(attempt.duration)}"
    if kind and text:
        return f"{kind}: {text}"
    return kind or text or "failed without a message"


@sentence(AttemptFailed, "router", WARNING, "task task_type then delay")
def _attempt_failed(event: AttemptFailed, style: TextStyle) -> str:
    attempt, then = event.attempt, str(event.then)
    if attempt.outcome == "success":  # a probe that was too slow, among failures
        return f"{style.name(attempt.adapter)}  {style.text(attempt.error)}  (its task was answered)"
    if event.then == "retry":
        then = f"retry in {pause(event.delay)}" if event.delay else "retry at once"
    where = f"{_task_tag(event, style)}, attempt {attempt.number}, {latency(attempt.duration)}; {then}"
    return f"{style.name(attempt.adapter)}  {failed_attempt_text(attempt, style)}  ({where})"


def _task_tag(event: AttemptFailed | RouteFinished, style: TextStyle) -> str:
    return f"{style.name(event.task_type) or 'task'} #{style.text(style.short(event.task))}"


def route_steps(event: RouteFinished, style: TextStyle) -> list[str]:
    """Return the steps of a route, `prefect failed`, `agno ok`; equal steps in a row appear once."""
    outcomes = {"success": "ok", "failure": "failed", "rejected": "skipped"}
    steps = (f"{style.name(call.adapter)} {outcomes.get(call.outcome, call.outcome)}" for call in event.attempts)
    return [step for step, _ in groupby(steps)]


def retry_text(letter: int) -> str:
    """Return the mark of a route that retried a dead letter."""
    return f"retry of dead letter {letter}"


def _level_of_route(event: RouteFinished) -> int:
    return INFO if event.success and not event.degraded else WARNING


@sentence(RouteFinished, "router", _level_of_route, "task task_type adapter success degraded duration")
def _route_finished(event: RouteFinished, style: TextStyle) -> str:
    return f"{route_text(event, style)} in {latency(event.duration)}"


def route_text(event: RouteFinished, style: TextStyle) -> str:
    """Return a route without its duration: `ai_task #8f20: prefect failed → agno ok`."""
    if event.degraded:
        end = f": degraded, answered by {style.name(event.adapter) or 'a fallback'}"
    else:
        end = "" if event.success else f": no answer ({style.text(event.error)})"
    retry = "" if event.letter is None else f" ({retry_text(event.letter)})"
    return f"{_task_tag(event, style)}{retry}: {f' {style.arrow} '.join(route_steps(event, style))}{end}"


@sentence(StreamRestarted, "router", WARNING, "task task_type adapter items")
def _stream_restarted(event: StreamRestarted, style: TextStyle) -> str:
    task, adapter = style.task(event.task, event.task_type), style.name(event.adapter) or "a fallback"
    void = f"{plural(event.items, 'item')} {'is' if event.items == 1 else 'are'} void"
    return f"The stream of task {task} starts over on {adapter}, {void}{style.suffix(event.error)}"


@sentence(DeadLettered, "dead_letters", WARNING, "task task_type letter category error_type")
def _dead_lettered(event: DeadLettered, style: TextStyle) -> str:
    error = ": ".join(style.text(part) for part in (event.error_type, event.error) if part)
    due = f"; retried at {stamp(event.due_at)}" if event.due_at is not None else "; retried by hand only"
    letter = f"dead letter {event.letter} ({style.name(event.category)}){': ' if error else ''}{error}"
    memory = "; kept in memory only" if event.in_memory else ""
    task = style.task(event.task, event.task_type)
    return f"Task {task} became {letter}{style.suffix(event.detail, '; ')}{due}{memory}"


@sentence(DeadLetterRefused)  # the queue logs it
def _dead_letter_refused(event: DeadLetterRefused, style: TextStyle) -> str:
    task = style.task(event.task, event.task_type)
    return f"Task {task} could not be kept as a dead letter{style.suffix(event.reason)}"


def _level_of_letters(event: DeadLetterChanged) -> int:
    return WARNING if event.status in ("exhausted", "evicted") else INFO


@sentence(DeadLetterChanged, "dead_letters", _level_of_letters, "letters before after=status actor")
def _dead_letter_changed(event: DeadLetterChanged, style: TextStyle) -> str:
    letters = f"Dead letter{'s' * (len(event.letters) != 1)} {style.listed(map(str, event.letters))}"
    change = f"{style.name(event.before)} {style.arrow} {style.name(event.status)}{style.actor(event.actor)}"
    due = f"; due at {stamp(event.due_at)}" if event.due_at is not None else ""
    return f"{letters}: {change}{style.suffix(event.detail)}{due}"


@sentence(DeadLettersCounted)  # figures, for the board
def _dead_letters_counted(event: DeadLettersCounted, style: TextStyle) -> str:
    counts = ", ".join(f"{count:,} {style.name(status)}" for status, count in event.counts.items() if count)
    return f"Dead letters: {counts or 'none'}"


def _level_of_batch(event: BatchFinished) -> int:
    return INFO if event.accepted and event.succeeded >= event.parts else WARNING


@sentence(
    BatchFinished, "engine", _level_of_batch, "batch parts succeeded degraded failed accepted duration"
)  # fmt: skip
def _batch_finished(event: BatchFinished, style: TextStyle) -> str:
    share = f"{100.0 * event.succeeded / event.parts if event.parts else 100.0:.0f}% success"
    if not event.accepted:
        verdict = f"Batch {style.name(event.batch)} was not accepted ({share}, {100 * event.needed:.0f}% needed)"
    elif event.succeeded < event.parts:
        verdict = f"Accepting partial results ({share}) of batch {style.name(event.batch)}"
    else:
        verdict = f"Batch {style.name(event.batch)} succeeded"
    counts = [f"{event.succeeded} of {event.parts}"]
    counts += [f"{event.degraded} degraded"] * bool(event.degraded) + [f"{event.failed} failed"] * bool(event.failed)
    back = f"; rolled back {plural(event.rolled_back, 'time')}" if event.rolled_back else ""
    rounds = f"; {event.rounds} rounds" if event.rounds > 1 else ""
    took = f"; took {latency(event.duration)}" if event.duration else ""
    return f"{verdict}: {', '.join(counts)}{back}{rounds}{took}{style.suffix(event.error)}"


# ---------------------------------------------------------------- workflows


@sentence(WorkflowStarted, "workflow", INFO, "run workflow resumed")
def _workflow_started(event: WorkflowStarted, style: TextStyle) -> str:
    run = f"Run {style.text(event.run)} of workflow {style.name(event.workflow)}"
    if event.resumed:
        return f"{run} resumed: {len(event.finished)} of {plural(len(event.nodes), 'node')} done before"
    return f"{run} started: {style.listed(event.nodes)}"


def _level_of_node(event: NodeChanged) -> int:
    return WARNING if event.state in ("failed", "degraded") else DEBUG


@sentence(NodeChanged, "workflow", _level_of_node, "run workflow node state adapter=answered attempts duration")
def _node_changed(event: NodeChanged, style: TextStyle) -> str:
    answered = f", answered by {style.name(event.answered)}" if event.answered else ""
    attempts = f" after {plural(event.attempts, 'attempt')}" if event.attempts > 1 else ""
    took = f" in {latency(event.duration)}" if event.duration else ""
    node = f"Node {style.name(event.node)} of run {style.text(event.run)}"
    return f"{node} {describe_state(event.state)}{answered}{attempts}{took}{style.suffix(event.error)}"


def _level_of_run(event: WorkflowFinished) -> int:
    return INFO if event.state == "done" else WARNING


@sentence(WorkflowFinished, "workflow", _level_of_run, "run workflow state duration")
def _workflow_finished(event: WorkflowFinished, style: TextStyle) -> str:
    run = f"Run {style.text(event.run)} of workflow {style.name(event.workflow)}"
    took = f" after {latency(event.duration)}" if event.duration else ""
    return f"{run} {describe_state(event.state)}{took}{style.suffix(event.error)}"


# ---------------------------------------------------------------- operators, configuration, trouble

_VERBS = {
    "force_open": "hold open",
    "open_for": "open for a time",
    "half_open": "end the wait",
    "metrics_only": "watch only",
    "dlq_retry": "retry dead letters",
    "dlq_stop": "stop retrying dead letters",
    "dlq_archive": "archive dead letters",
    "dlq_unarchive": "unarchive dead letters",
    "dlq_discard": "discard dead letters",
    "dlq_purge": "purge dead letters",
    "resume": "resume a run",
    "inject": "inject a fault",
    "heal": "end the fault",
}


def verb_text(verb: str, style: TextStyle) -> str:
    """Return the verb of a command as text: `hold open` for `force_open`."""
    return _VERBS.get(verb) or style.name(verb.replace("_", " "))


def _level_of_success(event: CommandDone | ConfigReloaded) -> int:
    return INFO if event.ok else WARNING


@sentence(CommandDone, "commands", _level_of_success, "adapter verb actor ok")
def _command_done(event: CommandDone, style: TextStyle) -> str:
    what = f"{verb_text(event.verb, style)} {style.name(event.adapter)}".rstrip() + style.suffix(event.what, " ")
    return f"{style.name(event.actor)}: {what}: {'done' if event.ok else 'refused'}{style.suffix(event.detail)}"


@sentence(ConfigReloaded, "engine", _level_of_success, "ok source changes")
def _config_reloaded(event: ConfigReloaded, style: TextStyle) -> str:
    source = style.suffix(event.source, " from ")
    if not event.ok:
        return f"Configuration{source} refused, the previous one stays in effect{style.suffix(event.problem)}"
    changes = [style.text(change) for change in event.changes]
    changes += [f"{style.name(name)} needs a restart" for name in event.restart]
    changes += [
        f"{style.name(adapter)} {style.text(policy_text(policy))}" for adapter, policy in event.policies.items()
    ]
    return f"Configuration{source} applied: {'; '.join(changes) or 'nothing changed'}"


@sentence(ShutdownChanged, "engine", WARNING, "reason in_flight cancelled")
def _shutdown_changed(event: ShutdownChanged, style: TextStyle) -> str:
    if event.what == "began":
        calls = f"{plural(event.in_flight, 'call')} in flight {'has' if event.in_flight == 1 else 'have'}"
        grace = exact_span(event.grace)
        return f"[GRACEFUL SHUTDOWN] {style.text(event.reason)}: no new work is taken; {calls} {grace} to end"
    cancelled = f"{plural(event.cancelled, 'call')} {'was' if event.cancelled == 1 else 'were'} cancelled"
    return f"[GRACEFUL SHUTDOWN] finished; {cancelled}{style.suffix(event.instructions, '; how to resume: ')}"


@sentence(ListenerFailed, "engine", WARNING, "listener")
def _listener_failed(event: ListenerFailed, style: TextStyle) -> str:
    return f"Listener {style.text(event.listener)} raised: {style.text(event.error)}"


@sentence(ClockChanged)  # the host's, for the board
def _clock_changed(event: ClockChanged, style: TextStyle) -> str:
    parts = []
    if event.by:
        parts.append(f"The wall clock was set {'forward' if event.by > 0 else 'back'} by {pause(abs(event.by))}")
    if event.asleep:
        parts.append(f"{'the' if parts else 'The'} host was suspended for {pause(event.asleep)}")
    return "; ".join(parts) or "The wall clock did not change"


@sentence(RecordingRestarted)  # the recorder logs it
def _recording_restarted(event: RecordingRestarted, style: TextStyle) -> str:
    moved = f"; it is now {style.text(event.moved_to)}" if event.moved_to else ""
    verb = "stays" if event.letters == 1 else "stay"
    letters = f"; {plural(event.letters, 'active dead letter')} {verb} in it" if event.letters else ""
    return f"New recording, because the previous one {style.text(event.why)}{moved}{letters}"


@sentence(RoutesCounted)  # the recorder's own
def _routes_counted(event: RoutesCounted, style: TextStyle) -> str:
    by_adapter = ", ".join(f"{style.text(name)} {counts.calls}" for name, counts in event.adapters.items())
    seconds = max(0.0, (event.at - event.since) / 1e6)
    return f"{plural(event.tasks, 'ordinary route')} in {seconds:.0f} s: {by_adapter}"


@sentence(EventsDropped)  # the recorder logs it
def _events_dropped(event: EventsDropped, style: TextStyle) -> str:
    return f"{plural(event.count, 'event')} could not be recorded{style.suffix(event.reason)}"


@sentence(ScenarioStep)  # its author's own words
def _scenario_step(event: ScenarioStep, style: TextStyle) -> str:
    return style.text(event.text)


@sentence(ScenarioPaced)
def _scenario_paced(event: ScenarioPaced, style: TextStyle) -> str:
    name = style.name(event.scenario)
    return f"scenario {name} plays at {event.pace:g} times its speed" if event.pace else f"scenario {name} is stopped"
