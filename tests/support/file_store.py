"""A recording under the conformance suite of stores, in time that the suite moves."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.backend.conformance import StoreHarness
from fuseboard_storage.recorder.file_store import FileStore


class FileHarness(StoreHarness):
    """An empty recording for one test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ahead = 0

    def connect(self) -> FileStore:
        return FileStore(self.path, now=self.now)

    def now(self) -> int:
        return wall_clock() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += int(seconds * 1e6)

    def prune(self, to: int) -> None:
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("DELETE FROM event_log WHERE seq <= ?", (to,))

    @contextlib.contextmanager
    def unreachable(self) -> Iterator[None]:
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
