"""A `CancelledError` that comes from within an adapter is a failure of that adapter; its caller was not cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from fuseboard_engine import AdapterCancelled, BreakerPolicy, CircuitBreaker, Engine, RetryPolicy, StreamBroken, guard
from support.engine_world import World, now, virtual

ONCE = RetryPolicy(max_attempts=1)


async def at_once(task: Any) -> None:
    raise asyncio.CancelledError("the pool was closed")


async def awaits_a_cancelled_task(task: Any) -> None:
    inner = asyncio.ensure_future(asyncio.sleep(60))
    asyncio.get_running_loop().call_later(1, inner.cancel)
    await inner


async def awaits_a_cancelled_future(task: Any) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.cancel)
    await future


def in_a_thread(task: Any) -> None:
    raise asyncio.CancelledError


def returns_a_cancelled_future(task: Any) -> Any:
    future = asyncio.new_event_loop().create_future()
    future.cancel()
    return future


OWN: list[Callable[[Any], Any]] = [
    at_once, awaits_a_cancelled_task, awaits_a_cancelled_future, in_a_thread, returns_a_cancelled_future,
]  # fmt: skip


@pytest.fixture(params=OWN, ids=lambda call: call.__name__)
def own(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    call: Callable[[Any], Any] = request.param
    return call


@pytest.mark.parametrize("limit", [None, 30])
@virtual
async def test_an_adapter_that_cancels_itself_counts_as_failed_and_is_failed_over_from(
    own: Any, limit: float | None
) -> None:
    engine = World(retry=RetryPolicy(max_attempts=1, attempt_timeout=limit))
    engine.add_adapter("a", own)
    engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert route.result == "from b"
    assert [(a.adapter, a.outcome, a.error_type) for a in route.attempts] == [
        ("a", "failure", "AdapterCancelled"),
        ("b", "success", ""),
    ]
    assert engine.breaker("a").failures == 1


@virtual
async def test_an_adapter_that_cancels_itself_is_retried() -> None:
    engine = World(retry=RetryPolicy(max_attempts=3))
    calls: list[float] = []

    async def twice(task: Any) -> str:
        calls.append(now())
        if len(calls) < 3:
            await at_once(task)
        return "third"

    engine.add_adapter("a", twice)
    assert (await engine.execute_with_fallback("task")).result == "third"


@virtual
async def test_a_self_cancelled_last_adapter_is_the_error_of_the_route() -> None:
    engine = World(retry=ONCE)
    engine.add_adapter("a", at_once)
    route = await engine.execute_with_fallback("task")
    assert isinstance(route.exception, AdapterCancelled)
    assert isinstance(route.exception.__cause__, asyncio.CancelledError)
    assert route.error == "a cancelled its own work: the pool was closed"


@virtual
async def test_a_self_cancellation_in_a_cancelled_callers_clean_up_is_a_failure() -> None:
    engine = World(retry=ONCE)
    engine.add_adapter("a", awaits_a_cancelled_task)
    engine.script("b", "from b")
    results: list[Any] = []

    async def caller() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            results.append((await engine.execute_with_fallback("task")).result)

    task = asyncio.create_task(caller())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert results == ["from b"]


@virtual
async def test_a_self_cancellation_inside_a_callers_timeout_scope_is_a_failure() -> None:
    engine = World(retry=ONCE)
    engine.add_adapter("a", awaits_a_cancelled_task)
    engine.script("b", "from b")
    async with asyncio.timeout(10):
        assert (await engine.execute_with_fallback("task")).result == "from b"


@virtual
async def test_an_engine_inside_an_adapter_sees_the_outer_limit_as_its_callers_cancellation() -> None:
    inner, outer = World(retry=ONCE), World(retry=RetryPolicy(max_attempts=1, attempt_timeout=1))
    inner.script("slow", 60.0)
    spare = inner.script("spare", "spare")

    async def nested(task: Any) -> Any:
        return (await inner.execute_with_fallback(task)).unwrap()

    outer.add_adapter("nested", nested)
    route = await outer.execute_with_fallback("task")
    assert (now(), route.attempts[0].rule, spare.calls) == (1, "timeout", [])


@virtual
async def test_a_stream_fails_over_before_its_first_item(own: Any) -> None:
    engine = World(retry=ONCE)
    engine.add_adapter("a", own)
    engine.script("b", "from b")
    async with engine.stream_with_fallback("task") as items:
        assert [item async for item in items] == ["from b"]


@virtual
async def test_a_stream_that_cancels_itself_after_its_first_item_is_broken() -> None:
    engine = World(retry=ONCE)

    async def stream(task: Any) -> AsyncIterator[int]:
        yield 1
        await awaits_a_cancelled_task(task)

    engine.add_adapter("a", stream)
    with pytest.raises(StreamBroken) as caught:
        async with engine.stream_with_fallback("task") as items:
            async for _ in items:
                pass
    assert isinstance(caught.value.__cause__, AdapterCancelled)


@virtual
async def test_a_stream_that_cancels_itself_on_closing_cancels_no_caller() -> None:
    engine = World(retry=ONCE)

    async def stream(task: Any) -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await awaits_a_cancelled_task(task)

    engine.add_adapter("a", stream)
    async with engine.stream_with_fallback("task") as items:
        async for _ in items:
            break


@virtual
async def test_a_degraded_answer_a_health_check_and_an_initialisation_have_failed(own: Any) -> None:
    class Service:
        async def initialize(self) -> None:
            result = own("it")
            if result is not None:
                await result

        async def call(self, task: Any) -> str:
            return "answer"

    engine = World(retry=ONCE)
    if own is not in_a_thread:
        engine.add_adapter("object", Service())
        assert "object" in await engine.start()
    engine.script("down", ConnectionError("down"))
    engine.set_degraded("", own)
    route = await engine.execute_with_fallback("task", ["down"])
    assert (route.degraded, "cancelled its own work" in (route.error or "")) == (False, True)
    engine.add_adapter("checked", at_once, health=lambda: own("check"))
    assert (await engine.check_health("checked"))["checked"].status == "unhealthy"
    await engine.close()


async def test_the_caller_of_the_sync_engine_gets_a_failed_route() -> None:
    engine = Engine(retry=ONCE)
    engine.add_adapter("a", at_once)
    route = await asyncio.to_thread(engine.sync.execute_with_fallback, "task")
    assert isinstance(route.exception, AdapterCancelled)
    await engine.close()


# ------------------------------------------------------------------ guard and permit


@pytest.mark.parametrize("options", [{}, {"ignore": (KeyError,)}])
async def test_guard_counts_a_self_cancellation_and_raises_it(options: Any) -> None:
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=2))
    guarded = guard(breaker, **options)(at_once)
    for _ in range(2):
        with pytest.raises(asyncio.CancelledError):
            await guarded("task")
    assert breaker.state == "open"


async def test_guard_counts_a_self_cancellation_of_a_plain_function() -> None:
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=1))
    with pytest.raises(asyncio.CancelledError):
        guard(breaker)(in_a_thread)("task")
    assert breaker.state == "open"


@pytest.mark.parametrize("threshold", [1, 5])
async def test_a_permit_counts_a_self_cancellation_but_not_the_callers(threshold: int) -> None:
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=threshold))
    guarded = guard(breaker)(asyncio.sleep)

    async def use() -> None:
        with breaker.admit():
            await guarded(60)

    task = asyncio.create_task(use())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert breaker.failures == 0
    with pytest.raises(asyncio.CancelledError), breaker.admit():
        await at_once("task")
    assert breaker.snapshot().last_error is not None


def test_an_async_result_predicate_is_refused() -> None:
    async def judge(value: Any) -> bool:
        return False

    breaker = CircuitBreaker("a")
    with pytest.raises(TypeError, match="plain function"):
        guard(breaker, failed=judge)  # type: ignore[arg-type]
    hidden: Any = lambda value: judge(value)  # noqa: E731
    with pytest.raises(TypeError, match="plain function"):
        guard(breaker, failed=hidden)(len)("abc")
    assert breaker.failures == 0


class Limited(Exception):
    status_code = 429


@pytest.mark.parametrize("error", [ConnectionError("down"), Limited("slow down")])
@pytest.mark.parametrize("limit", [None, 30.0])
@virtual
async def test_an_error_of_a_task_group_in_an_adapter_is_a_failed_attempt(
    error: Exception, limit: float | None
) -> None:
    """The group cancels its own task before it raises; before Python 3.13 that looks like a cancelled caller."""

    async def part() -> None:
        raise error

    async def grouped(task: Any) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(part())

    engine = World(retry=RetryPolicy(max_attempts=1, attempt_timeout=limit))
    engine.add_adapter("a", grouped)
    engine.add_adapter("b", lambda task: "b")
    route = await engine.execute_with_fallback("task")
    assert (route.adapter, route.attempts[0].outcome) == ("b", "failure")
    assert route.attempts[0].rule == ("rate_limited" if isinstance(error, Limited) else "connection")
