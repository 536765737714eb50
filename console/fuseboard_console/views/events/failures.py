"""Recent failures as lines, newest first; equal ones share a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fuseboard_console.text.formatting import clock, number
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line, Span, cut_line, fit_line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut, width
from fuseboard_console.views.adapters.engine_names import NO_ENGINES, EngineNames, fit_with_engine
from fuseboard_console.views.events.sentences import error_summary
from fuseboard_storage.board.board import FailureRow

NARROW = 60
"""Width below which a pane leaves out the `Error` at the end of an error's type."""


def failure_line(
    failure: FailureRow, cells: int, name_cells: int, glyphs: Glyphs, engines: EngineNames = NO_ENGINES
) -> Line:
    """Return one line of exactly `cells` cells; the adapter's name takes `name_cells` of them."""
    times = f" {glyphs.times}{number(failure.count)}" if failure.count > 1 else ""
    name = fit_with_engine(safe_text(failure.key.adapter, 60), engines.of_key(failure.key), name_cells)
    head: Line = (Span(clock(failure.at), "faint"), Span(f" {name} "))
    left = cells - 10 - name_cells - width(times)
    body = fit_line((Span(error_summary(failure.attempt, narrow=cells < NARROW), "muted"),), max(0, left))
    return cut_line((*head, *body, Span(times, "warn")), cells)


def failure_lines(
    failures: Sequence[FailureRow], cells: int, glyphs: Glyphs, engines: EngineNames = NO_ENGINES
) -> list[Line]:
    """Return the lines of failures in the given order, names aligned."""
    names = name_width(failures, cells, engines)
    return [failure_line(failure, cells, names, glyphs, engines) for failure in failures]


def name_width(failures: Iterable[FailureRow], cells: int, engines: EngineNames = NO_ENGINES) -> int:
    """Return the width of the adapters' names in lines of `cells`, so that the rest is aligned."""
    keys = {failure.key for failure in failures}
    named = any(engines.of_key(key) for key in keys)
    most = max(6, cells // 3 if named else cells // 4)
    return max((width(cut(engines.adapter(key), most)) for key in keys), default=0)
