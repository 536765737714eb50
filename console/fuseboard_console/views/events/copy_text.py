"""The text that `y` copies: the full content, not the cells that show it. All of it is safe text."""

from __future__ import annotations

import re

from fuseboard_console.text.formatting import latency, stamp
from fuseboard_console.text.line import Line, text_of
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.adapter_view import breaker_condition, condition_of, condition_word, down_since
from fuseboard_console.views.adapters.engine_names import NO_ENGINES, EngineNames, engine_names, with_engine
from fuseboard_console.views.events.sentences import error_summary
from fuseboard_engine.event_log.sentences import retry_text
from fuseboard_engine.events import Attempt, RouteFinished
from fuseboard_storage.board.board import AdapterKey, Board, FailureRow

FULL_TEXT = 100_000
"""Characters of one text that are copied."""


def adapter_copy(board: Board, key: AdapterKey, now: int) -> str:
    """Return an adapter's name, its state at `now` (UTC microseconds), the reason, and its last error."""
    row = board.adapters.get(key)
    if row is None:
        return _full(key.adapter)
    name = with_engine(_full(row.name), engine_names(board).of_key(key))
    instance = board.instances.get(key.instance)
    state = condition_word(condition_of(row, instance, now), instance)
    lines = [f"{name}: {state} since {stamp(row.since)}"]
    down = down_since(row)
    if down is not None and down != row.since:
        lines.append(f"down since {stamp(down)}")
    if breaker_condition(row, now) == "down":
        lines.append(f"its health check fails: {_full(row.health_detail)}".removesuffix(": "))
    elif row.detail:
        lines.append(_full(row.detail))
    if row.last_error:
        lines.append(f"last error: {_full(row.last_error)}")
    return "\n".join(lines)


def route_copy(route: RouteFinished, engine: str = "") -> str:
    """Return a route: its task, its outcome, and a line for each attempt with the full error.

    `engine` is its engine's name as safe text; empty if the adapters' names are enough.
    """
    by = f" in {engine}" if engine else ""
    retry = "" if route.letter is None else f" ({retry_text(route.letter)})"
    head = f"{stamp(route.at)} {_full(route.task_type)} {_full(route.task)}{by}{retry}: {_outcome(route)}"
    return "\n".join([head, *(_attempt(attempt) for attempt in route.attempts)])


def _outcome(route: RouteFinished) -> str:
    if route.degraded:
        return f"degraded, answered by {_full(route.adapter) or 'a fallback'}"
    if route.success:
        return f"answered by {_full(route.adapter)}"
    if route.dead_letter is not None:
        return f"dead letter {route.dead_letter}"
    return f"no answer: {_full(route.error)}" if route.error else "no answer"


def _attempt(attempt: Attempt) -> str:
    took = f" after {latency(attempt.duration)}" if attempt.outcome != "rejected" else ""
    error = ": ".join(_full(part) for part in (attempt.error_type, attempt.error) if part)
    why = error or _full(attempt.why)
    return f"{_full(attempt.adapter)}: {attempt.outcome}{took}" + (f": {why}" if why else "")


def failure_copy(failure: FailureRow, engines: EngineNames = NO_ENGINES) -> str:
    """Return a failure: its time, adapter, count, and full error."""
    times = f" ({failure.count:,} times)" if failure.count > 1 else ""
    name = with_engine(_full(failure.key.adapter), engines.of_key(failure.key))
    head = f"{stamp(failure.at)} {name}{times}: {error_summary(failure.attempt)}"
    error = _full(failure.attempt.error)
    return head if not error or head.endswith(error) else f"{head}\n{error}"


def lines_copy(lines: list[Line]) -> str:
    """Return lines as text, without the blanks that align them."""
    return "\n".join(re.sub(r"(?<=\S) {3,}", "  ", text_of(line)).rstrip() for line in lines).strip("\n")


def _full(text: str) -> str:
    return safe_text(text, FULL_TEXT)
