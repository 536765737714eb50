"""The prompt before an action on many, confirmed by typing a word."""

from __future__ import annotations

from fuseboard_console.screens.typed_prompt import TypedPromptScreen

_KEYS = "enter does it once the word is right   esc cancel"


class TypedConfirmScreen(TypedPromptScreen[bool]):
    """Asks, and returns True when the word was typed."""

    def __init__(self, title: str, text: str, word: str, yes: str) -> None:
        """Ask `title`, explain with `text`. `word` must be typed, `yes` is the label of the button that confirms.
        All are safe.
        """
        super().__init__(
            title,
            text,
            f"Type {word} to go on:",
            yes,
            _KEYS,
            problem=lambda typed: "" if typed.casefold() == word.casefold() else _KEYS,
            answer=lambda typed: True,
            refusal=lambda typed: f"That is not the word: type {word}, or esc to cancel",
        )
