"""Conversion of a line of named styles to a strip of the screen."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from fuseboard_console.text.line import Line, Span, fit_line
from fuseboard_console.text.width import width
from fuseboard_console.tui.themes import Palette

_TO_ASCII = str.maketrans({"–": "-", "…": "~", "µ": "u", "×": "x"})  # one cell each, as they were


def strip_of(line: Line, cells: int, palette: Palette, base: Style) -> Strip:
    """Return a line as a strip of exactly `cells`, its styles laid over `base`."""
    line = fit_line(line, cells)
    if palette.ascii_only:
        line = tuple(Span(span.text.translate(_TO_ASCII), span.style) for span in line)
    texts: list[str] = []
    styles: list[str] = []
    for text, style in line:  # every segment costs the compositor something, and the terminal forty bytes
        if styles and (style == styles[-1] or (_blank(text, style, palette) and palette.bare(styles[-1]))):
            texts[-1] += text
        elif styles and palette.bare(style) and _blank(texts[-1], styles[-1], palette):
            texts[-1] += text
            styles[-1] = style
        else:
            texts.append(text)
            styles.append(style)
    looks = map(palette.look, styles)
    if base.bgcolor is not None:
        looks = map(base.__add__, looks)
    return Strip([Segment(text, look) for text, look in zip(texts, looks, strict=True)], cells)


def _blank(text: str, style: str, palette: Palette) -> bool:
    """Return whether some text looks the same in any style that changes nothing but letters."""
    return text.isspace() and palette.bare(style)


def has_cursor(line: Line) -> bool:
    """Return whether the cursor is on a line, which then has another background."""
    return bool(line) and line[0].style == "cursor-mark"


def changed_region(before: Line | None, after: Line, y: int, cells: int) -> Region | None:
    """Return the part of line `y` that differs, or None when nothing does."""
    if before is not None and before == after:
        return None
    if before is None or has_cursor(before) != has_cursor(after):  # the ground of all of it is another
        return Region(0, y, cells, 1)
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
