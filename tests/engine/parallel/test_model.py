"""Whatever adapters do and however long they take, a fan-out is what a slow and obvious model expects."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuseboard_engine import ExecutionPolicy, RetryPolicy
from fuseboard_engine.events import RouteFinished
from fuseboard_engine.virtual_time import run
from models.parallel import Plan, expected
from support.engine_world import NEVER_TRIPS, World, now
from support.fan_outs import Timed

STRATEGIES = ["all", "first_success", "best_effort", "hedged"]
DOWN = ConnectionError("down")


@st.composite
def fan_outs(draw: st.DrawFn) -> tuple[dict[str, Plan], float, float]:
    """Adapters, a timeout and a hedge delay, all in binary fractions of which no two sums are equal."""
    plans = {}
    for index, name in enumerate("abcd"[: draw(st.integers(1, 4))]):
        odd = 2.0 ** -(8 + index)
        plans[name] = Plan(
            draw(st.integers(0, 40)) / 8 + odd, draw(st.booleans()), draw(st.sampled_from([False] * 4 + [True]))
        )
    return plans, draw(st.integers(1, 32)) / 8 + 2.0**-16, draw(st.integers(1, 16)) / 8 + 2.0**-20


@settings(max_examples=150, deadline=None)
@pytest.mark.parametrize("strategy", STRATEGIES)
@given(fan_out=fan_outs(), slots=st.sampled_from([1, 2, 10]))
def test_a_fan_out_agrees_with_the_model(
    strategy: Any, fan_out: tuple[dict[str, Plan], float, float], slots: int
) -> None:
    plans, timeout, hedge = fan_out
    slots = 10 if strategy == "hedged" else slots
    model = expected(strategy, plans, timeout, hedge, slots)

    async def main() -> None:
        policy = ExecutionPolicy(max_concurrent_adapters=slots)
        engine = World(breaker=NEVER_TRIPS, execution=policy, retry=RetryPolicy(budget_minimum=1000))
        timed = {name: Timed(plan.seconds, name if plan.answers else DOWN) for name, plan in plans.items()}
        for name, adapter in timed.items():
            engine.add_adapter(name, adapter)
            if plans[name].open:
                engine.breaker(name).force_open()
        result = await engine.execute_parallel("task", strategy=strategy, timeout=timeout, hedge_delay=hedge)

        assert now() == model.at
        assert list(result.answered) == model.answered
        assert {name: part.outcome for name, part in result.results.items()} == model.outcomes
        assert set(result.left) == plans.keys() - model.outcomes.keys()
        assert {name for name, adapter in timed.items() if adapter.cancelled} == model.cancelled
        assert result.success is bool(model.answered)
        for name, adapter in timed.items():
            assert adapter.ended == len(adapter.calls)  # whoever was called has ended
            outcome = model.outcomes.get(name)
            snapshot = engine.breaker(name).snapshot()
            if not plans[name].open:
                assert (snapshot.calls, snapshot.failed) == (outcome in ("success", "failure"), outcome == "failure")
            assert engine.get_adapter_statistics()[name]["in_flight"] == 0
        (told,) = [event for event in engine.emitted if isinstance(event, RouteFinished)]
        assert (told.answered, told.attempts) == (result.answered, result.attempts)
        assert engine.parallel.slots.taken == engine.parallel.slots.waiting == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


@settings(max_examples=100, deadline=None)
@pytest.mark.parametrize("strategy", STRATEGIES)
@given(fan_out=fan_outs(), slots=st.sampled_from([1, 2, 10]), after=st.integers(0, 40))
def test_a_caller_can_be_cancelled_at_any_time(
    strategy: Any, fan_out: tuple[dict[str, Plan], float, float], slots: int, after: int
) -> None:
    plans, timeout, hedge = fan_out

    async def main() -> None:
        engine = World(breaker=NEVER_TRIPS, execution=ExecutionPolicy(max_concurrent_adapters=slots))
        timed = {name: Timed(plan.seconds, name if plan.answers else DOWN) for name, plan in plans.items()}
        for name, adapter in timed.items():
            engine.add_adapter(name, adapter)
        call = engine.execute_parallel("task", strategy=strategy, timeout=timeout, hedge_delay=hedge)
        running = asyncio.create_task(call)
        await asyncio.sleep(after / 16)
        running.cancel()
        await asyncio.wait([running])
        assert all(adapter.ended == len(adapter.calls) for adapter in timed.values())
        assert engine.parallel.slots.taken == engine.parallel.slots.waiting == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert len([event for event in engine.emitted if isinstance(event, RouteFinished)]) == 1

    run(main())
