"""Whose turn it is to write to a file: one thread of a process at a time.

Whoever finds a file locked by SQLite sleeps a millisecond and more before looking again, though the other's commit took
a tenth of that. Threads of one process hand the turn on at once. Other processes are left to SQLite.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Final

PATIENCE: Final = 0.01  # seconds to wait for a turn: longer than a commit takes, shorter than a disk may

_turns: weakref.WeakValueDictionary[str, threading.Lock] = weakref.WeakValueDictionary()
_finding = threading.Lock()


class LockingConnection(sqlite3.Connection):
    """A connection that takes turns with the others this process has to the same file.

    Args:
        database: the file, or what else SQLite takes.
        options: as for `sqlite3.Connection`.
    """

    def __init__(self, database: str, **options: Any) -> None:
        super().__init__(database, **options)
        with _finding:
            self.write_lock = _turns.setdefault(os.path.realpath(database), threading.Lock())


@contextlib.contextmanager
def transaction(connection: LockingConnection) -> Iterator[None]:
    """Commit what the body does, or nothing of it."""
    # Whose turn does not come goes ahead all the same: the other may be at a checkpoint, and SQLite knows best.
    mine = connection.write_lock.acquire(timeout=PATIENCE)
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
        if mine:
            connection.write_lock.release()


def _after_fork() -> None:
    """In a forked child: the parent's threads, whose turn it may have been, are not here."""
    global _finding
    _finding = threading.Lock()
    _turns.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
