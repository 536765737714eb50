"""What every key does and what every sign means, made from the same data as the keys and the signs themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from fuseboard_console.actions import Action
from fuseboard_console.glyphs import Glyphs
from fuseboard_console.themes import Palette
from fuseboard_console.views.help import help_lines
from fuseboard_console.views.line import Line
from fuseboard_console.widgets.line_list import LineList


class HelpText(LineList):
    """The help, to scroll in."""

    def __init__(self, palette: Palette, lines: list[Line]) -> None:
        super().__init__(palette, id="help-text")
        self._lines = lines

    def count(self) -> int:
        """Return how many lines there are."""
        return len(self._lines)

    def line_at(self, index: int) -> Line:
        """Return a line."""
        return self._lines[index]


class HelpScreen(ModalScreen[None]):
    """Shows the help; Escape, q and ? leave it."""

    CSS_PATH = Path(__file__).with_name("help.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "dismiss", "Close")]

    def __init__(self, palette: Palette, actions: Sequence[Action], glyphs: Glyphs) -> None:
        super().__init__()
        self._text = HelpText(palette, help_lines(actions, glyphs))

    def compose(self) -> ComposeResult:
        """Lay the help out."""
        self._text.border_title = "Help"
        self._text.border_subtitle = "esc closes"
        yield self._text

    def on_mount(self) -> None:
        """Let the keys scroll it."""
        self._text.styles.height = min(self._text.count() + 2, max(3, self.size.height))
        self._text.focus()
