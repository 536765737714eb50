"""The connection by which a recording is read or asked; what goes wrong with it is told in sentences."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
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
        RecordingError: It is damaged, locked, or can't be opened, read or written; also from within the body.
    """
    try:
        async with aiosqlite.connect(
            f"{path.as_uri()}?{mode}", uri=True, isolation_level=None, timeout=PATIENCE
        ) as connection:
            yield connection
    except sqlite3.OperationalError as error:
        done = "written" if mode == "mode=rw" else "read"
        raise RecordingError(f"{path.name} cannot be {done}: {error}.", _todo(error)) from None
    except sqlite3.DatabaseError as error:
        raise RecordingError(
            f"{path.name} is damaged: {error}.", "Take a copy, and try `sqlite3 FILE .recover` on it."
        ) from None


def _todo(error: sqlite3.OperationalError) -> str:
    if "locked" in str(error) or "busy" in str(error):
        return "Another process holds it: try again in a moment."
    return "Check the file, its folder, their permissions and the disk, then try again."
