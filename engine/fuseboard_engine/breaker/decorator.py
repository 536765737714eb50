"""The `guard` decorator: a breaker around one function, without an engine or a router."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from types import AsyncGeneratorType
from typing import Any, ParamSpec, TypeVar, cast

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.permit import Permit
from fuseboard_engine.errors import describe_raw
from fuseboard_engine.runtime.cancellation import is_own_cancellation

P = ParamSpec("P")
R = TypeVar("R")
ASYNC_JUDGE = "failed must be a plain function: an async one would make every result a failure"

Kinds = tuple[type[BaseException], ...]


def guard(
    breaker: CircuitBreaker,
    *,
    record: Kinds | None = None,
    ignore: Kinds = (),
    failed: Callable[[Any], bool] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that has `breaker` admit and record each call of a function.

    Functions, generators, their async kinds, and any callable that behaves like one of them (a partial, a bound
    method, an object with an async `__call__`, a lambda that returns a coroutine) keep their kind. The function's own
    errors and results reach the caller unchanged; a `CancelledError` of its own is a failure. A generator is one call
    from its first item to its end; a consumer that stops early, or throws an error into it, does not count as a failure
    of the adapter.

    Args:
        breaker: admits the calls and records their outcomes.
        record: the errors that count as failures; None for every `Exception`. An error that is not listed counts as a
            success.
        ignore: errors that say nothing about the adapter; they take precedence over `record`.
        failed: returns whether a returned value is a failure; not called for generators. An error it raises itself
            reaches the caller and says nothing about the adapter.

    Raises:
        TypeError: `failed` is async; its answer would have to be awaited.
        CircuitOpen: by the guarded function, when the breaker refuses the call.
    """
    if failed is not None and _has_kind(inspect.iscoroutinefunction, failed):
        raise TypeError(ASYNC_JUDGE)
    recorder = _OutcomeRecorder(record, ignore, failed)
    default = record is None and not ignore and failed is None

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if _has_kind(inspect.isasyncgenfunction, function):
            wrapper: Any = _stream(breaker, recorder, cast("Any", function))
        elif _has_kind(inspect.iscoroutinefunction, function):
            called = cast("Callable[..., Awaitable[Any]]", function)
            wrapper = _default_async(breaker, called) if default else _filtered_async(breaker, recorder, called)
        elif _has_kind(inspect.isgeneratorfunction, function):
            wrapper = _generator(breaker, recorder, cast("Any", function))
        else:
            wrapper = _sync(breaker, recorder, function, default)
        return cast("Callable[P, R]", functools.wraps(function)(wrapper))

    return decorate


def _has_kind(test: Callable[[object], bool], function: object) -> bool:
    """Return whether a callable, or the `__call__` of a callable object, passes a test of `inspect`."""
    while isinstance(function, functools.partial):
        function = function.func
    return test(function) or test(type(function).__call__)


def _discard(awaitable: object) -> None:
    if inspect.iscoroutine(awaitable):
        awaitable.close()


class _OutcomeRecorder:
    """Reports an error or a returned value to a permit, by the rules given to `guard`."""

    __slots__ = ("failed", "ignore", "record")

    def __init__(self, record: Kinds | None, ignore: Kinds, failed: Callable[[Any], bool] | None) -> None:
        self.record = record
        self.ignore = ignore
        self.failed = failed

    def record_error(self, permit: Permit, error: BaseException) -> None:
        if isinstance(error, self.ignore):
            permit.ignored()
        elif not isinstance(error, Exception) and not is_own_cancellation(error):
            permit.release()
        elif self.record is None or isinstance(error, self.record):
            permit.failure(error=describe_raw(error))
        else:
            permit.success()

    def record_value(self, permit: Permit, value: object) -> None:
        try:
            failed: object = self.failed is not None and self.failed(value)
            if failed and inspect.isawaitable(failed):
                _discard(failed)
                raise TypeError(ASYNC_JUDGE)
        except BaseException:
            permit.ignored()
            raise
        if failed:
            permit.failure("result")
        else:
            permit.success()


def _default_async(breaker: CircuitBreaker, function: Callable[..., Awaitable[R]]) -> Callable[..., Awaitable[R]]:
    """Guard an async function of which every `Exception` counts. Uses the breaker's lock-free fast path."""
    fast = breaker.fast_path

    async def guarded(*args: Any, **kwargs: Any) -> R:
        window = fast.window
        if window is None:
            with breaker.admit():
                return await function(*args, **kwargs)
        try:
            result = await function(*args, **kwargs)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, Exception) or is_own_cancellation(error):
                Permit(breaker, window.generation, 0.0).failure(error=describe_raw(error))
            raise
        if fast.window is window and not fast.failures:
            window.tick()
        else:
            Permit(breaker, window.generation, 0.0).success()
        return result

    return guarded


def _filtered_async(
    breaker: CircuitBreaker, recorder: _OutcomeRecorder, function: Callable[..., Awaitable[R]]
) -> Callable[..., Awaitable[R]]:
    async def guarded(*args: Any, **kwargs: Any) -> R:
        permit = breaker.admit()
        return await _await(recorder, permit, function(*args, **kwargs))

    return guarded


async def _await(recorder: _OutcomeRecorder, permit: Permit, awaitable: Awaitable[R]) -> R:
    try:
        result = await awaitable
    except BaseException as error:
        recorder.record_error(permit, error)
        raise
    recorder.record_value(permit, result)
    return result


def _sync(
    breaker: CircuitBreaker, recorder: _OutcomeRecorder, function: Callable[..., Any], default: bool
) -> Callable[..., Any]:
    """Guard a plain function. Where every `Exception` counts (`default`), uses the fast path as `_default_async`."""
    fast = breaker.fast_path
    plain_type: type = type(None)  # of the last result that was not awaitable

    def guarded(*args: Any, **kwargs: Any) -> Any:
        nonlocal plain_type
        window = fast.window if default else None
        if window is None:
            return _call(breaker, recorder, breaker.admit(), function, args, kwargs)
        try:
            result = function(*args, **kwargs)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, Exception) or is_own_cancellation(error):
                Permit(breaker, window.generation, 0.0).failure(error=describe_raw(error))
            raise
        kind = type(result)
        if kind is not plain_type:  # looking for `__await__` each time would double the cost
            if _is_awaitable(kind):
                return _guard_result(breaker, recorder, Permit(breaker, window.generation, 0.0), result)
            plain_type = kind
        if fast.window is window and not fast.failures:
            window.tick()
        else:
            Permit(breaker, window.generation, 0.0).success()
        return result

    return guarded


def _call(
    breaker: CircuitBreaker,
    recorder: _OutcomeRecorder,
    permit: Permit,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    try:
        result = function(*args, **kwargs)
    except BaseException as error:
        recorder.record_error(permit, error)
        raise
    if _is_awaitable(type(result)):
        return _guard_result(breaker, recorder, permit, result)
    recorder.record_value(permit, result)
    return result


def _is_awaitable(kind: type) -> bool:
    return kind is AsyncGeneratorType or hasattr(kind, "__await__")


def _guard_result(breaker: CircuitBreaker, recorder: _OutcomeRecorder, permit: Permit, result: Any) -> Any:
    """Guard an awaitable or an async generator that a plain function returned."""
    if type(result) is AsyncGeneratorType:
        permit.release()  # nothing has started; reading the first item asks for another permit
        return _stream(breaker, recorder, lambda: result)()
    return _await(recorder, permit, result)


def _generator(
    breaker: CircuitBreaker, recorder: _OutcomeRecorder, function: Callable[..., Generator[Any, Any, Any]]
) -> Callable[..., Generator[Any, Any, Any]]:
    def guarded(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        stream = function(*args, **kwargs)
        permit = breaker.admit()
        thrown: BaseException | None = None
        try:
            step = stream.send
            given: Any = None
            while True:
                item = step(given)
                try:
                    step, given = stream.send, (yield item)
                except GeneratorExit:
                    raise
                except BaseException as error:
                    thrown, step, given = error, stream.throw, error
        except StopIteration as end:
            permit.success()
            return end.value
        except BaseException as error:
            _record_stream_error(recorder, permit, error, thrown)
            raise
        finally:
            thrown = given = None  # avoid a cycle through the error's traceback
            stream.close()

    return guarded


def _stream(
    breaker: CircuitBreaker, recorder: _OutcomeRecorder, function: Callable[..., AsyncGenerator[Any, Any]]
) -> Callable[..., AsyncGenerator[Any, Any]]:
    async def guarded(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        stream = function(*args, **kwargs)
        permit = breaker.admit()
        thrown: BaseException | None = None
        try:
            step: Callable[[Any], Awaitable[Any]] = stream.asend
            given: Any = None
            while True:
                item = await step(given)
                try:
                    step, given = stream.asend, (yield item)
                except GeneratorExit:
                    raise
                except BaseException as error:
                    thrown, step, given = error, stream.athrow, error
        except StopAsyncIteration:
            permit.success()
        except BaseException as error:
            _record_stream_error(recorder, permit, error, thrown)
            raise
        finally:
            thrown = given = None  # avoid a cycle through the error's traceback
            await stream.aclose()

    return guarded


def _record_stream_error(
    recorder: _OutcomeRecorder, permit: Permit, error: BaseException, thrown: BaseException | None
) -> None:
    """Record the error that ended a stream; one that the consumer threw into it (`thrown`) has no verdict."""
    if error is thrown:
        permit.release()
    else:
        recorder.record_error(permit, error)
