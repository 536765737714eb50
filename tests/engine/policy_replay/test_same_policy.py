"""A replay under the recorded policies gives the changes of state that the engine recorded."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuseboard_engine import BreakerPolicy, RetryPolicy, RoutingPolicy
from fuseboard_engine.events import RouteFinished
from fuseboard_engine.policy_replay.comparison import PolicyReplay
from fuseboard_engine.policy_replay.replayed_adapters import PolicyChanges
from support.policy_replays import Service, assert_same_changes, changes, engine_events, workloads

WAYS = ("refused", "slow", "limited", "flaky")
TRIPS: tuple[dict[str, Any], ...] = (
    {"failure_threshold": 3},
    {"failure_threshold": 4, "window_seconds": 5.0},
    {"failure_threshold": None, "failure_rate": 0.5, "window_size": 20, "minimum_calls": 5},
    {"failure_threshold": 5, "slow_call_rate": 0.5, "slow_call_seconds": 0.4, "minimum_calls": 4},
)


def policies() -> st.SearchStrategy[BreakerPolicy]:
    return st.builds(
        lambda trip, wait, jitter, good, probes: BreakerPolicy(
            **trip, recovery_timeout=wait, jitter=jitter, success_threshold=good, half_open_concurrency=probes
        ),
        st.sampled_from(TRIPS),
        st.sampled_from((0.5, 1.0, 3.0)),
        st.sampled_from((0.0, 0.1, 0.5)),
        st.integers(1, 4),
        st.integers(1, 3),
    )


def services() -> st.SearchStrategy[Service]:
    return st.builds(
        lambda how, start, length, breaker, attempts, timeout: Service(
            (start, start + length), how, 0.1, breaker, RetryPolicy(max_attempts=attempts, attempt_timeout=timeout)
        ),
        st.sampled_from(WAYS),
        st.floats(2.0, 12.0),
        st.floats(0.5, 12.0),
        policies(),
        st.integers(1, 3),
        st.sampled_from((1.0, 30.0)),
    )


@settings(max_examples=15, deadline=None)
@given(st.lists(services(), min_size=1, max_size=3), st.integers(1, 1 << 30))
def test_the_same_policies_give_the_same_changes_of_state(chain: list[Service], seed: int) -> None:
    world = {f"s{number}": service for number, service in enumerate(chain)}
    events = engine_events(world, seconds=25, rate=6, seed=seed)
    (outcome,) = PolicyReplay(workloads(events)).outcomes({})
    for name in world:
        assert_same_changes(outcome.adapters[name].states, changes(events, name))


@pytest.mark.parametrize("all_out", ["wait", "last_resort"])
@pytest.mark.parametrize("limit", [None, 0.2, 1.5])
@pytest.mark.parametrize("how", ["refused", "flaky"])
def test_waiting_tasks_last_resorts_and_deadlines_are_replayed(
    all_out: Literal["wait", "last_resort"], limit: float | None, how: str
) -> None:
    breaker = BreakerPolicy(failure_threshold=3, recovery_timeout=1.0, success_threshold=2)
    world = {"s0": Service((5.0, 11.0), how, 0.1, breaker, RetryPolicy(max_attempts=2))}
    routing = RoutingPolicy(all_out=all_out, max_wait=4.0, last_resort_every=0.5)
    events = engine_events(world, seconds=25, rate=6, seed=3, deadline=limit, routing=routing)
    (outcome,) = PolicyReplay(workloads(events)).outcomes({})
    assert_same_changes(outcome.adapters["s0"].states, changes(events, "s0"))
    routes = [event for event in events if isinstance(event, RouteFinished)]
    assert any("every adapter" in route.why for route in routes)
    assert outcome.answered == sum(route.success for route in routes)
    waited = sorted(route.duration for route in routes)
    assert sorted(outcome.latencies) == pytest.approx(waited, abs=0.01)


def test_a_longer_wait_of_a_breaker_leaves_more_tasks_without_an_answer_before_their_deadline() -> None:
    world = {"s0": Service((5.0, 7.0), "refused", 0.1, BreakerPolicy(failure_threshold=3, recovery_timeout=1.0))}
    routing = RoutingPolicy(all_out="wait", max_wait=10.0)
    replay = PolicyReplay(workloads(engine_events(world, seconds=25, seed=3, deadline=2.0, routing=routing)))
    recorded, longer = (replay.figures(changes) for changes in ({}, {"s0": PolicyChanges({"recovery_timeout": 5.0})}))
    assert longer.answered < recorded.answered
    assert longer.p99 <= 2.01  # no task takes longer than its deadline
