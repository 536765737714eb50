"""Attempts long after an engine has started, at the limits of their time, and the records of them in full."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine import AttemptTimeout, BreakerPolicy, DeadlineExceeded, RetryPolicy
from fuseboard_engine.events import Attempt, AttemptFailed, RouteFinished
from fuseboard_engine.routing.attempt_runner import TIMER_TOLERANCE
from support.engine_world import NEVER_TRIPS, HttpError, World, now, virtual

START = 1000.0
"""When the tests begin, so that a moment and a duration are never the same number."""
FOREVER = 1e6
ONCE = RetryPolicy(max_attempts=1)


async def late_world(**options: Any) -> World:
    await asyncio.sleep(START)
    return World(**options)


@virtual
@pytest.mark.parametrize("timeout", [None, 2.0, 5.0])
async def test_a_deadline_that_ends_a_first_call_blames_no_adapter_however_late_it_is(timeout: float | None) -> None:
    engine = await late_world(retry=RetryPolicy(attempt_timeout=timeout), breaker=BreakerPolicy(failure_threshold=1))
    engine.script("a", FOREVER)
    b = engine.script("b", "from b")
    route = await engine.execute_with_fallback("task", deadline=2)
    assert (now(), b.calls) == (START + 2, [])
    assert isinstance(route.exception, DeadlineExceeded)
    assert [(attempt.outcome, attempt.rule) for attempt in route.attempts] == [("ignored", "deadline")]
    assert engine.breaker("a").state == "closed"


@virtual
async def test_a_call_that_its_own_timeout_ends_before_the_deadline_is_a_failure_however_late_it_is() -> None:
    engine = await late_world(retry=RetryPolicy(max_attempts=1, attempt_timeout=1))
    engine.script("a", FOREVER)
    engine.script("b", "from b")
    route = await engine.execute_with_fallback("task", deadline=1 + 2 * TIMER_TOLERANCE)
    assert (route.adapter, now()) == ("b", START + 1)
    assert [attempt.outcome for attempt in route.attempts] == ["failure", "success"]
    assert engine.breaker("a").failures == 1


@virtual
async def test_a_retry_gets_the_rest_of_the_deadline_and_is_not_blamed_for_its_end() -> None:
    engine = await late_world(retry=RetryPolicy(base_delay=1, attempt_timeout=5), breaker=NEVER_TRIPS)
    a = engine.script("a", ConnectionError("down"), FOREVER)
    route = await engine.execute_with_fallback("task", deadline=3)
    assert (a.calls, now()) == ([START, START + 1], START + 3)
    assert [(attempt.outcome, attempt.duration) for attempt in route.attempts] == [("failure", 0), ("ignored", 2)]
    assert isinstance(route.exception, DeadlineExceeded)
    assert isinstance(route.exception.__cause__, AttemptTimeout)


@virtual
async def test_an_ordinary_failure_does_not_lead_back_to_an_adapter_that_had_refused() -> None:
    engine = await late_world(retry=ONCE)
    a = engine.script("a", "from a")
    engine.breaker("a").open_for(1)

    async def slow(task: Any) -> None:
        await asyncio.sleep(2)
        raise RuntimeError("broken")

    engine.add_adapter("b", slow)
    engine.script("c", "from c")
    engine.breaker("c").open_for(60)
    route = await engine.execute_with_fallback("task", ["a", "b", "c"])
    assert not route.success
    assert [(one.adapter, one.outcome) for one in route.attempts] == [
        ("a", "rejected"),
        ("b", "failure"),
        ("c", "rejected"),
    ]
    assert a.calls == []


@virtual
async def test_a_route_with_a_deadline_goes_back_too_however_late_it_is() -> None:
    engine = await late_world()
    engine.script("a", "from a")
    engine.breaker("a").open_for(1)

    async def limited(task: Any) -> None:
        await asyncio.sleep(2)
        raise HttpError(429, retry_after="30")

    engine.add_adapter("b", limited)
    route = await engine.execute_with_fallback("task", ["a", "b"], deadline=60)
    assert (route.adapter, now()) == ("a", START + 2)


@virtual
async def test_a_call_that_its_caller_cancels_is_recorded_with_its_number_wait_and_duration() -> None:
    engine = await late_world(retry=RetryPolicy(base_delay=2))
    engine.script("a", ConnectionError("down"), FOREVER)
    running = asyncio.create_task(engine.execute_with_fallback("task"))
    await asyncio.sleep(7)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    (route,) = [event for event in engine.emitted if isinstance(event, RouteFinished)]
    assert route.attempts[1] == Attempt(
        adapter="a", outcome="cancelled", number=2, wait=2, duration=5, why=route.attempts[1].why
    )
    assert engine.get_adapter_statistics()["a"]["in_flight"] == 0


@virtual
async def test_a_failed_and_a_successful_attempt_are_recorded_with_every_field() -> None:
    engine = await late_world(
        retry=RetryPolicy(max_attempts=4, base_delay=2), breaker=BreakerPolicy(failure_threshold=9)
    )

    async def flaky(task: Any) -> str:
        await asyncio.sleep(3)
        if now() < START + 8:
            raise ConnectionError("down")
        return "yes"

    engine.add_adapter("a", flaky)
    task = {"id": "t1", "task_type": "ai", "context": {"request": "r1"}}
    route = await engine.execute_with_fallback(task)
    failed = Attempt(
        adapter="a", outcome="failure", number=1, wait=0.0, duration=3, rule="connection",
        error_type="ConnectionError", error="down", why=route.attempts[0].why, failures=1, limit=4,
    )  # fmt: skip
    assert route.attempts == (
        failed,
        Attempt(adapter="a", outcome="success", number=2, wait=2, duration=3),
    )
    (event,) = [event for event in engine.emitted if isinstance(event, AttemptFailed)]
    assert event == AttemptFailed(
        at=event.at, task="t1", task_type="ai", attempt=failed, then="retry", delay=2, threshold=9,
        context=event.context,
    )  # fmt: skip
    statistics = engine.get_adapter_statistics()["a"]
    assert (statistics["successes"], statistics["failures"], statistics["calls"], statistics["retries"]) == (1, 0, 2, 1)
    assert statistics["average_seconds"] == 3


@virtual
@pytest.mark.parametrize(
    ("error", "counted"), [(ConnectionError("down"), 1), (HttpError(400), 0)], ids=["its fault", "not its fault"]
)
async def test_a_task_counts_as_failed_only_where_the_adapter_is_to_blame(error: Exception, counted: int) -> None:
    engine = await late_world(retry=ONCE)
    engine.script("a", error)
    await engine.execute_with_fallback("task")
    assert engine.get_adapter_statistics()["a"]["failures"] == counted


@virtual
async def test_the_last_adapter_and_one_without_others_stop_the_route() -> None:
    engine = await late_world(retry=ONCE)
    engine.script("a", ConnectionError("down"))
    engine.script("b", ConnectionError("down"))
    await engine.execute_with_fallback("task", ["a", "b", "unknown"])
    failed = [event for event in engine.emitted if isinstance(event, AttemptFailed)]
    assert [(event.attempt.adapter, event.then) for event in failed] == [("a", "failover"), ("b", "stop")]


@virtual
async def test_a_call_that_best_effort_does_not_wait_for_says_so_and_gets_no_verdict() -> None:
    engine = await late_world()
    engine.script("a", FOREVER)
    engine.script("b", "from b")
    result = await engine.execute_parallel("task", ["a", "b"], strategy="best_effort", timeout=2)
    (attempt,) = result.results["a"].attempts
    assert attempt == Attempt(
        adapter="a", outcome="cancelled", number=1, duration=2, why="not done within the timeout (2 s)"
    )
    assert (result.result, engine.breaker("a").snapshot().calls) == ({"b": "from b"}, 0)
