"""From a line of named styles to a strip of the screen."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from fuseboard_console.cells import width
from fuseboard_console.themes import Palette
from fuseboard_console.views.line import Line, Span, fit_line

_style_of = attrgetter("style")
_TO_ASCII = str.maketrans({"–": "-", "…": "~", "µ": "u", "×": "x"})  # one cell each, as they were


def strip_of(line: Line, cells: int, palette: Palette, base: Style) -> Strip:
    """Return a line as a strip of exactly `cells`, its styles laid over `base`."""
    line = fit_line(line, cells)
    if palette.ascii_only:
        line = tuple(Span(span.text.translate(_TO_ASCII), span.style) for span in line)
    segments = []
    for style, spans in groupby(line, key=_style_of):  # every segment costs the compositor something
        look = palette.look(style)
        text = "".join([span.text for span in spans])
        segments.append(Segment(text, look if base.bgcolor is None else base + look))
    return Strip(segments, cells)


def changed_region(before: Line | None, after: Line, y: int, cells: int) -> Region | None:
    """Return the part of line `y` that differs, or None when nothing does."""
    if before is None:
        return Region(0, y, cells, 1)
    if before == after:
        return None
    start = 0
    for old, new in zip(before, after, strict=False):
        if old != new:
            break
        start += width(new.text)
    end = cells
    if sum(width(s.text) for s in before) == sum(width(s.text) for s in after):
        for old, new in zip(reversed(before), reversed(after), strict=False):
            if old != new:
                break
            end -= width(new.text)
    end = max(end, start + 1)
    return Region(start, y, min(cells, end) - start, 1)
