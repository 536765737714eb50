"""A line of the screen as a value: spans of text, each with the name of a style."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fuseboard_console.text.width import cut, width


class Span(NamedTuple):
    """Some text in one style. The style is a name; a theme says what it looks like."""

    text: str
    style: str = "text"


Line = tuple[Span, ...]
"""What one row of cells shows, left to right."""


def line_width(line: Iterable[Span]) -> int:
    """Return how many cells a line takes."""
    return sum(width(span.text) for span in line)


def text_of(line: Iterable[Span]) -> str:
    """Return the bare text of a line."""
    return "".join(span.text for span in line)


def cut_line(line: Line, cells: int) -> Line:
    """Return as much of a line as fits in `cells`, ending in `…` when something is left out."""
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
        # Something after this must go, so this one ends in the ellipsis even when it would just fit.
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
    """Return a line pushed to the right edge of `cells`."""
    pad = cells - line_width(line)
    if pad < 0:
        line = cut_line(line, cells)
        pad = cells - line_width(line)
    return (Span(" " * pad), *line) if pad > 0 else line
