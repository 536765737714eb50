"""The writer's session with a recording: the open file, and the engine's registration in it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sqlite3
from pathlib import Path

from fuseboard_engine.dead_letters.letter import ACTIVE
from fuseboard_engine.error_text.redaction import log_exception
from fuseboard_engine.events import EngineStarted, Event
from fuseboard_storage.recorder import origins
from fuseboard_storage.recorder.protocols import Recordable
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.write_lock import LockingConnection, transaction
from fuseboard_storage.tables import events, instances
from fuseboard_storage.tables.events import escape_surrogates
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
        self.host = escape_surrogates(socket.gethostname())
        self._engine = engine
        self._path = path
        self._registered_at = 0
        self._identity: tuple[int, int] | None = None

    def ensure_open(self) -> None:
        """Open the file at the path if it is not open yet or was replaced, and register the engine in a new file.

        Raises:
            RecordingError: The file is not a recording.
            sqlite3.Error, OSError: The file cannot be opened at the moment.
        """
        if self.connection is not None and schema.identity_of(self._path) != self._identity:
            left = _active_letters(self.connection)
            note = f" {left} active dead letters stay in the old one." if left else ""
            log.warning("%s was moved or deleted; a new recording starts there.%s", self._path, note)
            # On closing a file that was moved, SQLite does not move the contents of its WAL into it.
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
        """Record the end of engines that died without recording it, within the transaction that is open."""
        for dead, event in instances.record_dead(connection, self.host, now):
            events.insert(connection, dead, [event])

    def _open(self) -> None:
        connection = schema.connect(self._path)
        try:
            identity = schema.identity_of(self._path)
            if not instances.is_registered(connection, self.instance, self._registered_at):
                self.instance = self._register(connection)
            self._identity = identity
            self.keyframes = _keyframe_maker(connection)
        except BaseException:
            connection.close()
            raise
        self.connection = connection

    def _register(self, connection: LockingConnection) -> int:
        engine = self._engine
        state = self._describe()
        now = state[0].at if state else engine.wall()  # the events of the state must not be older than the start
        with transaction(connection):
            self.record_dead(connection, now)
            name = escape_surrogates(engine.name)
            origin = origins.origin_of(engine)
            restored = origin is not None and instances.exists(connection, origin)
            replaced = origin if restored else instances.take(connection, name, self.host)
            instance = instances.register(connection, name, self.host, now)
            if replaced is not None:
                instances.replace(connection, replaced.id, instance)
            started = EngineStarted(
                at=now,
                name=engine.name,
                host=self.host,
                pid=os.getpid(),
                replaces=0 if replaced is None else replaced.id,
                restored=restored,
            )
            events.insert(connection, instance, [started, *state])
        self._registered_at = now
        origins.set_origin(engine, instances.InstanceRef(instance, now))
        return instance

    def _describe(self) -> list[Event]:
        """Return the engine's state as events; none if it cannot be described, because its events can be recorded."""
        try:
            return self._engine.describe()
        except Exception:
            log_exception(log, "The state of %s could not be described; its events are recorded.", self._engine.name)
            return []


def _keyframe_maker(connection: sqlite3.Connection) -> KeyframeMaker | None:
    """Return a maker of keyframes, or None if those that are stored cannot be read. Events need no keyframes."""
    try:
        return KeyframeMaker(connection)
    except sqlite3.Error:
        raise
    except Exception:
        log_exception(log, "The stored keyframes cannot be read; events are recorded without new ones.")
        return None


def _active_letters(connection: sqlite3.Connection) -> int:
    """Return the number of active dead letters in a file; 0 if it cannot be read."""
    marks = ", ".join("?" * len(ACTIVE))
    with contextlib.suppress(sqlite3.Error):
        found = connection.execute(f"SELECT count(*) FROM dead_letters WHERE status IN ({marks})", ACTIVE)
        return int(found.fetchone()[0])
    return 0
