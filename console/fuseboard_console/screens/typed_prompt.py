"""A prompt that is answered by typing, so that no single key can confirm it."""

from __future__ import annotations

from collections.abc import Callable
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
    """Asks, and returns the answer for the typed text, or None when cancelled.

    Args:
        title: The question.
        text: The explanation.
        prompt: Describes the input.
        yes: The label of the button that confirms.
        keys: Describes the keys.
        problem: Returns what is wrong with the typed text, as safe text, or an empty string.
        answer: Returns the answer for a typed text without a problem.
        refusal: Returns why Enter has no effect, as safe text. By default that is the problem.

    All texts are safe.
    """

    CSS_PATH = Path(__file__).with_name("confirm.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel"),
        Binding("ctrl+c", "cancel", "Cancel", show=False, priority=True),
    ]

    def __init__(
        self,
        title: str,
        text: str,
        prompt: str,
        yes: str,
        keys: str,
        *,
        problem: Callable[[str], str],
        answer: Callable[[str], ScreenResultType],
        refusal: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._prompt = prompt
        self._yes = yes
        self._keys = keys
        self._problem = problem
        self._answer = answer
        self._refusal = refusal or problem

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
        problem = self._problem(self._typed)
        self.query_one("#yes", Button).disabled = bool(problem)
        self.query_one("#question-keys", Static).update(Content(problem if problem and self._typed else self._keys))

    @on(Input.Submitted)
    def _submit(self) -> None:
        """Return the answer if the typed text is valid."""
        self._answer_typed()

    @on(Button.Pressed)
    def _press(self, event: Button.Pressed) -> None:
        """Answer with the button."""
        if event.button.id == "yes":
            self._answer_typed()
        else:
            self.action_cancel()

    def _answer_typed(self) -> None:
        if self._problem(self._typed):
            self.query_one("#question-keys", Static).update(Content(self._refusal(self._typed)))
        else:
            self.dismiss(self._answer(self._typed))

    def action_cancel(self) -> None:
        """Close without an answer."""
        self.dismiss(None)
