"""A line of the screen as a value: spans of text, each with a style name."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from fuseboard_console.text.width import cut, fold, width


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


def fold_line(line: Line, cells: int, most: int) -> list[Line]:
    """Return a line as at most `most` lines of at most `cells`, broken between words where possible.

    If more is needed, the last one ends in `…`. Blanks at the beginning are repeated on each line.
    """
    text = text_of(line)
    if line_width(line) <= cells or cells < 1:
        return [line]
    indent = text[: len(text) - len(text.lstrip())]
    parts = fold(text.strip(), max(1, cells - len(indent)))
    styles = [span.style for span in line for _ in span.text]
    lines: list[Line] = []
    at = 0
    for place, part in enumerate(parts[:most]):
        at = text.index(part, at)
        shown = [(letter, styles[at + index]) for index, letter in enumerate(part)]
        at += len(part)
        if place == most - 1 and len(parts) > most:
            shown.append((" " + text[at:].lstrip(), shown[-1][1]))
        spans = [Span("".join(text for text, _ in group), style) for style, group in groupby(shown, itemgetter(1))]
        lines.append(cut_line((Span(indent, spans[0].style), *spans), cells))
    return lines


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
