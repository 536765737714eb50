"""The list of lanes: two lines stand above the rows, the times and the share of tasks answered."""

from __future__ import annotations

from collections.abc import Callable

from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line, Span
from fuseboard_console.tui.themes import Palette
from fuseboard_console.widgets.selectable_list import MARGIN, SelectableList
from fuseboard_storage.board.board import AdapterKey


class LanesList(SelectableList[AdapterKey]):
    """One line per adapter under two headings."""

    HEADINGS = 2

    def __init__(
        self,
        palette: Palette,
        glyphs: Glyphs,
        second_heading: Callable[[int], Line],
        *,
        id: str,
        title: str,
        empty: str,
    ) -> None:
        """Create an empty list. `second_heading` renders the second heading for a width."""
        super().__init__(palette, glyphs, id=id, title=title, empty=empty)
        self._second_heading = second_heading

    def _line_of(self, y: int) -> Line:
        if y == 1:
            return (Span(" " * MARGIN), *self._second_heading(self.cells - MARGIN))
        return super()._line_of(y)
