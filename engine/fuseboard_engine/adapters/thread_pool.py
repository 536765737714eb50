"""The threads that plain functions run in: bounded, honest about those that hang, no obstacle when a program ends.

A thread cannot be cancelled. When its attempt is given up, its late result is dropped, the thread counts as stuck,
and another takes its place, up to a bound; beyond that, calls are refused instead of waiting in silence.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import os
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from fuseboard_engine.errors import NoThreadFree
from fuseboard_engine.virtual_time import VirtualTimeLoop

log = logging.getLogger("fuseboard.threads")

MAX_THREADS = 32
IDLE_SECONDS = 10.0

Report = Callable[[str, int, int], None]


class _Job:
    """One call on its way through the pool."""

    __slots__ = ("adapter", "args", "context", "function", "future", "given_up", "loop", "started")

    def __init__(self, adapter: str, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.adapter = adapter
        self.function = function
        self.args = args
        self.context = contextvars.copy_context()
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.started = False
        self.given_up = False


class ThreadPool:
    """A pool of daemon threads for the plain functions of one engine, for callers in any event loop.

    Args:
        name: stands in the threads' names.
        max_threads: calls that may run side by side. As many threads again may be stuck in calls that were given up.
        report: told `(adapter, stuck threads of it, stuck threads of all)` whenever these figures change.
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
        self._made = 0

    @property
    def stuck(self) -> dict[str, int]:
        """Threads that hang in calls which were given up, by adapter."""
        with self._work:
            return dict(self._stuck)

    @property
    def waiting(self) -> int:
        """Calls that wait for a thread."""
        return len(self._jobs)

    async def run(self, adapter: str, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function in a thread, with the caller's context variables, and return what it returns.

        Raises:
            NoThreadFree: as many threads as may be are stuck; nothing was called.
            asyncio.CancelledError: the caller gave up. Where the call had not even begun, the error's `__cause__` is
                a `NoThreadFree`, so that nobody blames the adapter for it.
        """
        job = _Job(adapter, function, args)
        self._put(job)
        loop = job.loop
        if isinstance(loop, VirtualTimeLoop):
            loop.in_threads += 1
        try:
            return await job.future
        except asyncio.CancelledError as error:
            if not self._give_up(job):
                error.__cause__ = NoThreadFree(
                    f"no thread was free for {adapter}: all {self.max_threads} were busy until its time was over"
                )
            raise
        finally:
            if isinstance(loop, VirtualTimeLoop):
                loop.in_threads -= 1

    def close(self) -> None:
        """Let idle threads go, and the others when they are done. Nobody waits for one that hangs.

        A later call starts anew.
        """
        with self._work:
            self._closed = True
            self._work.notify_all()

    # ---------------------------------------------------------------- the caller's side

    def _put(self, job: _Job) -> None:
        if self._pid != os.getpid():
            self._reset()  # a forked child has none of its parent's threads
        with self._work:
            stuck = self._stuck.total()
            if stuck >= self.max_threads:
                told = ", ".join(f"{name} ({count})" for name, count in self._stuck.most_common(5))
                raise NoThreadFree(f"{stuck} threads hang in calls that were given up: {told}; no more are started")
            self._closed = False
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._work.notify()
            elif self._alive - stuck < self.max_threads:
                self._start()

    def _start(self) -> None:
        self._alive += 1
        self._made += 1
        thread = threading.Thread(target=self._work_on, name=f"fuseboard-{self.name}_{self._made}", daemon=True)
        thread.start()

    def _give_up(self, job: _Job) -> bool:
        """Forget a call. True: its thread runs, or ran; False: it had not begun, and never will."""
        with self._work:
            if not job.started:
                job.given_up = True
                if job in self._jobs:
                    self._jobs.remove(job)
                return False
            if job.given_up or job.function is _nothing:
                return True
            job.given_up = True
            self._stuck[job.adapter] += 1
            of_it, of_all = self._stuck[job.adapter], self._stuck.total()
            if self._jobs and not self._idle:
                self._start()  # in the place of the one that hangs
        log.warning(
            "a call of %s was given up, but its thread cannot be stopped: %d of at most %d hang",
            job.adapter,
            of_all,
            self.max_threads,
        )
        self._tell(job.adapter, of_it, of_all)
        return True

    # ---------------------------------------------------------------- a thread's side

    def _work_on(self) -> None:
        while (job := self._take()) is not None:
            result: Any = None
            error: BaseException | None = None
            try:
                result = job.context.run(job.function, *job.args)
            except StopIteration as stop:  # no future can carry one: it would never end
                error = RuntimeError("the adapter raised StopIteration")
                error.__cause__ = stop
            except BaseException as raised:
                error = raised
            self._done(job, result, error)
            del job, result, error

    def _take(self) -> _Job | None:
        with self._work:
            while not self._jobs:
                self._idle += 1
                told = not self._closed and self._work.wait(IDLE_SECONDS)
                self._idle -= 1
                if not self._jobs and (self._closed or not told):
                    self._alive -= 1
                    return None
            job = self._jobs.popleft()
            job.started = True
            return job

    def _done(self, job: _Job, result: Any, error: BaseException | None) -> None:
        with self._work:
            late = job.given_up
            job.function = _nothing
            if late:
                self._stuck[job.adapter] -= 1
                of_it, of_all = self._stuck[job.adapter], self._stuck.total()
                if not of_it:
                    del self._stuck[job.adapter]
        if late:
            if inspect.iscoroutine(result):
                result.close()
            log.info("a call of %s that was given up has ended after all; what it brought is dropped", job.adapter)
            self._tell(job.adapter, of_it, of_all)
            return
        try:
            job.loop.call_soon_threadsafe(_deliver, job.future, result, error)
        except RuntimeError:
            pass  # the loop is closed: nobody is there to hear of it

    def _tell(self, adapter: str, of_it: int, of_all: int) -> None:
        if self._report is not None:
            self._report(adapter, of_it, of_all)


def _deliver(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        if inspect.iscoroutine(result):
            result.close()
    elif error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _nothing() -> None:
    """Stands in the place of a function that was called: the thread keeps nothing of it."""
