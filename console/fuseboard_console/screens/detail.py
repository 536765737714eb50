"""One adapter: how it stood, why, under which policy, and what may be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from fuseboard_console.actions import ACTIONS, Action
from fuseboard_console.themes import Palette
from fuseboard_console.views.copying import lines_text
from fuseboard_console.views.line import Line
from fuseboard_console.widgets.line_list import LineList
from fuseboard_storage.board import AdapterKey

UNCUT = 5000
"""Cells in which no line is cut."""
EVERY = 0.5
"""Seconds between two frames."""


class DetailText(LineList):
    """The lines, to scroll in and to copy."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(",".join(action.keys), "app.copy", action.label, id="copy") for action in ACTIONS if action.id == "copy"
    ]

    def __init__(self, palette: Palette, make: Callable[[int], list[Line]]) -> None:
        super().__init__(palette, id="detail-text")
        self._make = make
        self._lines: list[Line] = []

    def show(self) -> None:
        """Make the lines anew."""
        self._lines = self._make(self.cells)
        self.refresh_changed()

    def on_resize(self) -> None:
        """Make them for the new width."""
        super().on_resize()
        self.show()

    def copied(self) -> str:
        """What is copied: all of it, uncut."""
        return lines_text(self._make(UNCUT))

    def count(self) -> int:
        """Return how many lines there are."""
        return len(self._lines)

    def line_at(self, index: int) -> Line:
        """Return a line."""
        return self._lines[index]


class DetailScreen(ModalScreen[None]):
    """Shows one adapter until Escape; the keys of its actions work here too, and mean this adapter."""

    CSS_PATH = Path(__file__).with_name("detail.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss", "Close")]

    def __init__(
        self,
        adapter: AdapterKey,
        title: str,
        palette: Palette,
        actions: Sequence[Action],
        make: Callable[[int], list[Line]],
    ) -> None:
        """Show `adapter` by what `make` says of it for a width; `title` is safe text without markup."""
        super().__init__()
        self.adapter = adapter
        self._text = DetailText(palette, make)
        self._title = title
        for action in actions:
            self._bindings.bind(",".join(action.keys), f"app.{action.id}", action.label)

    def compose(self) -> ComposeResult:
        """Lay it out."""
        from textual.content import Content

        self._text.border_title = Content(self._title)
        self._text.border_subtitle = "esc closes"
        yield self._text

    def on_mount(self) -> None:
        """Let the keys scroll it, and keep it fresh."""
        self._text.focus()
        self.set_interval(EVERY, self._text.show)
