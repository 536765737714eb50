"""Commits in an event loop's own thread, as long as they are known to be fast.

A round trip to another thread takes longer than a commit does. But an event loop must not wait for a disk or for
another writer. So the loop's thread commits only while commits follow each other closely and each was fast. The worker
thread makes the first commit of each series, and all commits while the disk is slow or another writer holds the file.

An inline commit never waits for the disk itself: it appends to the WAL, which the system keeps in its memory, syncs
nothing, and moves nothing from the WAL into the file. Only the system can delay it, where it makes writers wait for a
disk that does not keep up. A commit that waits so long that a loop shows it makes inline commits end for an hour: at
most one call in an hour meets such a disk. Nothing shorter than a thread's round trip could promise more.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from typing import Final, TypeVar

from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.write_lock import LockingConnection

T = TypeVar("T")

QUICK_SECONDS: Final = 0.002  # seconds; a longer commit waited for something
RECENT: Final = 0.05  # seconds after a fast commit during which the next one is expected to be fast too
RUN: Final = 1_000  # inline commits in a row; the worker thread makes the next, and with it moves the WAL into the file
THREAD_ONLY_SECONDS: Final = 5.0  # seconds for which the worker thread makes all commits after a slow inline one
STALL_SECONDS: Final = 0.05  # seconds; a longer inline commit delayed the loop so that it shows
THREAD_ONLY_AFTER_STALL: Final = 3_600.0  # seconds for which the worker thread makes all commits after that


class InlineCommitter:
    """A second connection to a file, for callers that must not block. The worker thread opens and closes it.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._connection: LockingConnection | None = None
        self._last_quick_commit = float("-inf")  # when the last commit ended; -inf if it was slow
        self._away_until = float("-inf")
        self._left = 0  # inline commits until the worker thread makes the next

    def note(self, began: float, path: str | os.PathLike[str]) -> None:
        """Record a commit of the worker thread that ends now. The second fast one in a row enables inline commits.

        Args:
            began: When the commit began, in seconds of `clock`.
            path: The file.
        """
        now = self._clock()
        if now - began >= QUICK_SECONDS or now < self._away_until:
            self._last_quick_commit = float("-inf")
            return
        if self._connection is None and now - self._last_quick_commit < RECENT:
            with contextlib.suppress(sqlite3.Error, OSError, RecordingError):
                connection = schema.connect(path, busy_timeout=0)
                connection.execute("PRAGMA wal_autocheckpoint = 0")  # moving the WAL into the file waits for the disk
                self._connection = connection
        self._left = RUN
        self._last_quick_commit = now

    def commit(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run `work` in a transaction, now and without waiting. Return its result, or None if nothing was done."""
        connection, began = self._connection, self._clock()
        if connection is None or not self._left or began - self._last_quick_commit >= RECENT:
            return None
        if not connection.write_lock.acquire(blocking=False):
            return None
        try:
            if self._connection is not connection:  # closed by the worker thread since the check above
                return None
            connection.execute("BEGIN IMMEDIATE")
            done = work(connection)
            # A file that is moved later than this is one that was moved after the commit, unless that takes long.
            connection.check(thorough=False)
            connection.execute("COMMIT")
            if self._clock() - began >= QUICK_SECONDS:
                connection.check_committed()
        except Exception:  # the worker thread, which tries next, meets the same error and reports it
            self._last_quick_commit = float("-inf")
            self._rest_if_slow(began)
            return None
        finally:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            connection.write_lock.release()
        self._left -= 1
        self._last_quick_commit = self._clock()
        self._rest_if_slow(began)
        return done

    def _rest_if_slow(self, began: float) -> None:
        """Leave all commits to the worker thread for some time if the inline one that ends now was slow."""
        now = self._clock()
        if now - began >= QUICK_SECONDS:
            pause = THREAD_ONLY_AFTER_STALL if now - began >= STALL_SECONDS else THREAD_ONLY_SECONDS
            self._last_quick_commit, self._away_until = float("-inf"), now + pause

    def close(self) -> None:
        """Close the connection. Later commits of the worker thread may open it again."""
        connection, self._connection = self._connection, None
        self._last_quick_commit = float("-inf")
        if connection is not None:
            with connection.write_lock, contextlib.suppress(sqlite3.Error):
                connection.close()

    def leave(self, why: str) -> None:
        """Close a connection to a file that is no longer at its path."""
        connection, self._connection = self._connection, None
        self._last_quick_commit = float("-inf")
        if connection is not None:
            with connection.write_lock:
                connection.leave(why)
