"""The help: every key and every glyph, made from the same data as the keys and glyphs themselves."""

from __future__ import annotations

from collections.abc import Sequence
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


class HelpScreen(ModalScreen[None]):
    """Shows the help. Escape, q and ? close it."""

    CSS_PATH = Path(__file__).with_name("help.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "dismiss", "Close")]

    def __init__(self, palette: Palette, actions: Sequence[Action], glyphs: Glyphs) -> None:
        super().__init__()
        lines = help_lines(actions, glyphs)
        self._text = TextPane(palette, lambda cells: lines, id="help-text")
        self._height = len(lines) + 2

    def compose(self) -> ComposeResult:
        """Yield its widgets."""
        self._text.border_title = "Help"
        self._text.border_subtitle = "esc closes"
        yield self._text

    def on_mount(self) -> None:
        """Focus the text, so that keys scroll it."""
        self._text.styles.height = min(self._height, max(3, self.size.height))
        self._text.focus()
