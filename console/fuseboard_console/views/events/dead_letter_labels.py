"""What is said of a dead letter, on the screen and without: how it stands, what failed, when it is retried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuseboard_console.text.formatting import SECOND, whole

if TYPE_CHECKING:  # routes say one word of letters here, and are there at the first paint
    from fuseboard_engine.dead_letters.letter import DeadLetter, Status


def standing(letter: DeadLetter, now: int) -> Status:
    """Return the status of a letter at `now` (UTC microseconds): once its worker's lease has ended it waits again."""
    over = letter.status == "retrying" and letter.lease_until is not None and letter.lease_until <= now
    return "pending" if over else letter.status


def error_of(letter: DeadLetter) -> str:
    """Return the last error: its type and its text."""
    if letter.error_type and letter.error:
        return f"{letter.error_type}: {letter.error}"
    return letter.error or letter.error_type


def retry_of(letter: int) -> str:
    """Return what is said of a route that retried a dead letter."""
    return f"retry of letter {letter}"


def next_retry(letter: DeadLetter, now: int) -> str:
    """Return when a letter is retried next: `in 4 s`, `due`, `now`, `by hand`; empty: never."""
    status = standing(letter, now)
    if status == "retrying":
        return "now"
    if status == "exhausted" or (status == "pending" and letter.due_at is None):
        return "by hand"
    if status != "pending" or letter.due_at is None:
        return ""
    return "due" if letter.due_at <= now else f"in {whole((letter.due_at - now) / SECOND)}"
