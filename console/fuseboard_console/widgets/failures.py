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
        self._made: tuple[object, ...] = ()

    def show(self, board: Board) -> None:
        """Show a Board's failures."""
        self._board = board
        if self._make():
            self.refresh_changed()

    def on_resize(self) -> None:
        """Make the lines for another width; the Board may never change again."""
        super().on_resize()
        if self._make():
            self.refresh_changed()

    def _make(self) -> bool:
        failures, cells = self._board.failures, self.cells
        newest = (failures[0].key, failures[0].first_at, failures[0].at, failures[0].count) if failures else ()
        made = (self._board, len(failures), newest, cells)
        if made == self._made:
            return False
        self._made = made
        self._lines = failure_lines(tuple(failures), max(0, cells - 2), self.glyphs)
        return True

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
