"""A guard lets a breaker decide about a function, whatever kind of function that is, and changes nothing else."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.decorator import guard
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.errors import CircuitOpen
from support.fake_clock import FakeClock


class Broken(Exception):
    """What the adapter raises."""


async def fetch(number: int) -> int:
    await asyncio.sleep(0)
    if number < 0:
        raise Broken(number)
    return number


class Client:
    async def __call__(self, number: int) -> int:
        return await fetch(number)

    async def method(self, number: int) -> int:
        return await fetch(number)


ASYNC_KINDS: dict[str, Callable[..., Any]] = {
    "a coroutine function": fetch,
    "a partial": functools.partial(fetch),
    "a partial of a partial": functools.partial(functools.partial(fetch)),
    "a bound method": Client().method,
    "an object with an async call": Client(),
    "a partial of such an object": functools.partial(Client()),
    "a lambda that returns a coroutine": lambda number: fetch(number),
    "a function that returns a task": lambda number: asyncio.ensure_future(fetch(number)),
}


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker("a", BreakerPolicy(failure_threshold=2, success_threshold=1, jitter=0), clock=FakeClock())


@pytest.mark.parametrize("kind", ASYNC_KINDS)
@pytest.mark.parametrize("filtered", [False, True])
async def test_every_kind_of_async_callable_is_awaited_before_the_verdict(
    breaker: CircuitBreaker, kind: str, filtered: bool
) -> None:
    call = guard(breaker, record=(Broken,) if filtered else None)(ASYNC_KINDS[kind])
    assert await call(7) == 7
    assert (breaker.snapshot().calls, breaker.snapshot().failed) == (1, 0)
    for _ in range(2):
        with pytest.raises(Broken):
            await call(-1)
    assert breaker.state == "open"
    with pytest.raises(CircuitOpen):
        await call(7)


@pytest.mark.parametrize("kind", ["a coroutine function", "a bound method", "an object with an async call"])
def test_a_guarded_coroutine_function_still_looks_like_one(breaker: CircuitBreaker, kind: str) -> None:
    assert inspect.iscoroutinefunction(guard(breaker)(ASYNC_KINDS[kind]))


def test_a_guarded_function_keeps_its_name_and_text(breaker: CircuitBreaker) -> None:
    @guard(breaker)
    def charge() -> None:
        """Charge the card."""

    assert (charge.__name__, charge.__doc__) == ("charge", "Charge the card.")


def test_a_sync_function_is_guarded(breaker: CircuitBreaker) -> None:
    @guard(breaker)
    def divide(by: int) -> float:
        return 1 / by

    assert divide(2) == 0.5
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            divide(0)
    with pytest.raises(CircuitOpen) as caught:
        divide(2)
    assert caught.value.last_error == "ZeroDivisionError: division by zero"


def test_a_returned_value_can_be_a_failure_and_still_reaches_the_caller(breaker: CircuitBreaker) -> None:
    answer = {"success": False}
    call = guard(breaker, failed=lambda value: not value["success"])(lambda: answer)
    assert call() is answer
    assert call() is answer
    assert breaker.state == "open"


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_predicate_that_raises_is_reported_and_counts_against_no_adapter(
    breaker: CircuitBreaker, asynchronous: bool
) -> None:
    def predicate(value: object) -> bool:
        raise KeyError("success")

    call: Callable[..., Any] = guard(breaker, failed=predicate)(fetch if asynchronous else int)
    for _ in range(5):
        with pytest.raises(KeyError):
            await call(1) if asynchronous else call(1)
    assert breaker.snapshot().calls == 0
    assert breaker.state == "closed"


def test_an_ignored_error_gives_no_verdict_and_ignore_overrides_record(breaker: CircuitBreaker) -> None:
    def call() -> None:
        raise Broken

    guarded = guard(breaker, record=(Exception,), ignore=(Broken,))(call)
    for _ in range(5):
        with pytest.raises(Broken):
            guarded()
    assert breaker.snapshot().calls == 0


def test_errors_are_matched_by_isinstance_so_metaclasses_and_subclasses_work(breaker: CircuitBreaker) -> None:
    class Meta(type):
        pass

    class Odd(Exception, metaclass=Meta):
        pass

    class Odder(Odd):
        pass

    def call(error: Exception) -> None:
        raise error

    ignoring = guard(breaker, ignore=(Odd,))(call)
    for error in (Odd(), Odder()):
        with pytest.raises(Odd):
            ignoring(error)
    assert breaker.snapshot().calls == 0
    for _ in range(2):
        with pytest.raises(ValueError):
            ignoring(ValueError())
    assert breaker.state == "open"  # an exception class with a metaclass does not exclude everything


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
@pytest.mark.parametrize("record", [None, (BaseException,)])
def test_an_interruption_is_never_counted_and_never_replaced(
    breaker: CircuitBreaker, interruption: type[BaseException], record: tuple[type[BaseException], ...] | None
) -> None:
    raised = interruption()

    def call() -> None:
        raise raised

    for _ in range(5):
        with pytest.raises(interruption) as caught:
            guard(breaker, record=record)(call)()
        assert caught.value is raised
    assert breaker.snapshot().calls == 0
    assert breaker.state == "closed"


async def test_a_cancelled_call_is_no_verdict(breaker: CircuitBreaker) -> None:
    started = asyncio.Event()

    @guard(breaker)
    async def hang() -> None:
        started.set()
        await asyncio.Event().wait()

    for _ in range(5):
        task = asyncio.create_task(hang())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        started.clear()
    assert breaker.snapshot().calls == 0
    assert breaker.state == "closed"


def frames(error: BaseException) -> int:
    count, traceback = 0, error.__traceback__
    while traceback is not None:
        count, traceback = count + 1, traceback.tb_next
    return count


def test_an_error_passes_as_it_is_and_a_rejection_is_a_new_object_each_time(breaker: CircuitBreaker) -> None:
    raised = Broken("once")

    @guard(breaker)
    def call() -> None:
        raise raised.with_traceback(None)

    for _ in range(2):
        with pytest.raises(Broken) as caught:
            call()
        assert caught.value is raised
        assert caught.value.__context__ is caught.value.__cause__ is None
    rejections = []
    for _ in range(3):
        with pytest.raises(CircuitOpen) as refused:
            call()
        rejections.append(refused.value)
    assert len({id(rejection) for rejection in rejections}) == 3
    assert len({frames(rejection) for rejection in rejections}) == 1
    assert all(rejection.__context__ is None for rejection in rejections)
