"""Alerts for failure rates that cross a threshold."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, CallerError, HealthPolicy, RetryPolicy
from fuseboard_engine.events import FailureRateAlert
from support.engine_world import NEVER_TRIPS, World, virtual

DOWN = ConnectionError("down")
ONCE = RetryPolicy(max_attempts=1)


def watched(**policy: Any) -> World:
    fields = {"failure_rate_alert": 0.5, "failure_rate_calls": 10, **policy}
    return World(breaker=NEVER_TRIPS, retry=ONCE, health=HealthPolicy(**fields))


def alerts(world: World) -> list[tuple[bool, float, int]]:
    return [(e.high, round(e.rate, 3), e.calls) for e in world.emitted if isinstance(e, FailureRateAlert)]


async def play(world: World, outcomes: str) -> None:
    """Give the adapter a task for each outcome: `x` fails, `o` succeeds."""
    for outcome in outcomes:
        await world.execute_with_fallback(outcome)


async def adapter(task: Any) -> str:
    if task == "x":
        raise DOWN
    if task == "c":
        raise CallerError("no such customer")
    return "done"


@virtual
async def test_an_alert_is_raised_when_the_rate_crosses_the_threshold_and_once_when_it_is_low_again() -> None:
    world = watched()
    world.add_adapter("a", adapter)

    await play(world, "ooooo" + "xxxx")
    assert alerts(world) == []
    await play(world, "xxxxx")
    assert alerts(world) == [(True, 0.5, 10)]
    await play(world, "oooooo")
    assert alerts(world)[1:] == [(False, 0.474, 19)]


@virtual
async def test_too_few_calls_raise_no_alert() -> None:
    world = watched(failure_rate_calls=20)
    world.add_adapter("a", adapter)

    await play(world, "x" * 19)
    assert alerts(world) == []
    await play(world, "x")
    assert alerts(world) == [(True, 1.0, 20)]


@virtual
async def test_old_calls_leave_the_window() -> None:
    world = watched(failure_rate_window=60)
    world.add_adapter("a", adapter)

    await play(world, "x" * 9)
    await asyncio.sleep(66)
    await play(world, "x" * 9)
    assert alerts(world) == []
    await play(world, "x")
    assert alerts(world) == [(True, 1.0, 10)]


@virtual
async def test_errors_of_the_caller_are_no_calls() -> None:
    world = watched()
    world.add_adapter("a", adapter)

    await play(world, "x" * 9 + "c" * 30)

    assert alerts(world) == []


@virtual
async def test_the_policy_may_change_and_end() -> None:
    world = World(breaker=NEVER_TRIPS, retry=ONCE, health=HealthPolicy())
    world.add_adapter("a", adapter)
    await play(world, "x" * 30)
    assert alerts(world) == []

    world.health.update_policy(HealthPolicy(failure_rate_alert=0.5, failure_rate_calls=2))
    await play(world, "xx")
    world.health.update_policy(HealthPolicy(failure_rate_alert=0.9, failure_rate_calls=2))
    await play(world, "oo")
    world.health.update_policy(None)
    await play(world, "xxxxxxxxx")

    assert [high for high, _, _ in alerts(world)] == [True, False]


def test_the_alert_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        world = watched(failure_rate_calls=2)
        world.log_events()
        world.add_adapter("a", adapter)
        await play(world, "xxooo")

    with caplog.at_level(logging.INFO, "fuseboard.health"):
        story()
    assert [(record.levelname, record.message) for record in caplog.records if record.name == "fuseboard.health"] == [
        ("WARNING", "Failure rate alert for adapter a: 100% of 2 calls in 60 s failed, the threshold is 50%"),
        (
            "INFO",
            "Failure rate is below the threshold again for adapter a: "
            "40% of 5 calls in 60 s failed, the threshold is 50%",
        ),
    ]


@virtual
async def test_statistics_count_partial_batches_and_openings() -> None:
    world = World(retry=ONCE)
    world.add_adapter("a", adapter, breaker=BreakerPolicy(failure_threshold=5))
    assert world.get_routing_statistics()["partial_rate"] is None

    await world.execute_batch(["o", "x"], retries=0)
    await world.execute_batch(["o", "o"])
    await world.execute_batch(["x", "x", "o"], retries=0)
    await world.execute_batch([])
    await play(world, "xxxxx")
    world.breaker("a").reset()
    world.breaker("a").open_for(5)

    found = world.get_routing_statistics()
    assert (found["batches"], found["partial_batches"], found["partial_rate"]) == (4, 1, 0.25)
    assert found["breaker_opens"] == 2
