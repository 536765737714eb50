"""Fixed-width columns of a list with titles; narrow lines leave out the less important ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fuseboard_console.text.line import Line, Span, cut_line, fit_line
from fuseboard_console.text.width import fit


class ListColumn(NamedTuple):
    """A column of a list.

    Args:
        title: Its title, and its key in a row.
        cells: The width of its texts.
        min_line: The width of a line from which on the column is shown_columns.
        right: Whether its texts are aligned to the right.
    """

    title: str
    cells: int
    min_line: int = 0
    right: bool = False


def shown_columns(columns: Sequence[ListColumn], cells: int) -> list[ListColumn]:
    """Return the columns that a line of `cells` has room for."""
    return [column for column in columns if cells >= column.min_line]


def titles_line(columns: Sequence[ListColumn], last: str, cells: int) -> Line:
    """Return the titles in exactly `cells`; `last` is the title of the rest of a line."""
    text = "".join(_fit(column.title, column) for column in shown_columns(columns, cells))
    return fit_line((Span(text + last, "title"),), cells)


def columns_line(columns: Sequence[ListColumn], row: Mapping[str, Span], last: Line, cells: int) -> Line:
    """Return a row in at most `cells`: the span of each column, by its title, then `last`."""
    spans = [Span(_fit(row[c.title].text, c), row[c.title].style) for c in shown_columns(columns, cells)]
    return cut_line((*spans, *last), cells)


def _fit(text: str, column: ListColumn) -> str:
    return f"{fit(text, column.cells, 'right' if column.right else 'left')} "
