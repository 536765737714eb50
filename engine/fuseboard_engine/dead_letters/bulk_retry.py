"""Retries of many letters that are in progress, and how they are stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from fuseboard_engine.dead_letters.letter import RetryResult


class StoppedRetries(NamedTuple):
    """What `stop_retries` stopped: the bulk retries, the letters that they had retried, and those they left."""

    stopped: int
    done: int
    left: int


class BulkRetry:
    """One retry of many letters.

    Args:
        done: receives the results as they come.
        command: the operator's command that asked for it; 0: the application did.
    """

    def __init__(self, done: list[RetryResult], command: int = 0) -> None:
        self.done = done
        self.command = command
        self.stopped = False
        self.stopped_by = ""
        self.left = 0
        """The letters that have not been looked at."""
        self.ended = asyncio.Event()

    def each(self, ids: Sequence[int]) -> Iterator[int]:
        """Return the ids one by one, until all were returned or the retry was stopped."""
        self.left = len(ids)
        for id in ids:
            if self.stopped:
                return
            self.left -= 1
            yield id

    def stop(self, actor: str) -> None:
        """Stop after the retry in flight."""
        if not self.stopped:
            self.stopped, self.stopped_by = True, actor


class BulkRetries:
    """The bulk retries of a queue that are in progress."""

    def __init__(self) -> None:
        self._running: list[BulkRetry] = []

    @contextmanager
    def running(self, bulk: BulkRetry) -> Iterator[None]:
        """Count a bulk retry as in progress."""
        self._running.append(bulk)
        try:
            yield
        finally:
            self._running.remove(bulk)
            bulk.ended.set()

    def stop(self, actor: str, command: int | None = None) -> list[BulkRetry]:
        """Stop those in progress, or only that of one operator's command. Return them; each ends after its retry."""
        found = [bulk for bulk in self._running if command is None or bulk.command == command]
        for bulk in found:
            bulk.stop(actor)
        return found


def progress_of(stopped: Sequence[BulkRetry]) -> StoppedRetries:
    """Return how much of these bulk retries is done, and how much is left."""
    return StoppedRetries(len(stopped), sum(len(bulk.done) for bulk in stopped), sum(bulk.left for bulk in stopped))
