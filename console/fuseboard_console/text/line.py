"""A line of the screen as a value: spans of text, each with a style name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fuseboard_console.text.width import cut, width


class Span(NamedTuple):
    """Text in one style. The style is a name that the theme resolves."""

    text: str
    style: str = "text"


Line = tuple[Span, ...]
"""One row of cells, left to right."""


def line_width(line: Iterable[Span]) -> int:
    """Return the width of a line in cells."""
    return sum(width(span.text) for span in line)


def text_of(line: Iterable[Span]) -> str:
    """Return the text of a line without its styles."""
    return "".join(span.text for span in line)


def cut_line(line: Line, cells: int) -> Line:
    """Return a line cut to at most `cells`, ending in `…` if something is left out."""
    if cells <= 0:
        return ()
    if line_width(line) <= cells:
        return line
    kept: list[Span] = []
    left = cells
    for index, span in enumerate(line):
        wide = width(span.text)
        more = index + 1 < len(line)
        if wide < left or (wide == left and not more):
            kept.append(span)
            left -= wide
            continue
        # A later span is cut off, so this one ends in the ellipsis even if it would just fit.
        kept.append(Span(cut(span.text + " " if wide == left else span.text, left), span.style))
        break
    return tuple(kept)


def fit_line(line: Line, cells: int, style: str = "text") -> Line:
    """Return a line cut or padded (in `style`) to exactly `cells`."""
    pad = cells - line_width(line)
    if pad < 0:
        line = cut_line(line, cells)
        pad = cells - line_width(line)
    return (*line, Span(" " * pad, style)) if pad > 0 else line


def right(line: Line, cells: int) -> Line:
    """Return a line aligned to the right edge of `cells`."""
    pad = cells - line_width(line)
    if pad < 0:
        line = cut_line(line, cells)
        pad = cells - line_width(line)
    return (Span(" " * pad), *line) if pad > 0 else line
