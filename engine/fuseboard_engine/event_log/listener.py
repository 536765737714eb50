"""Logs an engine's events through standard `logging`, under the loggers `fuseboard.*`.

Figures are structured fields (`extra`) whose names begin with `fuseboard_`. Payloads are never logged: no event
carries one. Secrets are removed from foreign text first (see `fuseboard_engine.error_text.redaction`).
"""

from __future__ import annotations

import logging
from typing import Any, Final

from fuseboard_engine.adapters.registry import Registry
from fuseboard_engine.error_text.redaction import redact
from fuseboard_engine.error_text.safe_logging import get_logger, safe_fields
from fuseboard_engine.event_log import log_lines
from fuseboard_engine.event_log.log_lines import LogLine, short_name
from fuseboard_engine.event_log.sentences import DEBUG, INFO, WORDINGS
from fuseboard_engine.event_log.text_style import TextStyle
from fuseboard_engine.events import Attempt, AttemptFailed, Event, RouteFinished, StateChanged
from fuseboard_engine.routing.route import ActiveRoute

LOG_STYLE: Final = TextStyle(name=short_name, text=redact)

_LOGGERS: Final = {kind: get_logger(f"fuseboard.{one.logger}") for kind, one in WORDINGS.items() if one.logger}
_BREAKER: Final = get_logger("fuseboard.breaker")
_ROUTER: Final = get_logger("fuseboard.router")


class EventLog:
    """An event listener that logs.

    Args:
        registry: The engine's adapters; says how many attempts an adapter has.
        debug: Log a line for every attempt and rejection too, with timings, at the level DEBUG.
    """

    def __init__(self, registry: Registry, *, debug: bool = False) -> None:
        self.debug = debug
        self._registry = registry

    def __call__(self, event: Event) -> None:
        """Log an event if its logger is enabled for its level. Its text is built only then."""
        logger = _LOGGERS.get(type(event))
        if logger is None:
            return
        if self.debug and type(event) is RouteFinished and logger.isEnabledFor(DEBUG):
            for attempt in event.attempts:
                _write(logger, DEBUG, log_lines.attempt_timing(event, attempt))
        level = WORDINGS[type(event)].level_of(event)
        if logger.isEnabledFor(level):
            line = self._line(event)
            _write(logger, level, line._replace(fields={**_fields(event), **line.fields}))
        if type(event) is AttemptFailed and _BREAKER.isEnabledFor(INFO):
            monitoring = log_lines.monitoring(event)
            if monitoring is not None:
                _write(_BREAKER, INFO, monitoring)

    def log_route_start(self, route: ActiveRoute) -> None:
        """Log that a task is given to a chain of more than one adapter."""
        if len(route.order) > 1 and _ROUTER.isEnabledFor(INFO):
            _write(_ROUTER, INFO, log_lines.route_started(route.id, route.type, route.order))

    def log_chains(self) -> None:
        """Log each chain with the states of its breakers."""
        if not _ROUTER.isEnabledFor(INFO):
            return
        registry = self._registry
        types = dict.fromkeys(("", *registry.orders)) if len(registry) else {}
        for task_type in types:
            order = registry.fixed_order(task_type)[0]
            breakers = [(name, None if (known := registry.find(name)) is None else known.breaker) for name in order]
            _write(_ROUTER, INFO, log_lines.chain_status(task_type, breakers))

    def _line(self, event: Event) -> LogLine:
        if isinstance(event, AttemptFailed):
            return log_lines.attempt_failed(event, self._limit(event.attempt))
        if isinstance(event, RouteFinished):
            answer = log_lines.answering_attempt(event)
            return log_lines.route_finished(event, 0 if answer is None else self._limit(answer))
        if isinstance(event, StateChanged):
            return log_lines.state_changed(event)
        return LogLine("%s", (WORDINGS[type(event)].write(event, LOG_STYLE),), {})

    def _limit(self, attempt: Attempt) -> int:
        """Return how many attempts the policy of the call allowed."""
        if attempt.limit:
            return attempt.limit
        known = self._registry.find(attempt.adapter)
        return attempt.number if known is None else max(known.retry.max_attempts, attempt.number)


def _fields(event: Event) -> dict[str, Any]:
    fields = WORDINGS[type(event)].fields
    kind = event.__struct_config__.tag  # groups log records, whose messages are whole sentences
    return {"fuseboard_event": kind, **{f"fuseboard_{name}": _field(getattr(event, field)) for name, field in fields}}


def _field(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    return [_field(item) for item in value] if isinstance(value, tuple) else value


def _write(logger: logging.Logger, level: int, line: LogLine) -> None:
    logger.log(level, line.message, *line.arguments, extra=safe_fields(line.fields))
