"""A breaker around a function: the whole of embedding, for one adapter and no router."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, cast

from fuseboard_engine.breaker import CircuitBreaker, Permit, describe

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

    Sync functions, async functions and async generators are all guarded as what they are. The function's own
    errors and results reach the caller unchanged.

    Args:
        breaker: whose verdict counts.
        record: the errors that count as failures; None: every `Exception`. One that is not listed is a success.
        ignore: errors that say nothing about the adapter; they win over `record`.
        failed: says of a returned value whether it is a failure.

    Raises:
        CircuitOpen: from the guarded function, when the breaker refuses the call.
    """
    judge = _Judge(record, ignore, failed)
    plain = record is None and not ignore and failed is None

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isasyncgenfunction(function):
            wrapper: Any = _stream(breaker, judge, function)
        elif inspect.iscoroutinefunction(function):
            wrapper = _plain(breaker, function) if plain else _filtered(breaker, judge, function)
        else:
            wrapper = _sync(breaker, judge, function)
        return cast("Callable[P, R]", functools.wraps(function)(wrapper))

    return decorate


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
        if self.failed is not None and self.failed(value):
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
            text = describe(error)
            if not breaker._count_failure(tally, text):
                Permit(breaker, tally.generation, 0.0).failure(error=text)
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
        try:
            result = await function(*args, **kwargs)
            judge.value(permit, result)
        except BaseException as error:
            judge.error(permit, error)
            raise
        return result

    return guarded


def _sync(breaker: CircuitBreaker, judge: _Judge, function: Callable[..., R]) -> Callable[..., R]:
    def guarded(*args: Any, **kwargs: Any) -> R:
        permit = breaker.admit()
        try:
            result = function(*args, **kwargs)
            judge.value(permit, result)
        except BaseException as error:
            judge.error(permit, error)
            raise
        return result

    return guarded


def _stream(
    breaker: CircuitBreaker, judge: _Judge, function: Callable[..., AsyncIterator[R]]
) -> Callable[..., AsyncIterator[R]]:
    """Guard an async generator: one call from its first item to its end; a reader who stops early is no failure."""

    async def guarded(*args: Any, **kwargs: Any) -> AsyncIterator[R]:
        permit = breaker.admit()
        stream = function(*args, **kwargs)
        try:
            async for item in stream:
                yield item
        except BaseException as error:
            judge.error(permit, error)
            raise
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()
        permit.success()

    return guarded
