"""The thread pool for plain functions. It is bounded, counts threads that hang, and does not keep a program from
ending.

A thread cannot be cancelled. When its attempt is abandoned, its late result is discarded, the thread counts as stuck,
and another thread replaces it, up to a bound; beyond the bound calls are rejected instead of waiting silently.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import queue
import threading
import weakref
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import NoThreadFree
from fuseboard_engine.virtual_time import VirtualTimeLoop

log = get_logger("fuseboard.threads")

MAX_THREADS = 32
IDLE_SECONDS = 10.0
STREAMS_PER_THREAD = 8
"""Streams of plain generators that may be open for each thread of the pool; each has a thread of its own."""

Report = Callable[[str, int, int], None]


class _Job:
    """One call in the pool."""

    __slots__ = ("abandoned", "adapter", "args", "context", "function", "future", "loop", "own_thread", "started")

    def __init__(
        self,
        adapter: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        context: contextvars.Context | None = None,
    ) -> None:
        self.adapter = adapter
        self.function = function
        self.args = args
        self.context = contextvars.copy_context() if context is None else context
        self.own_thread = context is not None
        """Whether it runs in the thread of a stream, which is not one of the pool."""
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.started = False
        self.abandoned = False


class ThreadPool:
    """A pool of daemon threads for the plain functions of one engine, for callers in any event loop.

    Args:
        name: part of the threads' names.
        max_threads: calls that may run concurrently. As many threads again may be stuck in abandoned calls.
        report: called with `(adapter, its stuck threads, all stuck threads)` whenever these numbers change.
    """

    def __init__(self, name: str, max_threads: int = MAX_THREADS, report: Report | None = None) -> None:
        if max_threads < 1:
            raise ValueError(f"a pool needs at least one thread, not {max_threads}")
        self.name = name
        self.max_threads = max_threads
        self._report = report
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._work = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._idle = 0
        self._alive = 0
        self._stuck: Counter[str] = Counter()
        self._closed = False
        self._started = 0
        self._of_streams = 0

    def after_fork(self) -> None:
        """Begin without threads in a forked child."""
        self._reset()

    @property
    def stuck(self) -> dict[str, int]:
        """Threads stuck in abandoned calls, by adapter."""
        with self._work:
            return dict(self._stuck)

    @property
    def waiting(self) -> int:
        """Number of calls that wait for a thread."""
        return len(self._jobs)

    async def run(self, adapter: str, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function in a thread, with the caller's context variables, and return its result.

        Raises:
            NoThreadFree: the maximum number of threads is stuck; nothing was called.
            asyncio.CancelledError: the caller was cancelled. If the call had not started, the error's `__cause__` is a
                `NoThreadFree`, so that the adapter is not blamed for it.
        """
        job = _Job(adapter, function, args)
        self._enqueue(job)
        return await self._result(job)

    async def _result(self, job: _Job) -> Any:
        """Wait for a call and return its result; abandon it if the caller is cancelled."""
        loop, adapter = job.loop, job.adapter
        if isinstance(loop, VirtualTimeLoop):
            loop.in_threads += 1
        try:
            return await job.future
        except asyncio.CancelledError as error:
            if not self._abandon(job):
                error.__cause__ = NoThreadFree(
                    f"no thread was free for {adapter}: all {self.max_threads} were busy until its timeout"
                )
            raise
        finally:
            if isinstance(loop, VirtualTimeLoop):
                loop.in_threads -= 1

    def start_stream_thread(self, jobs: queue.SimpleQueue[_Job | None]) -> None:
        """Start a thread that makes the calls of one stream.

        Raises:
            NoThreadFree: the maximum number of threads is stuck, or streams have eight times that number.
        """
        if self._pid != os.getpid():
            self._reset()
        limit = STREAMS_PER_THREAD * self.max_threads
        with self._work:
            self._refuse_if_stuck()
            if self._of_streams >= limit:
                raise NoThreadFree(f"{limit} streams of plain generators are open, each in a thread of its own")
            self._of_streams += 1
            self._started += 1
            name = f"fuseboard-{self.name}-stream_{self._started}"
        threading.Thread(target=self._run_stream, args=(jobs,), name=name, daemon=True).start()

    def close(self) -> None:
        """Let idle threads end, and busy ones when they are done. Does not wait for stuck threads.

        A later call starts new threads.
        """
        with self._work:
            self._closed = True
            self._work.notify_all()

    # ---------------------------------------------------------------- caller side

    def _enqueue(self, job: _Job) -> None:
        if self._pid != os.getpid():
            self._reset()  # a forked child has no threads of its parent
        with self._work:
            self._refuse_if_stuck()
            stuck = self._stuck.total()
            self._closed = False
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._work.notify()
            elif self._alive - stuck < self.max_threads:
                self._start()

    def _refuse_if_stuck(self) -> None:
        stuck = self._stuck.total()
        if stuck >= self.max_threads:
            names = ", ".join(f"{name} ({count})" for name, count in self._stuck.most_common(5))
            raise NoThreadFree(f"{stuck} threads are stuck in abandoned calls: {names}; no more are started")

    def _start(self) -> None:
        self._alive += 1
        self._started += 1
        thread = threading.Thread(target=self._run_jobs, name=f"fuseboard-{self.name}_{self._started}", daemon=True)
        thread.start()

    def _abandon(self, job: _Job) -> bool:
        """Abandon a call. Return whether its function was started; a function that was not started never will be."""
        with self._work:
            if not job.started:
                job.abandoned = True
                if job in self._jobs:
                    self._jobs.remove(job)
                return job.own_thread
            if job.abandoned or job.function is _nothing:
                return True
            job.abandoned = True
            self._stuck[job.adapter] += 1
            self._alive += job.own_thread
            of_adapter, total = self._stuck[job.adapter], self._stuck.total()
            if self._jobs and not self._idle:
                self._start()  # replaces the stuck one
        log.warning(
            "a call of %s was abandoned, but its thread cannot be stopped: %d of at most %d threads are stuck",
            job.adapter,
            total,
            self.max_threads,
        )
        self._report_stuck(job.adapter, of_adapter, total)
        return True

    # ---------------------------------------------------------------- thread side

    def _run_jobs(self) -> None:
        while (job := self._next_job()) is not None:
            self._call(job)
            del job

    def _call(self, job: _Job) -> None:
        result: Any = None
        error: BaseException | None = None
        try:
            result = job.context.run(job.function, *job.args)
        except StopIteration as stop:  # a future cannot hold a StopIteration
            error = RuntimeError("the adapter raised StopIteration")
            error.__cause__ = stop
        except BaseException as raised:
            error = raised
        self._finish(job, result, error)
        del error

    def _run_stream(self, jobs: queue.SimpleQueue[_Job | None]) -> None:
        """Make the calls of one stream in this thread, until there is a None."""
        while (job := jobs.get()) is not None:
            with self._work:
                job.started = not job.abandoned
            if job.started:
                self._call(job)
            del job
        with self._work:
            self._of_streams -= 1

    def _next_job(self) -> _Job | None:
        with self._work:
            while not self._jobs:
                self._idle += 1
                woken = not self._closed and self._work.wait(IDLE_SECONDS)
                self._idle -= 1
                if not self._jobs and (self._closed or not woken):
                    self._alive -= 1
                    return None
            job = self._jobs.popleft()
            job.started = True
            return job

    def _finish(self, job: _Job, result: Any, error: BaseException | None) -> None:
        with self._work:
            late = job.abandoned
            job.function = _nothing
            if late:
                self._stuck[job.adapter] -= 1
                self._alive -= job.own_thread
                of_adapter, total = self._stuck[job.adapter], self._stuck.total()
                if not of_adapter:
                    del self._stuck[job.adapter]
        if late:
            if inspect.iscoroutine(result):
                result.close()
            log.info("an abandoned call of %s has ended; its result is discarded", job.adapter)
            self._report_stuck(job.adapter, of_adapter, total)
            return
        try:
            job.loop.call_soon_threadsafe(_deliver, job.future, result, error)
        except RuntimeError:
            pass  # the loop is closed, so there is no caller to deliver to

    def _report_stuck(self, adapter: str, of_adapter: int, total: int) -> None:
        if self._report is not None:
            self._report(adapter, of_adapter, total)


class AdapterThreads:
    """The pool as one adapter uses it.

    Args:
        pool: the pool.
        adapter: the adapter's name.
    """

    __slots__ = ("_adapter", "_pool")

    def __init__(self, pool: ThreadPool, adapter: str) -> None:
        self._pool = pool
        self._adapter = adapter

    def __call__(self, function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        """Call `function(*args)` in a thread of the pool."""
        return self._pool.run(self._adapter, function, *args)

    def own_thread(self) -> StreamThread:
        """Return a thread for the steps of one stream."""
        return StreamThread(self._pool, self._adapter)


class StreamThread:
    """A thread of its own for the steps of one stream, which all have one context.

    It is started with the first step. It does not count as one of the pool's, so that slow consumers do not keep
    functions from running, but an abandoned step counts as stuck.

    Args:
        pool: the pool that counts it.
        adapter: the adapter's name.
    """

    def __init__(self, pool: ThreadPool, adapter: str) -> None:
        self._pool = pool
        self._adapter = adapter
        self._context = contextvars.copy_context()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._last: _Job | None = None
        self._end: weakref.finalize[[_Job | None], StreamThread] | None = None

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function in the thread and return its result.

        Raises:
            NoThreadFree: the maximum number of threads is stuck or used by streams; nothing was called.
        """
        if self._end is None:
            self._pool.start_stream_thread(self._jobs)
            self._end = weakref.finalize(self, self._jobs.put, None)
            self._end.atexit = False
        job = self._last = _Job(self._adapter, function, args, self._context)
        self._jobs.put(job)
        return await self._pool._result(job)

    async def close(self, function: Callable[[], Any] | None = None) -> None:
        """Call a function in the thread and end it.

        While the thread hangs in an abandoned step, the function is called after that, and nothing waits for it.
        """
        if self._end is None:
            if function is not None:
                function()  # no step was made, so there is nothing to clean up in a thread
            return
        try:
            if function is not None:
                if self._last is not None and self._last.abandoned:
                    self._jobs.put(_Job(self._adapter, function, (), self._context))
                else:
                    await self.run(function)
        finally:
            self._end()


def _deliver(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        if inspect.iscoroutine(result):
            result.close()
    elif error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _nothing() -> None:
    """Replaces a function that was called, so that the thread keeps no reference to it."""
