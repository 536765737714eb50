"""The current caption of the scenario that is playing."""

from __future__ import annotations

from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line, Span
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut
from fuseboard_storage.board.board import Board

SHOWN_SECONDS = 8
"""Seconds for which a step of a scenario stays on the screen."""
_LEAST = 16  # cells below which nothing of a step can be read


def caption_line(board: Board, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Return the scenario's newest step in at most `cells`, or an empty line if it is too old. `now` is UTC
    microseconds.
    """
    step = board.scenario
    if step is None or cells < _LEAST or not 0 <= now - step.at < SHOWN_SECONDS * SECOND:
        return ()
    text = cut(safe_text(step.text, 300), cells - 4)
    return (Span(f" {glyphs.scenario} ", "info"), Span(text, "strong"), Span(" "))
