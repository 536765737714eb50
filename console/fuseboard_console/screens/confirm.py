"""A question before an action that is hard to undo. Cancel has the focus."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

_KEYS = "enter takes the highlighted one   y yes   n or esc cancel"


class ConfirmScreen(ModalScreen[bool]):
    """Asks, and returns whether the answer was yes."""

    CSS_PATH = Path(__file__).with_name("confirm.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n,q", "answer(False)", "Cancel"),
        Binding("y", "answer(True)", "Yes"),
        Binding("left,right,h,l", "app.focus_next", "Other button", show=False),
    ]

    def __init__(self, title: str, text: str, yes: str) -> None:
        """Ask `title`, explain with `text` (both safe text). `yes` is the label of the button that confirms."""
        super().__init__()
        self._title = title
        self._text = text
        self._yes = yes

    def compose(self) -> ComposeResult:
        """Yield the prompt's widgets."""
        with Vertical(id="question"):
            yield Static(self._title, id="question-title", markup=False)
            yield Static(self._text, id="question-text", markup=False)
            yield Static(_KEYS, id="question-keys", markup=False)
            with Horizontal(id="answers"):
                yield Button("Cancel", id="cancel", flat=True)
                yield Button(self._yes, id="yes", variant="error", flat=True)

    def on_mount(self) -> None:
        """Focus Cancel: Enter alone changes nothing."""
        self.query_one("#cancel", Button).focus()

    @on(Button.Pressed)
    def _press(self, event: Button.Pressed) -> None:
        """Answer with the button."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """Answer with a key."""
        self.dismiss(answer)
