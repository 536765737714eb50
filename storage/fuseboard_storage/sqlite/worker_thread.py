"""A thread that runs the jobs it is given, one after another."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Final, TypeVar

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.virtual_time import stop_time_until

T = TypeVar("T")
Job = Callable[[], None]
"""A job must not block. What it raises is logged."""

log = get_logger("fuseboard.recorder")

AT_EXIT: Final = 5.0
"""Seconds that the interpreter's exit waits for a thread, which may wait for a disk."""


class ThreadEnded(RuntimeError):
    """The thread accepts no further jobs."""


class WorkerThread:
    """Runs jobs in the order of their submission. The first one starts the thread.

    An executor does the same, but takes twice as long from submitting a job to its answer.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._end: weakref.finalize[..., WorkerThread] | None = None
        self._closed = False

    @property
    def started(self) -> bool:
        """Whether a job was submitted."""
        return self._end is not None

    @property
    def closed(self) -> bool:
        """Whether it accepts no further jobs."""
        return self._closed

    def submit(self, job: Job) -> None:
        """Queue a job.

        Raises:
            ThreadEnded: The thread was shut down.
        """
        with self._lock:
            if self._closed:
                raise ThreadEnded(f"the thread {self._name} was shut down")
            if self._end is None:
                thread = threading.Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True)
                thread.start()
                # The finalizer runs when this object is collected, and at the interpreter's exit at the latest.
                self._end = weakref.finalize(self, _finish, self._jobs, thread)
            self._jobs.put(job)

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in the thread, and return its result. A caller that is cancelled before it begins prevents it.

        Raises:
            ThreadEnded: The thread was shut down.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            if answer.done():  # the caller was cancelled
                return
            settle: Callable[[], None]
            try:
                settle = partial(answer.set_result, work())
            except BaseException as error:
                settle = partial(answer.set_exception, error)
            with contextlib.suppress(RuntimeError):  # that loop is closed, so nothing waits there
                loop.call_soon_threadsafe(_unless_done, answer, settle)

        self.submit(job)
        stop_time_until(answer)
        return await answer

    def end_later(self) -> None:
        """Run the jobs that are queued, then end the thread. Returns at once; the interpreter's exit waits for it."""
        with self._lock:
            self._closed = True
            if self._end is not None:
                _ending.add(self)
                self._jobs.put(partial(_ending.discard, self))
                self._jobs.put(None)

    def shut_down(self, timeout: float = AT_EXIT) -> bool:
        """Run the jobs that are queued, then end the thread. A second call does nothing.

        Returns:
            Whether the thread ended within `timeout` seconds. Otherwise it ends later, or with the process.
        """
        with self._lock:
            self._closed = True
        ends = None if self._end is None else self._end.detach()
        if ends is None:
            return True
        _, _, (jobs, thread), _ = ends
        _finish(jobs, thread, timeout)
        return not thread.is_alive()


_ending: set[WorkerThread] = set()
"""The threads that end after their last jobs. An object that is collected would wait for its thread."""


def _unless_done(answer: asyncio.Future[T], settle: Callable[[], None]) -> None:
    if not answer.done():
        settle()


def _work(jobs: SimpleQueue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        try:
            job()
        except BaseException:  # the jobs that follow have waiters too
            log.exception("A job of the thread %s failed; the thread continues.", threading.current_thread().name)
        del job  # release what it refers to before the next job arrives


def _finish(jobs: SimpleQueue[Job | None], thread: threading.Thread, timeout: float | None = None) -> None:
    jobs.put(None)
    if thread is not threading.current_thread():
        thread.join(AT_EXIT if timeout is None else timeout)
