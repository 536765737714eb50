"""Routes of tasks as one-line chains that read from left to right in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from fuseboard_console.text.formatting import clock, latency
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line, Span, cut_line, line_width
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import ELLIPSIS, fit, width
from fuseboard_console.views.adapters.engine_names import EngineNames, cut_start
from fuseboard_console.views.events.text import adapters_of
from fuseboard_engine.event_log.sentences import retry_text
from fuseboard_engine.events import Attempt, RouteFinished
from fuseboard_engine.runtime import ids
from fuseboard_storage.board.board import Entry

_RETRY_FIRST_CELLS = 90
"""From this width on, a line marks a retry even if the end of the route is cut."""


def route_line(
    route: RouteFinished, cells: int, type_cells: int, glyphs: Glyphs, engine: str = "", engine_cells: int = 0
) -> Line:
    """Return one route: `14:02:10 ai_task #8f20  prefect ✗✗✗ 310 ms → agno ✓ 51 ms`, in at most `cells`.

    `type_cells` is the width of the task types, so that the lines of a pane are aligned. A dead letter's retry is
    marked if there is room: `retry of dead letter 12  prefect ✗ 30 ms → agno ✓ 42 ms`.

    `engine` is the route's engine as safe text; it takes `engine_cells`, none if the adapters' names are enough.
    """
    head: list[Span] = [Span(clock(route.at), "faint"), Span(" ")]
    if cells >= 50:
        head.append(Span(fit(safe_text(route.task_type, 60), min(type_cells, cells // 6)), "muted"))
        head.append(Span(" "))
    if cells >= 64:
        head.append(Span(fit(short_id(route.task, _id_cells(cells)), _id_cells(cells)), "faint"))
        head.append(Span(" "))
    if engine_cells and cells >= 40:
        room = min(engine_cells, max(6, cells // 5))
        head.append(Span(fit(cut_start(engine, room), room), "muted"))
        head.append(Span(" "))
    head.append(Span(" "))
    path = _path(route, glyphs)
    if route.letter is not None:
        retry = Span(f"{retry_text(route.letter)}  ", "muted")
        if cells >= _RETRY_FIRST_CELLS or line_width((*head, retry, *path)) <= cells:
            head.append(retry)
    return cut_line((*head, *path), cells)


def _id_cells(cells: int) -> int:
    """Return the width of a task's id on a line of `cells`."""
    return 8 if cells < 80 else 12 if cells < 110 else 20


def short_id(task: str, cells: int) -> str:
    """Return a task's id as safe text in at most `cells`. A longer one keeps its end, which differs between tasks."""
    text = safe_text(ids.short_id(task))
    if width(text) < cells:
        return f"#{text}"
    end = text[-(cells - 2) :]
    while width(end) > cells - 2:
        end = end[1:]
    return f"#{ELLIPSIS}{end}"


def _path(route: RouteFinished, glyphs: Glyphs) -> Line:
    arrow = Span(f" {glyphs.arrow} ", "faint")
    steps: list[Line] = [
        _step(adapter, tuple(attempts), glyphs)
        for adapter, attempts in groupby(route.attempts, key=lambda attempt: attempt.adapter)
    ]
    if route.degraded:
        answer = safe_text(route.adapter, 60) or "degraded"
        steps.append((Span(glyphs.degraded, "warn"), Span(f" {answer}", "warn")))
    elif route.dead_letter is not None:
        steps.append((Span(glyphs.dead, "bad"), Span(f" dead letter {route.dead_letter}", "bad")))
    elif not route.success:
        steps.append((Span(_unanswered(route), "bad"),))
    line: list[Span] = []
    for step in steps:
        if line:
            line.append(arrow)
        line.extend(step)
    return tuple(line)


def _unanswered(route: RouteFinished) -> str:
    """Return the outcome of a route without an answer. Its `why` explains the order and is not used."""
    if route.attempts and route.attempts[-1].outcome == "cancelled":
        return "cancelled"
    error = safe_text(route.error, 120)
    return f"no answer: {error}" if error else "no answer"


def _step(adapter: str, attempts: Sequence[Attempt], glyphs: Glyphs) -> Line:
    name = safe_text(adapter, 60)
    marks: list[Span] = []
    for attempt in attempts:
        sign, style = attempt_mark(attempt, glyphs)
        if marks and marks[-1].style == style:
            marks[-1] = Span(marks[-1].text + sign, style)
        else:
            marks.append(Span(sign, style))
    took = sum(attempt.duration + attempt.wait for attempt in attempts)
    answered = any(attempt.outcome == "success" for attempt in attempts)
    called = any(attempt.outcome != "rejected" for attempt in attempts)
    time = (Span(f" {latency(took)}", "muted"),) if called else ()
    return (Span(f"{name} ", "text" if answered else "muted"), *marks, *time)


def attempt_mark(attempt: Attempt, glyphs: Glyphs) -> tuple[str, str]:
    """Return the sign of an attempt's outcome, and its style."""
    if attempt.outcome == "success":
        return glyphs.answered, "ok"
    if attempt.outcome == "failure":
        return glyphs.failed, "bad"
    if attempt.outcome == "rejected":
        return glyphs.skipped, "bad-dim"
    return glyphs.no_verdict, "muted"


def engine_of(entry: Entry, engines: EngineNames) -> str:
    """Return the engine of a route if one of its adapters' names is repeated, else an empty text. Safe text."""
    return engines.of(entry.instance, adapters_of(entry.event)) if engines.repeated else ""


def type_width(routes: Iterable[Entry]) -> int:
    """Return the width that the task types of these routes need, at most 24."""
    types = {entry.event.task_type for entry in routes if isinstance(entry.event, RouteFinished)}
    return min(max((width(safe_text(type, 60)) for type in types), default=0), 24)
