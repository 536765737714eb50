"""Connections that read a recording or send it commands, and the translation of SQLite's errors."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import aiosqlite

from fuseboard_storage.errors import RecordingError, RecordingNotWritable
from fuseboard_storage.sqlite import file_identity
from fuseboard_storage.sqlite.damaged_rows import readable_text
from fuseboard_storage.sqlite.file_identity import FileId
from fuseboard_storage.sqlite.integrity import ODDITIES
from fuseboard_storage.sqlite.write_lock import USE_LOCAL_DISK, without_locks

T = TypeVar("T")

UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError, OverflowError, MemoryError)
"""What a query raises because of damage: names that are not UTF-8, numbers and sizes that do not fit."""

BUSY_TIMEOUT: Final = 2.0
"""Seconds to wait for another connection's transaction."""


@contextlib.asynccontextmanager
async def connected(path: Path, mode: str) -> AsyncIterator[ThreadedConnection]:
    """Connect to a recording in autocommit mode, and close the connection at the end.

    Args:
        path: The file, absolute.
        mode: The query part of SQLite's file URI, such as `mode=ro`.

    Raises:
        RecordingError: The file is damaged, locked, or cannot be opened.
    """
    async with contextlib.AsyncExitStack() as stack:
        with translate_sqlite_errors(path, "written" if mode == "mode=rw" else "read"):
            stack.callback(file_identity.release, _held(path))
            connection = await stack.enter_async_context(_opened(f"{path.as_uri()}?{mode}"))
            odd = await connection.rows(ODDITIES)
        if odd:
            raise not_a_recording(path, odd[0][0])
        yield connection


class ThreadedConnection(aiosqlite.Connection):
    """A connection that an event loop uses through a thread of its own."""

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return the result of work with the connection, in its thread.

        Raises:
            ValueError: The connection was closed.
        """
        result: T = await self._execute(work, self._conn)  # type: ignore[no-untyped-call]
        return result

    async def rows(self, sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query. Raises as `run` does."""
        parameters = tuple(values)
        return await self.run(lambda connection: connection.execute(sql, parameters).fetchall())

    async def ended(self) -> None:
        """Return once its thread has ended. aiosqlite does not wait for that where opening is cancelled or fails."""
        await asyncio.to_thread(self._thread.join)


@contextlib.asynccontextmanager
async def _opened(uri: str) -> AsyncIterator[ThreadedConnection]:
    """Open a file, and close it with its thread at the end: the loop may be closed then, into which it would call."""
    opened: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        options: dict[str, Any] = {"uri": True, "isolation_level": None, "check_same_thread": False}
        opened.append(sqlite3.connect(uri, timeout=BUSY_TIMEOUT, **options))
        return opened[0]

    connection = ThreadedConnection(connect, iter_chunk_size=64)
    try:
        await connection
    except BaseException:
        await connection.ended()
        for one in opened:  # aiosqlite has not taken it
            one.close()
        raise
    try:
        connection.text_factory = readable_text
        yield connection
    finally:
        try:
            await connection.close()
        except BaseException:
            await connection.ended()
            raise


def _held(path: Path) -> FileId | None:
    try:
        return file_identity.hold(path)
    except OSError:
        return None  # SQLite says what is wrong


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


@contextlib.contextmanager
def translate_sqlite_errors(path: Path, done: str = "read") -> Iterator[None]:
    """Raise `RecordingError` in place of SQLite's errors. `done` is the participle for "cannot be ..."."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if without_locks(path, error):
            raise RecordingError(f"{path.name} is on a file system without locks.", USE_LOCAL_DISK) from None
        kind = RecordingNotWritable if done == "written" else RecordingError
        raise kind(f"{path.name} cannot be {done}: {error}.", next_step(error)) from None
    except sqlite3.ProgrammingError:
        raise _closed(path) from None
    except UnicodeDecodeError:  # raised for SQLite's own message, which quotes a damaged schema
        raise damaged(path, "malformed database schema") from None
    except MemoryError:
        raise damaged(path, "it holds a value that is larger than the memory") from None
    except sqlite3.Error as error:
        # A new file may have received the inode of a deleted recording, and so have passed for a recording.
        code = getattr(error, "sqlite_errorcode", 0)  # Python's own errors have none
        foreign = ", or not a recording" if code == sqlite3.SQLITE_NOTADB else ""
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


def next_step(error: sqlite3.OperationalError) -> str:
    """Return the sentence that says what to do about an error."""
    if "locked" in str(error) or "busy" in str(error):
        return "Another process holds it: try again in a moment."
    return "Check the file, its folder, their permissions and the disk, then try again."
