"""An engine's seat at a recording: the open file, and the instance it is entered as."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sqlite3
from pathlib import Path

from fuseboard_engine.dead_letters.letter import ACTIVE
from fuseboard_engine.events import EngineStarted
from fuseboard_storage.recorder.protocols import Recordable
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.write_lock import LockingConnection, transaction
from fuseboard_storage.tables import events, instances
from fuseboard_storage.tables.keyframes import KeyframeMaker

log = logging.getLogger("fuseboard.recorder")


class WriterSession:
    """The writer's connection and instance id.

    Call `ensure_open` before each write; `connection` and `keyframes` are None while the file is closed.
    """

    def __init__(self, engine: Recordable, path: Path) -> None:
        self.connection: LockingConnection | None = None
        self.keyframes: KeyframeMaker | None = None
        self.instance: int | None = None
        self.host = socket.gethostname()
        self._engine = engine
        self._path = path
        self._entered_at = 0
        self._identity: tuple[int, int] | None = None

    def ensure_open(self) -> None:
        """Make sure that the file is open, and still the one that stands at its path; enter the engine if it is new.

        Raises:
            RecordingError: What stands there is no recording.
            sqlite3.Error, OSError: It can't be opened now.
        """
        if self.connection is not None and schema.identity_of(self._path) != self._identity:
            left = _letters_left(self.connection)
            stay = f" {left} dead letters that are not done stay in the old one." if left else ""
            log.warning("%s was moved or deleted; a new recording begins there.%s", self._path, stay)
            # SQLite closes a file that was moved without bringing in what its log still holds.
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.close()
        if self.connection is None:
            self._open()

    def close(self) -> None:
        """Close the file."""
        if self.connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self.connection.close()
        self.connection = None
        self.keyframes = None

    def record_dead(self, connection: sqlite3.Connection, now: int) -> None:
        """Tell, within the transaction that is open, of engines that died without a word."""
        for dead, event in instances.record_dead(connection, self.host, now):
            events.insert(connection, dead, [event])

    def _open(self) -> None:
        connection = schema.connect(self._path)
        try:
            identity = schema.identity_of(self._path)
            if not instances.is_registered(connection, self.instance, self._entered_at):
                self.instance = self._enter(connection)
            self._identity = identity
            self.keyframes = KeyframeMaker(connection)
        except BaseException:
            connection.close()
            raise
        self.connection = connection

    def _enter(self, connection: LockingConnection) -> int:
        engine = self._engine
        known = engine.describe()
        now = known[0].at if known else engine.wall()  # what stood when it began is not older than it
        with transaction(connection):
            self.record_dead(connection, now)
            instance = instances.register(connection, engine.name, self.host, now)
            started = EngineStarted(at=now, name=engine.name, host=self.host, pid=os.getpid())
            events.insert(connection, instance, [started, *known])
        self._entered_at = now
        return instance


def _letters_left(connection: sqlite3.Connection) -> int:
    """Return how many dead letters of a file somebody still has to care for; 0 when that can't be read."""
    marks = ", ".join("?" * len(ACTIVE))
    with contextlib.suppress(sqlite3.Error):
        found = connection.execute(f"SELECT count(*) FROM dead_letters WHERE status IN ({marks})", ACTIVE)
        return int(found.fetchone()[0])
    return 0
