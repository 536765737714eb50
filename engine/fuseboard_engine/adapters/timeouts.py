"""Calling an adapter within a time limit."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from fuseboard_engine.errors import AttemptTimeout, Rejected

AsyncCall = Callable[[Any], Awaitable[Any]]


async def within(call: AsyncCall, task: Any, adapter: str, limit: float | None) -> Any:
    """Call the adapter and wait at most `limit` seconds (None: no limit).

    A call that completes in its first step never waits, so no timer is armed before that step.

    Raises:
        AttemptTimeout: the limit passed; the call was cancelled and has ended.
        Rejected: the limit passed before the call started; raised when the cancellation's cause is this error.
    """
    awaitable = call(task)
    if limit is not None and type(awaitable) is types.CoroutineType:
        try:
            waiting_for = awaitable.send(None)
        except StopIteration as stop:
            return stop.value
        awaitable = resumed(awaitable, waiting_for)
    return await awaited(awaitable, adapter, limit)


async def awaited(awaitable: Awaitable[Any], adapter: str, limit: float | None) -> Any:
    """Await a call that has started, for at most `limit` seconds; raises as `within` does."""
    if limit is None:
        return await awaitable
    timer = asyncio.timeout(limit)
    try:
        async with timer:
            return await awaitable
    except Exception as error:
        if timer.expired():  # no matter what the cancelled call raised
            refusal = getattr(error.__context__, "__cause__", None)
            if isinstance(refusal, Rejected):
                raise refusal from None
            raise AttemptTimeout(adapter, limit) from error
        raise  # the adapter's own error


@types.coroutine
def resumed(coroutine: Coroutine[Any, Any, Any], waiting_for: Any) -> Generator[Any, Any, Any]:
    """Continue a coroutine whose first step yielded `waiting_for`."""
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
