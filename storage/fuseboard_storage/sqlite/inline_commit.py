"""Committing in an event loop's own thread, where that is known to take no time to speak of.

Going to another thread and back takes longer than a commit does. But a loop must not wait for a disk, nor for whoever
else writes. So its own thread commits only while one commit follows another and each was quick; the first of a row, and
all others while the disk is slow or the file in somebody's hand, are the other thread's.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from typing import Final, TypeVar

from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.write_lock import LockingConnection

T = TypeVar("T")

QUICK: Final = 0.002  # seconds; a commit that takes longer waited for something
RECENT: Final = 0.05  # seconds for which a quick commit says of the next that it will be quick too
RUN: Final = 1_000  # commits in a row; the next is the thread's, which also moves the log into the file
AWAY: Final = 5.0  # seconds for which all is the thread's after one that was not quick


class InlineCommitter:
    """A second connection to a file, for whoever must not wait. The thread that owns the file opens and closes it.

    Args:
        clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._connection: LockingConnection | None = None
        self._quick_at = float("-inf")  # when the last commit ended, if it was quick
        self._away_until = float("-inf")
        self._left = 0  # commits until the thread's turn comes

    def note(self, began: float, path: str | os.PathLike[str]) -> None:
        """Hear of a commit of the thread's that began then and ends now; the second quick one in a row opens the lane.

        Args:
            began: seconds of `clock`.
            path: the file.
        """
        now = self._clock()
        if now - began >= QUICK or now < self._away_until:
            self._quick_at = float("-inf")
            return
        if self._connection is None and now - self._quick_at < RECENT:
            with contextlib.suppress(sqlite3.Error, OSError):
                connection = schema.connect(path, busy_timeout=0)
                connection.execute("PRAGMA wal_autocheckpoint = 0")  # moving the log waits for the disk
                self._connection = connection
        self._left = RUN
        self._quick_at = now

    def commit(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do some work in a transaction, at once and without waiting for anybody; None: nothing was done, not now."""
        connection, began = self._connection, self._clock()
        if connection is None or not self._left or began - self._quick_at >= RECENT:
            return None
        if not connection.write_lock.acquire(blocking=False):
            return None
        try:
            if self._connection is not connection:  # closed this moment
                return None
            connection.execute("BEGIN IMMEDIATE")
            done = work(connection)
            connection.execute("COMMIT")
        except Exception:  # whatever it is, the thread will meet it too, and say so
            self._quick_at = float("-inf")
            return None
        finally:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            connection.write_lock.release()
        self._left -= 1
        self._quick_at = now = self._clock()
        if now - began >= QUICK:
            self._quick_at, self._away_until = float("-inf"), now + AWAY
        return done

    def close(self) -> None:
        """Close the connection; the thread's next commits may open it again."""
        connection, self._connection = self._connection, None
        self._quick_at = float("-inf")
        if connection is not None:
            with connection.write_lock, contextlib.suppress(sqlite3.Error):
                connection.close()
