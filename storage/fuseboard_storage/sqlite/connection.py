"""Connections that read a recording or send it commands, and the translation of SQLite's errors."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import aiosqlite

from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import file_identity
from fuseboard_storage.sqlite.damaged_rows import readable_text
from fuseboard_storage.sqlite.file_identity import FileId
from fuseboard_storage.sqlite.integrity import ODDITIES
from fuseboard_storage.sqlite.write_lock import USE_LOCAL_DISK, without_locks

BUSY_TIMEOUT: Final = 2.0
"""Seconds to wait for another connection's transaction."""


@contextlib.asynccontextmanager
async def connected(path: Path, mode: str) -> AsyncIterator[aiosqlite.Connection]:
    """Connect to a recording in autocommit mode, and close the connection at the end.

    Args:
        path: The file, absolute.
        mode: The query part of SQLite's file URI, such as `mode=ro`.

    Raises:
        RecordingError: The file is damaged, locked, or cannot be opened.
    """
    uri = f"{path.as_uri()}?{mode}"
    async with contextlib.AsyncExitStack() as stack:
        with translate_sqlite_errors(path, "written" if mode == "mode=rw" else "read"):
            stack.callback(file_identity.release, _held(path))
            opening = aiosqlite.connect(uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT)
            connection = await stack.enter_async_context(opening)
            connection.text_factory = readable_text
            odd = list(await connection.execute_fetchall(ODDITIES))
        if odd:
            raise not_a_recording(path, odd[0][0])
        yield connection


def not_a_recording(path: Path, odd: str) -> RecordingError:
    """Return the error of a file that has something else in place of a table."""
    return RecordingError(f"{path.name} is not a recording: {odd}.", "Name a file that an engine has recorded to.")


class ReadingMode(NamedTuple):
    """How a recording is opened for reading.

    `uri` is the query part of SQLite's file URI. `of` is the state of a file that is taken for immutable, or None.
    """

    uri: str
    of: tuple[int, int] | None = None


def reading_mode(path: Path) -> ReadingMode:
    """Return how to open a recording for reading so that nothing is left beside it.

    SQLite reads a file with a WAL together with that, and creates both the WAL and its index where they are missing. A
    file without one has no writer: it is opened as immutable. So is one in a folder that cannot be written, unless the
    index of a running engine is there.
    """
    wal, index, journal = (path.with_name(f"{path.name}-{suffix}") for suffix in ("wal", "shm", "journal"))
    written = wal.exists() and (index.exists() or os.access(path.parent, os.W_OK))
    state = _state_of(path)
    if written or journal.exists() or state is None or state[1] == 0:
        return ReadingMode("mode=ro")
    return ReadingMode("mode=ro&immutable=1", state)


def still_immutable(path: Path, mode: ReadingMode) -> bool:
    """Return whether a recording that was opened as immutable has no writer and is as it was."""
    return _state_of(path) == mode.of and reading_mode(path) == mode


def _state_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _held(path: Path) -> FileId | None:
    try:
        return file_identity.hold(path)
    except OSError:
        return None  # SQLite says what is wrong


@contextlib.contextmanager
def translate_sqlite_errors(path: Path, done: str = "read") -> Iterator[None]:
    """Raise `RecordingError` in place of SQLite's errors. `done` is the participle for "cannot be ..."."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if without_locks(path, error):
            raise RecordingError(f"{path.name} is on a file system without locks.", USE_LOCAL_DISK) from None
        raise RecordingError(f"{path.name} cannot be {done}: {error}.", _todo(error)) from None
    except sqlite3.ProgrammingError:
        raise _closed(path) from None
    except UnicodeDecodeError:  # raised for SQLite's own message, which quotes a damaged schema
        raise damaged(path, "malformed database schema") from None
    except sqlite3.DatabaseError as error:
        # A new file may have received the inode of a deleted recording, and so have passed for a recording.
        foreign = ", or not a recording" if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB else ""
        raise damaged(path, str(error), foreign) from None


@contextlib.contextmanager
def translate_query_errors(path: Path) -> Iterator[None]:
    """Translate the errors of one query on a connection that may be closed meanwhile because its file was replaced."""
    with translate_sqlite_errors(path):
        try:
            yield
        except ValueError:  # raised by aiosqlite when its connection is closed
            raise _closed(path) from None


def damaged(path: Path, what: str, foreign: str = "") -> RecordingError:
    """Return the error of a recording that is damaged, with what is wrong.

    `foreign` is `, or not a recording` where that is possible.
    """
    return RecordingError(
        f"{path.name} is damaged{foreign}: {what}.",
        "`fuseboard db check FILE` says what is wrong, `fuseboard db salvage FILE NEW` copies what can be read.",
    )


def _closed(path: Path) -> RecordingError:
    return RecordingError(f"{path.name} was closed in the meantime.", "Try again.")


def _todo(error: sqlite3.OperationalError) -> str:
    if "locked" in str(error) or "busy" in str(error):
        return "Another process holds it: try again in a moment."
    return "Check the file, its folder, their permissions and the disk, then try again."
