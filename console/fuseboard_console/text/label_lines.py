"""Labelled lines: a label with a text beside it, folded over as many lines as it needs."""

from __future__ import annotations

from fuseboard_console.text.line import Line, Span
from fuseboard_console.text.width import fit, fold

LABEL_CELLS = 12
"""Width of a label."""


def label_line(label: str, line: Line) -> Line:
    """Return a line after a label; an empty label leaves its width blank."""
    return (Span(fit(label, LABEL_CELLS), "muted"), *line)


def labelled(label: str, text: str, cells: int, style: str = "text") -> list[Line]:
    """Return a labelled safe text, folded into `cells`; no lines if the text is empty."""
    parts = fold(text, max(8, cells - LABEL_CELLS))
    return [label_line("" if index else label, (Span(part, style),)) for index, part in enumerate(parts)]
