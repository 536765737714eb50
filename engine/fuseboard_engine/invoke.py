"""Calling what an adapter was given as, within a time limit."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Executor
from typing import Any

from fuseboard_engine.errors import AttemptTimeout

AsyncCall = Callable[[Any], Awaitable[Any]]


def as_async(function: Callable[[Any], Any], executor: Callable[[], Executor]) -> AsyncCall:
    """Return `function` as something that can be awaited.

    Async functions, their partials and bound methods, and objects with an async `__call__` are taken as they are. Any
    other callable runs in a thread of `executor()`, with the caller's context variables; if it returns an awaitable,
    that is awaited in the loop.
    """
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    if inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None)):  # noqa: B004
        return function

    def step(task: Any) -> Any:
        try:
            return function(task)
        except StopIteration as error:  # no future can carry one: it would never end
            raise RuntimeError("the adapter raised StopIteration") from error

    async def in_thread(task: Any) -> Any:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(executor(), context.run, step, task)
        return await result if inspect.isawaitable(result) else result

    return in_thread


async def within(call: AsyncCall, task: Any, adapter: str, limit: float | None) -> Any:
    """Call and wait at most `limit` seconds (None: as long as it takes).

    A call that ends without ever waiting needs no timer, so none is armed before its first step.

    Raises:
        AttemptTimeout: the limit passed; the call was cancelled and has ended.
    """
    awaitable = call(task)
    if limit is None:
        return await awaitable
    if type(awaitable) is types.CoroutineType:
        try:
            waiting_for = awaitable.send(None)
        except StopIteration as stop:
            return stop.value
        awaitable = _resume(awaitable, waiting_for)
    timer = asyncio.timeout(limit)
    try:
        async with timer:
            return await awaitable
    except Exception as error:
        if timer.expired():  # whatever the cancelled call made of it
            raise AttemptTimeout(adapter, limit) from error
        raise  # the adapter's own


@types.coroutine
def _resume(coroutine: Coroutine[Any, Any, Any], waiting_for: Any) -> Generator[Any, Any, Any]:
    """Go on with a coroutine whose first step was taken and yielded `waiting_for`."""
    try:
        while True:
            try:
                sent = yield waiting_for
            except GeneratorExit:
                raise
            except BaseException as error:
                waiting_for = coroutine.throw(error)
            else:
                waiting_for = coroutine.send(sent)
    except StopIteration as stop:
        return stop.value
    finally:
        coroutine.close()
