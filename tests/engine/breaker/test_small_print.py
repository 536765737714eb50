"""Details of the breaker: jitter at the cap, slow probes, successes in a row, memory, and JSON."""

from __future__ import annotations

import asyncio
import json
import math
import sys
import tracemalloc

import pytest

from fuseboard_engine import BreakerPolicy, CircuitBreaker, RetryPolicy
from fuseboard_engine.breaker.sliding_window import TimeWindow
from fuseboard_engine.events import AttemptFailed, Event, LateResult, ProbeChanged, StateChanged, WaitExtended
from support.engine_world import HttpError, World, virtual
from support.fake_clock import FakeClock


@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("openings", [1, 3, 9, 10, 11, 12, 13, 40, 10_000])
def test_a_wait_spreads_below_the_cap(jitter: float, openings: int) -> None:
    policy = BreakerPolicy(recovery_timeout=1, backoff_multiplier=1.5, max_recovery_timeout=60, jitter=jitter)
    top = min(policy.wait(openings) * (1 + jitter), 60)
    assert policy.wait_with_jitter(openings, 0.0) == pytest.approx(top / (1 + jitter))
    assert policy.wait_with_jitter(openings, math.nextafter(1, 0)) == pytest.approx(top)
    assert all(policy.wait_with_jitter(openings, part / 100) <= 60 for part in range(101))
    middle = policy.wait_with_jitter(openings, 0.5)
    assert middle == pytest.approx((top / (1 + jitter) + top) / 2)


def test_a_later_and_longer_retry_after_extends_the_wait_and_a_shorter_one_does_not() -> None:
    clock, events = FakeClock(), list[Event]()
    breaker = CircuitBreaker("a", clock=clock, wall=lambda: 0, on_event=events.append)
    first, longer, shorter, without, ok = (breaker.admit() for _ in range(5))
    first.failure("rate_limited", retry_after=10)
    clock.advance(4)
    longer.failure("rate_limited", retry_after=30)
    shorter.failure("rate_limited", retry_after=5)
    without.failure("rate_limited")
    ok.success()
    assert (breaker.retry_after(), breaker.snapshot().openings) == (30, 1)
    extended = [event for event in events if isinstance(event, WaitExtended)]
    assert [(event.wait, event.until) for event in extended] == [(30, 30_000_000)]
    assert len([event for event in events if isinstance(event, LateResult)]) == 3
    assert not breaker.half_open_early("an adapter is needed")
    clock.advance(29)
    assert breaker.retry_after() == 1
    clock.advance(1)
    breaker.admit()


def test_a_recovery_is_counted_when_probes_close_the_breaker_and_not_when_a_person_does() -> None:
    clock = FakeClock()
    breaker = CircuitBreaker("a", BreakerPolicy(recovery_timeout=10, jitter=0, success_threshold=2), clock=clock)
    found = []
    for _ in range(2):
        breaker.open_for(10)
        clock.advance(10)
        for _ in range(2):
            breaker.admit().success()
            found.append((breaker.state, breaker.snapshot().recoveries))
    assert found == [("half_open", 0), ("closed", 1), ("half_open", 1), ("closed", 2)]
    breaker.open_for(10)
    breaker.reset()
    assert (breaker.state, breaker.snapshot().recoveries) == ("closed", 2)


def test_the_events_of_changes_by_hand_say_what_was_done_and_by_whom() -> None:
    events = list[Event]()
    breaker = CircuitBreaker("a", on_event=events.append)
    breaker.disable(actor="ann")
    breaker.enable(actor="ben")
    changes = [event for event in events if isinstance(event, StateChanged)]
    assert [(change.after, change.reason, change.detail, change.actor) for change in changes] == [
        ("disabled", "by_hand", "disabled by hand", "ann"),
        ("closed", "by_hand", "enabled", "ben"),
    ]


@pytest.mark.parametrize(("healthy", "openings"), [(39, 2), (40, 1)])
def test_waits_stop_growing_once_it_was_closed_as_long_as_an_extended_wait(healthy: float, openings: int) -> None:
    clock = FakeClock()
    policy = BreakerPolicy(failure_threshold=1, recovery_timeout=10, jitter=0, success_threshold=1)
    breaker = CircuitBreaker("a", policy, clock=clock)
    first, late = breaker.admit(), breaker.admit()
    first.failure("server")
    late.failure("rate_limited", retry_after=40)
    clock.advance(40)
    breaker.admit().success()
    assert breaker.state == "closed"
    clock.advance(healthy)
    breaker.admit().failure("server")
    assert (breaker.state, breaker.snapshot().openings) == ("open", openings)


@pytest.mark.parametrize("state", ["closed", "half_open", "forced_open", "disabled"])
def test_a_late_retry_after_does_not_open_a_breaker_that_is_not_open(state: str) -> None:
    clock = FakeClock()
    breaker = CircuitBreaker("a", clock=clock)
    late = breaker.admit()
    breaker.open_for(1)
    {"closed": breaker.reset, "half_open": breaker.half_open, "forced_open": breaker.force_open}.get(
        state, breaker.disable
    )()
    late.failure("rate_limited", retry_after=60)
    assert breaker.state == state


@pytest.mark.parametrize("nonsense", [-1.0, math.inf, math.nan, 1e12])
def test_a_late_retry_after_that_makes_no_sense_extends_nothing(nonsense: float) -> None:
    breaker = CircuitBreaker("a", clock=FakeClock())
    late = breaker.admit()
    breaker.open_for(1)
    late.failure("rate_limited", retry_after=nonsense)
    assert breaker.retry_after() == 1


@virtual
async def test_calls_in_flight_that_are_all_told_to_wait_keep_the_longest_wait() -> None:
    engine = World(retry=RetryPolicy(max_attempts=1))

    async def limited(task: float) -> None:
        await asyncio.sleep(task)
        raise HttpError(429, retry_after=str(int(10 * task)))

    engine.add_adapter("a", limited)
    engine.add_adapter("b", lambda task: "answer")
    await asyncio.gather(*(engine.execute_with_fallback(seconds) for seconds in (1.0, 2.0, 3.0)))
    assert engine.breaker("a").retry_after() == 30


def test_slow_probes_say_that_they_were_slow() -> None:
    clock, events = FakeClock(), list[Event]()
    policy = BreakerPolicy(
        failure_threshold=1, slow_call_seconds=1, slow_call_rate=1.0, success_threshold=2, half_open_calls=3, jitter=0
    )
    breaker = CircuitBreaker("a", policy, clock=clock, on_event=events.append)
    for outcomes, detail in (
        (["slow", "slow"], "2 of at most 3 probes were slow; the last probe took 2 s, limit 1 s"),
        (["slow", "failed"], "2 of at most 3 probes failed or were slow"),
        (["failed", "failed"], "2 of at most 3 probes failed"),
    ):
        breaker.open_for(0)
        for outcome in outcomes:
            permit = breaker.admit()
            if outcome == "slow":
                permit.success(2.0)
            else:
                permit.failure(duration=0.1)
        changed = [event for event in events if isinstance(event, StateChanged)][-1]
        assert (changed.reason, changed.detail) == ("probe_failed", detail)
    ended = [event for event in events if isinstance(event, ProbeChanged) and event.what != "admitted"]
    assert [(event.what, event.slow) for event in ended[:4]] == [("success", True)] * 3 + [("failure", False)]


@pytest.mark.parametrize(
    "policy",
    [
        BreakerPolicy(failure_threshold=9),
        BreakerPolicy(failure_threshold=9, window_size=20),
        BreakerPolicy(failure_threshold=9, window_seconds=60),
        BreakerPolicy(failure_threshold=9, slow_call_seconds=1, slow_call_rate=1.0),
    ],
    ids=["in a row", "last calls", "last seconds", "slow"],
)
def test_the_snapshot_counts_successes_in_a_row(policy: BreakerPolicy) -> None:
    breaker, expected = CircuitBreaker("a", policy, clock=FakeClock()), 0
    for outcome in "ssfssssffsfsss":
        if outcome == "s":
            breaker.admit().success(0.1)
            expected += 1
        else:
            breaker.admit().failure(duration=0.1)
            expected = 0
        assert breaker.snapshot().consecutive_successes == expected
        assert breaker.snapshot().consecutive_successes == expected  # reading changes nothing
    breaker.admit().release()
    breaker.admit().ignored()
    assert breaker.snapshot().consecutive_successes == 3
    breaker.reset()
    assert breaker.snapshot().consecutive_successes == 0


def test_breakers_without_a_policy_share_one_and_cost_less_than_a_kilobyte() -> None:
    first = CircuitBreaker("x")
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        breakers = [CircuitBreaker("x") for _ in range(1000)]
        each = (tracemalloc.get_traced_memory()[0] - before) / 1000
    finally:
        tracemalloc.stop()
    assert all(breaker.policy is first.policy for breaker in breakers)
    assert each < 1000


def test_a_full_time_window_costs_less_than_four_kilobytes() -> None:
    window, most, now = TimeWindow(10.0), 0, 0.0
    for call in range(40_000):
        now += 0.0001 if call < 500 else 0.003
        window.record(now, call % 3 == 0, call % 7 == 0)
        most = max(most, sum(sys.getsizeof(part) for part in (window, window._slots, window._counts)))
    assert 1000 < most < 4000
    assert window.calls == pytest.approx(10 / 0.003, rel=0.01)


def test_a_slot_of_a_time_window_never_overflows() -> None:
    window = TimeWindow(10.0)
    window._counts.append((1 << 21) - 1)
    window._slots.append(1.0)
    window.calls = (1 << 21) - 1
    window.record(1.0, True, True)
    assert (window.calls, window.failed, window.slow) == (1 << 21, 1, 1)
    window.expire(11.0)
    assert (window.calls, window.failed, window.slow) == (0, 0, 0)


@virtual
async def test_snapshots_and_recent_failures_go_through_json() -> None:
    engine = World()
    engine.script("a", HttpError(429, "slow down", retry_after="7"))
    engine.script("b", 40.0)
    await engine.execute_with_fallback("task")
    for name in ("a", "b"):
        fields = engine.breaker(name).snapshot().to_dict()
        assert json.loads(json.dumps(fields, allow_nan=False)) == fields
        assert fields["state"] == engine.breaker(name).state
    failures = [failure.to_dict() for failure in engine.get_recent_failures()]
    assert json.loads(json.dumps(failures, allow_nan=False)) == failures
    assert failures[-1]["attempt"]["rule"] == "rate_limited"
    assert AttemptFailed.__struct_config__.tag == failures[0]["kind"]


@virtual
async def test_rates_are_none_before_the_first_call() -> None:
    engine = World()
    engine.script("a", "fine")
    assert engine.get_adapter_statistics()["a"]["success_rate"] is None
    routing = engine.get_routing_statistics()
    assert {routing["success_rate"], routing["fallback_rate"], routing["degraded_rate"]} == {None}
    snapshot = engine.breaker("a").snapshot()
    assert (snapshot.failure_rate, snapshot.slow_rate) == (None, None)
    await engine.execute_with_fallback("task")
    assert engine.get_adapter_statistics()["a"]["success_rate"] == 1.0
    assert engine.get_routing_statistics()["success_rate"] == 1.0
