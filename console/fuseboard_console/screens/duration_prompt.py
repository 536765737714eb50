"""The prompt for how long a breaker is opened."""

from __future__ import annotations

from typing import NamedTuple

from fuseboard_console.screens.typed_prompt import TypedPromptScreen
from fuseboard_console.text.durations import parse_duration

OWN = "own"
"""The word for the wait of the breaker's own policy."""
MOST = 7 * 86_400.0
"""The longest duration in seconds. A breaker can be held open for longer."""

_KEYS = "enter does it once a time is typed   esc cancel"


class DurationPrompt(NamedTuple):
    """The answer: a number of seconds, or None for the wait of the breaker's policy."""

    seconds: float | None


class DurationPromptScreen(TypedPromptScreen[DurationPrompt]):
    """Asks for a duration and returns it."""

    def __init__(self, title: str, text: str, yes: str) -> None:
        """Ask `title`, explain with `text`. `yes` is the label of the button that confirms. All are safe texts."""
        prompt = f"For how long? 30s, 5m, 1h, or {OWN} for its policy's wait:"
        super().__init__(title, text, prompt, yes, _KEYS, problem=_problem, answer=_answer)


def _problem(typed: str) -> str:
    """Return what is wrong with a typed duration, or an empty string."""
    if typed.casefold() == OWN:
        return ""
    try:
        seconds = parse_duration(typed)
    except ValueError:
        return f"Write a time such as 30s, 5m, 12h, or {OWN}."
    if not seconds:
        return "The time must be longer than zero."
    return "" if seconds <= MOST else "At most 7d. To keep it open for longer, hold it open."


def _answer(typed: str) -> DurationPrompt:
    return DurationPrompt(None if typed.casefold() == OWN else parse_duration(typed))
