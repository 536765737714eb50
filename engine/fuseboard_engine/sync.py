"""The engine for threads and code without `await`: `engine.sync.execute_with_fallback(task)`.

Coroutines run in the engine's event loop if that runs in another thread; otherwise in a private loop in a thread of its
own, started when it is first needed.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import functools
import inspect
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from fuseboard_engine.adapters.shared_resources import SharedResources
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.route import RouteResult
from fuseboard_engine.routing.stream_router import RouteStream
from fuseboard_engine.runtime.cancellation import call_in_loop

T = TypeVar("T")

STOP_TIMEOUT = 10.0
"""Seconds that a thread waits for work it stops in another thread's loop."""

CANCEL_TIMEOUT = 10.0
"""Seconds that a cancelled call may take to end before its caller continues without it."""


class AsyncEngine(Protocol):
    """What `SyncEngine` needs of an engine; `fuseboard_engine.Engine` offers it. Other attributes are passed on."""

    @property
    def name(self) -> str:
        """The engine's name."""

    @property
    def resources(self) -> SharedResources:
        """Its resources know the loop that the engine was started in."""

    def execute_with_fallback(
        self,
        task: Any,
        preference_order: Iterable[str] | None = None,
        *,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
        context: Mapping[str, str] | None = None,
        max_retries: int | None = None,
        retry_delay_base: float | None = None,
        max_adapters: int | None = None,
        max_attempts: int | None = None,
    ) -> Coroutine[Any, Any, RouteResult]:
        """Route a task."""

    def stream_with_fallback(
        self,
        task: Any,
        preference_order: Iterable[str] | None = None,
        *,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
        restartable: bool | None = None,
        context: Mapping[str, str] | None = None,
    ) -> RouteStream:
        """Route a task whose adapter streams its items."""

    def start(self) -> Coroutine[Any, Any, object]:
        """Start the engine."""

    def close(self) -> Coroutine[Any, Any, None]:
        """Close the engine."""


class LoopThread:
    """An event loop in its own daemon thread."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.pid = os.getpid()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        _running.add(self)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        while not self._ending:
            try:
                self.loop.run_forever()
            except BaseException:  # an interrupt ends the loop; the caller of its task receives it
                continue
        try:
            self.loop.run_until_complete(_cancel_all())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()

    def stop(self) -> None:
        """Cancel all tasks, wait for their end, and end the thread. A second call does nothing."""
        _running.discard(self)
        if self._ending or self.pid != os.getpid():
            return
        self._ending = True
        call_in_loop(self.loop, self.loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(CANCEL_TIMEOUT)


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


_running: weakref.WeakSet[LoopThread] = weakref.WeakSet()
_of_parents: list[LoopThread | None] = []


@atexit.register
def _stop_all() -> None:
    for thread in list(_running):
        thread.stop()


class SyncStream:
    """The items of one task, for a plain `for`. Use it in `with`, so that leaving early ends the stream at once."""

    def __init__(self, sync: SyncEngine, stream: RouteStream) -> None:
        self._sync = sync
        self._stream = stream

    @property
    def result(self) -> RouteResult | None:
        """The route once it has ended; None before."""
        return self._stream.result

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return self._sync.run(_next(self._stream))
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """Stop reading. Return when the adapter's stream has ended."""
        self._sync.run(self._stream.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _next(stream: RouteStream) -> Any:
    return await anext(stream)


class _Call(Generic[T]):
    """A coroutine that runs in a loop while another thread waits for its result."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self._task: asyncio.Task[T] | None = None
        self._outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._started = False
        self._cancelled = False

    def start(self) -> None:
        """Start the coroutine. Once it runs, only `cancel` ends it, whatever interrupts the caller."""
        self._started = True
        try:
            self._loop.call_soon_threadsafe(self._begin)
        except RuntimeError:
            self._coroutine.close()
            raise

    def _begin(self) -> None:
        if self._cancelled:
            self._coroutine.close()
            self._outcome.set_exception(asyncio.CancelledError())
            return
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(self._settle)

    def _settle(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            asked = "the engine shut down, or its loop was closed while this call was running"
            self._outcome.set_exception(
                RuntimeError(asked if task.cancelling() else "this call cancelled its own work")
            )
        elif (error := task.exception()) is not None:
            self._outcome.set_exception(error)
        else:
            self._outcome.set_result(task.result())

    def result(self) -> T:
        """Wait for the coroutine, and return its result or raise its error."""
        while not concurrent.futures.wait([self._outcome], timeout=1).done:
            if self._loop.is_closed():
                raise RuntimeError("the engine's loop was closed before this call began")
        return self._outcome.result()

    def cancel(self) -> None:
        """Cancel the coroutine if it runs, and wait at most ten seconds for its end; an interrupt ends the wait."""
        if self._outcome.done():
            return
        if not self._started:
            self._coroutine.close()
            return
        try:
            self._loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:
            return
        concurrent.futures.wait([self._outcome], timeout=CANCEL_TIMEOUT)

    def _cancel(self) -> None:
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()


class SyncEngine:
    """An engine without `await`: its async methods are plain ones here, and any thread may call them.

    Args:
        engine: the engine.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._name = f"fuseboard-{engine.name}-loop"
        self._lock = threading.Lock()
        self._own: LoopThread | None = None

    def execute_with_fallback(
        self,
        task: Any,
        preference_order: Iterable[str] | None = None,
        *,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
        context: Mapping[str, str] | None = None,
        max_retries: int | None = None,
        retry_delay_base: float | None = None,
        max_adapters: int | None = None,
        max_attempts: int | None = None,
    ) -> RouteResult:
        """Call `Engine.execute_with_fallback` and wait for its result.

        Raises:
            RuntimeError: this thread runs an event loop, which must not be blocked; `await` the engine's own method.
        """
        self._refuse_in_loop()
        call = self._engine.execute_with_fallback
        return self.run(
            call(
                task,
                preference_order,
                deadline=deadline,
                retry=retry,
                context=context,
                max_retries=max_retries,
                retry_delay_base=retry_delay_base,
                max_adapters=max_adapters,
                max_attempts=max_attempts,
            )
        )

    def stream_with_fallback(self, task: Any, *args: Any, **options: Any) -> SyncStream:
        """Call `Engine.stream_with_fallback`, with the same arguments; read the items with a plain `for`."""
        return SyncStream(self, self._engine.stream_with_fallback(task, *args, **options))

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the engine; an async method as a plain one."""
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._engine, name)
        if not inspect.iscoroutinefunction(found):
            return found

        @functools.wraps(found)
        def plain(*args: Any, **options: Any) -> Any:
            self._refuse_in_loop()
            return self.run(found(*args, **options))

        return plain

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the engine's loop and return its result.

        It has this thread's context variables. An interrupt (Ctrl-C) cancels it, waits for its end, and propagates.

        Raises:
            RuntimeError: this thread runs an event loop.
        """
        try:
            self._refuse_in_loop()
        except RuntimeError:
            coroutine.close()
            raise
        call = _Call(coroutine, self.home())
        try:
            call.start()
            return call.result()
        except BaseException:
            call.cancel()
            raise

    def after_fork(self) -> None:
        """Begin without a private loop in a forked child."""
        _of_parents.append(self._own)  # collecting it would close a selector that the parent uses
        self._lock, self._own = threading.Lock(), None

    def close(self) -> None:
        """Close the engine and end the private loop. A later call starts another one."""
        self.run(self._engine.close())
        self.stop()

    async def leave(self) -> None:
        """End the private loop from another loop; do nothing inside it."""
        own = self._own
        if own is not None and own.loop is not asyncio.get_running_loop():
            await asyncio.to_thread(self.stop)

    def stop(self) -> None:
        """End the private loop, if there is one; calls running in it are cancelled."""
        with self._lock:
            own, self._own = self._own, None
        if own is not None:
            own.stop()

    def __enter__(self) -> Self:
        self.run(self._engine.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _refuse_in_loop(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        raise RuntimeError(
            "engine.sync was called in a thread that runs an event loop, and would block it; "
            "await the engine's own method there, or call engine.sync in another thread (asyncio.to_thread)"
        )

    def home(self) -> asyncio.AbstractEventLoop:
        """Return the loop that calls run in; start it if necessary."""
        with self._lock:
            started = self._engine.resources.loop
            if started is not None and started.is_running():
                return started
            own = self._own
            if own is not None and own.pid == os.getpid():  # a forked child does not have its parent's threads
                return own.loop
            self._own = LoopThread(self._name)
            weakref.finalize(self, self._own.stop)
            return self._own.loop


def stop_in_loop(loop: asyncio.AbstractEventLoop | None, stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `stop` in a loop of another thread and wait for its end; do nothing if that loop is not running."""
    if loop is None or not loop.is_running() or asyncio._get_running_loop() is loop:
        return
    stopping = stop()
    try:
        ended = asyncio.run_coroutine_threadsafe(stopping, loop)
    except RuntimeError:  # the loop was closed meanwhile, which ended all that ran in it
        stopping.close()
        return
    concurrent.futures.wait([ended], timeout=STOP_TIMEOUT)
