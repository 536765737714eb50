"""A guard lets a breaker decide about a function, whatever kind of function that is, and changes nothing else."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from fake_clock import FakeClock

from fuseboard_engine.breaker import CircuitBreaker
from fuseboard_engine.decorator import guard
from fuseboard_engine.errors import CircuitOpen
from fuseboard_engine.policy import BreakerPolicy


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
def test_what_was_a_coroutine_function_looks_like_one(breaker: CircuitBreaker, kind: str) -> None:
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
async def test_a_predicate_that_raises_is_told_and_blames_no_adapter(
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


def test_an_error_that_is_ignored_is_no_verdict_and_wins_over_record(breaker: CircuitBreaker) -> None:
    def call() -> None:
        raise Broken

    guarded = guard(breaker, record=(Exception,), ignore=(Broken,))(call)
    for _ in range(5):
        with pytest.raises(Broken):
            guarded()
    assert breaker.snapshot().calls == 0


def test_errors_are_told_apart_by_isinstance_so_metaclasses_and_subclasses_work(breaker: CircuitBreaker) -> None:
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


# ---------------------------------------------------------------- streams


def stream_of(breaker: CircuitBreaker, log: list[str] | None = None, fail_at: int | None = None) -> Any:
    @guard(breaker)
    async def numbers(count: int) -> AsyncIterator[int]:
        try:
            for number in range(count):
                if number == fail_at:
                    raise Broken(number)
                yield number
        finally:
            if log is not None:
                log.append("closed")

    return numbers


async def test_a_stream_is_one_call_and_counts_when_it_ends(breaker: CircuitBreaker) -> None:
    seen = []
    async for item in stream_of(breaker)(3):
        assert breaker.snapshot().calls == 0
        seen.append(item)
    assert seen == [0, 1, 2]
    assert breaker.snapshot().calls == 1


async def test_a_stream_asks_at_its_first_item_not_when_it_is_made(breaker: CircuitBreaker) -> None:
    breaker.open_for(60)
    stream = stream_of(breaker)(3)
    with pytest.raises(CircuitOpen):
        await anext(stream)


async def test_a_stream_that_breaks_half_way_is_a_failure(breaker: CircuitBreaker) -> None:
    for _ in range(2):
        with pytest.raises(Broken):
            async for _ in stream_of(breaker, fail_at=2)(5):
                pass
    assert breaker.state == "open"


async def test_a_reader_who_stops_early_is_no_failure_and_the_stream_is_closed(breaker: CircuitBreaker) -> None:
    log: list[str] = []
    for _ in range(5):
        stream = stream_of(breaker, log)(5)
        assert await anext(stream) == 0
        await stream.aclose()
    assert log == ["closed"] * 5
    assert breaker.snapshot().calls == 0
    assert breaker.state == "closed"


async def test_a_reader_who_stops_early_gives_a_probe_back(breaker: CircuitBreaker) -> None:
    breaker.half_open()
    stream = stream_of(breaker)(5)
    await anext(stream)
    with pytest.raises(CircuitOpen):
        breaker.admit()
    await stream.aclose()
    assert breaker.snapshot().probes_in_flight == 0
    breaker.admit().success()
    assert breaker.state == "closed"


async def test_a_stream_cancelled_while_it_waits_is_no_verdict(breaker: CircuitBreaker) -> None:
    waiting = asyncio.Event()

    @guard(breaker)
    async def slow() -> AsyncIterator[int]:
        waiting.set()
        await asyncio.Event().wait()
        yield 1

    async def read() -> None:
        async for _ in slow():
            pass

    task = asyncio.create_task(read())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert breaker.snapshot().calls == 0


async def test_what_a_reader_sends_or_throws_reaches_the_stream(breaker: CircuitBreaker) -> None:
    @guard(breaker)
    async def echo() -> Any:
        got: Any = "ready"
        while got != "stop":
            try:
                got = yield got
            except LookupError as error:
                got = f"caught {error}"

    stream = echo()
    assert await stream.asend(None) == "ready"
    assert await stream.asend("hello") == "hello"
    assert await stream.athrow(LookupError("it")) == "caught it"
    with pytest.raises(StopAsyncIteration):
        await stream.asend("stop")
    assert (breaker.snapshot().calls, breaker.snapshot().failed) == (1, 0)


async def test_an_error_the_reader_throws_in_is_not_the_adapters(breaker: CircuitBreaker) -> None:
    raised = Broken("the reader's own")
    for _ in range(5):
        stream = stream_of(breaker)(5)
        await anext(stream)
        with pytest.raises(Broken) as caught:
            await stream.athrow(raised)
        assert caught.value is raised
    assert breaker.snapshot().calls == 0


async def test_a_stream_called_with_wrong_arguments_takes_no_permit(breaker: CircuitBreaker) -> None:
    breaker.half_open()
    with pytest.raises(TypeError):
        await anext(stream_of(breaker)())
    assert breaker.snapshot().probes_in_flight == 0


@pytest.mark.parametrize("kind", ["object", "partial", "lambda"])
async def test_every_callable_that_makes_a_stream_is_guarded_as_one(breaker: CircuitBreaker, kind: str) -> None:
    class Source:
        async def __call__(self, count: int) -> AsyncIterator[int]:
            yield count
            raise Broken

    source: Any = Source()
    made = {"object": source, "partial": functools.partial(source), "lambda": lambda count: source(count)}[kind]
    for _ in range(2):
        with pytest.raises(Broken):
            async for item in guard(breaker)(made)(4):
                assert item == 4
    assert breaker.state == "open"
    assert breaker.snapshot().calls == 2


def test_a_plain_generator_is_one_call_too(breaker: CircuitBreaker) -> None:
    @guard(breaker)
    def numbers(bad: bool) -> Iterator[int]:
        yield 1
        if bad:
            raise Broken
        yield 2

    assert list(numbers(False)) == [1, 2]
    assert breaker.snapshot().calls == 1
    early = numbers(True)
    next(early)
    early.close()  # type: ignore[attr-defined]
    assert breaker.snapshot().calls == 1
    for _ in range(2):
        with pytest.raises(Broken):
            list(numbers(True))
    assert breaker.state == "open"
