"""A question before something is done to many: it is answered by typing a word, so that no slip of a key does it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

_KEYS = "enter does it once the word is right   esc cancel"


class ConfirmTypedScreen(ModalScreen[bool]):
    """Asks, and returns whether the word was typed and meant."""

    CSS_PATH = Path(__file__).with_name("confirm.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel"),
        Binding("ctrl+c", "cancel", "Cancel", show=False, priority=True),
    ]

    def __init__(self, title: str, text: str, word: str, yes: str) -> None:
        """Ask `title`, explain with `text`; `word` is to be typed, `yes` names the deed on the button. All are safe."""
        super().__init__()
        self._title = title
        self._text = text
        self._word = word
        self._yes = yes

    def compose(self) -> ComposeResult:
        """Lay the question out."""
        with Vertical(id="question"):
            yield Static(self._title, id="question-title", markup=False)
            yield Static(self._text, id="question-text", markup=False)
            yield Static(Content(f"Type {self._word} to go on:"), id="question-word")
            yield Input(id="question-typed", compact=True, select_on_focus=False)
            yield Static(_KEYS, id="question-keys", markup=False)
            with Horizontal(id="answers"):
                yield Button("Cancel", id="cancel", flat=True)
                yield Button(self._yes, id="yes", variant="error", flat=True, disabled=True)

    def on_mount(self) -> None:
        """Let the word be typed."""
        self.query_one(Input).focus()

    @property
    def _right(self) -> bool:
        return self.query_one(Input).value.strip().casefold() == self._word.casefold()

    def on_input_changed(self) -> None:
        """Open the way once the word is right."""
        self.query_one("#yes", Button).disabled = not self._right

    def on_input_submitted(self) -> None:
        """Do it, if the word is right."""
        if self._right:
            self.dismiss(True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer with the button."""
        self.dismiss(event.button.id == "yes" and self._right)

    def action_cancel(self) -> None:
        """Answer no."""
        self.dismiss(False)
