"""Adapters that hang, deadlines that pass, callers that give up."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from fuseboard_engine import AttemptTimeout, BreakerPolicy, DeadlineExceeded, Engine, RetryPolicy, Task
from fuseboard_engine.events import RouteFinished
from support.engine_world import NEVER_TRIPS, Script, World, now, virtual

FOREVER = 1e6
ONE_SECOND = RetryPolicy(max_attempts=1, attempt_timeout=1)


@virtual
async def test_a_hung_primary_is_cancelled_awaited_and_failed_over_from() -> None:
    engine = World(retry=ONE_SECOND)
    a = engine.script("a", FOREVER)
    b = engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert route.adapter == "b"
    assert a.cancelled == 1
    assert b.calls == [1.0]
    assert route.attempts[0].rule == "timeout"
    assert route.attempts[0].error == "timeout: a gave no answer within 1 s"
    assert engine.get_adapter_statistics()["a"]["timeouts"] == 1


@virtual
async def test_the_next_adapter_is_called_at_the_limit_while_the_hung_one_cleans_up() -> None:
    engine = World(retry=ONE_SECOND)
    steps: list[str] = []

    async def hung(task: Any) -> None:
        try:
            await asyncio.sleep(FOREVER)
        finally:
            await asyncio.sleep(2)
            steps.append("cleaned up")

    async def next_one(task: Any) -> None:
        steps.append("next one asked")

    engine.add_adapter("hung", hung)
    engine.add_adapter("next", next_one)
    await engine.execute_with_fallback("task")
    assert (now(), len(engine.registry.overdue)) == (1, 1)
    await asyncio.sleep(3)
    assert steps == ["next one asked", "cleaned up"]
    assert len(engine.registry.overdue) == 0


@virtual
async def test_clean_up_without_a_wait_ends_before_the_next_adapter_is_called() -> None:
    engine = World(retry=ONE_SECOND)
    steps: list[str] = []

    async def part() -> None:
        try:
            await asyncio.sleep(FOREVER)
        finally:
            steps.append("part ended")

    async def hung(task: Any) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(part())
            group.create_task(part())

    async def next_one(task: Any) -> None:
        steps.append("next one asked")

    engine.add_adapter("hung", hung)
    engine.add_adapter("next", next_one)
    await engine.execute_with_fallback("task")
    assert steps == ["part ended", "part ended", "next one asked"]
    assert now() == 1


@virtual
async def test_a_timeout_counts_against_the_breaker_and_is_retried() -> None:
    engine = World(retry=RetryPolicy(attempt_timeout=1))
    a = engine.script("a", FOREVER)
    await engine.execute_with_fallback("task")
    assert a.calls == pytest.approx([0, 1.1, 2.3])
    assert engine.breaker("a").failures == 3


@virtual
async def test_a_timeout_counts_as_slow_however_short_the_limit_was() -> None:
    slow = BreakerPolicy(slow_call_rate=0.5, slow_call_seconds=10, minimum_calls=2, failure_threshold=None)
    engine = World(retry=ONE_SECOND, breaker=slow)
    engine.script("a", FOREVER)
    for _ in range(2):
        await engine.execute_with_fallback("task")
    assert engine.breaker("a").state == "open"


@virtual
async def test_a_call_that_replaces_its_cancellation_by_an_error_still_times_out() -> None:
    engine = World(retry=ONE_SECOND)

    async def awkward(task: Any) -> None:
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            raise RuntimeError("connection closed") from None

    engine.add_adapter("a", awkward)
    route = await engine.execute_with_fallback("task")
    assert isinstance(route.exception, AttemptTimeout)
    assert isinstance(route.exception.__cause__, RuntimeError)


@virtual
async def test_an_adapters_own_timeout_error_reaches_the_caller_as_it_was_raised() -> None:
    engine = World(retry=ONE_SECOND)
    own = TimeoutError("upstream took too long")
    engine.script("a", own)
    route = await engine.execute_with_fallback("task")
    assert route.exception is own
    assert route.attempts[0].rule == "timeout"
    assert engine.breaker("a").failures == 1


@virtual
async def test_an_adapters_own_inner_timeout_works_inside_the_engines() -> None:
    engine = World(retry=RetryPolicy(max_attempts=1, attempt_timeout=60))

    async def careful(task: Any) -> str:
        try:
            async with asyncio.timeout(2):
                await asyncio.sleep(FOREVER)
        except TimeoutError:
            return "partial answer"
        return "never"

    engine.add_adapter("a", careful)
    assert (await engine.execute_with_fallback("task")).result == "partial answer"
    assert now() == 2


@virtual
async def test_without_an_attempt_timeout_a_call_has_no_limit() -> None:
    engine = World(retry=RetryPolicy(attempt_timeout=None))
    engine.script("a", FOREVER)
    assert (await engine.execute_with_fallback("task")).success
    assert now() == FOREVER


# ------------------------------------------------------------------ deadlines


@virtual
async def test_the_deadline_cuts_an_attempt_short_counts_against_no_adapter_and_stops_the_route() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=1))
    a = engine.script("a", FOREVER)
    b = engine.script("b", "from b")
    route = await engine.execute_with_fallback("task", deadline=2)
    assert now() == 2
    assert a.cancelled == 1
    assert b.calls == []
    assert isinstance(route.exception, DeadlineExceeded)
    assert isinstance(route.exception.__cause__, AttemptTimeout)
    assert (route.attempts[0].outcome, route.attempts[0].rule) == ("ignored", "deadline")
    assert route.left == ("b",)
    assert engine.breaker("a").state == "closed"
    assert engine.get_adapter_statistics()["a"]["failures"] == 0


@virtual
async def test_an_attempt_timeout_shorter_than_the_deadline_is_still_the_adapters_failure() -> None:
    engine = World(retry=ONE_SECOND)
    engine.script("a", FOREVER)
    b = engine.script("b", "from b")
    route = await engine.execute_with_fallback("task", deadline=5)
    assert route.adapter == "b"
    assert b.calls == [1.0]
    assert engine.breaker("a").failures == 1


@virtual
async def test_a_retry_that_would_come_after_the_deadline_is_not_waited_for() -> None:
    engine = World(retry=RetryPolicy(base_delay=5))
    engine.script("a", ConnectionError("down"))
    engine.script("b", "from b")
    route = await engine.execute_with_fallback("task", deadline=3)
    assert route.adapter == "b"
    assert now() == 0
    assert route.attempts[0].why == "the deadline comes before the next attempt in 5 s"


@virtual
async def test_adapters_not_reached_before_the_deadline_are_reported_as_left() -> None:
    engine = World()

    loop: Any = asyncio.get_running_loop()

    async def slow_failure(task: Any) -> None:
        loop.advance(10)  # it works that long without ever waiting
        raise ConnectionError("down")

    engine.add_adapter("a", slow_failure, retry=RetryPolicy(max_attempts=1))
    b = engine.script("b", "from b")
    route = await engine.execute_with_fallback("task", deadline=5)
    assert not route.success
    assert b.calls == []
    assert route.left == ("b",)
    assert isinstance(route.exception, DeadlineExceeded)


@virtual
async def test_the_deadline_of_a_call_overrides_that_of_its_task() -> None:
    engine = World()
    engine.script("a", FOREVER)
    await engine.execute_with_fallback(Task(deadline=2))
    assert now() == 2
    await engine.execute_with_fallback(Task(deadline=2), deadline=3)
    assert now() == 5


@virtual
async def test_a_deadline_that_has_passed_calls_no_adapter() -> None:
    engine = World()
    a = engine.script("a", "from a")
    route = await engine.execute_with_fallback("task", deadline=0)
    assert a.calls == []
    assert (route.total_attempts, route.left) == (0, ("a",))
    assert isinstance(route.exception, DeadlineExceeded)


# ------------------------------------------------------------------ the caller gives up


@virtual
async def test_a_cancelled_caller_cancels_the_call_without_a_verdict() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=1))
    a = engine.script("a", FOREVER)
    b = engine.script("b", "from b")
    running = asyncio.create_task(engine.execute_with_fallback("task"))
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (a.cancelled, b.calls) == (1, [])
    assert engine.breaker("a").state == "closed"
    assert engine.breaker("a").snapshot().calls == 0
    statistics = engine.get_adapter_statistics()["a"]
    assert (statistics["in_flight"], statistics["failures"], statistics["calls"]) == (0, 0, 1)
    (told,) = engine.story()
    assert isinstance(told, RouteFinished)
    assert (told.success, told.error, told.left) == (False, "the caller gave up", ("b",))
    assert told.attempts[0].outcome == "cancelled"


@virtual
async def test_a_cancelled_probe_gives_its_permit_back() -> None:
    policy = BreakerPolicy(failure_threshold=1, recovery_timeout=1, jitter=0, success_threshold=1)
    engine = World(breaker=policy, retry=RetryPolicy(max_attempts=1))
    engine.script("a", ConnectionError("down"), FOREVER, "well again")
    await engine.execute_with_fallback("trip")
    await asyncio.sleep(1)
    probe = asyncio.create_task(engine.execute_with_fallback("probe"))
    await asyncio.sleep(0.5)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert engine.breaker("a").snapshot().probes_in_flight == 0
    assert (await engine.execute_with_fallback("probe")).result == "well again"


@virtual
async def test_a_caller_can_be_cancelled_during_a_backoff() -> None:
    engine = World(retry=RetryPolicy(base_delay=10))
    a = engine.script("a", ConnectionError("down"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await engine.execute_with_fallback("task")
    assert len(a.calls) == 1
    assert isinstance(engine.emitted[-1], RouteFinished)
    assert now() == 3


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_neither_counted_nor_replaced(kind: type[BaseException]) -> None:
    engine = Engine(breaker=BreakerPolicy(failure_threshold=1))
    told: list[object] = []
    engine.subscribe(told.append)
    interrupt = kind("stop")

    async def interrupted(task: Any) -> None:
        raise interrupt

    engine.add_adapter("a", interrupted)
    route = engine.execute_with_fallback("task")
    with pytest.raises(kind) as raised:
        route.send(None)
    assert raised.value is interrupt
    assert engine.breaker("a").state == "closed"
    assert engine.breaker("a").snapshot().calls == 0
    assert isinstance(told[-1], RouteFinished)


# ------------------------------------------------------------------ nothing is left behind


@virtual
async def test_timed_out_routes_leave_no_tasks_and_no_timers() -> None:
    engine = World(retry=RetryPolicy(attempt_timeout=1), breaker=NEVER_TRIPS)
    engine.script("a", FOREVER, 0.5, FOREVER, "done")
    await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(20)))
    loop: Any = asyncio.get_running_loop()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert [timer for timer in loop._scheduled if not timer.cancelled()] == []


@virtual
async def test_a_failed_attempts_error_is_freed_without_the_garbage_collector() -> None:
    engine = World(retry=RetryPolicy(max_attempts=2, attempt_timeout=1))

    class Down(Exception):
        pass

    seen: list[weakref.ref[BaseException]] = []

    async def failing(task: Any) -> None:
        error = Down("down")
        seen.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    engine.add_adapter("a", failing)
    engine.add_adapter("b", Script("from b"))
    gc.collect()
    gc.disable()
    try:
        await engine.execute_with_fallback("task")
        route = await engine.execute_with_fallback("task", ["a"])
        assert isinstance(route.exception, Down)
        del route
        assert [error() for error in seen] == [None] * 4
    finally:
        gc.enable()


@virtual
async def test_the_event_of_a_route_says_how_long_it_could_take() -> None:
    engine = World()
    engine.script("a", "done", FOREVER, "done")
    await engine.execute_with_fallback("task", deadline=2.5)
    await engine.execute_with_fallback(Task(type="chat", deadline=1))
    await engine.execute_with_fallback("task")
    routes = [event for event in engine.emitted if isinstance(event, RouteFinished)]
    assert [route.deadline for route in routes] == [2.5, 1.0, None]
