"""The header, which reports clicks: in a replay it is the seek bar."""

from __future__ import annotations

from textual.events import Click
from textual.message import Message

from fuseboard_console.painting.line_bar import LineBar
from fuseboard_console.tui.themes import Palette


class HeaderBar(LineBar):
    """Shows the header and posts clicks on it."""

    class Clicked(Message):
        """A click at column `x`."""

        def __init__(self, x: int) -> None:
            super().__init__()
            self.x = x

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette, id="header")

    def on_click(self, event: Click) -> None:
        """Post the column of the click."""
        self.post_message(self.Clicked(event.x))
