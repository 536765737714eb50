"""The words and figures of each log line. Pure: nothing here writes one."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from fuseboard_engine.event_log.redact import redact
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
    HealthAlert,
    HealthChecked,
    LateResult,
    ListenerFailed,
    NodeChanged,
    PreferenceSet,
    ProbeChanged,
    RouteFinished,
    ShutdownChanged,
    StateChanged,
    StreamRestarted,
    TripSuppressed,
    WorkflowFinished,
    WorkflowStarted,
)
from fuseboard_engine.workflow.words import stands

ROUTER = logging.getLogger("fuseboard.router")
BREAKER = logging.getLogger("fuseboard.breaker")
ENGINE = logging.getLogger("fuseboard.engine")
COMMANDS = logging.getLogger("fuseboard.commands")
HEALTH = logging.getLogger("fuseboard.health")
WORKFLOW = logging.getLogger("fuseboard.workflow")
LETTERS = logging.getLogger("fuseboard.dead_letters")

DEBUG, INFO, WARNING = logging.DEBUG, logging.INFO, logging.WARNING


class Line(NamedTuple):
    """One line to log: its words with their arguments, and its structured fields."""

    logger: logging.Logger
    level: int
    words: str
    arguments: tuple[Any, ...]
    fields: dict[str, Any]


def name(task: str) -> str:
    """Return a task's name as it may stand in a line."""
    return redact(task)[:120]


def of_task(task: str, task_type: str) -> dict[str, Any]:
    """Return the fields that tell of a task."""
    return {"fuseboard_task": name(task), "fuseboard_task_type": name(task_type)}


def of_attempt(attempt: Attempt) -> dict[str, Any]:
    """Return the fields that tell of an attempt."""
    return {
        "fuseboard_adapter": attempt.adapter,
        "fuseboard_attempt": attempt.number,
        "fuseboard_outcome": attempt.outcome,
        "fuseboard_duration": attempt.duration,
        "fuseboard_wait": attempt.wait,
        "fuseboard_rule": attempt.rule,
        "fuseboard_error_type": attempt.error_type,
        "fuseboard_error": redact(attempt.error),
        "fuseboard_failures": attempt.failures,
    }


def timing(event: RouteFinished, attempt: Attempt) -> Line:
    """Return the line that tells how long an attempt took."""
    fields = {**of_task(event.task, event.task_type), **of_attempt(attempt)}
    if attempt.outcome == "rejected":
        words = "Task %s: %s was not called: %s"
        return Line(ROUTER, DEBUG, words, (name(event.task), attempt.adapter, redact(attempt.why)), fields)
    words = "Task %s: %s attempt %d: %s in %.1f ms after waiting %.1f ms"
    arguments = (
        name(event.task),
        attempt.adapter,
        attempt.number,
        attempt.outcome,
        attempt.duration * 1e3,
        attempt.wait * 1e3,
    )
    return Line(ROUTER, DEBUG, words, arguments, fields)


def state_changed(event: StateChanged) -> Line:
    """Return the line of a breaker's new state."""
    fields = {
        "fuseboard_adapter": event.adapter,
        "fuseboard_before": event.before,
        "fuseboard_after": event.after,
        "fuseboard_reason": event.reason,
        "fuseboard_actor": event.actor,
        "fuseboard_wait": event.wait,
        "fuseboard_openings": event.openings,
        "fuseboard_failures": event.failures,
    }
    why = redact(event.detail or event.reason)
    if event.actor:
        why += f", by {redact(event.actor)}"
    if event.after == "open" and event.wait is not None:
        why += f"; tried again in {event.wait:.3g} s"
    state = "HALF-OPEN" if event.after == "half_open" else STATES.get(event.after, event.after.upper())
    level = WARNING if event.after in ("open", "forced_open") else INFO
    words = "Circuit breaker %s for adapter: %s (%s)"
    return Line(BREAKER, level, words, ("OPENED" if event.after == "open" else state, event.adapter, why), fields)


STATES = {"forced_open": "HELD OPEN", "metrics_only": "SET TO WATCH ONLY"}


def probe_changed(event: ProbeChanged) -> Line:
    """Return the line of a probe."""
    fields = {
        "fuseboard_adapter": event.adapter,
        "fuseboard_probe": event.what,
        "fuseboard_successes": event.successes,
        "fuseboard_needed": event.needed,
    }
    words = "Probe of adapter %s: %s (%d of %d good)"
    return Line(BREAKER, DEBUG, words, (event.adapter, event.what, event.successes, event.needed), fields)


def late_result(event: LateResult) -> Line:
    """Return the line of a result that came too late."""
    fields = {"fuseboard_adapter": event.adapter, "fuseboard_outcome": event.outcome}
    words = "A late %s of adapter %s changed nothing"
    return Line(BREAKER, DEBUG, words, (event.outcome, event.adapter), fields)


def command_done(event: CommandDone) -> Line:
    """Return the line of an operator's command."""
    fields = {
        "fuseboard_adapter": event.adapter,
        "fuseboard_verb": event.verb,
        "fuseboard_actor": event.actor,
        "fuseboard_ok": event.ok,
    }
    arguments = (redact(event.actor), event.verb, "done" if event.ok else "refused", redact(event.detail))
    return Line(COMMANDS, INFO if event.ok else WARNING, "%s asked for %s: %s: %s", arguments, fields)


def config_reloaded(event: ConfigReloaded) -> Line:
    """Return the line of a configuration that was applied or refused."""
    fields = {"fuseboard_ok": event.ok, "fuseboard_source": event.source, "fuseboard_changes": list(event.changes)}
    if not event.ok:
        words = "Configuration refused, the one before stays in effect: %s"
        return Line(ENGINE, WARNING, words, (redact(event.problem),), fields)
    told = "; ".join([*event.changes, *(f"{name} needs a restart" for name in event.restart)]) or "nothing changed"
    return Line(ENGINE, INFO, "Configuration applied: %s", (redact(told),), fields)


def shutdown_changed(event: ShutdownChanged) -> Line:
    """Return the line of a shutdown that began or ended."""
    fields = {
        "fuseboard_reason": event.reason,
        "fuseboard_in_flight": event.in_flight,
        "fuseboard_cancelled": event.cancelled,
    }
    if event.what == "began":
        words = "[GRACEFUL SHUTDOWN] %s: no new work is taken; %d calls in flight have %.3g s to end"
        return Line(ENGINE, WARNING, words, (redact(event.reason), event.in_flight, event.grace), fields)
    words = "[GRACEFUL SHUTDOWN] finished; %d calls were cancelled%s"
    where = f"; {event.instructions} says how to go on" if event.instructions else ""
    return Line(ENGINE, WARNING, words, (event.cancelled, where), fields)


def listener_failed(event: ListenerFailed) -> Line:
    """Return the line of a listener that raised."""
    fields = {"fuseboard_listener": event.listener}
    return Line(ENGINE, WARNING, "Listener %s raised: %s", (event.listener, redact(event.error)), fields)


def adapter_added(event: AdapterAdded) -> Line:
    """Return the line of a new adapter."""
    return Line(ENGINE, DEBUG, "Adapter %s added", (event.adapter,), {"fuseboard_adapter": event.adapter})


def adapter_removed(event: AdapterRemoved) -> Line:
    """Return the line of an adapter that is gone."""
    return Line(ENGINE, INFO, "Adapter %s removed", (event.adapter,), {"fuseboard_adapter": event.adapter})


def preference_set(event: PreferenceSet) -> Line:
    """Return the line of a chain that was set."""
    fields = {"fuseboard_task_type": event.task_type, "fuseboard_chain": list(event.order)}
    words = "Chain for %s: %s"
    return Line(ENGINE, DEBUG, words, (event.task_type or "every other type", " -> ".join(event.order)), fields)


def trip_held(event: TripSuppressed) -> Line:
    """Return the line of a breaker that may not open."""
    fields = {"fuseboard_adapter": event.adapter, "fuseboard_reason": event.reason, "fuseboard_share": event.share}
    words = "Circuit breaker of adapter %s was not opened: %s"
    return Line(BREAKER, WARNING, words, (event.adapter, redact(event.detail)), fields)


def monitoring(event: AttemptFailed) -> Line | None:
    """Return the line that says how near a breaker is to opening; None: it counts no failures in a row."""
    attempt, threshold = event.attempt, event.threshold
    if threshold is None or not 0 < attempt.failures < threshold:
        return None
    fields = {"fuseboard_adapter": attempt.adapter, "fuseboard_failures": attempt.failures}
    words = "Circuit breaker MONITORING (%d/%d) for adapter: %s"
    return Line(BREAKER, DEBUG, words, (attempt.failures, threshold, attempt.adapter), fields)


def health_checked(event: HealthChecked) -> Line:
    """Return the line of an adapter whose health is another."""
    fields = {"fuseboard_adapter": event.adapter, "fuseboard_before": event.before, "fuseboard_after": event.status}
    level = INFO if event.status == "healthy" else WARNING
    words = "Health of adapter %s: %s (was %s)%s"
    detail = f": {redact(event.detail)}" if event.detail else ""
    return Line(HEALTH, level, words, (event.adapter, event.status, event.before, detail), fields)


def health_alert(event: HealthAlert) -> Line:
    """Return the line of an adapter that failed several checks in a row."""
    fields = {"fuseboard_adapter": event.adapter, "fuseboard_failures": event.failures}
    words = "Health alert for adapter %s: %d bad checks in a row: %s"
    return Line(HEALTH, WARNING, words, (event.adapter, event.failures, redact(event.detail)), fields)


def stream_restarted(event: StreamRestarted) -> Line:
    """Return the line of a stream that starts over."""
    fields = {
        **of_task(event.task, event.task_type),
        "fuseboard_adapter": event.adapter,
        "fuseboard_items": event.items,
    }
    words = "The stream of task %s starts over on %s, %d items are void: %s"
    arguments = (name(event.task), event.adapter or "a fallback", event.items, redact(event.error))
    return Line(ROUTER, WARNING, words, arguments, fields)


def batch_finished(event: BatchFinished) -> Line:
    """Return the line of a batch that ended."""
    fields = {
        "fuseboard_batch": event.batch,
        "fuseboard_parts": event.parts,
        "fuseboard_succeeded": event.succeeded,
        "fuseboard_degraded": event.degraded,
        "fuseboard_failed": event.failed,
        "fuseboard_accepted": event.accepted,
        "fuseboard_duration": event.duration,
    }
    share = 100.0 * event.succeeded / event.parts if event.parts else 100.0
    counted = (event.succeeded, event.parts)
    if not event.accepted:
        words = "Batch %s was not accepted (%.0f%% success, %.0f%% needed): %d of %d; rolled back %d times%s"
        why = f": {redact(event.error)}" if event.error else ""
        arguments = (event.batch, share, 100 * event.needed, *counted, event.rolled_back, why)
        return Line(ENGINE, WARNING, words, arguments, fields)
    if event.succeeded < event.parts:
        words = "Accepting partial results of batch %s (%.0f%% success): %d of %d"
        return Line(ENGINE, WARNING, words, (event.batch, share, *counted), fields)
    return Line(ENGINE, INFO, "Batch %s succeeded: %d of %d", (event.batch, *counted), fields)


def workflow_started(event: WorkflowStarted) -> Line:
    """Return the line of a run that began, or goes on."""
    fields = {"fuseboard_run": event.run, "fuseboard_workflow": event.workflow, "fuseboard_resumed": event.resumed}
    what = f"goes on after {len(event.finished)} of" if event.resumed else "began:"
    words = "Run %s of workflow %s %s %d nodes"
    return Line(WORKFLOW, INFO, words, (event.run, event.workflow, what, len(event.nodes)), fields)


def node_changed(event: NodeChanged) -> Line:
    """Return the line of a node of a run."""
    fields = {
        "fuseboard_run": event.run,
        "fuseboard_workflow": event.workflow,
        "fuseboard_node": event.node,
        "fuseboard_state": event.state,
        "fuseboard_adapter": event.answered,
        "fuseboard_attempts": event.attempts,
        "fuseboard_duration": event.duration,
    }
    level = WARNING if event.state in ("failed", "degraded") else DEBUG
    why = f": {redact(event.error)}" if event.error else ""
    return Line(WORKFLOW, level, "Node %s of run %s %s%s", (event.node, event.run, stands(event.state), why), fields)


def workflow_finished(event: WorkflowFinished) -> Line:
    """Return the line of a run that ended."""
    fields = {
        "fuseboard_run": event.run,
        "fuseboard_workflow": event.workflow,
        "fuseboard_state": event.state,
        "fuseboard_duration": event.duration,
    }
    level, why = INFO if event.state == "done" else WARNING, f": {redact(event.error)}" if event.error else ""
    return Line(
        WORKFLOW, level, "Run %s of workflow %s %s%s", (event.run, event.workflow, stands(event.state), why), fields
    )


def dead_lettered(event: DeadLettered) -> Line:
    """Return the line of a task that became a dead letter."""
    fields = {
        **of_task(event.task, event.task_type),
        "fuseboard_letter": event.letter,
        "fuseboard_category": event.category,
        "fuseboard_error_type": event.error_type,
    }
    words = "Task %s became dead letter %d (%s): %s"
    arguments = (name(event.task), event.letter, event.category, redact(event.error))
    return Line(LETTERS, WARNING, words, arguments, fields)


def dead_letter_changed(event: DeadLetterChanged) -> Line:
    """Return the line of dead letters that are in another status now."""
    fields = {
        "fuseboard_letters": list(event.letters),
        "fuseboard_before": event.before,
        "fuseboard_after": event.status,
        "fuseboard_actor": event.actor,
    }
    which = f"Dead letter {event.letters[0]}" if len(event.letters) == 1 else f"{len(event.letters)} dead letters"
    by = f", by {redact(event.actor)}" if event.actor else ""
    words = "%s: %s -> %s%s%s"
    detail = f" ({redact(event.detail)})" if event.detail else ""
    level = WARNING if event.status in ("exhausted", "evicted") else INFO
    return Line(LETTERS, level, words, (which, event.before, event.status, by, detail), fields)
