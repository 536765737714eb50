"""Short labels of a dead letter: its status, its error, and its next retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuseboard_console.text.formatting import SECOND, whole

if TYPE_CHECKING:  # not needed for the first paint
    from fuseboard_engine.dead_letters.letter import DeadLetter, Status


def status_at(letter: DeadLetter, now: int) -> Status:
    """Return the status of a letter at `now` (UTC microseconds); pending again once its lease has ended."""
    lease_over = letter.status == "retrying" and letter.lease_until is not None and letter.lease_until <= now
    return "pending" if lease_over else letter.status


def error_text(letter: DeadLetter) -> str:
    """Return the type and the text of the last error."""
    if letter.error_type and letter.error:
        return f"{letter.error_type}: {letter.error}"
    return letter.error or letter.error_type


def next_retry(letter: DeadLetter, now: int) -> str:
    """Return when a letter is retried next: `in 4 s`, `due`, `now`, `by hand`; empty if never."""
    status = status_at(letter, now)
    if status == "retrying":
        return "now"
    if status == "exhausted" or (status == "pending" and letter.due_at is None):
        return "by hand"
    if status != "pending" or letter.due_at is None:
        return ""
    return "due" if letter.due_at <= now else f"in {whole((letter.due_at - now) / SECOND)}"
