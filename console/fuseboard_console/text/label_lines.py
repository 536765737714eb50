"""Lines of a detail: a label, and beside it a text over as many lines as it needs."""

from __future__ import annotations

from fuseboard_console.text.line import Line, Span
from fuseboard_console.text.width import fit, fold

LABEL = 12
"""Cells of a label."""


def label_line(label: str, line: Line) -> Line:
    """Return a line with a label before it; an empty label leaves the room for one."""
    return (Span(fit(label, LABEL), "muted"), *line)


def labelled(label: str, text: str, cells: int, style: str = "text") -> list[Line]:
    """Return a safe text under a label, folded into `cells`; nothing when there is no text."""
    parts = fold(text, max(8, cells - LABEL))
    return [label_line("" if place else label, (Span(part, style),)) for place, part in enumerate(parts)]
