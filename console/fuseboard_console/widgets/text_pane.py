"""Text to scroll and to copy, laid out for each width."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType

from fuseboard_console.actions.catalogue import ACTIONS
from fuseboard_console.painting.line_list import UNCUT, LineList
from fuseboard_console.text.line import Line
from fuseboard_console.tui.themes import Palette
from fuseboard_console.views.events.copy_text import lines_copy


class TextPane(LineList):
    """Shows the lines that `make` returns for the current width."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(",".join(action.keys), "app.copy", action.label, id="copy") for action in ACTIONS if action.id == "copy"
    ]

    def __init__(self, palette: Palette, make: Callable[[int], list[Line]], *, id: str) -> None:
        super().__init__(palette, id=id)
        self._make = make
        self._lines: list[Line] = []

    def show(self) -> None:
        """Rebuild the lines. If they bring or remove the scrollbar, they are laid out for the room that is left."""
        cells = self.cells
        self._lines = self._make(cells)
        self.refresh_changed()
        if self.cells != cells:
            self._lines = self._make(self.cells)
            self.refresh_changed()

    def on_resize(self) -> None:
        """Rebuild the lines for the new width."""
        super().on_resize()
        self.show()

    def copied(self) -> str:
        """All of the text, uncut, for the clipboard."""
        return lines_copy(self._make(UNCUT))

    def count(self) -> int:
        """Return the number of lines."""
        return len(self._lines)

    def line_at(self, index: int) -> Line:
        """Return a line."""
        return self._lines[index]
