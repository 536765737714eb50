"""The footer: the keys that work. A click on a key runs its action."""

from __future__ import annotations

from textual.events import Click
from textual.message import Message

from fuseboard_console.painting.line_bar import LineBar
from fuseboard_console.text.line import Line
from fuseboard_console.tui.themes import Palette
from fuseboard_console.views.frame.footer import FooterKey


class FooterBar(LineBar):
    """Shows the keys and posts clicks on them."""

    class Clicked(Message):
        """The action of this id was clicked."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette, id="footer")
        self._places: tuple[FooterKey, ...] = ()

    def show_keys(self, shown: tuple[Line, tuple[FooterKey, ...]]) -> None:
        """Show a footer line and remember the position of each action."""
        line, self._places = shown
        self.show(line)

    def on_click(self, event: Click) -> None:
        """Post which action was clicked."""
        for place in self._places:
            if place.start <= event.x < place.end:
                self.post_message(self.Clicked(place.action))
