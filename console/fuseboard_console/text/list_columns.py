"""Rows of a list under titles: columns of a fixed width, of which narrow screens show the most needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fuseboard_console.text.line import Line, Span, cut_line, fit_line
from fuseboard_console.text.width import fit


class Column(NamedTuple):
    """One column: its title, the cells of its texts, how wide a line must be to have it, whether it stands right."""

    title: str
    cells: int
    least: int = 0
    right: bool = False


def shown(columns: Sequence[Column], cells: int) -> list[Column]:
    """Return the columns that a line of so many cells has."""
    return [column for column in columns if cells >= column.least]


def titles_line(columns: Sequence[Column], last: str, cells: int) -> Line:
    """Return the titles in exactly `cells`; `last` is that of what takes the rest of a line."""
    text = "".join(_fit(column.title, column) for column in shown(columns, cells))
    return fit_line((Span(text + last, "title"),), cells)


def columns_line(columns: Sequence[Column], row: Mapping[str, Span], last: Line, cells: int) -> Line:
    """Return a row in at most `cells`: a span by each column's title, then `last`."""
    spans = [Span(_fit(row[c.title].text, c), row[c.title].style) for c in shown(columns, cells)]
    return cut_line((*spans, *last), cells)


def _fit(text: str, column: Column) -> str:
    return f"{fit(text, column.cells, 'right' if column.right else 'left')} "
