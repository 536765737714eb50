"""The pane of recent failures."""

from __future__ import annotations

from fuseboard_console.painting.line_list import LineList
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line, Span
from fuseboard_console.tui.themes import Palette
from fuseboard_console.views.adapters.engine_names import NO_ENGINES, engine_names
from fuseboard_console.views.events.copy_text import failure_copy
from fuseboard_console.views.events.failures import failure_line, name_width
from fuseboard_storage.board.board import Board, FailureRow


class FailuresPane(LineList):
    """Failures, newest first, repeated ones on one line."""

    def __init__(self, palette: Palette, glyphs: Glyphs) -> None:
        super().__init__(palette, id="failures")
        self.glyphs = glyphs
        self._board = Board()
        self._failures: tuple[FailureRow, ...] = ()
        self._engines = NO_ENGINES
        self._names = 0  # the cells of their adapters' names
        self._taken: tuple[object, ...] = ()

    def show(self, board: Board) -> None:
        """Show a Board's failures."""
        self._board = board
        if self._take():
            self.refresh_changed()

    def on_resize(self) -> None:
        """Align the lines for the new width."""
        super().on_resize()
        if self._take():
            self.refresh_changed()

    def _take(self) -> bool:
        failures, cells = self._board.failures, self.cells
        newest = (failures[0].key, failures[0].first_at, failures[0].at, failures[0].count) if failures else ()
        engines = engine_names(self._board)
        taken = (self._board, len(failures), newest, cells, engines)
        if taken == self._taken:
            return False
        self._taken, self._failures, self._engines = taken, tuple(failures), engines
        self._names = name_width(self._failures, max(0, cells - 2), engines)
        return True

    def count(self) -> int:
        """Return the number of lines. The text of an empty list is a line too."""
        return max(1, len(self._failures))

    def copied(self) -> str:
        """The failure at the top, with its whole error, for the clipboard."""
        failures = self._failures
        if not failures:
            return ""
        return failure_copy(failures[min(self.scroll_offset.y, len(failures) - 1)], self._engines)

    def line_at(self, index: int) -> Line:
        """Return a failure's line."""
        if not self._failures:
            return (Span(" Nothing has failed.", "faint"),)
        cells = max(0, self.cells - 2)
        return (Span(" "), *failure_line(self._failures[index], cells, self._names, self.glyphs, self._engines))
