"""Log lines: each event that an operator would want to read, through standard `logging` under `fuseboard.*`.

A line has the words, and the figures as structured fields (`extra`), each beginning with `fuseboard_`. Payloads are
never logged: no event carries one. Texts of errors lose their secrets first (see `fuseboard_engine.event_log.redact`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fuseboard_engine.adapters.registry import Registry
from fuseboard_engine.event_log import formatters
from fuseboard_engine.event_log.formatters import (
    BREAKER,
    COMMANDS,
    DEBUG,
    ENGINE,
    HEALTH,
    INFO,
    LETTERS,
    ROUTER,
    WARNING,
    WORKFLOW,
    Line,
    name,
    of_attempt,
    of_task,
    timing,
)
from fuseboard_engine.event_log.redact import redact
from fuseboard_engine.events import (
    AdapterAdded,
    AdapterRemoved,
    AttemptFailed,
    BatchFinished,
    CommandDone,
    ConfigReloaded,
    DeadLetterChanged,
    DeadLettered,
    Event,
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
            StateChanged: (formatters.state_changed, BREAKER, INFO),
            CommandDone: (formatters.command_done, COMMANDS, INFO),
            ConfigReloaded: (formatters.config_reloaded, ENGINE, INFO),
            ShutdownChanged: (formatters.shutdown_changed, ENGINE, INFO),
            ListenerFailed: (formatters.listener_failed, ENGINE, WARNING),
            AdapterAdded: (formatters.adapter_added, ENGINE, DEBUG),
            AdapterRemoved: (formatters.adapter_removed, ENGINE, INFO),
            PreferenceSet: (formatters.preference_set, ENGINE, DEBUG),
            ProbeChanged: (formatters.probe_changed, BREAKER, DEBUG),
            LateResult: (formatters.late_result, BREAKER, DEBUG),
            TripSuppressed: (formatters.trip_held, BREAKER, WARNING),
            HealthChecked: (formatters.health_checked, HEALTH, INFO),
            HealthAlert: (formatters.health_alert, HEALTH, WARNING),
            StreamRestarted: (formatters.stream_restarted, ROUTER, WARNING),
            BatchFinished: (formatters.batch_finished, ENGINE, INFO),
            WorkflowStarted: (formatters.workflow_started, WORKFLOW, INFO),
            NodeChanged: (formatters.node_changed, WORKFLOW, INFO),
            WorkflowFinished: (formatters.workflow_finished, WORKFLOW, INFO),
            DeadLettered: (formatters.dead_lettered, LETTERS, WARNING),
            DeadLetterChanged: (formatters.dead_letter_changed, LETTERS, INFO),
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
                    _write(timing(event, attempt))
        line = make(event)
        if line is not None and line.logger.isEnabledFor(line.level):
            _write(line)
        if type(event) is AttemptFailed and BREAKER.isEnabledFor(DEBUG):
            near = formatters.monitoring(event)
            if near is not None:
                _write(near)

    def _limit(self, adapter: str, number: int) -> int:
        known = self._registry.find(adapter)
        return number if known is None else max(known.retry.max_attempts, number)

    def _attempt_failed(self, event: AttemptFailed) -> Line:
        attempt = event.attempt
        adapter, number = attempt.adapter, attempt.number
        error = redact(attempt.error or attempt.error_type)
        words, arguments = "Attempt %d/%d failed on %s: %s", (number, self._limit(adapter, number), adapter, error)
        fields = {
            **of_task(event.task, event.task_type),
            **of_attempt(attempt),
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
            **of_task(event.task, event.task_type),
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
            return Line(ROUTER, WARNING, words, (name(event.task), redact(event.error or event.why)), fields)
        if not event.success:
            chain = " -> ".join(fields["fuseboard_chain"]) or "nobody could be asked"
            words = "Task %s failed on every adapter (%s): %s"
            return Line(ROUTER, WARNING, words, (name(event.task), chain, redact(event.error)), fields)
        number = called[-1].number if called else 0
        words = "Task succeeded on %s (attempt %d/%d)"
        return Line(ROUTER, INFO, words, (event.adapter, number, self._limit(event.adapter, number)), fields)


def _write(line: Line) -> None:
    line.logger.log(line.level, line.words, *line.arguments, extra=line.fields)
