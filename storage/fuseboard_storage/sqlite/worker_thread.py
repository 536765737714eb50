"""A thread that does what it is handed, one job after another."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], None]
"""Raises nothing, and waits for nobody."""


class WorkerThread:
    """Does jobs in the order in which they were handed in. The first one starts the thread.

    An executor does that too, but takes twice as long from being handed a job to having it done and answered.

    Args:
        name: the thread's.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._guard = threading.Lock()
        self._end: weakref.finalize[[SimpleQueue[Job | None], threading.Thread], WorkerThread] | None = None
        self._closed = False

    def submit(self, job: Job) -> None:
        """Have a job done.

        Raises:
            RuntimeError: the thread was shut down.
        """
        with self._guard:
            if self._closed:
                raise RuntimeError(f"the thread {self._name} was shut down")
            if self._end is None:
                thread = threading.Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True)
                thread.start()
                self._end = weakref.finalize(
                    self, _finish, self._jobs, thread
                )  # at the interpreter's end at the latest
            self._jobs.put(job)

    def shut(self) -> None:
        """End the thread, once all that was handed in is done; a second time does nothing."""
        with self._guard:
            self._closed = True
        if self._end is not None:
            self._end()


def _work(jobs: SimpleQueue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # what it refers to is not to live until the next one comes


def _finish(jobs: SimpleQueue[Job | None], thread: threading.Thread) -> None:
    jobs.put(None)
    if thread is not threading.current_thread():
        thread.join()
