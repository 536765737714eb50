"""The text shown in place of the panes when there is no data."""

from __future__ import annotations

from collections.abc import Callable

from fuseboard_console.painting.line_list import LineList
from fuseboard_console.text.line import Line
from fuseboard_console.tui.themes import Palette


class EmptyState(LineList, can_focus=False):
    """Lines laid out for the current size."""

    def __init__(self, palette: Palette, make: Callable[[int, int], list[Line]]) -> None:
        super().__init__(palette, id="picture")
        self._make = make
        self._lines: list[Line] = []

    def show(self) -> None:
        """Lay the lines out for the current size."""
        self._lines = self._make(self.cells, self.size.height)
        self.refresh_changed()

    def count(self) -> int:
        """Return the number of lines."""
        return min(len(self._lines), self.size.height)

    def line_at(self, index: int) -> Line:
        """Return a line."""
        return self._lines[index]

    def on_resize(self) -> None:
        """Lay the lines out for the new size."""
        super().on_resize()
        self.show()
