"""Calling an adapter within a time limit."""

from __future__ import annotations

import asyncio
import functools
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, Final

from fuseboard_engine.errors import AdapterCancelled, AttemptTimeout, LateTimeout, Rejected
from fuseboard_engine.runtime.overdue_calls import OverdueCalls, resumed

AsyncCall = Callable[[Any], Awaitable[Any]]

LOOP_PASSES: Final = 10
"""Passes of the event loop that a call may take to end once its limit has cancelled it; they take no time of their own.

These are enough for a call that only waits for other tasks to end, such as a cancelled `TaskGroup`.
"""

BUSY_LOOP: Final = 0.1
"""Seconds by which a timer must be late to show that the event loop was held up, and with it the answer."""


async def within(call: AsyncCall, task: Any, adapter: str, limit: float | None, overdue: OverdueCalls) -> Any:
    """Call the adapter and wait at most `limit` seconds (None for no limit).

    A call that completes in its first step never waits, so no timer is armed before that step.

    Raises:
        AttemptTimeout: the limit passed. The call was cancelled; if it has not ended, `overdue` watches it.
        LateTimeout: the same, but the event loop was busy when the limit passed.
        AdapterCancelled: the call was cancelled, but not by its caller.
        Rejected: the limit passed before the call started; raised when the cancellation's cause is this error.
        asyncio.CancelledError: the caller was cancelled.
    """
    awaitable = call(task)
    coroutine = awaitable if type(awaitable) is types.CoroutineType else as_coroutine(awaitable)
    try:
        waiting_for = coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    except asyncio.CancelledError as error:  # the caller can be cancelled only while the call waits
        raise AdapterCancelled.by(error, adapter) from error
    return await bounded(coroutine, waiting_for, adapter, limit, overdue)


async def within_context(
    context: Context, coroutine: Coroutine[Any, Any, Any], adapter: str, limit: float | None, overdue: OverdueCalls
) -> Any:
    """Do as `within` for a coroutine whose every step runs in a context of its own, whatever task awaits it."""
    try:
        waiting_for = context.run(coroutine.send, None)
    except StopIteration as stop:
        return stop.value
    except asyncio.CancelledError as error:
        raise AdapterCancelled.by(error, adapter) from error
    return await bounded(InContext(context, coroutine), waiting_for, adapter, limit, overdue)


async def in_context(context: Context, call: Callable[[], Awaitable[Any]]) -> Any:
    """Call and await something whose every step runs in a context of its own."""
    coroutine = as_coroutine(context.run(call))
    try:
        waiting_for = context.run(coroutine.send, None)
    except StopIteration as stop:
        return stop.value
    return await resumed(InContext(context, coroutine), waiting_for)


class InContext(Coroutine[Any, Any, Any]):
    """A coroutine in progress whose every further step runs in a context of its own."""

    __slots__ = ("_context", "_coroutine")

    def __init__(self, context: Context, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._context = context
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        raise TypeError("it has begun; it is continued by `bounded` or `resumed`")

    def send(self, value: Any, /) -> Any:
        return self._context.run(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        return self._context.run(self._coroutine.throw, *error)

    def close(self) -> None:
        self._context.run(self._coroutine.close)


async def as_coroutine(awaitable: Awaitable[Any]) -> Any:
    """Await any awaitable."""
    return await awaitable


class _Limit:
    """The time limit of one call. When it passes, it cancels the caller's task, as `asyncio.timeout` does.

    Attributes:
        task: the caller's task.
        passed: whether the limit has passed.
        late: seconds by which the event loop noticed it late.
        unfinished: whether the call has not ended all the same.
        waiting_for: what an unfinished call waits for.
    """

    __slots__ = ("_before", "_timer", "late", "passed", "task", "unfinished", "waiting_for")

    def __init__(self, task: asyncio.Task[Any], seconds: float) -> None:
        self.task = task
        self._before = task.cancelling()
        self._timer = task.get_loop().call_later(seconds, self._expire)
        self.passed = self.unfinished = False
        self.late = 0.0
        self.waiting_for: Any = None

    def _expire(self) -> None:
        self.passed = True
        self.late = self.task.get_loop().time() - self._timer.when()
        self.task.cancel()

    def has_passed(self) -> bool:
        """Return `passed`; a type checker does not see that it changes while a call waits."""
        return self.passed

    def caller_cancelled(self) -> bool:
        """Return whether the caller's task is being cancelled, regardless of this limit."""
        return self.task.cancelling() - self.passed > self._before

    def end(self) -> None:
        """Disarm the timer, or take back its cancellation."""
        self._timer.cancel()
        if self.passed:
            self.task.uncancel()


@types.coroutine
def bounded(
    coroutine: Coroutine[Any, Any, Any], waiting_for: Any, adapter: str, limit: float | None, overdue: OverdueCalls
) -> Generator[Any, Any, Any]:
    """Continue a call whose first step yielded `waiting_for`, for at most `limit` seconds; raises as `within` does.

    The call stays in the caller's task until it ends or its limit has passed. If it does not end then, although it was
    cancelled, `overdue` continues it.
    """
    task = asyncio.current_task()
    assert task is not None
    if limit is None:
        return (yield from _unlimited(coroutine, waiting_for, adapter, task))
    timer, cause = _Limit(task, limit), None
    caller_cancelled = False
    try:
        result = yield from _until_limit(coroutine, waiting_for, timer)
        if not timer.passed:
            return result
    except (Exception, asyncio.CancelledError) as error:
        if not timer.passed:
            _judge(error, adapter, timer.caller_cancelled())
            raise
        cause = error
    finally:
        caller_cancelled = timer.caller_cancelled()
        timer.end()
        if timer.unfinished:
            overdue.proceed(adapter, coroutine, timer.waiting_for)
        else:
            coroutine.close()
    try:
        if caller_cancelled:
            raise cause if isinstance(cause, asyncio.CancelledError) else asyncio.CancelledError()
        refusal = cause and (cause.__cause__ or getattr(cause.__context__, "__cause__", None))
        if isinstance(refusal, Rejected):
            raise refusal from None
        if timer.late >= BUSY_LOOP:
            raise LateTimeout(adapter, limit, timer.late) from cause
        raise AttemptTimeout(adapter, limit) from cause
    finally:
        del cause  # its traceback leads to this frame


def _unlimited(
    coroutine: Coroutine[Any, Any, Any], waiting_for: Any, adapter: str, task: asyncio.Task[Any]
) -> Generator[Any, Any, Any]:
    before = task.cancelling()
    try:
        return (yield from resumed(coroutine, waiting_for))
    except (Exception, asyncio.CancelledError) as error:
        _judge(error, adapter, task.cancelling() > before)
        raise


def _judge(error: Exception | asyncio.CancelledError, adapter: str, caller_cancelled: bool) -> None:
    """Raise another error if a call passes off its own cancellation as its caller's, or its caller's as a failure.

    `caller_cancelled` alone does not prove the latter: before Python 3.13 a `TaskGroup` may not take back the
    cancellation with which it interrupted the call, and raises an exception group in the place of it.
    """
    if isinstance(error, asyncio.CancelledError):
        if not caller_cancelled:
            raise AdapterCancelled.by(error, adapter) from error
    elif caller_cancelled and _replaces_cancellation(error):
        raise asyncio.CancelledError from error


def _replaces_cancellation(error: BaseException) -> bool:
    """Return whether an error was raised while a cancellation was being handled, and not by a `TaskGroup`."""
    if isinstance(error, BaseExceptionGroup):
        return False
    context = error.__context__
    for _ in range(10):
        if context is None or isinstance(context, asyncio.CancelledError):
            break
        context = context.__context__
    return isinstance(context, asyncio.CancelledError)


def _until_limit(coroutine: Coroutine[Any, Any, Any], waiting_for: Any, timer: _Limit) -> Generator[Any, Any, Any]:
    """Continue a call and return its result, or raise its error. After its limit it may be `unfinished`."""
    apart = False  # whether the call is ending, so that the limit does not disturb what it waits for
    try:
        while not timer.passed:
            try:
                if waiting_for is None or (type(waiting_for) is asyncio.Future and not apart):
                    yield waiting_for
                else:
                    yield from _await_detached(waiting_for, timer, apart)
                    if timer.has_passed():
                        break
            except GeneratorExit:
                raise
            except BaseException as error:
                ending = timer.caller_cancelled()
                if apart and ending and timer.has_passed():
                    break
                apart = ending
                waiting_for = coroutine.throw(error)
            else:
                waiting_for = coroutine.send(None)
        if not (apart and timer.caller_cancelled()):
            waiting_for = yield from _few_passes(coroutine, waiting_for)
    except StopIteration as stop:
        return stop.value
    timer.unfinished, timer.waiting_for = True, waiting_for
    return None


def _await_detached(waiting_for: Any, timer: _Limit, ending: bool) -> Generator[Any, None, None]:
    """Wait for a future of a call without depending on it: a cancelled task or `gather` may take long to end.

    Returns when it is done, or when the limit has passed and it was asked to end. `ending`: a cancellation was passed
    on to the call before; the limit's is not.
    """
    loop = timer.task.get_loop()
    if getattr(waiting_for, "_asyncio_future_blocking", None) is not True or waiting_for.get_loop() is not loop:
        yield waiting_for  # asyncio refuses it
        return
    waiting_for._asyncio_future_blocking = False
    while not waiting_for.done():
        woken: asyncio.Future[None] = loop.create_future()
        wake = functools.partial(_wake, woken)
        waiting_for.add_done_callback(wake)
        try:
            yield from woken
        except asyncio.CancelledError as error:
            waiting_for.remove_done_callback(wake)
            if (ending and timer.passed and timer.caller_cancelled()) or not waiting_for.cancel(*error.args):
                raise
            if timer.passed:
                return


def _wake(woken: asyncio.Future[None], _: object) -> None:
    if not woken.done():
        woken.set_result(None)


def _few_passes(coroutine: Coroutine[Any, Any, Any], waiting_for: Any) -> Generator[None, None, Any]:
    """Give a cancelled call a few passes of the loop to end. Return what it then waits for; raises what ends it."""
    for _ in range(LOOP_PASSES):
        try:
            yield
        except asyncio.CancelledError:
            break  # the caller's
        if waiting_for is None or waiting_for.done():
            waiting_for = coroutine.send(None)
    return waiting_for
