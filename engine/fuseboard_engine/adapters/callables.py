"""Callables as adapters: async ones as they are, plain ones in a thread, generators as streams."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from fuseboard_engine.adapters.timeouts import AsyncCall

RunInThread = Callable[..., Awaitable[Any]]
"""Calls `function(*args)` in a thread: `run(function, *args)`."""

StreamCall = Callable[[Any], AsyncIterator[Any]]
"""Takes the task and returns its items, one by one."""

_END = object()


def kind_of(function: Any, kind: Callable[[object], bool]) -> bool:
    """Ask `inspect` about a callable; about the `__call__` of an object; about what a partial calls."""
    while isinstance(function, functools.partial):
        function = function.func
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004 - not whether it can be called


def as_async(function: Callable[..., Any], run: RunInThread) -> Callable[..., Awaitable[Any]]:
    """Return `function` as something that can be awaited.

    Async functions, their partials and bound methods, and objects with an async `__call__` are taken as they are. Any
    other callable runs in a thread; if it returns an awaitable, that is awaited in the loop. A function that makes a
    stream answers with the list of its items: it has not done its work before its end.
    """
    if kind_of(function, inspect.iscoroutinefunction):
        return function
    if kind_of(function, inspect.isasyncgenfunction):

        async def gathered(*args: Any) -> list[Any]:
            return await _list(function(*args))

        return gathered
    if kind_of(function, inspect.isgeneratorfunction):
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


def as_stream(function: Callable[[Any], Any], call: AsyncCall, run: RunInThread) -> StreamCall:
    """Return `function` as something that gives items.

    An async generator function is one already; the steps of a plain one are made in threads. What any other callable
    returns is a stream if it can be read as one, and else the only item.

    Args:
        function: as it was given.
        call: the same, as `as_async` returned it.
        run: calls a function in a thread.
    """
    if kind_of(function, inspect.isasyncgenfunction):
        return function
    if kind_of(function, inspect.isgeneratorfunction):
        return functools.partial(_steps, function, run)
    if kind_of(function, inspect.iscoroutinefunction):
        return functools.partial(_items, function)
    return functools.partial(_items, functools.partial(run, function))


def yields_many(stream: StreamCall) -> bool:
    """Say whether a stream that `as_stream` made may give more than one result: its call then answers with a list."""
    return not (isinstance(stream, functools.partial) and stream.func is _items)


async def _steps(function: Callable[[Any], Any], run: RunInThread, task: Any) -> AsyncGenerator[Any, None]:
    generator = function(task)
    ended = False
    try:
        while (item := await run(next, generator, _END)) is not _END:
            yield item
        ended = True
    finally:
        if not ended:
            try:
                await run(generator.close)
            except ValueError:
                pass  # its thread hangs in a step that was given up; nobody can close it


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
