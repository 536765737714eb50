"""Breakers along the chain: skipping, tripping, and the way back."""

from __future__ import annotations

import asyncio

import pytest

from fuseboard_engine import BreakerPolicy, CircuitOpen, RetryPolicy
from fuseboard_engine.events import ProbeChanged, StateChanged
from support.engine_world import NEVER_TRIPS, HttpError, World, now, virtual

DOWN = ConnectionError("down")
ONCE = RetryPolicy(max_attempts=1)
TRIPS_AT_ONCE = BreakerPolicy(failure_threshold=1, recovery_timeout=30, jitter=0, success_threshold=1)


@virtual
async def test_an_open_adapter_is_skipped_without_any_delay_and_the_route_says_why() -> None:
    engine = World(breaker=TRIPS_AT_ONCE)
    a = engine.script("a", DOWN)
    engine.script("b", "from b")
    await engine.execute_with_fallback("first")
    before = now()
    route = await engine.execute_with_fallback("second")
    assert len(a.calls) == 1
    assert now() == before
    assert route.fallback_chain == ["b"]
    assert route.total_attempts == 1
    assert route.skipped == {"a": "a is open (last error: ConnectionError: down)"}


@virtual
async def test_a_cached_rejection_states_the_remaining_wait() -> None:
    engine = World(breaker=TRIPS_AT_ONCE)
    engine.script("a", DOWN)
    await engine.execute_with_fallback("first")
    route = await engine.execute_with_fallback("second")
    assert route.error == "a is open (last error: ConnectionError: down)"
    assert route.retry_after == 30
    assert str(route.exception) == f"{route.error}; the next call is admitted in 30 s"


@virtual
async def test_a_recovered_adapter_is_probed_by_the_router_and_closes() -> None:
    engine = World(breaker=TRIPS_AT_ONCE)
    a = engine.script("a", DOWN, "well again")
    engine.script("b", "from b")
    assert (await engine.execute_with_fallback("task")).adapter == "b"
    await asyncio.sleep(30)
    assert engine.breaker("a").state == "open"  # it is no router's business to look
    assert (await engine.execute_with_fallback("task")).adapter == "a"
    assert engine.breaker("a").state == "closed"
    assert len(a.calls) == 2


@virtual
async def test_a_failed_probe_starts_a_new_wait_and_the_next_task_is_refused() -> None:
    engine = World(breaker=TRIPS_AT_ONCE)
    a = engine.script("a", DOWN)
    engine.script("b", "from b")
    await engine.execute_with_fallback("task")
    await asyncio.sleep(30)
    await engine.execute_with_fallback("probe")
    assert len(a.calls) == 2
    route = await engine.execute_with_fallback("at once")
    assert len(a.calls) == 2
    assert "a" in route.skipped


@virtual
async def test_one_of_many_tasks_probes_and_the_others_continue_without_waiting() -> None:
    engine = World(breaker=TRIPS_AT_ONCE)
    a = engine.script("a", DOWN, 1.0)
    engine.script("b", "from b")
    await engine.execute_with_fallback("trip")
    await asyncio.sleep(30)
    routes = await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(20)))
    assert len(a.calls) == 2
    assert [route.adapter for route in routes].count("b") == 19
    assert engine.breaker("a").state == "closed"


@virtual
async def test_a_route_with_every_breaker_open_fails_with_the_earliest_recovery() -> None:
    engine = World()
    engine.script("a", DOWN)
    engine.script("b", DOWN)
    engine.breaker("a").open_for(20)
    engine.breaker("b").open_for(5)
    route = await engine.execute_with_fallback("task")
    assert not route.success
    assert route.total_attempts == 0
    assert route.fallback_chain == []
    assert route.retry_after == pytest.approx(5)
    assert isinstance(route.exception, CircuitOpen)
    assert set(route.skipped) == {"a", "b"}


@virtual
async def test_the_error_of_a_route_is_a_real_failure_rather_than_a_later_refusal() -> None:
    engine = World(retry=ONCE)
    engine.script("a", DOWN)
    engine.script("b", "from b")
    engine.breaker("b").force_open()
    route = await engine.execute_with_fallback("task")
    assert route.exception is DOWN
    assert route.error == "down"


@virtual
async def test_an_adapter_held_open_by_hand_is_skipped_and_the_operator_is_named_as_the_way_out() -> None:
    engine = World()
    engine.script("a", "from a")
    engine.script("b", "from b")
    engine.breaker("a").force_open()
    route = await engine.execute_with_fallback("task")
    assert route.skipped == {"a": "a is held open by hand; an operator has to enable or reset it"}
    assert route.retry_after is None


@virtual
async def test_a_429_opens_the_breaker_at_once_for_as_long_as_it_asks_and_fails_over() -> None:
    engine = World()
    a = engine.script("a", HttpError(429, retry_after="17"))
    b = engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert (len(a.calls), b.calls) == (1, [0.0])
    assert route.attempts[0].rule == "rate_limited"
    snapshot = engine.breaker("a").snapshot()
    assert (snapshot.state, snapshot.retry_after) == ("open", 17)


@virtual
async def test_a_429_without_retry_after_opens_for_the_recovery_timeout() -> None:
    engine = World(breaker=BreakerPolicy(recovery_timeout=4, jitter=0))
    engine.script("a", HttpError(429))
    engine.script("b", "from b")
    await engine.execute_with_fallback("task")
    assert engine.breaker("a").snapshot().retry_after == 4


@virtual
async def test_a_429_of_the_only_adapter_is_waited_for_and_does_not_open_its_breaker() -> None:
    engine = World()
    a = engine.script("a", HttpError(429, retry_after="3"), "done")
    route = await engine.execute_with_fallback("task")
    assert route.success
    assert a.calls == pytest.approx([0, 3])
    assert [event for event in engine.emitted if isinstance(event, StateChanged)] == []


@virtual
async def test_unregistered_names_do_not_count_as_other_adapters() -> None:
    engine = World()
    engine.script("a", HttpError(429, retry_after="3"), "done")
    route = await engine.execute_with_fallback("task", ["ghost", "a", "phantom"])
    assert route.success
    assert engine.breaker("a").state == "closed"


@virtual
async def test_a_429_of_the_last_adapter_is_waited_out_and_its_retry_is_the_probe() -> None:
    engine = World(breaker=BreakerPolicy(success_threshold=1))
    engine.script("a", DOWN, retry=ONCE)
    b = engine.script("b", HttpError(429, retry_after="3"), "done")
    route = await engine.execute_with_fallback("task")
    assert route.result == "done"
    assert b.calls == pytest.approx([0, 3])
    assert [event.what for event in engine.emitted if isinstance(event, ProbeChanged)] == ["admitted", "success"]


@virtual
async def test_errors_that_are_the_callers_own_never_open_a_breaker() -> None:
    engine = World(breaker=TRIPS_AT_ONCE)
    engine.script("a", HttpError(400, "no such field"))
    for _ in range(20):
        await engine.execute_with_fallback("task")
    assert engine.breaker("a").state == "closed"
    assert engine.breaker("a").snapshot().failed == 0


@virtual
async def test_a_probe_that_ends_without_a_verdict_returns_its_permit() -> None:
    engine = World(breaker=TRIPS_AT_ONCE)
    a = engine.script("a", DOWN, HttpError(400), "well again")
    await engine.execute_with_fallback("trip")
    await asyncio.sleep(30)
    await engine.execute_with_fallback("probe that is wrong itself")
    assert engine.breaker("a").state == "half_open"
    assert (await engine.execute_with_fallback("probe")).success
    assert len(a.calls) == 3


@virtual
async def test_a_breaker_that_never_trips_still_counts() -> None:
    engine = World(breaker=NEVER_TRIPS, retry=ONCE)
    engine.script("a", DOWN)
    for _ in range(30):
        await engine.execute_with_fallback("task")
    assert engine.breaker("a").failures == 30
    assert engine.breaker("a").state == "closed"
