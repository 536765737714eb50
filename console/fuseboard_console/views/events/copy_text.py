"""What `y` copies: what is meant, whole, not the cells that show it. All of it is safe text."""

from __future__ import annotations

import re

from fuseboard_console.text.formatting import latency, stamp
from fuseboard_console.text.line import Line, text_of
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.adapter_view import condition, word_of
from fuseboard_console.views.events.dead_letter_labels import retry_of
from fuseboard_console.views.events.failures import what_failed
from fuseboard_engine.events import Attempt, RouteFinished
from fuseboard_storage.board.board import AdapterKey, Board, FailureRow

WHOLE = 100_000
"""Characters of one text that are copied."""


def adapter_text(board: Board, key: AdapterKey, now: int) -> str:
    """Return an adapter's name, how it stands at `now` (UTC microseconds), why, and its last error."""
    row = board.adapters.get(key)
    if row is None:
        return _whole(key.adapter)
    instance = board.instances.get(key.instance)
    stands = word_of(condition(row, instance, now), instance)
    said = [f"{_whole(row.name)}: {stands} since {stamp(row.since)}"]
    if row.detail:
        said.append(_whole(row.detail))
    if row.last_error:
        said.append(f"last error: {_whole(row.last_error)}")
    return "\n".join(said)


def route_text(route: RouteFinished) -> str:
    """Return a route: its task, what came of it, and a line for each attempt with the whole error."""
    retry = "" if route.letter is None else f" ({retry_of(route.letter)})"
    head = f"{stamp(route.at)} {_whole(route.task_type)} {_whole(route.task)}{retry}: {_outcome(route)}"
    return "\n".join([head, *(_attempt(attempt) for attempt in route.attempts)])


def _outcome(route: RouteFinished) -> str:
    if route.degraded:
        return f"degraded, answered by {_whole(route.adapter) or 'a fallback'}"
    if route.success:
        return f"answered by {_whole(route.adapter)}"
    if route.dead_letter is not None:
        return f"dead letter {route.dead_letter}"
    return f"no answer: {_whole(route.error)}" if route.error else "no answer"


def _attempt(attempt: Attempt) -> str:
    took = f" after {latency(attempt.duration)}" if attempt.outcome != "rejected" else ""
    error = ": ".join(_whole(part) for part in (attempt.error_type, attempt.error) if part)
    why = error or _whole(attempt.why)
    return f"{_whole(attempt.adapter)}: {attempt.outcome}{took}" + (f": {why}" if why else "")


def failure_text(failure: FailureRow) -> str:
    """Return a failure: when, whose, how often, and the whole error."""
    times = f" ({failure.count:,} times)" if failure.count > 1 else ""
    head = f"{stamp(failure.at)} {_whole(failure.key.adapter)}{times}: {what_failed(failure.attempt)}"
    error = _whole(failure.attempt.error)
    return head if not error or head.endswith(error) else f"{head}\n{error}"


def lines_text(lines: list[Line]) -> str:
    """Return lines as text, without the blanks that only align them."""
    return "\n".join(re.sub(r"(?<=\S) {3,}", "  ", text_of(line)).rstrip() for line in lines).strip("\n")


def _whole(text: str) -> str:
    return safe_text(text, WHOLE)
