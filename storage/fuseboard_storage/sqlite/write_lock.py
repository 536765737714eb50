"""A lock per file, so that the threads of one process write to it one at a time.

A connection that finds a file locked by SQLite sleeps a millisecond or more before it tries again, though the other
commit took a tenth of that. With a lock, the threads of one process follow each other at once. SQLite itself serialises
the writers of different processes.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Final

from fuseboard_storage.sqlite.damaged_rows import readable_text

LOCK_TIMEOUT: Final = 0.01  # seconds to wait for the lock: longer than a commit takes, shorter than a disk may take

_locks: weakref.WeakValueDictionary[str, threading.Lock] = weakref.WeakValueDictionary()
_locks_guard = threading.Lock()


class LockingConnection(sqlite3.Connection):
    """A connection that shares `write_lock` with this process's other connections to the same file.

    Args:
        database: The file, or whatever else SQLite accepts.
        options: As for `sqlite3.Connection`.
    """

    def __init__(self, database: str, **options: Any) -> None:
        super().__init__(database, **options)
        self.text_factory = readable_text
        with _locks_guard:
            self.write_lock = _locks.setdefault(os.path.realpath(database), threading.Lock())


@contextlib.contextmanager
def transaction(connection: LockingConnection) -> Iterator[None]:
    """Run the body in a transaction: commit all of it, or roll it back."""
    # On timeout, proceed: the holder may be checkpointing, and SQLite still serialises writers.
    acquired = connection.write_lock.acquire(timeout=LOCK_TIMEOUT)
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise
    finally:
        if acquired:
            connection.write_lock.release()


def _after_fork() -> None:
    """Replace the locks in a forked child: the threads of the parent that may hold them do not exist here."""
    global _locks_guard
    _locks_guard = threading.Lock()
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
