"""A question that is answered by typing, so that no single key can confirm it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen, ScreenResultType
from textual.widgets import Button, Input, Static


class TypedPromptScreen(ModalScreen[ScreenResultType]):
    """Asks, and returns the `answer` for the typed text, or None when cancelled."""

    CSS_PATH = Path(__file__).with_name("confirm.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel"),
        Binding("ctrl+c", "cancel", "Cancel", show=False, priority=True),
    ]

    def __init__(self, title: str, text: str, prompt: str, yes: str, keys: str) -> None:
        """Ask `title`, explain with `text`, and describe the input with `prompt`.

        `yes` is the label of the button that confirms, `keys` describes the keys. All are safe texts.
        """
        super().__init__()
        self._title = title
        self._text = text
        self._prompt = prompt
        self._yes = yes
        self._keys = keys

    def problem(self, typed: str) -> str:
        """Return what is wrong with the typed text, as safe text, or an empty string."""
        raise NotImplementedError

    def refusal(self, typed: str) -> str:
        """Return why Enter has no effect, as safe text."""
        return self.problem(typed)

    def answer(self, typed: str) -> ScreenResultType:
        """Return the typed text as an answer."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Yield the prompt's widgets."""
        with Vertical(id="question"):
            yield Static(self._title, id="question-title", markup=False)
            yield Static(self._text, id="question-text", markup=False)
            yield Static(Content(self._prompt), id="question-word")
            yield Input(id="question-typed", compact=True, select_on_focus=False)
            yield Static(self._keys, id="question-keys", markup=False)
            with Horizontal(id="answers"):
                yield Button("Cancel", id="cancel", flat=True)
                yield Button(self._yes, id="yes", variant="error", flat=True, disabled=True)

    def on_mount(self) -> None:
        """Focus the input."""
        self.query_one(Input).focus()

    @property
    def _typed(self) -> str:
        return self.query_one(Input).value.strip()

    @on(Input.Changed)
    def _check(self) -> None:
        """Enable the button once the text is valid, else show what is wrong."""
        problem = self.problem(self._typed)
        self.query_one("#yes", Button).disabled = bool(problem)
        self.query_one("#question-keys", Static).update(Content(problem if problem and self._typed else self._keys))

    @on(Input.Submitted)
    def _submit(self) -> None:
        """Return the answer if it is valid."""
        self._give()

    @on(Button.Pressed)
    def _press(self, event: Button.Pressed) -> None:
        """Answer with the button."""
        if event.button.id == "yes":
            self._give()
        else:
            self.action_cancel()

    def _give(self) -> None:
        if self.problem(self._typed):
            self.query_one("#question-keys", Static).update(Content(self.refusal(self._typed)))
        else:
            self.dismiss(self.answer(self._typed))

    def action_cancel(self) -> None:
        """Close without an answer."""
        self.dismiss(None)
