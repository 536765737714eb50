"""The line in which the filter is typed. It replaces the footer meanwhile."""

from __future__ import annotations

from textual.events import Key, Paste
from textual.message import Message

from fuseboard_console.painting.line_bar import LineBar
from fuseboard_console.text.line import Span
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut
from fuseboard_console.tui.themes import Palette

LONGEST = 200


class FilterBar(LineBar, can_focus=True):
    """Handles keys while it has the focus: text, Backspace, Ctrl-U. Enter keeps the filter, Esc clears it."""

    class Typed(Message):
        """The filter text changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """Typing ended."""

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette, id="filter")
        self.text = ""
        """The typed text."""

    def say(self, matches: int, of: int, problem: str = "") -> None:
        """Show the text, how many lines match, and what is wrong with it (safe text)."""
        count = f"{matches:,} of {of:,}"
        hint = "" if self.size.width < 70 else "  enter keeps, esc clears"
        if problem:  # what was typed is known; why nothing fits is not
            shown = min(len(self.text), self.size.width // 4)
            hint = f"  {cut(problem, max(10, self.size.width - shown - len(count) - 10))}"
        typed = cut(safe_text(self.text[::-1])[::-1], max(4, self.size.width - len(count) - len(hint) - 8))
        self.show(
            (
                Span(" / ", "key"),
                Span(typed, "strong"),
                Span("_", "key"),
                Span(f"   {count}", "warn" if not matches else "text"),
                Span(hint, "warn" if problem else "muted"),
            )
        )

    def take(self, text: str) -> None:
        """Replace the text."""
        self.text = text[:LONGEST]
        self.post_message(self.Typed(self.text))

    def on_key(self, event: Key) -> None:
        """Edit the text. No key reaches another widget."""
        event.stop()
        event.prevent_default()
        if event.key in ("enter", "tab", "down", "up"):
            self.post_message(self.Left())
        elif event.key == "escape":
            self.take("")
            self.post_message(self.Left())
        elif event.key in ("backspace", "ctrl+h"):
            self.take(self.text[:-1])
        elif event.key == "ctrl+u":
            self.take("")
        elif event.is_printable and event.character:
            self.take(self.text + event.character)

    def on_paste(self, event: Paste) -> None:
        """Insert pasted text as one line."""
        event.stop()
        self.take(self.text + " ".join(event.text.split()))
