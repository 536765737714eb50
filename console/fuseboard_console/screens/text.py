"""Lines about one thing, to scroll in, over whatever page is in sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen

from fuseboard_console.screens.detail import EVERY, DetailText
from fuseboard_console.themes import Palette
from fuseboard_console.views.line import Line


class Way(NamedTuple):
    """Where a key leads from here."""

    key: str
    label: str
    go: Callable[[], None]


class TextScreen(ModalScreen[None]):
    """Shows lines that are made anew twice a second, until Escape; `ways` lead on."""

    CSS_PATH = Path(__file__).with_name("detail.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss", "Close")]

    def __init__(
        self, title: str, palette: Palette, make: Callable[[int], list[Line]], ways: Sequence[Way] = ()
    ) -> None:
        """Show what `make` says for a width under a `title` of safe text."""
        super().__init__()
        self._text = DetailText(palette, make)
        self._title = title
        self._ways = {way.key: way for way in ways}
        for way in ways:
            self._bindings.bind(way.key, f"lead('{way.key}')", way.label)

    def compose(self) -> ComposeResult:
        """Lay it out."""
        self._text.border_title = Content(self._title)
        keys = [f"{way.key} {way.label}" for way in self._ways.values()]
        self._text.border_subtitle = Content("  ".join((*keys, "esc closes")))
        yield self._text

    def on_mount(self) -> None:
        """Let the keys scroll it, and keep it fresh."""
        self._text.focus()
        self.set_interval(EVERY, self._text.show)

    def action_lead(self, key: str) -> None:
        """Close this, and go where a key leads."""
        self.dismiss()
        self.app.call_later(self._ways[key].go)
