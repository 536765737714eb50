"""The failures of a Board: equal ones of an adapter in one row, slow probes too."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Final

from fuseboard_engine.events import Attempt, AttemptFailed, ProbeChanged
from fuseboard_engine.runtime.formatting import slow_probe_text
from fuseboard_storage.board.rows import AdapterKey, AdapterRow

GROUPED_FAILURES: Final = 20
"""How many of the newest failure groups a new failure may join."""


class FailureRow:
    """A group of identical failures of one adapter: the newest of them, and how many there are."""

    __slots__ = ("at", "attempt", "context", "count", "first_at", "key", "task", "task_type", "then")

    def __init__(self, key: AdapterKey, event: AttemptFailed) -> None:
        self.key = key
        self.first_at = event.at
        self.count = 0
        self.repeat(event)

    @property
    def slow_probe(self) -> bool:
        """Whether it is a probe that succeeded too slowly. Its task was answered, so it is no failed attempt."""
        return self.attempt.outcome == "success"

    def is_same(self, attempt: Attempt) -> bool:
        """Return whether a failure of the same adapter belongs to the group: it says the same, or both were slow."""
        last = self.attempt
        if last.outcome == "success":
            return attempt.outcome == "success"
        return last.error_type == attempt.error_type and last.error == attempt.error

    def repeat(self, event: AttemptFailed) -> None:
        """Add another failure to the group."""
        self.at = event.at
        self.count += 1
        self.task = event.task
        self.task_type = event.task_type
        self.attempt: Attempt = event.attempt
        self.then = event.then
        self.context = event.context


def add_failure(failures: deque[FailureRow], row: AdapterRow, event: AttemptFailed) -> None:
    """Add a failure of an adapter to the failures of a Board, newest first."""
    for group in islice(failures, GROUPED_FAILURES):
        if group.key == row.key and group.is_same(event.attempt):
            group.repeat(event)
            failures.remove(group)
            failures.appendleft(group)
            return
    failures.appendleft(FailureRow(row.key, event))


def add_slow_probe(failures: deque[FailureRow], row: AdapterRow, event: ProbeChanged) -> None:
    """Add a probe that succeeded too slowly to the failures of a Board. It is also the adapter's last error."""
    attempt = Attempt(
        adapter=event.adapter, outcome="success", duration=event.duration, rule="slow_call_seconds",
        error=slow_probe_text(event.duration, event.limit),
    )  # fmt: skip
    row.last_error = attempt.error
    add_failure(failures, row, AttemptFailed(at=event.at, task="", task_type="", attempt=attempt))
