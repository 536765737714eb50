"""What one call says of retries, and limits of the adapters and calls that a task may cost."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from fuseboard_engine import AllAdaptersFailed, RetryPolicy, RoutingPolicy
from fuseboard_engine.events import AttemptFailed
from support.engine_world import NEVER_TRIPS, HttpError, World, now, virtual

DOWN = ConnectionError("down")


def broken(*names: str, **options: Any) -> World:
    world = World(breaker=NEVER_TRIPS, **options)
    for name in names:
        world.script(name, DOWN)
    return world


@virtual
async def test_a_call_says_how_often_and_how_soon_each_adapter_is_asked_again() -> None:
    world = broken("a", retry=RetryPolicy(max_attempts=5))
    late = world.script("b", DOWN, retry=RetryPolicy(max_attempts=1, strategy="linear"))

    route = await world.execute_with_fallback("x", max_retries=3, retry_delay_base=0.1)

    assert [(a.adapter, a.number, round(a.wait, 3)) for a in route.attempts] == [
        ("a", 1, 0.0), ("a", 2, 0.1), ("a", 3, 0.2), ("b", 1, 0.0), ("b", 2, 0.1), ("b", 3, 0.2),
    ]  # fmt: skip
    assert len(late.calls) == 3


@virtual
async def test_the_other_values_of_each_adapters_policy_stay() -> None:
    world = World(breaker=NEVER_TRIPS)
    world.script("slow", 60.0, retry=RetryPolicy(attempt_timeout=2.0))

    await world.execute_with_fallback("x", max_retries=1)

    assert now() == pytest.approx(2.0)


@virtual
async def test_retries_and_delay_of_a_call_change_the_calls_policy() -> None:
    world = broken("a")

    route = await world.execute_with_fallback(
        "x", retry=RetryPolicy(max_attempts=9, strategy="linear", base_delay=1), max_retries=3
    )

    assert [a.wait for a in route.attempts] == [0.0, 1.0, 2.0]


@virtual
async def test_a_base_delay_beyond_the_cap_raises_the_cap() -> None:
    world = broken("a", retry=RetryPolicy(max_delay=1.0))

    route = await world.execute_with_fallback("x", max_retries=2, retry_delay_base=5)

    assert route.attempts[1].wait == 5


@pytest.mark.parametrize("name", ["max_retries", "max_adapters", "max_attempts"])
@pytest.mark.parametrize("value", [0, -1, True, "3", 1.5])
@virtual
async def test_a_wrong_number_is_refused_before_any_call(name: str, value: Any) -> None:
    world = World()
    script = world.script("a", "answer")
    with pytest.raises((TypeError, ValueError), match=name):
        await world.execute_with_fallback("x", **{name: value})
    assert script.calls == []


@pytest.mark.parametrize("delay", [-0.1, float("nan"), float("inf"), "1"])
@virtual
async def test_a_wrong_delay_is_refused(delay: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="retry_delay_base"):
        await broken("a").execute_with_fallback("x", retry_delay_base=delay)


@virtual
async def test_the_number_of_called_adapters_is_limited() -> None:
    world = broken("a", "b", "c", retry=RetryPolicy(max_attempts=2, base_delay=0))

    route = await world.execute_with_fallback("x", max_adapters=2)

    assert (route.fallback_chain, route.total_attempts, route.left) == (["a", "b"], 4, ("c",))
    assert route.why == "order of registration; the limit of 2 adapters per task is reached"
    assert [event.then for event in world.emitted if isinstance(event, AttemptFailed)][-1] == "stop"
    with pytest.raises(AllAdaptersFailed, match="down"):
        route.unwrap()


@virtual
async def test_an_adapter_that_refuses_does_not_count() -> None:
    world = broken("a", "b", "c", retry=RetryPolicy(max_attempts=1))
    world.breaker("a").force_open()

    route = await world.execute_with_fallback("x", max_adapters=1)

    assert (route.fallback_chain, list(route.skipped), route.left) == (["b"], ["a"], ("c",))


@pytest.mark.parametrize(("most", "chain"), [(1, ["a"]), (3, ["a"]), (4, ["a", "b"]), (7, ["a", "b", "c"])])
@virtual
async def test_the_number_of_calls_is_limited(most: int, chain: list[str]) -> None:
    world = broken("a", "b", "c", retry=RetryPolicy(max_attempts=3, base_delay=0))

    route = await world.execute_with_fallback("x", max_attempts=most)

    assert (route.total_attempts, route.fallback_chain) == (most, chain)
    assert route.attempts[-1].why == f"the limit of {most} attempt{'s' * (most > 1)} per task is reached"


@virtual
async def test_the_last_adapter_that_may_be_called_is_treated_as_the_only_one() -> None:
    world = World(breaker=NEVER_TRIPS, retry=RetryPolicy(max_attempts=2))
    world.script("a", HttpError(429, Retry_After="1"), "after all")
    world.script("b", "answer")

    assert (await world.execute_with_fallback("x", max_adapters=1)).result == "after all"


@virtual
async def test_the_routing_policy_limits_every_task_unless_the_call_sets_its_own_limit() -> None:
    policy = RoutingPolicy(max_adapters=1, max_attempts=5)
    world = broken("a", "b", retry=RetryPolicy(max_attempts=3, base_delay=0), routing=policy)

    assert (await world.execute_with_fallback("x")).total_attempts == 3
    assert (await world.execute_with_fallback("x", max_adapters=2)).total_attempts == 5
    world.routing.update_policy(RoutingPolicy())
    assert (await world.execute_with_fallback("x")).total_attempts == 6


@virtual
async def test_the_limits_apply_to_streams() -> None:
    world = broken("a", "b", "c", retry=RetryPolicy(max_attempts=1), routing=RoutingPolicy(max_adapters=2))

    stream = world.stream_with_fallback("x")
    with pytest.raises(AllAdaptersFailed):
        await anext(stream)

    assert stream.result is not None
    assert (stream.result.fallback_chain, stream.result.left) == (["a", "b"], ("c",))


def test_log_lines_count_the_attempts_of_the_calls_policy(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        world = World(retry=RetryPolicy(max_attempts=9))
        world.log_events()
        world.script("a", DOWN, "answer")
        await world.execute_with_fallback("x", max_retries=2)
        await world.execute_with_fallback("x", retry=RetryPolicy(max_attempts=4))
        await world.execute_with_fallback("x")

    with caplog.at_level(logging.INFO, "fuseboard"):
        story()
    assert [record.message for record in caplog.records if "on a" in record.message] == [
        "Attempt 1/2 failed on a: down",
        "Task succeeded on a (attempt 2/2)",
        "Task succeeded on a (attempt 1/4)",
        "Task succeeded on a (attempt 1/9)",
    ]


def test_the_limits_apply_to_the_sync_engine() -> None:
    from fuseboard_engine import Engine

    engine = Engine("t")
    engine.add_adapter("a", lambda task: 1 / 0)

    assert engine.sync.execute_with_fallback("x", max_retries=2, retry_delay_base=0, max_attempts=1).total_attempts == 1
    engine.sync.close()
