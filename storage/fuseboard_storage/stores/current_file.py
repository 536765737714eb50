"""Runs a store's jobs in the file that is at its path, also when that is replaced or damaged meanwhile."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, TypeVar

from fuseboard_storage.sqlite import file_identity, schema
from fuseboard_storage.sqlite.file_identity import RecordingReplaced
from fuseboard_storage.sqlite.integrity import is_damage
from fuseboard_storage.sqlite.write_lock import LockingConnection

T = TypeVar("T")

PAUSE: Final = 0.02  # seconds between two tries while another connection has a file open that is no longer at its path


def run_in_current_file(
    job: Callable[[], T],
    path: Path,
    gate: AbstractContextManager[object],
    seconds: float,
    *,
    connection: Callable[[], LockingConnection | None],
    leave: Callable[[RecordingReplaced], None],
    disconnect: Callable[[], None],
    may_wait: Callable[[], bool] = lambda: True,
) -> T:
    """Run a job, and again if the file was no longer at its path when it was done, or was damaged.

    Args:
        job: Opens the file if that is not open, and uses it.
        path: The recording.
        gate: Held during the job; see `ForkGate`.
        seconds: How long to try again.
        connection: Returns the store's connection; None while there is none, or where a damaged file must stay.
        leave: Leaves a file that is no longer at its path.
        disconnect: Closes the connection.
        may_wait: Whether to wait for other connections of this process to a file that is no longer at its path.

    Raises:
        RecordingReplaced, sqlite3.Error: The job raised it, and trying again does not help.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            with gate:
                return job()
        except RecordingReplaced as error:
            leave(error)
            if time.monotonic() >= end:
                raise
        except sqlite3.OperationalError as error:
            # Another connection of this process may still have a file open that is no longer at its path.
            busy = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY
            waiting = busy and str(path) in file_identity.missing
            if not waiting or time.monotonic() >= end or not may_wait():
                raise
            disconnect()
            time.sleep(PAUSE)
        except sqlite3.DatabaseError as error:
            used = connection()
            if used is None or not is_damage(error):
                raise
            schema.move_damaged_aside(path, used.file, str(error))
            disconnect()
