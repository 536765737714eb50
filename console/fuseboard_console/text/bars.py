"""Sparklines and countdown bars."""

from __future__ import annotations

from collections.abc import Sequence

from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line, Span


def sparkline(values: Sequence[int], glyphs: Glyphs) -> str:
    """Return one bar per value, scaled to the highest. Only zero is the lowest bar."""
    top = max(values, default=0)
    steps = len(glyphs.sparks) - 1
    if top <= 0:
        return glyphs.sparks[0] * len(values)
    return "".join(glyphs.sparks[max(1, round(v / top * steps)) if v else 0] for v in values)


def countdown_bar(left: float, wait: float, cells: int, glyphs: Glyphs, style: str) -> Line:
    """Return a bar of `cells` that fills while `wait` seconds pass; `left` of them remain."""
    if cells <= 0:
        return ()
    done = 1.0 if wait <= 0 else min(1.0, max(0.0, 1 - left / wait))
    full = int(done * cells)
    if full >= cells:
        return (Span(glyphs.bar_full * cells, style),)
    return (
        Span(glyphs.bar_full * full + glyphs.bar_tip, style),
        Span(glyphs.bar_rest * (cells - full - 1), "faint"),
    )
