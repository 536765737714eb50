"""The pane of recent failures."""

from __future__ import annotations

from fuseboard_console.glyphs import Glyphs
from fuseboard_console.themes import Palette
from fuseboard_console.views.copying import failure_text
from fuseboard_console.views.failures import failure_lines
from fuseboard_console.views.line import Line, Span
from fuseboard_console.widgets.line_list import LineList
from fuseboard_storage.board import Board


class FailuresPane(LineList):
    """Failures, newest first, repeated ones on one line."""

    def __init__(self, palette: Palette, glyphs: Glyphs) -> None:
        super().__init__(palette, id="failures")
        self.glyphs = glyphs
        self._board = Board()
        self._lines: list[Line] = []
        self._made: tuple[int, int] = (-1, -1)

    def show(self, board: Board) -> None:
        """Show a Board's failures."""
        self._board = board
        self._make()
        self.refresh_changed()

    def on_resize(self) -> None:
        """Make the lines for another width; the Board may never change again."""
        self._make()

    def _make(self) -> None:
        made = (self._board.seq, self.cells)
        if made != self._made:
            self._made = made
            self._lines = failure_lines(tuple(self._board.failures), max(0, self.cells - 2), self.glyphs)

    def count(self) -> int:
        """Return how many lines there are; a word about there being none is a line too."""
        return max(1, len(self._lines))

    def copied(self) -> str:
        """What is copied: the failure on top, its error whole."""
        failures = self._board.failures
        return failure_text(failures[min(self.scroll_offset.y, len(failures) - 1)]) if failures else ""

    def line_at(self, index: int) -> Line:
        """Return a failure's line."""
        if not self._lines:
            return (Span(" Nothing has failed.", "faint"),)
        return (Span(" "), *self._lines[index])
