"""Closes this process's connections before it forks, and keeps its threads out of SQLite meanwhile.

SQLite must not be carried across a fork. A child that opens a file which its parent had open takes over the parent's
notes about locks: it may wait for ever for a transaction of the parent, and it does not hold the lock that keeps other
processes from deleting the WAL. So every thread works on a file inside a gate, and a fork closes all gates and
connections first. The threads open their files again at their next use.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

TIMEOUT: Final = 6.0
"""Seconds that a fork waits at most for work in progress: longer than SQLite waits for a locked file."""


class ForkGate:
    """The gate of the threads that use one connection. A context manager around each piece of work.

    Args:
        close: A method that closes the connection, called by a forking thread while no work is in progress.
    """

    def __init__(self, close: Callable[[], Any]) -> None:
        self._close = weakref.WeakMethod(close)
        self._lock = threading.Lock()
        self._owner = 0
        _gates.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()
        self._owner = threading.get_ident()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owner = 0
        self._lock.release()

    def shut(self, timeout: float) -> bool:
        """Close the connection once no work is in progress. Return False if there is some for longer than `timeout`."""
        if self._owner == threading.get_ident() or not self._lock.acquire(timeout=max(timeout, 0.0)):
            return False
        if (close := self._close()) is not None:
            close()
        return True

    def open(self) -> None:
        """Admit work again."""
        self._lock.release()


_gates: weakref.WeakSet[ForkGate] = weakref.WeakSet()
_closed_gates: list[ForkGate] = []
_clean = True


def forked_cleanly() -> bool:
    """Return whether no connection was in use when this process was forked. False: it must not use SQLite."""
    return _clean


def _before_fork() -> None:
    global _clean
    deadline = time.monotonic() + TIMEOUT
    for gate in list(_gates):
        if gate.shut(deadline - time.monotonic()):
            _closed_gates.append(gate)
        else:
            _clean = False


def _after_fork_in_parent() -> None:
    global _clean
    _clean = True
    _open_all()


def _open_all() -> None:
    while _closed_gates:
        _closed_gates.pop().open()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_open_all)
