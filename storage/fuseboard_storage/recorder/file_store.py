"""A recording as a store: what writes, keeps and reads one file."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.backend.protocols import Describable
from fuseboard_storage.recorder.file_writer import FileWriter
from fuseboard_storage.recorder.retention import Retention

if TYPE_CHECKING:
    from fuseboard_storage.recording.recording import Recording
    from fuseboard_storage.stores.checkpoints import FileCheckpoints
    from fuseboard_storage.stores.dead_letters import SqliteDeadLetters


class FileStore:
    """The recording at a path, as a `Store`.

    Args:
        path: The recording. A new file is readable by its owner only.
        retention: How long to keep what.
        now: UTC microseconds, for what readers do.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        retention: Retention | None = None,
        now: Callable[[], int] = wall_clock,
    ) -> None:
        self.path = Path(path).absolute()
        self._now = now
        self._retention = retention or Retention()
        self._on_leave: list[Callable[[], None]] = []

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def writer(self, engine: Describable) -> FileWriter:
        """Return a writer for an engine. When it leaves the file, the dead letters and runs returned next do so too."""
        self._on_leave = []
        return FileWriter(engine, self.path, self._retention, self._on_leave)

    def dead_letters(self) -> SqliteDeadLetters:
        """Return the dead letters of the recording."""
        from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

        letters = SqliteDeadLetters(self.path)
        self._on_leave.append(letters.check_file)
        return letters

    def checkpoints(self) -> FileCheckpoints:
        """Return the workflow runs of the recording."""
        from fuseboard_storage.stores.checkpoints import FileCheckpoints

        runs = FileCheckpoints(self.path)
        self._on_leave.append(runs.check_file)
        return runs

    def reader(self) -> AbstractAsyncContextManager[Recording]:
        """Open the recording for reading; see `Recording.open`."""
        from fuseboard_storage.recording.recording import Recording

        return Recording.open(self.path, now=self._now)
