"""Pinned behaviours of the seed systems for retry and failover, and their known bugs; data from the cases file."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import yaml

from fuseboard_engine import AllAdaptersFailed, BreakerPolicy, RetryPolicy
from support.engine_world import NEVER_TRIPS, Script, World, now, virtual
from support.paths import CASES

FILE = CASES / "seed_behaviours.yaml"
SEEDS = yaml.safe_load(FILE.read_text())
CASES = {case["id"]: case for case in (*SEEDS["cases"], *SEEDS["regressions"])}
DOWN = ConnectionError("down")
FOREVER = 1e6


def world(case: dict[str, Any], breaker: BreakerPolicy = NEVER_TRIPS) -> World:
    return World(breaker=breaker, retry=RetryPolicy(max_attempts=case.get("config", {}).get("tries", 3)))


def adapters(engine: World, case: dict[str, Any], **scripts: tuple[Any, ...]) -> dict[str, Script]:
    """Add the adapters of a case in its order; an adapter without a script answers with its name."""
    return {name: engine.script(name, *scripts.get(name, (name,))) for name in case["config"]["order"]}


@pytest.mark.parametrize("case", [CASES["FB01"], CASES["FB02"], CASES["FB03"], CASES["FB04"]], ids=lambda c: c["title"])
@virtual
async def test_a_route_ends_as_the_case_states(case: dict[str, Any]) -> None:
    scripts: dict[str, tuple[Any, ...]] = {
        "A ok": {"A": ("A",)},
        "A always fails": {"A": (DOWN,)},
        "all fail": {"A": (DOWN,), "B": (DOWN,), "C": (ConnectionError("last error text"),)},
        "A fails twice then ok": {"A": (DOWN, DOWN, "A")},
    }[case["steps"][0]]
    engine = world(case)
    adapters(engine, case, **scripts)
    route = await engine.execute_with_fallback("task", preference_order=case["config"]["order"])
    expect = case["expect"]
    assert route.adapter == expect["adapter"]
    assert route.fallback_chain == expect["chain"]
    assert route.success is expect.get("success", True)
    assert route.result == expect.get("result", route.adapter)
    if "attempts" in expect:
        assert route.total_attempts == expect["attempts"]
    if "error" in expect:
        assert route.error == expect["error"]


@virtual
async def test_fb05_a_given_order_overrides_the_types_and_unregistered_adapters_are_skipped() -> None:
    engine = World()
    engine.script("A", "A")
    engine.script("B", DOWN)
    engine.script("C", "C")
    engine.set_preference(["B", "C", "A"], "ai")
    assert (await engine.execute_with_fallback({"task_type": "ai"}, ["C", "A"])).fallback_chain == ["C"]
    engine.remove_adapter("C")
    assert (await engine.execute_with_fallback({"task_type": "ai"})).fallback_chain == ["B", "A"]


@virtual
async def test_fb06_statistics_count_tasks_not_attempts() -> None:
    case = CASES["FB06"]
    engine = world(case)
    scripts = adapters(engine, case, A=(DOWN,))
    for _ in range(5):
        await engine.execute_with_fallback("task", case["config"]["order"])
    assert len(scripts["A"].calls) == 15
    statistics = engine.get_adapter_statistics()
    for name, expect in case["expect"].items():
        seen = statistics[name]
        assert {
            "successes": seen["successes"],
            "failures": seen["failures"],
            "total": seen["total_attempts"],
            "rate": seen["success_rate"],
        } == expect


@virtual
async def test_fb07_an_exhausted_route_states_the_last_error_and_the_attempts() -> None:
    engine = World(retry=RetryPolicy(retry_on=(ConnectionError,)))
    last = ConnectionError("third")
    engine.script("A", ConnectionError("first"), ConnectionError("second"), last)
    route = await engine.execute_with_fallback("task")
    assert route.total_attempts == CASES["FB07"]["expect"]["exhausted"]["tries"]
    with pytest.raises(AllAdaptersFailed, match="third") as raised:
        route.unwrap()
    assert raised.value.__cause__ is last
    assert raised.value.result is route

    other = LookupError("not in the list")
    engine.script("B", other)
    route = await engine.execute_with_fallback("task", ["B"])
    assert route.total_attempts == CASES["FB07"]["expect"]["non_retryable"]["tries"]
    assert route.exception is other

    engine.script("C", FOREVER)
    running = asyncio.create_task(engine.execute_with_fallback("task", ["C"]))
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_bo02_a_delay_grows_by_a_factor_to_its_cap_and_attempt_0_counts_as_1() -> None:
    case = CASES["BO02"]
    policy = RetryPolicy(base_delay=case["config"]["initial_s"], max_delay=case["config"]["max_s"], jitter=0.5)
    attempts = [0, *case["steps"][1:]]
    assert [policy.delay(n) for n in attempts] == case["expect"]["delays_s"]
    assert all(policy.delay(n, 0.999) >= policy.delay(n) for n in attempts)


@pytest.mark.parametrize("strategy", CASES["BO03"]["expect"])
def test_bo03_the_four_strategies(strategy: Any) -> None:
    case = CASES["BO03"]
    policy = RetryPolicy(strategy=strategy, base_delay=case["config"]["base_s"], max_delay=case["config"]["max_s"])
    assert [policy.delay(n) for n in range(1, 5)] == case["expect"][strategy]


@virtual
async def test_r01_a_router_asks_an_open_breaker_so_that_the_probe_is_admitted() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=1, recovery_timeout=10, jitter=0))
    a = engine.script("A", DOWN, "healed")
    engine.script("B", "B")
    await engine.execute_with_fallback("opens it")
    await asyncio.sleep(10)
    assert (await engine.execute_with_fallback("probe")).adapter == "A"
    assert len(a.calls) == 2


@virtual
async def test_r07_a_failed_probe_restarts_the_wait() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=1, recovery_timeout=10, jitter=0))
    a = engine.script("A", DOWN)
    await engine.execute_with_fallback("opens it")
    await asyncio.sleep(10)
    await engine.execute_with_fallback("failing probe")
    route = await engine.execute_with_fallback("at once")
    assert route.total_attempts == 0
    assert len(a.calls) == 2


@pytest.mark.parametrize("strategy", ["linear", "exponential", "fibonacci"])
def test_r09_huge_counts_do_not_overflow(strategy: Any) -> None:
    assert RetryPolicy(strategy=strategy, base_delay=0.1, max_delay=30).delay(1100) == 30
    assert BreakerPolicy(recovery_timeout=1, backoff_multiplier=2, max_recovery_timeout=60).wait(1100) == 60


@virtual
async def test_r18_a_hung_adapter_and_a_soft_failure_both_fall_back() -> None:
    engine = World(retry=RetryPolicy(max_attempts=2, attempt_timeout=5, base_delay=0))
    hung = engine.script("hung", FOREVER)
    soft = engine.script("soft", {"success": False})
    engine.script("B", "B")
    route = await engine.execute_with_fallback("task")
    assert route.adapter == "B"
    assert (len(hung.calls), hung.cancelled, len(soft.calls)) == (2, 2, 2)
    assert now() == 10


@virtual
async def test_r27_recent_failures_are_the_newest() -> None:
    engine = World(breaker=NEVER_TRIPS, retry=RetryPolicy(max_attempts=1))
    engine.script("A", *[ConnectionError(str(n)) for n in range(50)])
    for n in range(50):
        await engine.execute_with_fallback({"id": f"task-{n}"})
    assert [int(failure.attempt.error) for failure in engine.get_recent_failures(3)] == CASES["R27"]["want"]
