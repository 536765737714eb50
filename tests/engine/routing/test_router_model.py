"""Whatever adapters do and policies say, a route is what a slow and obvious model expects."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuseboard_engine import BreakerPolicy, CallerError, RetryPolicy, RouteResult
from fuseboard_engine.events import AttemptFailed, RouteFinished
from fuseboard_engine.virtual_time import run
from models.route import ModelAdapter, ModelRoute, expected
from support.engine_world import HttpError, Script, World, now

# Binary fractions, so that the model's arithmetic and the clock's agree to the last bit.
SECONDS = st.sampled_from([0.0, 0.125, 0.5, 1.0, 4.0])
MEANING: dict[str, Any] = {
    "ok": "done",
    "down": ConnectionError("down"),
    "soft": {"success": False},
    "caller": CallerError("wrong"),
    "credentials": HttpError(401),
    "hang": 1e6,
}


@st.composite
def chains(draw: st.DrawFn) -> list[ModelAdapter]:
    return [
        ModelAdapter(
            name=name,
            script=draw(st.lists(st.sampled_from(list(MEANING)), min_size=1, max_size=8)),  # type: ignore[arg-type]
            attempts=draw(st.integers(1, 4)),
            threshold=draw(st.none() | st.integers(1, 4)),
            recovery=draw(SECONDS),
            timeout=draw(st.sampled_from([0.25, 2.0])),
            delay=draw(SECONDS),
        )
        for name in "abcd"[: draw(st.integers(1, 4))]
    ]


def build(chain: list[ModelAdapter]) -> World:
    engine = World()
    for adapter in chain:
        engine.add_adapter(
            adapter.name,
            Script(*[MEANING[outcome] for outcome in adapter.script]),
            breaker=BreakerPolicy(
                failure_threshold=adapter.threshold,
                recovery_timeout=adapter.recovery,
                backoff_multiplier=1,
                jitter=0,
                success_threshold=1,
            ),
            retry=RetryPolicy(
                max_attempts=adapter.attempts,
                base_delay=adapter.delay,
                max_delay=60,
                attempt_timeout=adapter.timeout,
                budget_minimum=1000,
            ),
        )
    return engine


def agree(route: RouteResult, model: ModelRoute) -> None:
    assert [(attempt.adapter, attempt.outcome) for attempt in route.attempts] == model.steps
    assert route.adapter == model.adapter
    assert route.success is (model.adapter is not None)
    assert list(route.left) == model.left
    assert now() == model.ended
    assert route.total_attempts == sum(outcome != "rejected" for _, outcome in model.steps)
    assert (route.error is None) is route.success


@settings(max_examples=300, deadline=None)
@given(chains(), st.lists(SECONDS, min_size=1, max_size=6))
def test_routes_agree_with_the_model(chain: list[ModelAdapter], pauses: list[float]) -> None:
    async def main() -> None:
        engine = build(chain)
        for pause in pauses:
            await asyncio.sleep(pause)
            model = expected(chain, now())
            agree(await engine.execute_with_fallback("task"), model)
        figures = engine.get_adapter_statistics()
        for adapter in chain:
            seen = figures[adapter.name]
            assert (seen["successes"], seen["failures"]) == (adapter.successes, adapter.failures)
            assert seen["calls"] == adapter.played
        failed = [event.attempt for event in engine.emitted if isinstance(event, AttemptFailed)]
        routes = [event for event in engine.emitted if isinstance(event, RouteFinished)]
        told = [a for route in routes for a in route.attempts if a.outcome in ("failure", "ignored")]
        assert failed == told
        assert len(routes) == len(pauses)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


@settings(max_examples=100, deadline=None)
@given(chains(), st.sampled_from([0.125, 0.5, 1.0, 3.0, 10.0]))
def test_no_route_outlives_its_deadline(chain: list[ModelAdapter], deadline: float) -> None:
    async def main() -> None:
        engine = build(chain)
        for _ in range(3):
            began = now()
            route = await engine.execute_with_fallback("task", deadline=deadline)
            assert now() - began <= deadline
            assert route.duration == pytest.approx(now() - began)
            reached = {attempt.adapter for attempt in route.attempts}
            assert reached.isdisjoint(route.left)
            assert reached | set(route.left) == {adapter.name for adapter in chain}  # each tried, skipped or left

    run(main())
