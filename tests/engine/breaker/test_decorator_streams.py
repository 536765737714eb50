"""A guarded stream is one call from its first item to its end, and a reader who stops early is no failure."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.decorator import guard
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.errors import CircuitOpen
from support.fake_clock import FakeClock


class Broken(Exception):
    """What the adapter raises."""


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker("a", BreakerPolicy(failure_threshold=2, success_threshold=1, jitter=0), clock=FakeClock())


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


async def test_a_stream_takes_its_permit_at_its_first_item(breaker: CircuitBreaker) -> None:
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


async def test_a_consumer_that_stops_early_is_not_a_failure_and_the_stream_is_closed(breaker: CircuitBreaker) -> None:
    log: list[str] = []
    for _ in range(5):
        stream = stream_of(breaker, log)(5)
        assert await anext(stream) == 0
        await stream.aclose()
    assert log == ["closed"] * 5
    assert breaker.snapshot().calls == 0
    assert breaker.state == "closed"


async def test_a_consumer_that_stops_early_returns_its_probe_permit(breaker: CircuitBreaker) -> None:
    breaker.half_open()
    stream = stream_of(breaker)(5)
    await anext(stream)
    with pytest.raises(CircuitOpen):
        breaker.admit()
    await stream.aclose()
    assert breaker.snapshot().probes_in_flight == 0
    breaker.admit().success()
    assert breaker.state == "closed"


async def test_a_stream_cancelled_while_waiting_gives_no_verdict(breaker: CircuitBreaker) -> None:
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


async def test_values_sent_and_errors_thrown_by_a_consumer_reach_the_stream(breaker: CircuitBreaker) -> None:
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


async def test_an_error_thrown_into_a_stream_is_not_attributed_to_the_adapter(breaker: CircuitBreaker) -> None:
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


def test_a_plain_generator_is_one_call(breaker: CircuitBreaker) -> None:
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
