"""Worlds of simulated adapters in virtual time."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from fuseboard import BreakerPolicy, DeadLetterPolicy, RetryPolicy
from fuseboard.testing import World, virtual_time
from fuseboard_engine.scenario_file.adapter import AdapterPart

BREAKER = BreakerPolicy(failure_threshold=3, recovery_timeout=20, jitter=0)
NOT_IN_A_WORLD = {"stands_for", "preset", "health_monitoring", "recorded"}  # of files, and of the player


def two_models() -> World:
    world = World(breaker=BREAKER, retry=RetryPolicy(max_attempts=1))
    world.adapter("gpt", latency=0.2)
    world.adapter("claude", latency=0.4, spread=0)
    return world


@virtual_time
async def test_an_outage_is_told_in_a_few_lines() -> None:
    world = two_models()
    await world.run(per_second=5, for_=10)
    world.faults.refuse("gpt", for_=15)
    await world.run(per_second=5, for_=30)
    world.assert_states("gpt", ["closed", "open", "half_open", "closed"], at=[10.7, 30.9, 31.6])
    world.assert_route(["gpt"], between=(0, 10))
    world.assert_route(["gpt", "claude"], between=(11, 30))
    world.expect(success_rate=1, failover_within={"gpt": 1}, recovered_within={"gpt": 7})


@virtual_time
async def test_the_same_world_does_the_same() -> None:
    async def routes() -> list[tuple[float, str, float]]:
        world = two_models()
        world.adapter("slow", latency={"p50": 1, "p99": 4}, failure_rate=0.5)
        world.engine.set_preference(["slow", "gpt"], task_type="mail")
        began = asyncio.get_running_loop().time()
        await world.run({"type": "mail", "per_second": 3, "arrivals": "poisson"}, for_=60, per_second=1)
        return [(world.moment_of(one) - began, one.adapter, one.duration) for one in world.routes()]

    first, second = await routes(), await routes()
    assert len(first) > 200
    assert [one[1] for one in first] == [one[1] for one in second]
    assert [one[2] for one in first] == pytest.approx([one[2] for one in second], abs=1e-4)


@virtual_time
async def test_time_passes_without_tasks() -> None:
    world = two_models()
    world.faults.hang("gpt", for_=60)
    await world.advance(100)
    assert asyncio.get_running_loop().time() == 100
    assert world.routes() == []
    assert not world.engine.faults.active()


@virtual_time
async def test_tasks_that_nobody_does_become_dead_letters_or_get_degraded_answers() -> None:
    world = World(dead_letters=DeadLetterPolicy(automatic_retry=False), breaker=BREAKER)
    world.adapter("gpt", failure_rate=1)
    world.engine.set_degraded("chat", {"text": "later"})
    await world.run({"type": "chat", "times": [1, 2]}, {"type": "mail", "times": [3]}, for_=10)
    world.assert_degraded(2, type="chat")
    world.assert_dead_letters(1, type="mail")
    world.expect(degraded_rate={"at_least": 0.6, "at_most": 0.7}, success_rate={"at_most": 0})


@virtual_time
async def test_streams_batches_and_fan_outs_arrive_as_in_a_scenario() -> None:
    world = two_models()
    world.adapter("streams", items=5, gap=0.1)
    world.engine.set_preference(["streams"], task_type="read")
    await world.run(
        {"type": "read", "times": [0], "stream": True},
        {"type": "many", "times": [1], "batch": {"tasks": 3}},
        {"type": "both", "times": [2], "fan_out": {"adapters": ["gpt", "claude"], "strategy": "all"}},
        for_=5,
    )
    assert [len(world.routes(type)) for type in ("read", "many", "both")] == [1, 3, 1]


@virtual_time
async def test_what_cannot_be_is_an_error_that_says_why() -> None:
    world = two_models()
    with pytest.raises(ValueError, match="latency"):
        world.adapter("other", latency=-1)
    with pytest.raises(ValueError, match="overload needs a capacity"):
        world.adapter("other", overload="refuse")
    with pytest.raises(ValueError, match="set per_second, or give traffic"):
        await world.run(for_=10)
    with pytest.raises(ValueError, match="per_secnd"):
        await world.run({"per_secnd": 1}, for_=10)
    with pytest.raises(ValueError, match="for_ is a number of seconds above 0"):
        await world.run(per_second=1, for_=float("inf"))


def test_a_world_in_real_time_says_what_to_do() -> None:
    world = two_models()
    with pytest.raises(RuntimeError, match="put @virtual_time"):
        asyncio.run(world.run(per_second=5, for_=10))
    with pytest.raises(RuntimeError, match="put @virtual_time"):
        asyncio.run(world.advance(1))


def test_an_adapter_takes_what_one_of_a_scenario_takes() -> None:
    arguments: dict[str, Any] = dict(inspect.signature(World.adapter).parameters)
    assert [name for name in arguments if name not in ("self", "name")] == [
        name for name in AdapterPart.model_fields if name not in NOT_IN_A_WORLD
    ]
