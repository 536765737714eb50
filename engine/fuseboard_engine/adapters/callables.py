"""Callables as adapters: async functions as they are, plain functions in a thread, generators as streams."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from fuseboard_engine.adapters.timeouts import AsyncCall

RunInThread = Callable[..., Awaitable[Any]]
"""Calls `function(*args)` in a thread: `run(function, *args)`."""


class OwnThread(Protocol):
    """A thread for the steps of one stream."""

    def run(self, function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        """Call `function(*args)` in the thread."""

    def close(self, function: Callable[[], Any] | None = None) -> Awaitable[None]:
        """Call `function` in the thread, if there is one, and end the thread."""


class Threads(Protocol):
    """Where plain functions run."""

    def __call__(self, function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        """Call `function(*args)` in any thread."""

    def own_thread(self) -> OwnThread:
        """Return a thread for the steps of one stream."""


StreamCall = Callable[[Any], AsyncIterator[Any]]
"""Takes the task and yields its items, one by one."""

_END = object()


def matches(function: Any, kind: Callable[[object], bool]) -> bool:
    """Return whether an `inspect` predicate holds for a callable, its `__call__`, or the function inside a partial."""
    while isinstance(function, functools.partial):
        function = function.func
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004 - not whether it can be called


def as_async(function: Callable[..., Any], run: RunInThread) -> Callable[..., Awaitable[Any]]:
    """Return `function` as an awaitable callable.

    Async functions, their partials and bound methods, and objects with an async `__call__` are returned unchanged. Any
    other callable runs in a thread; if it returns an awaitable, that is awaited in the loop. A generator function
    returns the list of its items, so that its call ends only when its work is done.
    """
    if matches(function, inspect.iscoroutinefunction):
        return function
    if matches(function, inspect.isasyncgenfunction):

        async def collect(*args: Any) -> list[Any]:
            return await _list(function(*args))

        return collect
    if matches(function, inspect.isgeneratorfunction):
        return functools.partial(run, lambda *args: list(function(*args)))

    async def in_thread(*args: Any) -> Any:
        result = await run(function, *args)
        if inspect.isawaitable(result):
            return await result
        return await _list(result) if inspect.isasyncgen(result) else result

    return in_thread


async def _list(stream: AsyncGenerator[Any, Any]) -> list[Any]:
    try:
        return [item async for item in stream]
    finally:
        await stream.aclose()


def as_stream(function: Callable[[Any], Any], call: AsyncCall, run: Threads) -> StreamCall:
    """Return `function` as a callable that yields items.

    An async generator function is returned unchanged; the steps of a plain generator run in one thread. The result of
    any other callable is streamed if it is an async iterable, and is the only item otherwise.

    Args:
        function: the original callable.
        call: the same callable, as `as_async` returned it.
        run: calls a function in a thread, or gives a stream one of its own.
    """
    if matches(function, inspect.isasyncgenfunction):
        return function
    if matches(function, inspect.isgeneratorfunction):
        return functools.partial(_steps, function, run)
    if matches(function, inspect.iscoroutinefunction):
        return as_stream_of_one(function)
    return as_stream_of_one(functools.partial(run, function))


def as_stream_of_one(call: AsyncCall) -> StreamCall:
    """Return a call as a stream: of its result, or of the result's items if that is an async iterable."""
    return functools.partial(_items, call)


def yields_many(stream: StreamCall) -> bool:
    """Return whether a stream made by `as_stream` may yield several items; its call then returns a list."""
    return not (isinstance(stream, functools.partial) and stream.func is _items)


async def _steps(function: Callable[[Any], Any], threads: Threads, task: Any) -> AsyncGenerator[Any, None]:
    generator, thread = function(task), threads.own_thread()
    close: Callable[[], Any] | None = generator.close
    try:
        while (item := await thread.run(next, generator, _END)) is not _END:
            yield item
        close = None
    finally:
        await thread.close(close)


async def _items(call: AsyncCall, task: Any) -> AsyncGenerator[Any, None]:
    result = await call(task)
    if inspect.isawaitable(result):
        result = await result
    if not hasattr(type(result), "__aiter__"):
        yield result
        return
    close = getattr(result, "aclose", None)
    try:
        async for item in result:
            yield item
    finally:
        if close is not None:
            await close()
