"""What the seed systems pin about parallel execution and contexts, and where they fail at it."""

from __future__ import annotations

import asyncio
from typing import Any

import yaml

from fuseboard_engine import AllAdaptersFailed, BreakerPolicy, Engine, RetryPolicy, Task, UnknownAdapter, context
from fuseboard_engine.events import AttemptFailed, RouteFinished
from support.engine_world import NEVER_TRIPS, World, now, virtual
from support.fan_outs import fan
from support.paths import CASES

FILE = CASES / "seed_behaviours.yaml"
SEEDS = yaml.safe_load(FILE.read_text())
CASES = {case["id"]: case for case in (*SEEDS["cases"], *SEEDS["regressions"])}
DOWN = ConnectionError("down")


@virtual
async def test_PA01_wall_time_is_the_slowest_adapter_and_one_failure_does_not_cancel_the_rest() -> None:
    case = CASES["PA01"]
    engine, _ = fan({"fast": (0.1, "fast"), "slow": (0.5, "slow"), "failing": (0.0, DOWN)})
    result = await engine.execute_parallel("task", strategy=case["config"]["strategy"])
    expect = case["expect"]
    assert len(result.results) == expect["results"]
    assert len(result.answers) == expect["ok"]
    assert len(result.failed) == expect["failed"]
    assert now() == 0.5 < expect["wall_ms_lt"] / 1000
    assert result.results["fast"].duration < result.results["slow"].duration


@virtual
async def test_PA02_a_timeout_is_a_failed_result_that_names_it_and_counts_as_timeout_and_failure() -> None:
    case = CASES["PA02"]
    engine, timed = fan({"a": (1.0,)})
    result = await engine.execute_parallel("task", timeout=case["config"]["timeout_s"])
    assert now() == case["config"]["timeout_s"]
    assert len(result.answers) == case["expect"]["ok"]
    assert case["expect"]["error_contains"] in (result.results["a"].error or "")
    figures = engine.get_adapter_statistics()["a"]
    assert figures["timeouts"] == case["expect"]["timeouts"]
    assert figures["failures"] == case["expect"]["failures"]
    assert engine.breaker("a").snapshot().failures == case["expect"]["failures"]
    assert len(timed["a"].cancelled) == 1


@virtual
async def test_PA03_an_open_adapter_is_not_called_and_refused_at_once() -> None:
    case = CASES["PA03"]
    policy = BreakerPolicy(failure_threshold=case["config"]["failure_threshold"], recovery_timeout=60)
    engine, timed = fan({"a": (0.0, DOWN), "b": (1.0, "b")}, breaker=policy)
    for _ in range(2):
        await engine.execute_parallel("task", ["a"])
    third = await engine.execute_parallel("task", ["a", "b"])
    assert len(timed["a"].calls) == 2
    refused = third.results["a"]
    assert (refused.outcome, refused.duration) == ("rejected", 0.0)
    assert "open" in (refused.error or "")
    assert third.skipped == {"a": refused.error}
    assert third.result == {"b": "b"}
    assert third.attempts[0].adapter == "a"  # told before b had answered


@virtual
async def test_PA04_an_adapters_settings_override_the_global_ones_and_its_breaker_is_reused() -> None:
    own = BreakerPolicy(failure_threshold=1)
    engine = World(breaker=BreakerPolicy(failure_threshold=3), retry=RetryPolicy(attempt_timeout=2))

    async def hangs(task: Any) -> None:
        await asyncio.sleep(99)

    engine.add_adapter("own", hangs, breaker=own, retry=RetryPolicy(attempt_timeout=1))
    engine.add_adapter("global", hangs)
    breaker = engine.breaker("own")
    result = await engine.execute_parallel("task", ["own", "global", "unknown"])
    assert [r.duration for r in result.results.values()] == [1.0, 2.0, 0.0]
    assert engine.breaker("own") is breaker
    assert (breaker.state, engine.breaker("global").state) == ("open", "closed")
    unknown = result.results["unknown"]
    assert unknown.error == "no adapter is called 'unknown'; known adapters: own, global"
    assert isinstance(unknown.exception, UnknownAdapter)
    assert "unknown" not in {attempt.adapter for attempt in result.attempts}


@virtual
async def test_PA05_the_ids_reach_each_adapter_each_event_and_each_result() -> None:
    ids = {"request": "r", "trace": "t", "user": "u", "session": "s", "correlation": "c"}
    engine = World(breaker=NEVER_TRIPS)
    seen: list[dict[str, str]] = []

    async def good(task: Any) -> None:
        seen.append(dict(context.current()))

    async def down(task: Any) -> None:
        seen.append(dict(context.current()))
        raise DOWN

    for name, call in (("a", good), ("b", down), ("c", good)):
        engine.add_adapter(name, call)
    given = await engine.execute_parallel("task", context={f"{name}_id": value for name, value in ids.items()})
    of_task = await engine.execute_parallel(Task(context=ids))
    for result in (given, of_task):
        assert result.context == ids
        assert [r.context for r in result.results.values()] == [ids] * 3
    assert seen == [ids] * 6
    assert [e.context for e in engine.emitted if isinstance(e, AttemptFailed | RouteFinished)] == [ids] * 4

    seen.clear()
    without = await engine.execute_parallel("task")
    assert without.context is not None and list(without.context) == ["request"]
    assert seen == [without.context] * 3
    another = await engine.execute_parallel("task")
    assert another.context != without.context


def test_PA05_a_hedge_and_a_thread_have_the_ids_too() -> None:
    engine = Engine()
    seen: dict[str, str] = {}

    async def slow(task: Any) -> None:
        await asyncio.sleep(60)

    def in_thread(task: Any) -> None:
        seen.update(context.current())

    engine.add_adapter("slow", slow)
    engine.add_adapter("hedge", in_thread)
    ids = {"request": "r-1"}
    asyncio.run(engine.execute_parallel("task", strategy="hedged", hedge_delay=0, context=ids))
    assert seen == ids


@virtual
async def test_R14_first_success_returns_at_the_first_success_and_cancels_the_rest() -> None:
    engine, timed = fan({"fast": (0.02, "fast"), "slow": (0.3, "slow")})
    result = await engine.execute_parallel("task", ["slow", "fast"], strategy="first_success")
    assert now() == 0.02
    assert result.result == "fast"
    assert timed["slow"].cancelled == [0.02]
    assert engine.breaker("slow").snapshot().calls == 0


@virtual
async def test_CB23_open_plus_a_fallback_gives_the_fallbacks_value() -> None:
    policy = BreakerPolicy(failure_threshold=CASES["CB23"]["config"]["failure_threshold"], recovery_timeout=60)
    engine, _ = fan({"a": (0.0, DOWN)}, breaker=policy)
    await engine.execute_parallel("call fails")
    engine.set_degraded("", lambda task: "fallback value")
    second = await engine.execute_parallel("call again with fallback")
    assert second.result == CASES["CB23"]["expect"]["second_result"]
    assert second.degraded and not second.success
    assert engine.breaker("a").state == CASES["CB23"]["expect"]["state"]


@virtual
async def test_unwrap_of_a_fan_out_that_failed_raises_from_the_last_error() -> None:
    engine, _ = fan({"a": (1.0, DOWN)})
    result = await engine.execute_parallel("task")
    try:
        result.unwrap()
    except AllAdaptersFailed as error:
        assert error.__cause__ is DOWN
        assert error.result is result
    else:
        raise AssertionError("it did not raise")
