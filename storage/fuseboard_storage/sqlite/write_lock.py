"""A lock per file, so that the threads of one process write to it one at a time.

A connection that finds a file locked by SQLite sleeps a millisecond or more before it tries again, though the other
commit took a tenth of that. With a lock, the threads of one process follow each other at once. SQLite itself serialises
the writers of different processes.
"""

# ruff: noqa: PTH116 - `Path.stat` takes twice as long, and each commit makes two calls

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fuseboard_storage.sqlite import file_identity, moves
from fuseboard_storage.sqlite.damaged_rows import readable_text
from fuseboard_storage.sqlite.file_identity import FileId, Identity, MissingFiles, RecordingReplaced

LOCK_TIMEOUT: Final = 0.01  # seconds to wait for the lock: longer than a commit takes, shorter than a disk may take

SHORT_SECONDS: Final = 0.001
"""Seconds for which a transaction may be open before the files are checked again, ahead of the commit."""

STEPS: Final = {0.0: 20, 0.1: 8, 0.4: 3}
"""Milliseconds that SQLite itself waits for another writer at a time, by the seconds that were waited before."""

LEAVE_TIMEOUT: Final = 200  # milliseconds to wait for other connections to a file that is no longer at its path

_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_MAY_MEAN_NO_LOCKS: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR)

_locks: weakref.WeakValueDictionary[str, threading.Lock] = weakref.WeakValueDictionary()
_locks_guard = threading.Lock()


def without_locks(path: str | os.PathLike[str], error: sqlite3.Error) -> bool:
    """Return whether SQLite failed because the file system of a file has no locks, as some network file systems.

    SQLite says only that the file is locked, or that there was an I/O error.
    """
    if sys.platform == "win32" or getattr(error, "sqlite_errorcode", 0) & 0xFF not in _MAY_MEAN_NO_LOCKS:
        return False
    import fcntl
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=os.path.dirname(os.path.realpath(path))) as file:  # noqa: PTH120
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as failed:
        return failed.errno in _NO_LOCKS
    return False


USE_LOCAL_DISK: Final = "Use a local disk: SQLite needs locks and shared memory."


class LockingConnection(sqlite3.Connection):
    """A connection that shares `write_lock` with this process's other connections to the same file.

    It knows the files it has open, and `check` raises when those at the path are no longer the same.

    Args:
        database: The file, or whatever else SQLite accepts.
        path: The file, if `database` is a URI.
        options: As for `sqlite3.Connection`.
    """

    def __init__(self, database: str, path: str | None = None, **options: Any) -> None:
        self.path = path or database
        self.real = os.path.realpath(self.path)
        self.identity: Identity | None = None
        self.patience = 0.0
        """Seconds for which `transaction` waits for another writer, on top of the busy timeout."""
        self.waits_since: float | None = None
        """Since when it has been waiting for another writer, in monotonic seconds; None: it is not."""
        self.hurry = threading.Event()
        """Set when the connection should wait no longer than its busy timeout."""
        self._wal = f"{self.real}-wal"
        self._seen: tuple[int, int, int, int] | None = None
        """Device, inode and time of the file, and the inode of its WAL, when they were checked last."""
        self._size = 0
        self._beside: list[FileId | None] = []
        self._pinned = False
        self._file = file_identity.hold(self.path)
        try:
            super().__init__(database, **options)
        except BaseException:
            self._release()
            raise
        self.text_factory = readable_text
        if self._file is not None and file_identity.identify(self.path) != self._file:
            self.close()
            raise RecordingReplaced("was replaced while it was being opened")
        with _locks_guard:
            self.write_lock = _locks.setdefault(self.real, threading.Lock())

    def check_beside(self) -> None:
        """Raise `RecordingReplaced` if the WAL beside the file belongs to one that this process has open.

        Call it before the first query. The other file was at the path before; `file_identity.missing` names it then.
        """
        if self._file is None:
            return
        other = file_identity.files_beside(self.real, self._file)
        if other is not None:
            why = "was replaced by another file"
            file_identity.remember_missing(self.path, MissingFiles(other, 0, why, time.monotonic()))
            raise RecordingReplaced(why)

    def pin(self) -> None:
        """Remember the files that are open. Call it once the WAL is open, after the first query.

        Raises:
            RecordingReplaced: The file was replaced while it was being opened.
        """
        found = file_identity.files_at(self.path, self.real)
        if found is None or found.main != self._file:
            raise RecordingReplaced("was replaced while it was being opened")
        # The first query has opened these two, or they are replaced by now, which `check` notices.
        self._beside = [file_identity.hold(f"{self.real}{suffix}") for suffix in ("-wal", "-shm")]
        self.identity = Identity(found.main, *self._beside)
        file_identity.pin(self.real, self.identity)
        self._pinned = True
        self.check()

    @property
    def file(self) -> FileId | None:
        """The file that is open."""
        return self._file

    def is_in_place(self) -> bool:
        """Return whether the file is at its path, whatever became of its WAL and its contents."""
        file = self._file
        try:
            found = os.stat(self.path)
        except OSError:
            return False
        return file is not None and file.inode == found.st_ino and file.device == found.st_dev

    def head(self) -> bytes:
        """Return the first bytes of the file."""
        return b"" if self._file is None else file_identity.head_of(self._file)

    def check(self, *, thorough: bool = True) -> None:
        """Raise `RecordingReplaced` unless the files at the path are those that are open."""
        if self.identity is None or (not thorough and self._is_evidently_unchanged()):
            return
        modified = self._modified()
        self._size = file_identity.check_unchanged(self.path, self.real, self.identity, self._size, thorough=thorough)
        if self.identity.wal is not None:
            self._seen = (*self.identity.main, modified, self.identity.wal.inode)

    def check_committed(self) -> None:
        """Raise `RecordingReplaced` if what was committed just now has to be committed again.

        A file that was moved during the commit holds it, and the next `check` notices the move. Only a file that is
        gone, or is no longer a recording, does not.
        """
        try:
            self.check(thorough=False)
        except RecordingReplaced:
            if not self._was_moved():
                raise

    def _was_moved(self) -> bool:
        """Return whether the files are complete, at another path."""
        known = self.identity
        if known is None or self.is_in_place() or not file_identity.has_head(known.main):
            return False
        return all(file_identity.is_linked(file) for file in known[:2] if file is not None)

    def _is_evidently_unchanged(self) -> bool:
        """Return whether nothing has changed since the last check, not even the file's time. Costs two system calls."""
        try:
            main = os.stat(self.path)
            return self._seen == (main.st_dev, main.st_ino, main.st_mtime_ns, os.stat(self._wal).st_ino)
        except OSError:
            return False

    def _modified(self) -> int:
        try:
            return os.stat(self.path).st_mtime_ns
        except OSError:
            return 0

    def leave(self, why: str) -> None:
        """Close a connection to files that are no longer at the path, and save what is in their WAL.

        On closing a file that was moved, SQLite does not move the contents of its WAL into it.
        """
        if self.identity is not None:
            file_identity.remember_missing(self.path, MissingFiles(self.identity, self._size, why, time.monotonic()))
        if self.identity is not None and self._is_overwritten(self.identity):
            # On closing it, SQLite would move the WAL into what is now another file.
            _abandoned.append(self)
            return
        try:
            if self.identity is not None and self._owns_wal(self.identity):
                with contextlib.suppress(sqlite3.Error):
                    if self.in_transaction:
                        self.execute("ROLLBACK")
                    self.execute(f"PRAGMA busy_timeout = {LEAVE_TIMEOUT}")
                    self.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    moves.delete_emptied_remains(self.real, self.identity.wal)
        finally:
            with contextlib.suppress(sqlite3.Error):
                self.close()

    def _owns_wal(self, known: Identity) -> bool:
        """Return whether the WAL may be moved into the file: no process can have opened the file with another WAL."""
        at_path = file_identity.files_at(self.path, self.real)
        if at_path is None or at_path.main != known.main:
            return True
        return at_path.wal in (None, known.wal) and at_path.shm in (None, known.shm)

    def _is_overwritten(self, known: Identity) -> bool:
        """Return whether the file is at the path, but with other contents."""
        with contextlib.suppress(OSError):
            if file_identity.identify(self.path) == known.main:
                return Path(self.path).stat().st_size < self._size or not file_identity.has_head(known.main)
        return False

    def close(self) -> None:
        """Close the connection. A second call does nothing."""
        super().close()
        self._release()

    def _release(self) -> None:
        files, self._file, self._beside = [self._file, *self._beside], None, []
        if self._pinned and self.identity is not None:
            self._pinned = False
            file_identity.unpin(self.real, self.identity)
        for file in files:
            file_identity.release(file)


_abandoned: list[LockingConnection] = []
"""Connections that are never closed."""


@contextlib.contextmanager
def transaction(connection: LockingConnection) -> Iterator[None]:
    """Run the body in a transaction: commit all of it, or roll it back.

    Raises:
        RecordingReplaced: The file is no longer at its path, and nothing was committed to it; or it was, and the file
            is gone. The body has to be run again, on the file that is there.
    """
    # On timeout, proceed: the holder may be checkpointing, and SQLite still serialises writers.
    acquired = connection.write_lock.acquire(timeout=LOCK_TIMEOUT)
    try:
        connection.check()
        began = time.monotonic()
        begin(connection)
        try:
            yield
            if time.monotonic() - began >= SHORT_SECONDS:
                connection.check(thorough=False)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise
        connection.check_committed()
    finally:
        if acquired:
            connection.write_lock.release()


def begin(connection: LockingConnection) -> None:
    """Begin a transaction that writes.

    Wait for another writer as long as the connection may, but only shortly if it is to hurry. The file goes to the
    writer that asks first once it is free. The longer one has waited, the more often it asks, so that of many writers
    at full speed none waits for long. SQLite asks less and less often instead.
    """
    began = time.monotonic()
    if connection.waits_since is not None and connection.patience:
        _ask_more_often(connection, began)
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            now, busy = time.monotonic(), is_busy(error)
            if busy and connection.waits_since is None:
                connection.waits_since = began
            if not busy or now >= began + connection.patience or connection.hurry.is_set():
                raise
            _ask_more_often(connection, now)
        else:
            if connection.waits_since is not None:
                connection.waits_since = None
                if connection.patience:
                    connection.execute(f"PRAGMA busy_timeout = {STEPS[0.0]}")
            return


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether SQLite failed because another connection writes to the file."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _ask_more_often(connection: LockingConnection, now: float) -> None:
    """Set for how long SQLite waits at a time. It asks after 1, 3, 8 and 18 milliseconds, and at the end."""
    waited = now - (connection.waits_since or now)
    step = next(step for seconds, step in reversed(STEPS.items()) if waited >= seconds)
    connection.execute(f"PRAGMA busy_timeout = {step}")


def _after_fork() -> None:
    """Replace the locks in a forked child: the threads of the parent that may hold them do not exist here."""
    global _locks_guard
    _locks_guard = threading.Lock()
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
