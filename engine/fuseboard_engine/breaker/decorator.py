"""A breaker around a function: the whole of embedding, for one adapter and no router."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from types import AsyncGeneratorType
from typing import Any, ParamSpec, TypeVar, cast

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.permit import Permit
from fuseboard_engine.errors import describe

P = ParamSpec("P")
R = TypeVar("R")
Kinds = tuple[type[BaseException], ...]


def guard(
    breaker: CircuitBreaker,
    *,
    record: Kinds | None = None,
    ignore: Kinds = (),
    failed: Callable[[Any], bool] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that lets `breaker` decide about each call of a function.

    Functions, generators, their async kinds, and anything callable that behaves like one of them (a partial, a bound
    method, an object with an async `__call__`, a lambda that returns a coroutine) are guarded as what they are. The
    function's own errors and results reach the caller unchanged. A generator is one call from its first item to its
    end; a reader who stops early, or throws an error into it, is no failure of the adapter.

    Args:
        breaker: whose verdict counts.
        record: the errors that count as failures; None: every `Exception`. One that is not listed is a success.
        ignore: errors that say nothing about the adapter; they win over `record`.
        failed: says of a returned value whether it is a failure; not asked about generators. An error it raises
            itself reaches the caller and says nothing about the adapter.

    Raises:
        CircuitOpen: from the guarded function, when the breaker refuses the call.
    """
    judge = _Judge(record, ignore, failed)
    plain = record is None and not ignore and failed is None

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if _is(inspect.isasyncgenfunction, function):
            wrapper: Any = _stream(breaker, judge, cast("Any", function))
        elif _is(inspect.iscoroutinefunction, function):
            called = cast("Callable[..., Awaitable[Any]]", function)
            wrapper = _plain(breaker, called) if plain else _filtered(breaker, judge, called)
        elif _is(inspect.isgeneratorfunction, function):
            wrapper = _generator(breaker, judge, cast("Any", function))
        else:
            wrapper = _sync(breaker, judge, function, plain)
        return cast("Callable[P, R]", functools.wraps(function)(wrapper))

    return decorate


def _is(kind: Callable[[object], bool], function: object) -> bool:
    """Ask `inspect` about a callable, and where that is an object, about its `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    return kind(function) or kind(type(function).__call__)


class _Judge:
    """Settles a permit by an error or a returned value."""

    __slots__ = ("failed", "ignore", "record")

    def __init__(self, record: Kinds | None, ignore: Kinds, failed: Callable[[Any], bool] | None) -> None:
        self.record = record
        self.ignore = ignore
        self.failed = failed

    def error(self, permit: Permit, error: BaseException) -> None:
        if isinstance(error, self.ignore):
            permit.ignored()
        elif not isinstance(error, Exception):
            permit.release()
        elif self.record is None or isinstance(error, self.record):
            permit.failure(error=describe(error))
        else:
            permit.success()

    def value(self, permit: Permit, value: object) -> None:
        try:
            failed = self.failed is not None and self.failed(value)
        except BaseException:
            permit.ignored()
            raise
        if failed:
            permit.failure("result")
        else:
            permit.success()


def _plain(breaker: CircuitBreaker, function: Callable[..., Awaitable[R]]) -> Callable[..., Awaitable[R]]:
    """Guard an async function, taking the breaker's short way while nothing but a count has to be kept."""

    async def guarded(*args: Any, **kwargs: Any) -> R:
        tally = breaker._tally
        if tally is None:
            with breaker.admit():
                return await function(*args, **kwargs)
        try:
            result = await function(*args, **kwargs)
        except Exception as error:
            Permit(breaker, tally.generation, 0.0).failure(error=describe(error))
            raise
        if breaker._tally is tally and not breaker._failures:
            tally.tick()
        else:
            Permit(breaker, tally.generation, 0.0).success()
        return result

    return guarded


def _filtered(
    breaker: CircuitBreaker, judge: _Judge, function: Callable[..., Awaitable[R]]
) -> Callable[..., Awaitable[R]]:
    async def guarded(*args: Any, **kwargs: Any) -> R:
        permit = breaker.admit()
        return await _awaited(judge, permit, function(*args, **kwargs))

    return guarded


async def _awaited(judge: _Judge, permit: Permit, awaitable: Awaitable[R]) -> R:
    try:
        result = await awaitable
    except BaseException as error:
        judge.error(permit, error)
        raise
    judge.value(permit, result)
    return result


def _sync(breaker: CircuitBreaker, judge: _Judge, function: Callable[..., Any], plain: bool) -> Callable[..., Any]:
    """Guard a function; where every error counts (`plain`), taking the breaker's short way as `_plain` does."""
    usual: type = type(None)

    def guarded(*args: Any, **kwargs: Any) -> Any:
        nonlocal usual
        tally = breaker._tally if plain else None
        if tally is None:
            return _called(breaker, judge, breaker.admit(), function, args, kwargs)
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            Permit(breaker, tally.generation, 0.0).failure(error=describe(error))
            raise
        kind = type(result)
        if kind is not usual:  # looking for `__await__` would cost as much as all the rest
            if _waits(kind):
                return _later(breaker, judge, Permit(breaker, tally.generation, 0.0), result)
            usual = kind
        if breaker._tally is tally and not breaker._failures:
            tally.tick()
        else:
            Permit(breaker, tally.generation, 0.0).success()
        return result

    return guarded


def _called(
    breaker: CircuitBreaker,
    judge: _Judge,
    permit: Permit,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    try:
        result = function(*args, **kwargs)
    except BaseException as error:
        judge.error(permit, error)
        raise
    if _waits(type(result)):
        return _later(breaker, judge, permit, result)
    judge.value(permit, result)
    return result


def _waits(kind: type) -> bool:
    return kind is AsyncGeneratorType or hasattr(kind, "__await__")


def _later(breaker: CircuitBreaker, judge: _Judge, permit: Permit, result: Any) -> Any:
    """Guard what a plain function returned for the caller to wait for."""
    if type(result) is AsyncGeneratorType:
        permit.release()  # nothing has begun; reading its first item asks again
        return _stream(breaker, judge, lambda: result)()
    return _awaited(judge, permit, result)


def _generator(
    breaker: CircuitBreaker, judge: _Judge, function: Callable[..., Generator[Any, Any, Any]]
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
            _blame(judge, permit, error, thrown)
            raise
        finally:
            thrown = given = None  # no cycle through the error's traceback
            stream.close()

    return guarded


def _stream(
    breaker: CircuitBreaker, judge: _Judge, function: Callable[..., AsyncGenerator[Any, Any]]
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
            _blame(judge, permit, error, thrown)
            raise
        finally:
            thrown = given = None  # no cycle through the error's traceback
            await stream.aclose()

    return guarded


def _blame(judge: _Judge, permit: Permit, error: BaseException, thrown: BaseException | None) -> None:
    """Settle a stream that ended in an error. One its reader threw into it is not the adapter's."""
    if error is thrown:
        permit.release()
    else:
        judge.error(permit, error)
