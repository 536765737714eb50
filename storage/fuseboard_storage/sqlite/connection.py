"""Connections that read a recording or send it commands, and the translation of SQLite's errors."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import aiosqlite

from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import file_identity
from fuseboard_storage.sqlite.damaged_rows import readable_text
from fuseboard_storage.sqlite.file_identity import FileId
from fuseboard_storage.sqlite.integrity import ODDITIES

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
        raise RecordingError(f"{path.name} cannot be {done}: {error}.", _todo(error)) from None
    except sqlite3.ProgrammingError:
        raise _closed(path) from None
    except UnicodeDecodeError:  # raised for SQLite's own message, which quotes a damaged schema
        raise _damaged(path, "malformed database schema") from None
    except sqlite3.DatabaseError as error:
        # A new file may have received the inode of a deleted recording, and so have passed for a recording.
        foreign = ", or not a recording" if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB else ""
        raise _damaged(path, str(error), foreign) from None


@contextlib.contextmanager
def translate_query_errors(path: Path) -> Iterator[None]:
    """Translate the errors of one query on a connection that may be closed meanwhile because its file was replaced."""
    with translate_sqlite_errors(path):
        try:
            yield
        except ValueError:  # raised by aiosqlite when its connection is closed
            raise _closed(path) from None


def _damaged(path: Path, what: str, foreign: str = "") -> RecordingError:
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
