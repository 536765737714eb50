"""The writer's session with a recording: the open file, and the engine's registration in it."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from fuseboard_engine.dead_letters.letter import ACTIVE
from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.events import EngineStarted, Event, RecordingRestarted
from fuseboard_storage.backend.protocols import Describable
from fuseboard_storage.recorder import origins
from fuseboard_storage.sqlite import file_identity, moves, schema
from fuseboard_storage.sqlite.file_identity import RecordingReplaced
from fuseboard_storage.sqlite.fork_gate import ForkGate
from fuseboard_storage.sqlite.integrity import find_damage, is_damage
from fuseboard_storage.sqlite.write_lock import LockingConnection, transaction
from fuseboard_storage.tables import events, instances
from fuseboard_storage.tables.event_templates import Templates
from fuseboard_storage.tables.keyframes import KeyframeMaker
from fuseboard_storage.tables.storable import stored_name

log = get_logger("fuseboard.recorder")


class WriterSession:
    """The writer's connection and instance id.

    Call `ensure_open` before each write; `connection` and `keyframes` are None while the file is closed.
    """

    def __init__(self, engine: Describable, path: Path, on_leave: Sequence[Callable[[], None]]) -> None:
        self.gate = ForkGate(self.close)
        """Work on the file is done inside; a fork closes the file."""
        self.connection: LockingConnection | None = None
        self.keyframes: KeyframeMaker | None = None
        self.instance: int | None = None
        self.host = stored_name(socket.gethostname())
        self._engine = engine
        self._path = path
        self._registered_at = 0
        self._left: RecordingRestarted | None = None
        """The previous recording, if it is no longer at the path; without a time."""
        self.templates = Templates()
        """The templates of the events that were written; valid for the open file."""
        self.hurry = threading.Event()
        """Set when the recorder closes: waiting for another writer has to end soon."""
        self._on_leave = on_leave
        """Called when the file was left, so that the stores leave it too."""

    def ensure_open(self) -> None:
        """Open the file at the path if it is not open yet or was replaced, and register the engine in a new file.

        Raises:
            RecordingError: The file is not a recording.
            sqlite3.Error, OSError: The file cannot be opened at the moment.
        """
        if self.connection is not None:
            try:
                self.connection.check()
            except RecordingReplaced as error:
                self.leave(error)
        if self.connection is None:
            try:
                self._open()
            except RecordingReplaced:
                self._open()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Run the body in a transaction on the open file."""
        assert self.connection is not None
        try:
            with transaction(self.connection):
                yield
        except BaseException:
            self.templates.forget()
            raise

    def renew_keyframes(self) -> None:
        """Let the maker of keyframes begin with the newest one that is stored."""
        if self.connection is not None:
            self.keyframes = _keyframe_maker(self.connection)

    def leave(self, error: RecordingReplaced) -> None:
        """Leave a file that is no longer at the path. `ensure_open` opens the one that is, or creates one."""
        if self.connection is None:
            return
        if self.connection.is_in_place():
            log.warning("%s %s; it is opened again.", self._path, error.why)
        else:
            left = _active_letters(self.connection)
            note = f" {left} active dead letters stay in the old one." if left else ""
            log.warning("%s %s; a new recording starts there, unless there is one.%s", self._path, error.why, note)
            self._left = RecordingRestarted(at=0, why=error.why, letters=left)
        self.connection.leave(error.why)
        self.connection = self.keyframes = None
        self._notify()

    def move_aside(self, error: BaseException) -> None:
        """Move a damaged file aside, and close it. `ensure_open` creates another.

        Raises:
            OSError: It cannot be moved.
        """
        connection = self.connection
        if connection is not None:
            try:
                schema.move_damaged_aside(self._path, connection.file, str(error))
            finally:
                self.close()
                self._notify()

    def _notify(self) -> None:
        for notify in self._on_leave:
            notify()

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
        self.connection = connection = self._connect()
        self.templates.forget()
        try:
            if not instances.is_registered(connection, self.instance, self._registered_at):
                if damage := find_damage(connection):
                    raise _damaged(damage)
                self.instance = self._register(connection)
            self._left = None
            moves.moved_aside.pop(os.path.realpath(self._path), None)
            self.keyframes = _keyframe_maker(connection)
        except BaseException as error:
            if is_damage(error):
                self.move_aside(error)
                raise RecordingReplaced("was damaged") from None
            self.close()
            raise

    def _connect(self) -> LockingConnection:
        seconds = 0.05 if self.hurry.is_set() else 1.0
        try:
            connection = schema.connect(self._path, busy_timeout=seconds)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            schema.move_damaged_aside(self._path, file_identity.identify(self._path), str(error))
            connection = schema.connect(self._path, busy_timeout=seconds)
        connection.hurry = self.hurry
        return connection

    def _register(self, connection: LockingConnection) -> int:
        engine = self._engine
        state = self._describe()
        now = state[0].at if state else engine.wall()  # the events of the state must not be older than the start
        with transaction(connection):
            self.record_dead(connection, now)
            name = stored_name(engine.name)
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
            events.insert(connection, instance, [started, *state, *self._restarted(now)])
        self._registered_at = now
        origins.set_origin(engine, instances.InstanceRef(instance, now))
        return instance

    def _restarted(self, now: int) -> list[Event]:
        """Return the event that says what became of the previous recording; none if there is nothing to say."""
        moved, left = moves.moved_aside.get(os.path.realpath(self._path)), self._left
        if moved is None:
            return [] if left is None else [msgspec.structs.replace(left, at=now)]
        letters = 0 if left is None else left.letters
        return [RecordingRestarted(at=now, why=moved.why, moved_to=os.fspath(moved.target), letters=letters)]

    def _describe(self) -> list[Event]:
        """Return the engine's state as events; none if it cannot be described, because its events can be recorded."""
        try:
            return self._engine.describe()
        except Exception:
            log.exception("The state of %s could not be described; its events are recorded.", self._engine.name)
            return []


def _keyframe_maker(connection: sqlite3.Connection) -> KeyframeMaker | None:
    """Return a maker of keyframes, or None if those that are stored cannot be read. Events need no keyframes."""
    try:
        return KeyframeMaker(connection)
    except sqlite3.Error:
        raise
    except Exception:
        log.exception("The stored keyframes cannot be read; events are recorded without new ones.")
        return None


def _damaged(what: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _active_letters(connection: sqlite3.Connection) -> int:
    """Return the number of active dead letters in a file; 0 if it cannot be read."""
    marks = ", ".join("?" * len(ACTIVE))
    with contextlib.suppress(sqlite3.Error):
        found = connection.execute(f"SELECT count(*) FROM dead_letters WHERE status IN ({marks})", ACTIVE)
        return int(found.fetchone()[0])
    return 0
