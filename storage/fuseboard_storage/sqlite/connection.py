"""The connection by which a recording is read or asked; what goes wrong with it is told in sentences."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import aiosqlite

from fuseboard_storage.errors import RecordingError

PATIENCE: Final = 2.0
"""Seconds to wait for another's transaction."""


@contextlib.asynccontextmanager
async def connected(path: Path, mode: str) -> AsyncIterator[aiosqlite.Connection]:
    """Connect to a recording, in autocommit mode, and close the connection in the end.

    Args:
        path: Its file, from the root on.
        mode: What SQLite takes behind the file's name, such as `mode=ro`.

    Raises:
        RecordingError: It is damaged, locked, or can't be opened.
    """
    where = f"{path.as_uri()}?{mode}"
    async with contextlib.AsyncExitStack() as stack:
        with translate_sqlite_errors(path, "written" if mode == "mode=rw" else "read"):
            opening = aiosqlite.connect(where, uri=True, isolation_level=None, timeout=PATIENCE)
            connection = await stack.enter_async_context(opening)
        yield connection


@contextlib.contextmanager
def translate_sqlite_errors(path: Path, done: str = "read") -> Iterator[None]:
    """Raise `RecordingError` where the database under the body raises an error of its own; `done`: what can't be."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise RecordingError(f"{path.name} cannot be {done}: {error}.", _todo(error)) from None
    except sqlite3.ProgrammingError:
        raise _closed(path) from None
    except sqlite3.DatabaseError as error:
        # A file may have got the number of a recording that was deleted, and so have passed for one.
        foreign = ", or no recording" if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB else ""
        raise RecordingError(
            f"{path.name} is damaged{foreign}: {error}.", "Take a copy, and try `sqlite3 FILE .recover` on it."
        ) from None


@contextlib.contextmanager
def while_open(path: Path) -> Iterator[None]:
    """Do the same around one query of a connection that another may close meanwhile, for the file was replaced."""
    with translate_sqlite_errors(path):
        try:
            yield
        except ValueError:  # which is what aiosqlite says then
            raise _closed(path) from None


def _closed(path: Path) -> RecordingError:
    return RecordingError(f"{path.name} was closed meanwhile.", "Try again.")


def _todo(error: sqlite3.OperationalError) -> str:
    if "locked" in str(error) or "busy" in str(error):
        return "Another process holds it: try again in a moment."
    return "Check the file, its folder, their permissions and the disk, then try again."
