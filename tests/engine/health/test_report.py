"""The health report of an engine and of one adapter."""

from __future__ import annotations

import asyncio

import pytest

from fuseboard_engine import BreakerPolicy, RetryPolicy
from fuseboard_engine.adapters.registry import DownMark
from fuseboard_engine.health.policy import HealthPolicy
from support.engine_world import World, now, virtual

DOWN = ConnectionError("down")
ONCE = RetryPolicy(max_attempts=1)
TRIPS = BreakerPolicy(failure_threshold=1, recovery_timeout=10)


@virtual
async def test_an_engine_without_adapters_is_ready() -> None:
    status = World().get_health_status()
    assert (status["total_adapters"], status["healthy_share"], status["ready"]) == (0, 1.0, True)


@virtual
async def test_adapters_are_counted_by_the_state_of_their_breaker() -> None:
    engine = World(breaker=TRIPS)
    for name in ("closed", "disabled", "watch", "open 1", "open 2", "probing", "held 1", "held 2", "held 3"):
        engine.script(name, "done")
        breaker = engine.breaker(name)
        if name.startswith(("open", "probing")):
            breaker.admit().failure("refused")
        if name == "probing":
            breaker.half_open_early("test")
        if name.startswith("held"):
            breaker.force_open()
    engine.breaker("disabled").disable()
    engine.breaker("watch").metrics_only()
    status = engine.get_health_status()
    assert (status["open_breakers"], status["half_open_breakers"], status["held_breakers"]) == (2, 1, 3)
    assert (status["total_adapters"], status["healthy_adapters"]) == (9, 3)  # a half-open one admits only probes


@virtual
async def test_an_adapter_is_known_down_only_until_its_mark_expires() -> None:
    engine = World()
    for name in "ab":
        engine.script(name, "done")
    engine.registry["a"].down = DownMark("refused", until=now() + 5)
    for seconds, down in ((0, 1), (4.9, 1), (0.1, 0)):
        await asyncio.sleep(seconds)
        status = engine.get_health_status()
        assert (status["known_down"], status["healthy_adapters"]) == (down, 2 - down)
        assert engine.get_adapter_health("a")["known_down"] is bool(down)
        assert engine.get_adapter_health("b")["known_down"] is False


@pytest.mark.parametrize(("out", "ready"), [(0, True), (1, True), (2, False), (3, False), (4, False)])
@virtual
async def test_an_engine_is_ready_while_more_than_half_of_its_adapters_are_healthy(out: int, ready: bool) -> None:
    engine = World()
    for n in range(4):
        engine.script(str(n), "done")
        if n < out:
            engine.breaker(str(n)).force_open()
    status = engine.get_health_status()
    assert (status["healthy_share"], status["ready"]) == (1 - out / 4, ready)


@virtual
async def test_the_report_of_an_adapter_has_its_breaker_check_statistics_and_history() -> None:
    engine = World(health=HealthPolicy(), retry=ONCE, breaker=TRIPS)
    engine.script("a", "done", DOWN, health=lambda: None)
    for _ in range(3):
        await engine.execute_with_fallback("task")
    seen = engine.get_adapter_health("a")
    assert (seen["adapter"], seen["state"]) == ("a", "open")
    assert (seen["breaker"]["state"], seen["breaker"]["rejected"], seen["breaker"]["openings"]) == ("open", 1, 1)
    assert seen["check"]["status"] == "unknown"
    assert (seen["statistics"]["calls"], seen["statistics"]["rejections"]) == (2, 1)
    assert [(call["outcome"], call["error"]) for call in seen["calls"]] == [
        ("success", ""),
        ("failure", "ConnectionError: down"),
    ]
    assert [(one["what"], one["before"], one["after"]) for one in seen["transitions"]] == [
        ("breaker", "closed", "open")
    ]


@virtual
async def test_records_older_than_the_retention_are_not_reported() -> None:
    engine = World(health=HealthPolicy(retention=60), retry=ONCE)
    engine.script("a", "done")
    for seconds in (0, 50, 5):
        await asyncio.sleep(seconds)
        await engine.execute_with_fallback("task")
    assert len(engine.get_adapter_health("a")["calls"]) == 3
    await asyncio.sleep(10)
    assert len(engine.get_adapter_health("a")["calls"]) == 2


@virtual
async def test_a_full_report_says_how_many_records_there_are() -> None:
    engine = World(health=HealthPolicy(), retry=ONCE)
    engine.script("a", "done")
    await engine.execute_with_fallback("task")
    assert engine.get_adapter_health("a", full=True)["warning"] == "all that is kept: 1 calls, 0 transitions"
