"""Calls that go on after their time limit, whatever they make of their cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from fuseboard_engine import AllAdaptersFailed, AttemptTimeout, Engine, RetryPolicy, StreamBroken
from fuseboard_engine.events import CallOverdue, Event, OverdueCallEnded
from fuseboard_engine.runtime.overdue_calls import resumed
from support.engine_world import World, now, virtual

FOREVER = 1e6
ONE_SECOND = RetryPolicy(max_attempts=1, attempt_timeout=1)


def emitted(engine: World, kind: type[Event]) -> list[Any]:
    return [event for event in engine.emitted if type(event) is kind]


class Unit:
    """The time that an adapter of these tests takes for one step of its clean-up: seconds, of which it needs 30."""

    seconds = 1.0


async def cleans_up(task: Any) -> None:
    try:
        await asyncio.sleep(FOREVER)
    finally:
        await asyncio.sleep(30 * Unit.seconds)


async def swallows(task: Any) -> str:
    for _ in range(30):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(Unit.seconds)
    return "an answer nobody waits for"


async def swallows_once_and_answers(task: Any) -> str:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(FOREVER)
    return "too late"


async def waits_for_a_task_that_swallows(task: Any) -> str:
    return await asyncio.create_task(swallows(task))


async def waits_for_several(task: Any) -> None:
    await asyncio.gather(asyncio.create_task(swallows(task)), cleans_up(task))


async def shields(task: Any) -> None:
    inner = asyncio.ensure_future(asyncio.sleep(30))
    try:
        await asyncio.shield(inner)
    finally:
        await inner


async def has_a_task_group(task: Any) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(cleans_up(task))
        await cleans_up(task)


async def has_a_scope_of_its_own(task: Any) -> None:
    async with asyncio.timeout(40):
        await cleans_up(task)


STUBBORN: list[Callable[[Any], Awaitable[Any]]] = [
    cleans_up,
    swallows,
    swallows_once_and_answers,
    waits_for_a_task_that_swallows,
    waits_for_several,
    shields,
    has_a_task_group,
    has_a_scope_of_its_own,
]


@pytest.fixture(params=STUBBORN, ids=lambda call: call.__name__)
def stubborn(request: pytest.FixtureRequest) -> Callable[[Any], Awaitable[Any]]:
    call: Callable[[Any], Awaitable[Any]] = request.param
    return call


@virtual
async def test_the_verdict_is_a_timeout_at_the_limit_and_the_route_goes_on(stubborn: Any) -> None:
    engine = World(retry=ONE_SECOND)
    engine.add_adapter("a", stubborn)
    engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert (now(), route.result) == (1, "from b")
    assert [(a.adapter, a.outcome, a.rule) for a in route.attempts] == [
        ("a", "failure", "timeout"),
        ("b", "success", ""),
    ]
    await asyncio.sleep(100)
    assert (len(engine.registry.overdue), asyncio.current_task().cancelling()) == (0, 0)  # type: ignore[union-attr]


@virtual
async def test_a_deadline_bounds_the_answer(stubborn: Any) -> None:
    engine = World()
    engine.add_adapter("a", stubborn)
    engine.script("b", "from b")
    route = await engine.execute_with_fallback("task", deadline=2)
    assert (now(), route.success, route.attempts[0].rule) == (2, False, "deadline")
    await asyncio.sleep(100)


@virtual
async def test_a_fan_out_ends_at_its_timeout(stubborn: Any) -> None:
    engine = World()
    engine.add_adapter("a", stubborn)
    engine.script("b", "from b")
    result = await engine.execute_parallel("task", strategy="all", timeout=2)
    assert (now(), result.answers) == (2, {"b": "from b"})
    await asyncio.sleep(100)


@virtual
async def test_a_cancelled_caller_waits_for_the_end_of_the_call_but_not_beyond_its_limit(stubborn: Any) -> None:
    engine = World(retry=RetryPolicy(max_attempts=1, attempt_timeout=4))
    engine.add_adapter("a", stubborn)
    b = engine.script("b", "from b")
    caller = asyncio.create_task(engine.execute_with_fallback("task"))
    await asyncio.sleep(1)
    caller.cancel()
    if stubborn is swallows_once_and_answers:
        assert (await caller).result == "too late"
    else:
        with pytest.raises(asyncio.CancelledError):
            await caller
    assert now() <= 4
    assert b.calls == []
    await asyncio.sleep(100)
    assert len(engine.registry.overdue) == 0


@virtual
async def test_the_callers_own_scope_ends_the_call() -> None:
    engine = World(retry=ONE_SECOND)
    engine.script("a", FOREVER)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await engine.execute_with_fallback("task")
    assert now() == 0.5


@virtual
async def test_the_clean_up_after_a_callers_cancellation_is_not_disturbed_by_the_limit() -> None:
    engine = World(retry=ONE_SECOND)
    steps: list[str] = []

    async def careful(task: Any) -> None:
        try:
            await asyncio.sleep(FOREVER)
        finally:
            await asyncio.sleep(5)
            steps.append("cleaned up")

    engine.add_adapter("a", careful)
    caller = asyncio.create_task(engine.execute_with_fallback("task"))
    await asyncio.sleep(0.5)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert (now(), steps) == (1, [])
    await asyncio.sleep(5)
    assert steps == ["cleaned up"]


@virtual
async def test_a_caller_is_cancelled_although_the_call_turns_it_into_an_error() -> None:
    engine = World(retry=RetryPolicy(max_attempts=3, attempt_timeout=10))

    async def awkward(task: Any) -> None:
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            raise ConnectionError("closed") from None

    engine.add_adapter("a", awkward)
    b = engine.script("b", "from b")
    caller = asyncio.create_task(engine.execute_with_fallback("task"))
    await asyncio.sleep(1)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert (now(), b.calls, engine.breaker("a").failures) == (1, [], 0)


@virtual
async def test_an_overdue_call_is_counted_and_reported_until_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fuseboard.adapters")
    engine = World(retry=ONE_SECOND)
    engine.add_adapter("a", cleans_up)
    await engine.execute_with_fallback("task")
    assert engine.registry.overdue.of("a") == 1
    await asyncio.sleep(2)
    await engine.execute_with_fallback("task")
    assert engine.registry.overdue.of("a") == 2
    await asyncio.sleep(100)
    assert len(engine.registry.overdue) == 0
    assert [record.getMessage() for record in caplog.records] == [
        "a call of a does not end after its time limit: 1 overdue call now",
        "a call of a does not end after its time limit: 2 overdue calls now",
        "an overdue call of a ended after 30 s: it was cancelled",
        "an overdue call of a ended after 30 s: it was cancelled",
    ]


@virtual
async def test_an_overdue_call_emits_an_event_after_a_second_and_another_when_it_ends() -> None:
    engine = World(retry=ONE_SECOND)
    engine.add_adapter("a", cleans_up)
    await engine.execute_with_fallback("task")
    await asyncio.sleep(0.9)
    assert (emitted(engine, CallOverdue), engine.get_routing_statistics()["overdue_calls"]) == ([], 0)
    await asyncio.sleep(0.2)
    (overdue,) = emitted(engine, CallOverdue)
    assert (overdue.adapter, overdue.overdue, overdue.total) == ("a", 1, 1)
    assert [event.overdue for event in engine.describe() if isinstance(event, CallOverdue)] == [1]
    figures = engine.get_routing_statistics()
    assert (figures["overdue_calls"], figures["overdue_calls_total"]) == (1, 1)
    await asyncio.sleep(100)
    (ended,) = emitted(engine, OverdueCallEnded)
    assert (ended.adapter, ended.seconds, ended.overdue, ended.total) == ("a", 30, 0, 0)
    assert ended.outcome == "it was cancelled"
    figures = engine.get_routing_statistics()
    assert (figures["overdue_calls"], figures["overdue_calls_total"]) == (0, 1)


@virtual
async def test_an_overdue_call_that_ends_within_a_second_emits_nothing() -> None:
    engine = World(retry=ONE_SECOND)

    async def soon_done(task: Any) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.5)

    engine.add_adapter("a", soon_done)
    await engine.execute_with_fallback("task")
    await asyncio.sleep(100)
    assert (emitted(engine, CallOverdue), emitted(engine, OverdueCallEnded)) == ([], [])


@virtual
async def test_an_overdue_call_that_ends_with_an_error_is_reported_with_it() -> None:
    class Abort(BaseException):
        pass

    def ends_with(error: BaseException) -> Callable[[Any], Awaitable[None]]:
        async def call(task: Any) -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(FOREVER)
            await asyncio.sleep(10)
            raise error

        return call

    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    engine = World(retry=ONE_SECOND)
    engine.add_adapter("a", ends_with(ValueError("late")))
    engine.add_adapter("b", ends_with(Abort("too late")))
    await engine.execute_with_fallback("task")
    await asyncio.sleep(100)
    gc.collect()
    outcomes = [(event.adapter, event.outcome) for event in emitted(engine, OverdueCallEnded)]
    assert outcomes == [("a", "ValueError: late"), ("b", "Abort: too late")]
    assert complaints == []


@virtual
async def test_an_overdue_call_is_a_task_that_names_its_adapter() -> None:
    engine = World(retry=ONE_SECOND)
    engine.add_adapter("a", cleans_up)
    await engine.execute_with_fallback("task")
    assert "fuseboard: overdue call of a" in [task.get_name() for task in asyncio.all_tasks()]
    await asyncio.sleep(100)


@virtual
async def test_a_forked_child_has_no_overdue_calls() -> None:
    engine = World(retry=ONE_SECOND)
    engine.add_adapter("a", cleans_up)
    await engine.execute_with_fallback("task")
    await asyncio.sleep(2)
    engine.registry.after_fork()
    assert (len(engine.registry.overdue), engine.get_routing_statistics()["overdue_calls_total"]) == (0, 0)
    await asyncio.sleep(100)


@virtual
async def test_overdue_calls_are_cancelled_when_the_engine_is_closed() -> None:
    engine = World(retry=ONE_SECOND)
    engine.add_adapter("a", cleans_up)
    await engine.execute_with_fallback("task")
    await engine.close()
    assert (now(), len(engine.registry.overdue)) == (2, 0)


@virtual
async def test_closing_ends_although_a_call_never_does(caplog: pytest.LogCaptureFixture) -> None:
    engine = World(retry=ONE_SECOND)
    engine.add_adapter("a", swallows)
    await engine.execute_with_fallback("task")
    await engine.close()
    assert now() == 3
    assert "overdue calls do not end although they were cancelled: a (1)" in caplog.text
    await asyncio.sleep(100)


@virtual
async def test_calls_that_never_end_are_listed_by_adapter(caplog: pytest.LogCaptureFixture) -> None:
    engine = World(retry=ONE_SECOND)
    engine.add_adapter("a", swallows)
    engine.add_adapter("b", swallows)
    await engine.execute_with_fallback("task")
    await engine.execute_with_fallback("task", ["a"])
    await engine.close()
    assert "overdue calls do not end although they were cancelled: a (2), b (1)" in caplog.text
    await asyncio.sleep(100)


async def test_closing_a_continued_coroutine_closes_it_at_once() -> None:
    steps: list[str] = []

    async def call() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            steps.append("cleaned up")

    coroutine = call()
    rest = resumed(coroutine, coroutine.send(None))
    next(iter(rest))
    rest.close()
    assert steps == ["cleaned up"]


# ------------------------------------------------------------------ streams


@virtual
async def test_a_stream_whose_first_item_is_late_is_failed_over_from_at_its_limit(stubborn: Any) -> None:
    engine = World(retry=ONE_SECOND)
    closed: list[float] = []

    async def late(task: Any) -> AsyncIterator[Any]:
        try:
            yield await stubborn(task)
        finally:
            closed.append(now())

    async def good(task: Any) -> AsyncIterator[Any]:
        yield "first"

    engine.add_adapter("late", late)
    engine.add_adapter("good", good)
    async with engine.stream_with_fallback("task") as items:
        assert [item async for item in items] == ["first"]
    assert now() == 1
    await asyncio.sleep(100)
    assert len(closed) == 1
    assert len(engine.registry.overdue) == 0


@virtual
async def test_a_stream_that_breaks_off_late_is_broken_at_its_limit(stubborn: Any) -> None:
    engine = World(retry=ONE_SECOND)

    async def late(task: Any) -> AsyncIterator[Any]:
        yield 1
        await stubborn(task)

    engine.add_adapter("late", late)
    stream = engine.stream_with_fallback("task")
    with pytest.raises(StreamBroken):
        async with stream as items:
            async for _ in items:
                pass
    assert now() == 1
    await asyncio.sleep(100)


@virtual
async def test_a_stream_that_takes_long_to_close_does_not_hold_up_its_consumer() -> None:
    engine = World(retry=ONE_SECOND)

    async def slow_to_close(task: Any) -> AsyncIterator[Any]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(30)

    engine.add_adapter("a", slow_to_close)
    async with engine.stream_with_fallback("task") as items:
        async for _ in items:
            break
    assert now() == 1
    await asyncio.sleep(100)


# ------------------------------------------------------------------ what else is limited


@virtual
async def test_a_degraded_answer_ends_at_its_timeout(stubborn: Any) -> None:
    engine = World(retry=ONE_SECOND)
    engine.script("a", ConnectionError("down"))
    engine.set_degraded("", stubborn, timeout=2)
    route = await engine.execute_with_fallback("task")
    assert (now(), route.degraded, route.success) == (2, False, False)
    with pytest.raises(AllAdaptersFailed):
        route.unwrap()
    await asyncio.sleep(100)


@virtual
async def test_a_health_check_ends_at_its_timeout(stubborn: Any) -> None:
    engine = World()
    engine.add_adapter("a", swallows, health=lambda: stubborn("check"))
    states = await engine.check_health("a")
    assert states["a"].status == "unhealthy"
    assert now() <= 10
    await asyncio.sleep(100)


@virtual
async def test_an_initialisation_ends_at_its_share_of_the_limit(stubborn: Any) -> None:
    class Service:
        async def initialize(self) -> None:
            await stubborn("first")

        async def call(self, task: Any) -> str:
            return "answer"

    engine = World(retry=RetryPolicy(max_attempts=1, attempt_timeout=2, initialize_share=0.5))
    engine.add_adapter("a", Service())
    engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert (now(), route.result) == (1, "from b")
    assert isinstance(route.attempts[0].error, str)
    await asyncio.sleep(100)


async def test_in_real_time_the_answer_comes_at_the_limit(stubborn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Unit, "seconds", 0.1)
    engine = Engine(retry=RetryPolicy(max_attempts=1, attempt_timeout=0.05))
    engine.add_adapter("a", stubborn)
    loop = asyncio.get_running_loop()
    began = loop.time()
    route = await engine.execute_with_fallback("task")
    assert isinstance(route.exception, AttemptTimeout)
    assert loop.time() - began < 1
    await engine.registry.overdue.close(0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
