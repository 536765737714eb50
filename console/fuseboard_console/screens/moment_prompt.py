"""The prompt for a time of the recording to go to."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Awaitable
from typing import Protocol

from fuseboard_console.cli.moments import micros, moment_or_age
from fuseboard_console.screens.typed_prompt import TypedPromptScreen
from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.protocols import ConsoleHost
from fuseboard_console.tui.questions import ask
from fuseboard_engine.runtime.formatting import stamp
from fuseboard_storage.errors import RecordingError

_KEYS = "enter goes there once a time is typed   esc cancel"
_PROMPT = "When? 03:12, 2026-01-31T03:12:05, or 15m for so long before what is shown:"
_UNREADABLE = "Write a time such as 03:12, 03:12:05, 2026-01-31T03:12:05, or an age such as 15m."


class TimeTravel(Protocol):
    """What the prompt needs of the sessions."""

    def now(self) -> int:
        """Return the time that is shown, in UTC microseconds."""
        ...

    async def span(self) -> tuple[int, int] | None:
        """Return the times that can be shown of the recording in view, in UTC microseconds; None without a file."""
        ...


class Seeker(ConsoleHost, Protocol):
    """A console that goes to a time."""

    def seek(self, at: int) -> Awaitable[None]:
        """Go to a time, in UTC microseconds."""
        ...


class MomentPromptScreen(TypedPromptScreen[int]):
    """Asks for a time of a recording and returns it in UTC microseconds.

    Args:
        span: The recording's beginning and end, UTC microseconds.
        shown: The time that is shown, UTC microseconds. Ages count back from it.
    """

    def __init__(self, span: tuple[int, int], shown: int) -> None:
        def answer(typed: str) -> int:
            return moment_in(typed, span, shown)

        def problem(typed: str) -> str:
            try:
                answer(typed)
            except ValueError as error:
                return str(error)
            return ""

        about = f"The recording goes from {stamp(span[0])} to {stamp(span[1])}."
        super().__init__("Go to a time", about, _PROMPT, "Go", _KEYS, problem=problem, answer=answer)


def moment_in(typed: str, span: tuple[int, int], shown: int) -> int:
    """Return a typed time of a recording in UTC microseconds.

    Args:
        typed: A time of day, which means its last occurrence before the end, a date and time, or an age.
        span: The recording's beginning and end, UTC microseconds.
        shown: What an age counts back from, UTC microseconds.

    Raises:
        ValueError: It cannot be read, or lies outside the recording; the message is a sentence.
    """
    begin, end = span
    try:
        wanted = moment_or_age(typed)
        at = shown - round(wanted * SECOND) if isinstance(wanted, float) else micros(wanted, end)
    except (ArgumentTypeError, ValueError, OverflowError, OSError):
        raise ValueError(_UNREADABLE) from None
    # A typed time has whole seconds: that in which the recording begins is its beginning.
    if at < begin // SECOND * SECOND:
        raise ValueError(f"That is before the recording, which begins at {stamp(begin)}.")
    if at > end:
        raise ValueError(f"That is after the recording, which ends at {stamp(end)}.")
    return max(at, begin)


async def ask_for_moment(console: Seeker, sessions: TimeTravel) -> None:
    """Ask for a time of the recording in view, and go there."""
    try:
        span = await sessions.span()
    except (RecordingError, OSError) as error:
        console.show_notice(safe_text(f"The past cannot be shown now: {error}", 400), "error")
        return
    if span is None:
        console.show_notice("There is no file to go back in.", "warning")
        return
    ask(console, MomentPromptScreen(span, sessions.now()), console.seek)
