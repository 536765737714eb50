"""Statistics, health, recent failures and route results."""

from __future__ import annotations

import asyncio
import random

import pytest

from fuseboard_engine import AllAdaptersFailed, BreakerPolicy, Engine, RetryPolicy, RouteResult
from support.engine_world import NEVER_TRIPS, HttpError, World, virtual

DOWN = ConnectionError("down")
ONCE = RetryPolicy(max_attempts=1)


@virtual
async def test_statistics_count_tasks_calls_retries_rejections_and_time() -> None:
    engine = World(breaker=NEVER_TRIPS)
    engine.script("a", DOWN, 2.0, DOWN, DOWN, DOWN, 4.0)
    engine.script("b", "done")
    for n in range(3):
        await engine.execute_with_fallback(n)
    engine.breaker("a").force_open()
    await engine.execute_with_fallback("refused")
    assert engine.get_adapter_statistics()["a"] == {
        "successes": 2,
        "failures": 1,
        "total_attempts": 3,
        "success_rate": pytest.approx(2 / 3),
        "calls": 6,
        "retries": 3,
        "timeouts": 0,
        "rejections": 1,
        "in_flight": 0,
        "average_seconds": 3.0,
        "state": "forced_open",
        "recovery_rate": None,
        "last_success_at": engine.wall(),
        "last_failure_at": engine.wall() - 4_000_000,
    }
    assert engine.get_adapter_statistics()["b"]["successes"] == 2


@virtual
async def test_statistics_count_how_often_probes_closed_a_breaker() -> None:
    engine = World(
        breaker=BreakerPolicy(failure_threshold=1, success_threshold=1, recovery_timeout=1, jitter=0), retry=ONCE
    )
    engine.script("a", DOWN, DOWN, "good", DOWN, "good", DOWN, "good")
    for _ in range(6):
        await engine.execute_with_fallback("task")
        await asyncio.sleep(100)
    engine.breaker("a").open_for(1)
    engine.breaker("a").half_open()
    engine.breaker("a").force_open()
    seen = engine.breaker("a").snapshot()
    assert (seen.recoveries, seen.relapses) == (2, 1)
    assert engine.get_adapter_statistics()["a"]["recovery_rate"] == pytest.approx(2 / 3)


@virtual
async def test_routing_statistics_count_outcomes_and_failovers() -> None:
    engine = World(retry=ONCE, breaker=NEVER_TRIPS)
    engine.script("a", "good", DOWN, DOWN, DOWN, "good")
    engine.script("b", "good", DOWN)
    assert engine.get_routing_statistics() == {
        "tasks": 0,
        "succeeded": 0,
        "failed_over": 0,
        "degraded": 0,
        "failed": 0,
        "success_rate": None,
        "fallback_rate": None,
        "degraded_rate": None,
        "batches": 0,
        "partial_batches": 0,
        "partial_rate": None,
        "breaker_opens": 0,
        "overdue_calls": 0,
        "overdue_calls_total": 0,
    }
    await engine.execute_with_fallback("a answers")
    await engine.execute_with_fallback("b answers", ["a", "b"])
    await engine.execute_with_fallback("none answers", ["a", "b"])
    engine.set_degraded("plan", "later")
    await engine.execute_with_fallback({"task_type": "plan"}, ["a"])
    await engine.execute_parallel("one of two", ["a", "b"])
    assert engine.get_routing_statistics() == {
        "tasks": 5,
        "succeeded": 3,
        "failed_over": 1,
        "degraded": 1,
        "failed": 1,
        "success_rate": 0.6,
        "fallback_rate": 0.2,
        "degraded_rate": 0.2,
        "batches": 0,
        "partial_batches": 0,
        "partial_rate": None,
        "breaker_opens": 0,
        "overdue_calls": 0,
        "overdue_calls_total": 0,
    }


@virtual
async def test_an_adapter_that_was_never_used_has_zeroes() -> None:
    engine = World()
    engine.script("a", "done")
    seen = engine.get_adapter_statistics()["a"]
    assert (seen["total_attempts"], seen["success_rate"], seen["average_seconds"]) == (0, None, None)


@virtual
async def test_calls_in_flight_are_counted() -> None:
    engine = World()
    engine.script("a", 10.0)
    running = [asyncio.create_task(engine.execute_with_fallback(n)) for n in range(7)]
    await asyncio.sleep(5)
    assert engine.get_adapter_statistics()["a"]["in_flight"] == 7
    await asyncio.gather(*running)
    assert engine.get_adapter_statistics()["a"]["in_flight"] == 0


@virtual
async def test_a_thousand_concurrent_routes_leave_exact_counters() -> None:
    engine = World(breaker=NEVER_TRIPS, retry=RetryPolicy(max_attempts=2, budget_minimum=10_000))
    dice = random.Random(7)
    outcomes: list[str] = []

    async def flaky(task: object) -> str:
        await asyncio.sleep(dice.random())
        if dice.random() < 0.4:
            outcomes.append("failure")
            raise DOWN
        outcomes.append("success")
        return "done"

    engine.add_adapter("a", flaky)
    engine.add_adapter("b", flaky)
    routes = await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(1000)))
    a, b = engine.get_adapter_statistics()["a"], engine.get_adapter_statistics()["b"]
    assert a["calls"] + b["calls"] == len(outcomes) == sum(route.total_attempts for route in routes)
    assert a["successes"] + b["successes"] == outcomes.count("success") == sum(route.success for route in routes)
    assert a["total_attempts"] == 1000
    assert b["total_attempts"] == a["failures"]
    assert a["calls"] == 1000 + a["retries"]
    assert (a["in_flight"], b["in_flight"]) == (0, 0)
    assert engine.breaker("a").snapshot().calls == a["calls"]


# ------------------------------------------------------------------ health


@virtual
async def test_an_engine_whose_adapters_were_never_used_is_healthy() -> None:
    engine = World()
    engine.script("a", "done")
    assert engine.get_health_status() == {
        "total_adapters": 1,
        "healthy_adapters": 1,
        "open_breakers": 0,
        "half_open_breakers": 0,
        "held_breakers": 0,
        "known_down": 0,
        "healthy_share": 1.0,
        "ready": True,
        "overall": "unknown",
        "checks": {},
    }


def test_an_engine_without_adapters_is_ready() -> None:
    status = Engine().get_health_status()
    assert (status["total_adapters"], status["ready"]) == (0, True)


@virtual
async def test_health_counts_each_kind_of_trouble() -> None:
    engine = World()
    for name in "abcdef":
        engine.script(name, "done")
    engine.breaker("a").open_for(10)
    engine.breaker("b").half_open()
    engine.breaker("c").force_open()
    engine.breaker("d").disable()
    engine.breaker("e").metrics_only()
    status = engine.get_health_status()
    assert (status["open_breakers"], status["half_open_breakers"], status["held_breakers"]) == (1, 1, 1)
    assert status["healthy_adapters"] == 3
    assert status["healthy_share"] == 0.5
    assert not status["ready"]  # more than half must be healthy
    engine.breaker("a").reset()
    assert engine.get_health_status()["ready"]


# ------------------------------------------------------------------ recent failures


@virtual
async def test_recent_failures_are_newest_first_and_at_most_as_many_as_asked_for() -> None:
    engine = World(breaker=NEVER_TRIPS, retry=ONCE)
    engine.script("a", *[ConnectionError(f"error {n}") for n in range(20)])
    for n in range(20):
        await engine.execute_with_fallback({"id": f"t{n}", "type": "ai"})
    newest = engine.get_recent_failures(2)
    assert [(f.task, f.task_type, f.attempt.error) for f in newest] == [
        ("t19", "ai", "error 19"),
        ("t18", "ai", "error 18"),
    ]
    assert len(engine.get_recent_failures()) == 10
    assert len(engine.get_recent_failures(1000)) == 20
    assert engine.get_recent_failures(0) == []
    assert engine.get_recent_failures(-3) == []


@virtual
async def test_no_more_than_200_failures_are_kept() -> None:
    engine = World(breaker=NEVER_TRIPS, retry=ONCE)
    engine.script("a", DOWN)
    for n in range(250):
        await engine.execute_with_fallback(n)
    assert len(engine.get_recent_failures(1000)) == 200


# ------------------------------------------------------------------ the result of a route


@virtual
async def test_a_result_describes_the_whole_route() -> None:
    engine = World(retry=RetryPolicy(max_attempts=2))
    engine.script("shut", "never")
    engine.script("down", DOWN)
    engine.script("good", 3.0)
    engine.script("spare", "never")
    engine.breaker("shut").open_for(60)
    route = await engine.execute_with_fallback({"id": "t1", "type": "ai"})
    assert [(a.adapter, a.outcome, a.number) for a in route.attempts] == [
        ("shut", "rejected", 0),
        ("down", "failure", 1),
        ("down", "failure", 2),
        ("good", "success", 1),
    ]
    assert (route.task, route.task_type, route.success, route.degraded, route.adapter) == (
        "t1",
        "ai",
        True,
        False,
        "good",
    )
    assert route.fallback_chain == ["down", "good"]
    assert route.total_attempts == 3
    assert list(route.skipped) == ["shut"]
    assert route.left == ("spare",)
    assert route.duration == pytest.approx(3.1)
    assert route.attempts[-1].duration == pytest.approx(3.0)
    assert route.error is None


@virtual
async def test_unwrap_gives_the_result_or_raises_with_the_last_error_as_its_cause() -> None:
    engine = World(retry=ONCE)
    engine.script("a", "done", DOWN)
    assert (await engine.execute_with_fallback(1)).unwrap() == "done"
    route = await engine.execute_with_fallback(2)
    with pytest.raises(AllAdaptersFailed, match="down") as raised:
        route.unwrap()
    assert raised.value.result is route
    assert raised.value.__cause__ is DOWN
    assert isinstance(raised.value.__cause__, ConnectionError)


@virtual
async def test_the_adapters_traceback_is_kept() -> None:
    engine = World(retry=ONCE)

    async def deep(task: object) -> None:
        def deeper() -> None:
            raise KeyError("here")

        deeper()

    engine.add_adapter("a", deep)
    route = await engine.execute_with_fallback("task")
    assert route.exception is not None
    frames = []
    trace = route.exception.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert frames[-2:] == ["deep", "deeper"]


@virtual
async def test_unwrap_raises_the_same_error_each_time() -> None:
    engine = World(retry=ONCE, breaker=NEVER_TRIPS)
    engine.script("a", DOWN)
    first = await engine.execute_with_fallback(1)
    second = await engine.execute_with_fallback(2)
    assert first.exception is second.exception is DOWN


def test_a_degraded_answer_is_unwrapped_but_is_not_a_success() -> None:
    route = RouteResult(task="t", task_type="", success=False, degraded=True, result="from the template")
    assert route.unwrap() == "from the template"
    assert not route.success


@virtual
async def test_retry_after_is_the_earliest_recovery_and_ignores_expired_waits() -> None:
    engine = World(breaker=BreakerPolicy(success_threshold=1))
    engine.script("a", HttpError(503, retry_after="4"), DOWN, retry=RetryPolicy(max_attempts=2))
    route = await engine.execute_with_fallback("task")
    assert route.retry_after is None
    engine.breaker("a").open_for(8)
    engine.script("b", "never")
    engine.breaker("b").open_for(3)
    assert (await engine.execute_with_fallback("task")).retry_after == pytest.approx(3)
