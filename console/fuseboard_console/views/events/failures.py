"""Recent failures as lines, newest first; equal ones share a line."""

from __future__ import annotations

from collections.abc import Sequence

from fuseboard_console.text.formatting import clock, number
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line, Span, cut_line, fit_line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut, fit, width
from fuseboard_console.views.events.sentences import error_summary
from fuseboard_storage.board.board import FailureRow

NARROW = 60
"""Width below which a pane leaves out the `Error` at the end of an error's type."""


def failure_line(failure: FailureRow, cells: int, name_cells: int, glyphs: Glyphs) -> Line:
    """Return one line of exactly `cells` cells; the adapter's name takes `name_cells` of them."""
    times = f" {glyphs.times}{number(failure.count)}" if failure.count > 1 else ""
    name = fit(safe_text(failure.key.adapter, 60), name_cells)
    head: Line = (Span(clock(failure.at), "faint"), Span(f" {name} "))
    left = cells - 10 - name_cells - width(times)
    body = fit_line((Span(error_summary(failure.attempt, narrow=cells < NARROW), "muted"),), max(0, left))
    return cut_line((*head, *body, Span(times, "warn")), cells)


def failure_lines(failures: Sequence[FailureRow], cells: int, glyphs: Glyphs) -> list[Line]:
    """Return the lines of failures in the given order, names aligned."""
    names = name_width(failures, cells)
    return [failure_line(failure, cells, names, glyphs) for failure in failures]


def name_width(failures: Sequence[FailureRow], cells: int) -> int:
    """Return the width of the adapters' names in lines of `cells`, so that the rest is aligned."""
    most = max(6, cells // 4)
    names = {failure.key.adapter for failure in failures}
    return max((width(cut(safe_text(name, 60), most)) for name in names), default=0)
