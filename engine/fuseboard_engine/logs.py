"""Log lines: each event that an operator would want to read, through standard `logging` under `fuseboard.*`.

A line has the words, and the figures as structured fields (`extra`), each beginning with `fuseboard_`. Payloads are
never logged: no event carries one. Texts of errors lose their secrets first (see `fuseboard_engine.redact`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from fuseboard_engine.events import (
    AdapterAdded,
    AdapterRemoved,
    Attempt,
    AttemptFailed,
    CommandDone,
    ConfigReloaded,
    Event,
    LateResult,
    ListenerFailed,
    PreferenceSet,
    ProbeChanged,
    RouteFinished,
    ShutdownChanged,
    StateChanged,
)
from fuseboard_engine.redact import redact
from fuseboard_engine.registry import Registry

ROUTER = logging.getLogger("fuseboard.router")
BREAKER = logging.getLogger("fuseboard.breaker")
ENGINE = logging.getLogger("fuseboard.engine")
COMMANDS = logging.getLogger("fuseboard.commands")

DEBUG, INFO, WARNING = logging.DEBUG, logging.INFO, logging.WARNING


class Line(NamedTuple):
    """One line to log: its words with their arguments, and its structured fields."""

    logger: logging.Logger
    level: int
    words: str
    arguments: tuple[Any, ...]
    fields: dict[str, Any]


class EventLog:
    """Listens to an engine's events and logs them.

    Args:
        registry: the engine's adapters; asked how many attempts an adapter has.
        debug: write a line for every attempt, probe and rejection too, with their timings, whatever level the loggers
            have; those lines are DEBUG lines.
    """

    def __init__(self, registry: Registry, *, debug: bool = False) -> None:
        self.debug = debug
        self._registry = registry
        self._lines: dict[type[Event], tuple[Callable[[Any], Line | None], logging.Logger, int]] = {
            AttemptFailed: (self._attempt_failed, ROUTER, WARNING),
            RouteFinished: (self._route_finished, ROUTER, INFO),
            StateChanged: (_state_changed, BREAKER, INFO),
            CommandDone: (_command_done, COMMANDS, INFO),
            ConfigReloaded: (_config_reloaded, ENGINE, INFO),
            ShutdownChanged: (_shutdown_changed, ENGINE, INFO),
            ListenerFailed: (_listener_failed, ENGINE, WARNING),
            AdapterAdded: (_adapter_added, ENGINE, DEBUG),
            AdapterRemoved: (_adapter_removed, ENGINE, INFO),
            PreferenceSet: (_preference_set, ENGINE, DEBUG),
            ProbeChanged: (_probe_changed, BREAKER, DEBUG),
            LateResult: (_late_result, BREAKER, DEBUG),
        }

    def __call__(self, event: Event) -> None:
        """Log an event, if anybody listens at its level."""
        found = self._lines.get(type(event))
        if found is None:
            return
        make, logger, least = found
        # The level the line may have at the most decides first: what nobody reads is never put into words.
        if least == INFO and not logger.isEnabledFor(INFO) and not logger.isEnabledFor(WARNING):
            return
        if least == DEBUG and not logger.isEnabledFor(DEBUG):
            return
        if type(event) is RouteFinished:
            if event.success and not event.degraded and not logger.isEnabledFor(INFO):
                return
            if self.debug and logger.isEnabledFor(DEBUG):
                for attempt in event.attempts:
                    _write(_timing(event, attempt))
        line = make(event)
        if line is not None and line.logger.isEnabledFor(line.level):
            _write(line)

    def _limit(self, adapter: str, number: int) -> int:
        known = self._registry.find(adapter)
        return number if known is None else max(known.retry.max_attempts, number)

    def _attempt_failed(self, event: AttemptFailed) -> Line:
        attempt = event.attempt
        adapter, number = attempt.adapter, attempt.number
        error = redact(attempt.error or attempt.error_type)
        words, arguments = "Attempt %d/%d failed on %s: %s", (number, self._limit(adapter, number), adapter, error)
        fields = {
            **_of_task(event.task, event.task_type),
            **_of_attempt(attempt),
            "fuseboard_then": event.then,
            "fuseboard_delay": event.delay,
        }
        if attempt.rule == "timeout":
            words = "Timeout for adapter %s after %.2fs (attempt %d/%d)"
            return Line(ROUTER, WARNING, words, (adapter, attempt.duration, number, arguments[1]), fields)
        return Line(ROUTER, WARNING, words, arguments, fields)

    def _route_finished(self, event: RouteFinished) -> Line:
        called = [attempt for attempt in event.attempts if attempt.outcome != "rejected"]
        fields: dict[str, Any] = {
            **_of_task(event.task, event.task_type),
            "fuseboard_adapter": event.adapter,
            "fuseboard_success": event.success,
            "fuseboard_degraded": event.degraded,
            "fuseboard_duration": event.duration,
            "fuseboard_attempts": len(called),
            "fuseboard_chain": list(dict.fromkeys(attempt.adapter for attempt in called)),
            "fuseboard_context": event.context or {},
        }
        if event.degraded:
            words = "Task %s was answered in degraded mode: %s"
            return Line(ROUTER, WARNING, words, (_name(event.task), redact(event.error or event.why)), fields)
        if not event.success:
            chain = " -> ".join(fields["fuseboard_chain"]) or "nobody could be asked"
            words = "Task %s failed on every adapter (%s): %s"
            return Line(ROUTER, WARNING, words, (_name(event.task), chain, redact(event.error)), fields)
        number = called[-1].number if called else 0
        words = "Task succeeded on %s (attempt %d/%d)"
        return Line(ROUTER, INFO, words, (event.adapter, number, self._limit(event.adapter, number)), fields)


def _write(line: Line) -> None:
    line.logger.log(line.level, line.words, *line.arguments, extra=line.fields)


def _name(task: str) -> str:
    return redact(task)[:120]


def _of_task(task: str, task_type: str) -> dict[str, Any]:
    return {"fuseboard_task": _name(task), "fuseboard_task_type": _name(task_type)}


def _of_attempt(attempt: Attempt) -> dict[str, Any]:
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


def _timing(event: RouteFinished, attempt: Attempt) -> Line:
    fields = {**_of_task(event.task, event.task_type), **_of_attempt(attempt)}
    if attempt.outcome == "rejected":
        words = "Task %s: %s was not called: %s"
        return Line(ROUTER, DEBUG, words, (_name(event.task), attempt.adapter, redact(attempt.why)), fields)
    words = "Task %s: %s attempt %d: %s in %.1f ms after waiting %.1f ms"
    arguments = (
        _name(event.task),
        attempt.adapter,
        attempt.number,
        attempt.outcome,
        attempt.duration * 1e3,
        attempt.wait * 1e3,
    )
    return Line(ROUTER, DEBUG, words, arguments, fields)


def _state_changed(event: StateChanged) -> Line:
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
    state = "HALF-OPEN" if event.after == "half_open" else _STATES.get(event.after, event.after.upper())
    level = WARNING if event.after in ("open", "forced_open") else INFO
    words = "Circuit breaker %s for adapter: %s (%s)"
    return Line(BREAKER, level, words, ("OPENED" if event.after == "open" else state, event.adapter, why), fields)


_STATES = {"forced_open": "HELD OPEN", "metrics_only": "SET TO WATCH ONLY"}


def _probe_changed(event: ProbeChanged) -> Line:
    fields = {
        "fuseboard_adapter": event.adapter,
        "fuseboard_probe": event.what,
        "fuseboard_successes": event.successes,
        "fuseboard_needed": event.needed,
    }
    words = "Probe of adapter %s: %s (%d of %d good)"
    return Line(BREAKER, DEBUG, words, (event.adapter, event.what, event.successes, event.needed), fields)


def _late_result(event: LateResult) -> Line:
    fields = {"fuseboard_adapter": event.adapter, "fuseboard_outcome": event.outcome}
    words = "A late %s of adapter %s changed nothing"
    return Line(BREAKER, DEBUG, words, (event.outcome, event.adapter), fields)


def _command_done(event: CommandDone) -> Line:
    fields = {
        "fuseboard_adapter": event.adapter,
        "fuseboard_verb": event.verb,
        "fuseboard_actor": event.actor,
        "fuseboard_ok": event.ok,
    }
    arguments = (redact(event.actor), event.verb, "done" if event.ok else "refused", redact(event.detail))
    return Line(COMMANDS, INFO if event.ok else WARNING, "%s asked for %s: %s: %s", arguments, fields)


def _config_reloaded(event: ConfigReloaded) -> Line:
    fields = {"fuseboard_ok": event.ok, "fuseboard_source": event.source, "fuseboard_changes": list(event.changes)}
    if not event.ok:
        words = "Configuration refused, the one before stays in effect: %s"
        return Line(ENGINE, WARNING, words, (redact(event.problem),), fields)
    told = "; ".join([*event.changes, *(f"{name} needs a restart" for name in event.restart)]) or "nothing changed"
    return Line(ENGINE, INFO, "Configuration applied: %s", (redact(told),), fields)


def _shutdown_changed(event: ShutdownChanged) -> Line:
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


def _listener_failed(event: ListenerFailed) -> Line:
    fields = {"fuseboard_listener": event.listener}
    return Line(ENGINE, WARNING, "Listener %s raised: %s", (event.listener, redact(event.error)), fields)


def _adapter_added(event: AdapterAdded) -> Line:
    return Line(ENGINE, DEBUG, "Adapter %s added", (event.adapter,), {"fuseboard_adapter": event.adapter})


def _adapter_removed(event: AdapterRemoved) -> Line:
    return Line(ENGINE, INFO, "Adapter %s removed", (event.adapter,), {"fuseboard_adapter": event.adapter})


def _preference_set(event: PreferenceSet) -> Line:
    fields = {"fuseboard_task_type": event.task_type, "fuseboard_chain": list(event.order)}
    words = "Chain for %s: %s"
    return Line(ENGINE, DEBUG, words, (event.task_type or "every other type", " -> ".join(event.order)), fields)
