"""The whole engine for threads and sync code: `engine.sync.execute_with_fallback(task)`.

What is awaited runs in the engine's own event loop where that runs in another thread, and else in a private loop in a
thread of its own, started when first needed.
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
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.route import RouteResult
from fuseboard_engine.routing.stream_router import RouteStream

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine

T = TypeVar("T")

PATIENCE = 10.0  # seconds that a cancelled call may take to end before its caller goes on without it


class LoopThread:
    """An event loop in a daemon thread of its own."""

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
            except BaseException:  # an interrupt ends a loop; whoever waits for its task is told of it
                continue
        try:
            self.loop.run_until_complete(_end_all())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()

    def stop(self) -> None:
        """Cancel what is under way, see it end, and end the thread. A second time does nothing."""
        _running.discard(self)
        if self._ending or self.pid != os.getpid():
            return
        self._ending = True
        self.loop.call_soon_threadsafe(self.loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(PATIENCE)


async def _end_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


_running: weakref.WeakSet[LoopThread] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    for thread in list(_running):
        thread.stop()


class SyncStream:
    """The items of one task, for a plain `for`; best inside `with`, so that leaving early ends the stream at once."""

    def __init__(self, sync: SyncEngine, stream: RouteStream) -> None:
        self._sync = sync
        self._stream = stream

    @property
    def result(self) -> RouteResult | None:
        """The route, once it has ended; None before."""
        return self._stream.result

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return self._sync.run(_next(self._stream))
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """Stop reading. Returns when the adapter's stream has ended."""
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
    """A coroutine that runs in a loop while another thread waits for it."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self._task: asyncio.Task[T] | None = None
        self._outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._cancelled = False
        try:
            loop.call_soon_threadsafe(self._begin)
        except RuntimeError:
            coroutine.close()
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
            self._outcome.set_exception(RuntimeError("the engine's loop was closed while this call was under way"))
        elif (error := task.exception()) is not None:
            self._outcome.set_exception(error)
        else:
            self._outcome.set_result(task.result())

    def result(self) -> T:
        """Wait for its end and return its result, or raise what it raised."""
        while not concurrent.futures.wait([self._outcome], timeout=1).done:
            if self._loop.is_closed():
                raise RuntimeError("the engine's loop was closed before this call began")
        return self._outcome.result()

    def cancel(self) -> None:
        """Cancel it if it has not ended, and wait for its end, within reason; a second interrupt ends the waiting."""
        if self._outcome.done():
            return
        try:
            self._loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:
            return
        concurrent.futures.wait([self._outcome], timeout=PATIENCE)

    def _cancel(self) -> None:
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()


class SyncEngine:
    """An engine without `await`: every method of it that is async is here a plain one, and any thread may call it.

    Args:
        engine: whose methods.
    """

    def __init__(self, engine: Engine) -> None:
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
    ) -> RouteResult:
        """Do what `Engine.execute_with_fallback` does, and wait for it.

        Raises:
            RuntimeError: this thread runs an event loop, which must not be held up: `await` the engine's own method.
        """
        self._refuse_in_loop()
        call = self._engine.execute_with_fallback
        return self.run(call(task, preference_order, deadline=deadline, retry=retry, context=context))

    def stream_with_fallback(self, task: Any, *args: Any, **options: Any) -> SyncStream:
        """Do what `Engine.stream_with_fallback` does; the items are read with a plain `for`.

        Args:
            task: as there.
            args: as there.
            options: as there.
        """
        return SyncStream(self, self._engine.stream_with_fallback(task, *args, **options))

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the engine; of an async method, its plain form."""
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

        It has this thread's context variables. An interrupt (Ctrl-C) cancels it, waits for its end, and goes on.

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
            return call.result()
        except BaseException:
            call.cancel()
            raise

    def close(self) -> None:
        """Close the engine, and end the private loop. A later call starts another."""
        self.run(self._engine.close())
        self.stop()

    async def leave(self) -> None:
        """End the private loop from another one; does nothing inside it."""
        own = self._own
        if own is not None and own.loop is not asyncio.get_running_loop():
            await asyncio.to_thread(self.stop)

    def stop(self) -> None:
        """End the private loop, if there is one; calls under way in it are cancelled."""
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
            "engine.sync was called in a thread that runs an event loop, and would hold it up; "
            "await the engine's own method there, or call engine.sync in another thread (asyncio.to_thread)"
        )

    def home(self) -> asyncio.AbstractEventLoop:
        """Return the loop that calls run in, started if need be."""
        with self._lock:
            started = self._engine.resources.loop
            if started is not None and started.is_running():
                return started
            own = self._own
            if own is not None and own.pid == os.getpid():  # a forked child has no thread of its parent's
                return own.loop
            self._own = LoopThread(self._name)
            weakref.finalize(self, self._own.stop)
            return self._own.loop
