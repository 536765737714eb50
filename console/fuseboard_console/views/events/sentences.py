"""What an event says, in a sentence. Of changes of state, routes and failures, the words stand elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fuseboard_console.text.formatting import latency, pause, percent, plural, stamp
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.policy_text import policy_words
from fuseboard_console.views.events.audit import words_of
from fuseboard_engine.events import (
    LOST,
    AdapterAdded,
    AdapterRemoved,
    BatchFinished,
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
    GaugesSampled,
    HealthAlert,
    HealthChecked,
    LateResult,
    ListenerFailed,
    NodeChanged,
    PreferenceSet,
    ProbeChanged,
    ShutdownChanged,
    StreamRestarted,
    ThreadsStuck,
    TripSuppressed,
    WorkflowFinished,
    WorkflowStarted,
)

_NAME = 60  # characters of a name
_TEXT = 200  # of a text, and of an id, which is whole so that it is found again elsewhere
_MANY = 20  # letters and nodes that are named one by one


def event_words(event: Event) -> str:
    """Return what an event says, as safe text: times are local times, durations have their unit."""
    return _WORDS[type(event)](event)


def _name(text: str) -> str:
    return safe_text(text, _NAME)


def _text(text: str, before: str = ": ") -> str:
    """Return a text with what goes before it; nothing where there is none."""
    return f"{before}{safe_text(text, _TEXT)}" if text else ""


def _task(event: DeadLettered | DeadLetterRefused | StreamRestarted) -> str:
    return f"{_name(event.task_type) or 'task'} #{safe_text(event.task, _TEXT)}"


def _by(actor: str) -> str:
    return f" by {_name(actor)}" if actor else ""


def _named(names: Iterable[str]) -> str:
    named = [_name(name) for name in names]
    more = f" and {len(named) - _MANY:,} more" if len(named) > _MANY else ""
    return ", ".join(named[:_MANY]) + more


# ---------------------------------------------------------------- engines and adapters


def _engine_started(event: EngineStarted) -> str:
    return f"{_name(event.name)} on {_name(event.host)}, process {event.pid}"


def _engine_stopped(event: EngineStopped) -> str:
    return "killed: its process ended without a word" if event.reason == LOST else f"ended{_text(event.reason)}"


def _adapter_added(event: AdapterAdded) -> str:
    tags = f" ({_named(event.tags)})" if event.tags else ""
    restored = "; goes on from an earlier run" if event.figures else ""
    return f"{_name(event.adapter)}{tags}{_text(policy_words(event.policy))}{restored}"


def _adapter_removed(event: AdapterRemoved) -> str:
    return f"{_name(event.adapter)} is gone"


def _preference_set(event: PreferenceSet) -> str:
    kind = _name(event.task_type) or "every other type"
    adaptive = " (adaptive)" if event.adaptive else ""
    return f"chain for {kind}: {' → '.join(_name(name) for name in event.order) or 'none'}{adaptive}"


def _trip_held(event: TripSuppressed) -> str:
    group = f" of {_name(event.group)}" if event.group else ""
    out = f"{event.out} of {plural(event.size, 'adapter')}{group} are out, and at most {percent(event.share)} % may be"
    return f"{_name(event.adapter)} stays closed: {out}{_text(event.detail or event.reason, '; ')}"


def _health_checked(event: HealthChecked) -> str:
    took = f"; checked in {latency(event.duration)}" if event.duration else ""
    return f"{_name(event.adapter)} is {_name(event.status)}, was {_name(event.before)}{_text(event.detail)}{took}"


def _health_alert(event: HealthAlert) -> str:
    return f"{_name(event.adapter)}: {plural(event.failures, 'bad check')} in a row{_text(event.detail)}"


def _probe_changed(event: ProbeChanged) -> str:
    what = {
        "admitted": "a probe is admitted",
        "success": "a probe went well",
        "failure": "a probe failed",
        "released": "a probe ended without a verdict",
        "expired": "a silent probe was given up",
    }[event.what]
    good = f"; {event.successes} of {event.needed} good" if event.needed else ""
    return f"{_name(event.adapter)}: {what}{good}"


def _adapters_gauged(event: GaugesSampled) -> str:
    return "; ".join(
        f"{_name(adapter)} {in_flight} in flight, {plural(left, 'retry', 'retries')} left"
        for adapter, (in_flight, left) in event.gauges.items()
    )


def _late_result(event: LateResult) -> str:
    return f"{_name(event.adapter)}: a call from before the last change ended in {event.outcome}; it changes nothing"


def _threads_stuck(event: ThreadsStuck) -> str:
    stuck = f"{plural(event.stuck, 'thread')} of {_name(event.adapter)} {'hangs' if event.stuck == 1 else 'hang'}"
    return f"{stuck}; {event.total} in all, at most {event.limit}"


# ---------------------------------------------------------------- tasks and dead letters


def _stream_restarted(event: StreamRestarted) -> str:
    void = f"{plural(event.items, 'item')} {'is' if event.items == 1 else 'are'} void"
    return f"{_task(event)} starts over on {_name(event.adapter) or 'a fallback'}; {void}{_text(event.error)}"


def _dead_lettered(event: DeadLettered) -> str:
    error = ": ".join(safe_text(part, _TEXT) for part in (event.error_type, event.error) if part)
    due = f"; retried at {stamp(event.due_at)}" if event.due_at is not None else "; retried by hand only"
    memory = "; kept in memory only" if event.in_memory else ""
    told = f"letter {event.letter}: {_task(event)}, {_name(event.category)}{': ' if error else ''}{error}"
    return f"{told}{_text(event.detail, '; ')}{due}{memory}"


def _dead_letter_refused(event: DeadLetterRefused) -> str:
    return f"{_task(event)} could not be kept{_text(event.reason)}"


def _dead_letter_changed(event: DeadLetterChanged) -> str:
    which = "letter" if len(event.letters) == 1 else "letters"
    due = f"; due at {stamp(event.due_at)}" if event.due_at is not None else ""
    change = f"{_name(event.before)} → {_name(event.status)}{_by(event.actor)}"
    return f"{which} {_named(map(str, event.letters))}: {change}{_text(event.detail)}{due}"


def _dead_letters_counted(event: DeadLettersCounted) -> str:
    counts = ", ".join(f"{count:,} {_name(status)}" for status, count in event.counts.items() if count)
    return f"dead letters: {counts or 'none'}"


def _batch_finished(event: BatchFinished) -> str:
    said = [f"batch {_name(event.batch)}: {event.succeeded} of {plural(event.parts, 'part')} succeeded"]
    said += [f"{event.degraded} degraded"] * bool(event.degraded) + [f"{event.failed} failed"] * bool(event.failed)
    verdict = "accepted" if event.accepted else f"not accepted, {percent(event.needed)} % needed"
    back = f"; rolled back {plural(event.rolled_back, 'time')}" if event.rolled_back else ""
    rounds = f"; {event.rounds} rounds" if event.rounds > 1 else ""
    return f"{', '.join(said)}; {verdict}{back}{rounds} in {latency(event.duration)}{_text(event.error)}"


# ---------------------------------------------------------------- workflows


def _run(event: WorkflowStarted | WorkflowFinished) -> str:
    return f"run {safe_text(event.run, _TEXT)} of {_name(event.workflow)}"


def _workflow_started(event: WorkflowStarted) -> str:
    if event.resumed:
        return f"{_run(event)} goes on: {len(event.finished)} of {plural(len(event.nodes), 'node')} done before"
    return f"{_run(event)} begins: {_named(event.nodes)}"


def _node_changed(event: NodeChanged) -> str:
    answered = f", answered by {_name(event.answered)}" if event.answered else ""
    tries = f" after {plural(event.attempts, 'attempt')}" if event.attempts > 1 else ""
    took = f" in {latency(event.duration)}" if event.duration else ""
    node = f"node {_name(event.node)} of run {safe_text(event.run, _TEXT)}"
    return f"{node}: {event.state}{answered}{tries}{took}{_text(event.error)}"


def _workflow_finished(event: WorkflowFinished) -> str:
    return f"{_run(event)}: {event.state} in {latency(event.duration)}{_text(event.error)}"


# ---------------------------------------------------------------- operators, configuration, trouble


def _command_done(event: CommandDone) -> str:
    what = f"{words_of(event.verb)} {_name(event.adapter)}".rstrip()
    return f"{_name(event.actor)}: {what}: {'done' if event.ok else 'refused'}{_text(event.detail)}"


def _config_reloaded(event: ConfigReloaded) -> str:
    source = f" from {safe_text(event.source, _TEXT)}" if event.source else ""
    if not event.ok:
        return f"configuration{source} refused{_text(event.problem)}"
    changes = [safe_text(change, _TEXT) for change in event.changes]
    changes += [f"{_name(name)} needs a restart" for name in event.restart]
    changes += [f"{_name(adapter)} {policy_words(policy)}" for adapter, policy in event.policies.items()]
    return f"configuration{source} applied: {'; '.join(changes) or 'nothing changed'}"


def _shutdown_changed(event: ShutdownChanged) -> str:
    calls = plural(event.in_flight, "call")
    if event.what == "began":
        has = "has" if event.in_flight == 1 else "have"
        return f"shutdown begins{_text(event.reason)}; {calls} in flight {has} {pause(event.grace)} to end"
    where = _text(event.instructions, "; how to go on: ")
    return f"shutdown finished; {plural(event.cancelled, 'call')} cancelled{where}"


def _listener_failed(event: ListenerFailed) -> str:
    return f"listener {safe_text(event.listener, _TEXT)} raised{_text(event.error)}"


def _events_dropped(event: EventsDropped) -> str:
    return f"{plural(event.count, 'event')} could not be recorded{_text(event.reason)}"


_WORDS: dict[type[Event], Callable[[Any], str]] = {
    EngineStarted: _engine_started,
    EngineStopped: _engine_stopped,
    AdapterAdded: _adapter_added,
    AdapterRemoved: _adapter_removed,
    PreferenceSet: _preference_set,
    TripSuppressed: _trip_held,
    HealthChecked: _health_checked,
    HealthAlert: _health_alert,
    ProbeChanged: _probe_changed,
    GaugesSampled: _adapters_gauged,
    LateResult: _late_result,
    ThreadsStuck: _threads_stuck,
    StreamRestarted: _stream_restarted,
    DeadLettered: _dead_lettered,
    DeadLetterRefused: _dead_letter_refused,
    DeadLetterChanged: _dead_letter_changed,
    DeadLettersCounted: _dead_letters_counted,
    BatchFinished: _batch_finished,
    WorkflowStarted: _workflow_started,
    NodeChanged: _node_changed,
    WorkflowFinished: _workflow_finished,
    CommandDone: _command_done,
    ConfigReloaded: _config_reloaded,
    ShutdownChanged: _shutdown_changed,
    ListenerFailed: _listener_failed,
    EventsDropped: _events_dropped,
}
