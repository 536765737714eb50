"""A list whose rows take as many lines as their texts need."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line, Span
from fuseboard_console.tui.themes import Palette
from fuseboard_console.widgets.selectable_list import MARGIN, K, SelectableList


class FoldedList(SelectableList[K]):
    """A short list of rows that are folded into the width. The cursor goes from row to row."""

    def __init__(self, palette: Palette, glyphs: Glyphs, *, id: str, title: str = "", empty: str = "") -> None:
        """Create an empty list. `empty` is its text while it has no rows."""
        super().__init__(palette, glyphs, id=id, title=title, empty=empty)
        self._fold: Callable[[K, int], list[Line]] = lambda key, cells: [()]
        self._folded: tuple[tuple[int, Line], ...] | None = None
        self._folded_in = 0

    def show_folded(
        self, keys: Sequence[K], fold: Callable[[K, int], list[Line]], heading: Callable[[int], Line]
    ) -> None:
        """Show rows. `fold` returns the lines of a row for a width, at least one, and `heading` the titles."""
        self._fold, self._folded = fold, None
        self.show(keys, lambda key, cells: fold(key, cells)[0], heading)

    def _lines(self) -> tuple[tuple[int, Line], ...]:
        """Return each line with the number of its row."""
        if self._folded is None or self._folded_in != self.cells:
            self._folded_in = self.cells
            self._folded = tuple(
                (row, line) for row, key in enumerate(self.keys) for line in self._fold(key, self.cells - MARGIN)
            )
        return self._folded

    def count(self) -> int:
        """Return the number of lines."""
        return len(self._lines()) if self.keys else super().count()

    def line_at(self, index: int) -> Line:
        """Return a line of a row. The cursor stands beside all lines of its row."""
        if not self.keys:
            return super().line_at(index)
        row, line = self._lines()[index]
        selected = self.keys[row] == self.selected
        return (Span(self.glyphs.cursor, "cursor-mark") if selected else Span(" "), Span(" "), *line)

    def _scroll_to_cursor(self) -> None:
        lines = [at for at, (row, _) in enumerate(self._lines()) if row == self.index]
        if not lines:
            return
        top = self.scroll_offset.y
        if lines[0] < top:
            self.scroll_to(y=lines[0], animate=False)
        elif lines[-1] >= top + self.page:
            self.scroll_to(y=min(lines[0], lines[-1] - self.page + 1), animate=False)

    def on_resize(self) -> None:
        """Keep the cursor visible after a resize."""
        super().on_resize()
        self._scroll_to_cursor()

    def row_at(self, line: int) -> int | None:
        """Return the index of the row that a line belongs to; None below the last one."""
        lines = self._lines()
        return lines[line][0] if line < len(lines) else None
