"""Recent failures, newest first; those that repeat stand on one line."""

from __future__ import annotations

from collections.abc import Sequence

from fuseboard_console.text.formatting import clock, latency, number
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line, Span, cut_line, fit_line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut, fit, width
from fuseboard_engine.events import Attempt
from fuseboard_storage.board.board import FailureRow

NARROW = 60
"""Cells of a pane below which an error's type goes without its redundant ending."""


def what_failed(attempt: Attempt, *, narrow: bool = False) -> str:
    """Return what went wrong in one line of safe text: `TimeoutError after 2.0 s`, `ConnectError: refused`.

    `narrow`: leave the `Error` at the end of a type out, so that its text gets the room.
    """
    kind = safe_text(attempt.error_type, 80)
    if narrow and len(kind) > 5:
        kind = kind.removesuffix("Error")
    text = safe_text(attempt.error, 400)
    if attempt.rule == "timeout" and (not text or attempt.error_type == "AttemptTimeout"):
        return f"{kind or 'timeout'} after {latency(attempt.duration)}"
    if kind and text:
        return f"{kind}: {text}"
    return kind or text or "failed without a word"


def failure_line(failure: FailureRow, cells: int, name_cells: int, glyphs: Glyphs) -> Line:
    """Return one line of exactly `cells` cells, the adapter's name in `name_cells` of them."""
    times = f" {glyphs.times}{number(failure.count)}" if failure.count > 1 else ""
    name = fit(safe_text(failure.key.adapter, 60), name_cells)
    head: Line = (Span(clock(failure.at), "faint"), Span(f" {name} "))
    left = cells - 10 - name_cells - width(times)
    body = fit_line((Span(what_failed(failure.attempt, narrow=cells < NARROW), "muted"),), max(0, left))
    return cut_line((*head, *body, Span(times, "warn")), cells)


def failure_lines(failures: Sequence[FailureRow], cells: int, glyphs: Glyphs) -> list[Line]:
    """Return the lines of failures, in the order given, names aligned."""
    names = names_width(failures, cells)
    return [failure_line(failure, cells, names, glyphs) for failure in failures]


def names_width(failures: Sequence[FailureRow], cells: int) -> int:
    """Return the cells that the adapters' names need in lines of `cells`, so that what follows is aligned."""
    most = max(6, cells // 4)
    names = {failure.key.adapter for failure in failures}
    return max((width(cut(safe_text(name, 60), most)) for name in names), default=0)
