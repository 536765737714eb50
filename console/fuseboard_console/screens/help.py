"""The help: every key and every glyph, made from the same data as the keys and glyphs themselves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from fuseboard_console.actions.model import Action
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.tui.themes import Palette
from fuseboard_console.views.frame.help import help_lines
from fuseboard_console.widgets.text_pane import TextPane

WIDEST = 104
"""The greatest width of the help, as in its style sheet."""
AROUND = 5
"""Cells beside a line of the help: its frame, the space within and the scrollbar."""


class HelpScreen(ModalScreen[None]):
    """Shows the help. Escape, q and ? close it."""

    CSS_PATH = Path(__file__).with_name("help.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "dismiss", "Close")]

    def __init__(self, palette: Palette, actions: Sequence[Action], glyphs: Glyphs) -> None:
        super().__init__()
        self._make = partial(help_lines, actions, glyphs)
        self._text = TextPane(palette, self._make, id="help-text")

    def compose(self) -> ComposeResult:
        """Yield its widgets."""
        self._text.border_title = "Help"
        self._text.border_subtitle = "esc closes"
        yield self._text

    def on_mount(self) -> None:
        """Focus the text, so that keys scroll it."""
        self._fit_height()
        self._text.focus()

    def on_resize(self) -> None:
        """Take the height that the text needs in the new width."""
        self._fit_height()

    def _fit_height(self) -> None:
        lines = self._make(min(self.size.width, WIDEST) - AROUND)
        self._text.styles.height = min(len(lines) + 2, max(3, self.size.height))
