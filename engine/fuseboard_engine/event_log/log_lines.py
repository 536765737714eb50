"""Log records of attempts, routes and breaker states, whose documented wording differs from the event's sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.error_text.redaction import redact
from fuseboard_engine.events import Attempt, AttemptFailed, RouteFinished, StateChanged


class LogLine(NamedTuple):
    """A message with its arguments, as `logging` takes them, and the structured fields that it adds."""

    message: str
    arguments: tuple[Any, ...]
    fields: dict[str, Any]


def short_name(text: str) -> str:
    """Return the name or id of a task without secrets, in at most 120 characters."""
    return redact(text)[:120]


def attempt_fields(attempt: Attempt) -> dict[str, Any]:
    """Return the structured fields of an attempt."""
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


def attempt_failed(event: AttemptFailed, limit: int) -> LogLine:
    """Return the line of a failed attempt; `limit` is how many attempts the adapter has."""
    attempt = event.attempt
    fields = attempt_fields(attempt)
    if attempt.rule == "timeout":
        message = "Timeout for adapter %s after %.2fs (attempt %d/%d)"
        return LogLine(message, (attempt.adapter, attempt.duration, attempt.number, limit), fields)
    error = redact(attempt.error or attempt.error_type)
    return LogLine("Attempt %d/%d failed on %s: %s", (attempt.number, limit, attempt.adapter, error), fields)


def route_finished(event: RouteFinished, limit: int) -> LogLine:
    """Return the line of a finished route; `limit` is how many attempts the adapter that answered has."""
    called = [attempt for attempt in event.attempts if attempt.outcome != "rejected"]
    chain = list(dict.fromkeys(attempt.adapter for attempt in called))
    fields = {
        "fuseboard_attempts": len(called),
        "fuseboard_chain": chain,
        "fuseboard_context": event.context or {},
    }
    if event.degraded:
        message = "Using degraded mode for task %s: %s"
        return LogLine(message, (short_name(event.task), redact(event.error or event.why)), fields)
    if not event.success:
        arguments = (short_name(event.task), " -> ".join(chain) or "no adapter could be called", redact(event.error))
        return LogLine("Task %s failed on every adapter (%s): %s", arguments, fields)
    answer = answering_attempt(event)
    number = 0 if answer is None else answer.number
    return LogLine("Task succeeded on %s (attempt %d/%d)", (event.adapter, number, max(number, limit)), fields)


def route_started(task: str, task_type: str, order: tuple[str, ...]) -> LogLine:
    """Return the line of a task that is given to a chain of several adapters."""
    what = short_name(task_type) or f"task {short_name(task)}"
    fields = {
        "fuseboard_task": short_name(task),
        "fuseboard_task_type": short_name(task_type),
        "fuseboard_chain": list(order),
    }
    return LogLine("[FAILOVER] Attempting %s with %d fallback models", (what, len(order)), fields)


def chain_status(task_type: str, breakers: Sequence[tuple[str, CircuitBreaker | None]]) -> LogLine:
    """Return the line of a chain with the state of each breaker, or None if no adapter of it is registered."""
    states = [
        f"{place}. {short_name(name)} [{'NOT REGISTERED' if breaker is None else breaker_state(breaker)}]"
        for place, (name, breaker) in enumerate(breakers, 1)
    ]
    fields = {"fuseboard_task_type": short_name(task_type), "fuseboard_chain": [name for name, _ in breakers]}
    whole = ", ".join(states) or "it is empty"
    return LogLine("Failover status of %s: %s", (short_name(task_type) or "the default chain", whole), fields)


def breaker_state(breaker: CircuitBreaker) -> str:
    """Return a breaker's state in capitals; `MONITORING (2/5)` for a closed one that has counted failures."""
    state, failures, threshold = breaker.state, breaker.failures, breaker.threshold
    if state == "closed" and threshold is not None and failures:
        return f"MONITORING ({failures}/{threshold})"
    return state.replace("_", "-").upper()


def answering_attempt(event: RouteFinished) -> Attempt | None:
    """Return the attempt that completed the task of a route; None if none did."""
    for attempt in reversed(event.attempts):
        if attempt.outcome == "success" and attempt.adapter == event.adapter:
            return attempt
    return None


_STATES = {"open": "OPENED", "half_open": "HALF-OPEN", "forced_open": "HELD OPEN", "metrics_only": "SET TO WATCH ONLY"}


def state_changed(event: StateChanged) -> LogLine:
    """Return the line of a breaker's new state."""
    why = redact(event.detail or event.reason)
    if event.actor:
        why += f", by {redact(event.actor)}"
    if event.after == "open" and event.wait is not None:
        why += f"; tried again in {event.wait:.3g} s"
    state = _STATES.get(event.after, event.after.upper())
    return LogLine("Circuit breaker %s for adapter: %s (%s)", (state, event.adapter, why), {})


def monitoring(event: AttemptFailed) -> LogLine | None:
    """Return the line with the failures in a row so far; None if the breaker does not count them."""
    attempt, threshold = event.attempt, event.threshold
    if threshold is None or not 0 < attempt.failures < threshold:
        return None
    fields = {"fuseboard_adapter": attempt.adapter, "fuseboard_failures": attempt.failures}
    message = "Circuit breaker MONITORING (%d/%d) for adapter: %s"
    return LogLine(message, (attempt.failures, threshold, attempt.adapter), fields)


def attempt_timing(event: RouteFinished, attempt: Attempt) -> LogLine:
    """Return the line with the timing of one attempt or rejection of a route."""
    task = short_name(event.task)
    fields = {
        "fuseboard_task": task,
        "fuseboard_task_type": short_name(event.task_type),
        **attempt_fields(attempt),
    }
    if attempt.outcome == "rejected":
        return LogLine("Task %s: %s was not called: %s", (task, attempt.adapter, redact(attempt.why)), fields)
    message = "Task %s: %s attempt %d: %s in %.1f ms after waiting %.1f ms"
    times = (attempt.duration * 1e3, attempt.wait * 1e3)
    return LogLine(message, (task, attempt.adapter, attempt.number, attempt.outcome, *times), fields)
