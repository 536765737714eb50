"""Short labels of a dead letter: its status, its error, and its next retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuseboard_console.text.formatting import SECOND, whole_span

if TYPE_CHECKING:  # not needed for the first paint
    from fuseboard_engine.dead_letters.letter import DeadLetter, Status


def status_at(dead_letter: DeadLetter, now: int) -> Status:
    """Return the status of a dead letter at `now` (UTC microseconds); pending again once its lease has ended."""
    lease_over = (
        dead_letter.status == "retrying" and dead_letter.lease_until is not None and dead_letter.lease_until <= now
    )
    return "pending" if lease_over else dead_letter.status


def error_text(dead_letter: DeadLetter) -> str:
    """Return the type and the text of the last error."""
    if dead_letter.error_type and dead_letter.error:
        return f"{dead_letter.error_type}: {dead_letter.error}"
    return dead_letter.error or dead_letter.error_type


def next_retry(dead_letter: DeadLetter, now: int) -> str:
    """Return when a dead letter is retried next: `in 4 s`, `due`, `now`, `by hand`; empty if never."""
    status = status_at(dead_letter, now)
    if status == "retrying":
        return "now"
    if status == "exhausted" or (status == "pending" and dead_letter.due_at is None):
        return "by hand"
    if status != "pending" or dead_letter.due_at is None:
        return ""
    return "due" if dead_letter.due_at <= now else f"in {whole_span((dead_letter.due_at - now) / SECOND)}"
