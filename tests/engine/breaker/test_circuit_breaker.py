"""The moments and numbers at which a breaker decides otherwise, each on both sides, and its events in full."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from fuseboard_engine import BreakerPolicy
from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.ejection_limit import EjectionLimits
from fuseboard_engine.events import Event, LateResult, ProbeChanged, StateChanged, TripSuppressed, WaitExtended
from fuseboard_engine.policy_base import LONGEST_WAIT
from support.breakers import refused, trip
from support.fake_clock import FakeClock

JUST_BEFORE = math.nextafter(10, 0)
BEYOND = math.nextafter(LONGEST_WAIT, math.inf)


def test_an_open_breaker_admits_a_probe_exactly_when_its_wait_is_over(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    trip(breaker)
    clock.now = JUST_BEFORE
    assert refused(breaker).retry_after == 10 - JUST_BEFORE
    clock.now = 10
    breaker.admit()
    assert breaker.state == "half_open"


def test_a_silent_probe_gives_up_its_place_exactly_when_its_lease_ends(
    breaker: CircuitBreaker, clock: FakeClock, events: list[Event]
) -> None:
    breaker.half_open()
    breaker.admit()
    clock.now = JUST_BEFORE
    refusal = refused(breaker)
    assert (refusal.reason, refusal.retry_after) == ("probe_in_flight", 10 - JUST_BEFORE)
    clock.now = 10
    breaker.admit()
    probes = [(event.what, event.in_flight) for event in events if isinstance(event, ProbeChanged)]
    assert probes == [("admitted", 1), ("expired", 0), ("admitted", 1)]


@pytest.mark.parametrize(
    ("policy", "lease"),
    [
        (BreakerPolicy(recovery_timeout=4, probe_lease=7, jitter=0), 7),
        (BreakerPolicy(recovery_timeout=4, jitter=0), 4),
        (BreakerPolicy(recovery_timeout=0, jitter=0), 1),
    ],
    ids=["its own", "the wait", "the shortest"],
)
def test_the_lease_of_a_probe_is_the_policys_or_the_wait_or_a_second(
    policy: BreakerPolicy, lease: float, clock: FakeClock
) -> None:
    breaker = CircuitBreaker("a", policy, clock=clock)
    breaker.half_open()
    breaker.admit()
    assert refused(breaker).retry_after == lease
    assert breaker.retry_after() == lease


def test_the_oldest_probe_is_the_one_whose_lease_is_waited_for(clock: FakeClock) -> None:
    policy = BreakerPolicy(success_threshold=3, half_open_concurrency=2, probe_lease=10)
    breaker = CircuitBreaker("a", policy, clock=clock)
    breaker.half_open()
    assert breaker.retry_after() == 0
    breaker.admit()
    assert breaker.retry_after() == 0
    clock.advance(4)
    breaker.admit()
    assert breaker.retry_after() == refused(breaker).retry_after == 6
    clock.advance(7)
    assert breaker.retry_after() == 0


@pytest.mark.parametrize(("asked", "wait"), [(0, 0), (LONGEST_WAIT, LONGEST_WAIT), (BEYOND, 10), (-1e-9, 10)])
def test_a_retry_after_counts_from_nothing_up_to_the_longest_wait(
    breaker: CircuitBreaker, asked: float, wait: float
) -> None:
    breaker.admit().failure("rate_limited", retry_after=asked)
    assert breaker.snapshot().retry_after == wait


@pytest.mark.parametrize(
    ("at_least", "wait", "early"),
    [(9.0, 10, True), (10.0, 10, True), (11.0, 11, False), (LONGEST_WAIT, LONGEST_WAIT, False), (BEYOND, 10, True)],
)
def test_an_asked_for_minimum_lengthens_a_wait_only_if_it_is_longer(
    breaker: CircuitBreaker, at_least: float, wait: float, early: bool
) -> None:
    breaker.admit().failure(at_least=at_least)
    assert breaker.snapshot().retry_after == wait
    assert breaker.half_open_early("an adapter is needed") is early


@pytest.mark.parametrize(
    ("asked", "left"),
    [(5.0, 6), (6.0, 6), (6.5, 6.5), (LONGEST_WAIT, LONGEST_WAIT), (BEYOND, 6)],
)
def test_a_late_failure_extends_a_wait_only_beyond_its_end(
    breaker: CircuitBreaker, clock: FakeClock, events: list[Event], asked: float, left: float
) -> None:
    late = breaker.admit()
    trip(breaker)
    clock.advance(4)
    late.failure(at_least=asked)
    assert breaker.retry_after() == left
    assert breaker.half_open_early("an adapter is needed") is (left == 6)
    assert isinstance(events[1], LateResult if left == 6 else WaitExtended)


@pytest.mark.parametrize("seconds", [0.0, LONGEST_WAIT])
def test_opening_by_hand_takes_no_time_up_to_the_longest_wait(breaker: CircuitBreaker, seconds: float) -> None:
    breaker.open_for(seconds)
    assert (breaker.state, breaker.snapshot().retry_after) == ("open", seconds)
    with pytest.raises(ValueError, match="not -1e-09"):
        breaker.open_for(-1e-9)
    with pytest.raises(ValueError, match="open_for needs"):
        breaker.open_for(BEYOND)


def test_a_breaker_is_restored_with_a_wait_from_nothing_up_to_the_longest(breaker: CircuitBreaker) -> None:
    for wait in (0.0, LONGEST_WAIT):
        breaker.restore("open", wait=wait)
        assert breaker.snapshot().retry_after == wait
    with pytest.raises(ValueError, match="cannot be restored"):
        breaker.restore("open", wait=BEYOND)


@pytest.mark.parametrize(("healthy", "openings"), [(JUST_BEFORE, 2), (10.0, 1)])
def test_a_breaker_restored_closed_continues_its_healthy_period_from_then_on(
    breaker: CircuitBreaker, clock: FakeClock, healthy: float, openings: int
) -> None:
    breaker.restore("closed", openings=1)
    clock.advance(healthy)
    trip(breaker)
    assert breaker.snapshot().openings == openings


def test_a_call_is_slow_only_above_the_limit(clock: FakeClock) -> None:
    policy = BreakerPolicy(slow_call_seconds=2, slow_call_rate=1.0, minimum_calls=3)
    breaker = CircuitBreaker("a", policy, clock=clock)
    for duration in (2.0, math.nextafter(2, 3)):
        breaker.admit().success(duration)
    assert (breaker.snapshot().calls, breaker.snapshot().slow) == (2, 1)


def test_a_rate_without_a_window_is_judged_on_the_last_hundred_calls(clock: FakeClock) -> None:
    policy = BreakerPolicy(failure_threshold=None, failure_rate=0.5, slow_call_seconds=2, slow_call_rate=0.5)
    breaker = CircuitBreaker("a", policy, clock=clock)
    for _ in range(101):
        breaker.admit().success(0.1)
    assert breaker.snapshot().calls == 100


def test_a_held_breaker_has_no_end_and_a_disabled_one_admits_at_once(breaker: CircuitBreaker) -> None:
    assert breaker.retry_after() == 0
    breaker.force_open()
    assert (breaker.retry_after(), breaker.snapshot().retry_after) == (math.inf, None)
    breaker.disable()
    assert (breaker.retry_after(), breaker.snapshot().retry_after) == (0, None)


def test_a_wait_that_is_over_is_never_negative(breaker: CircuitBreaker, clock: FakeClock) -> None:
    trip(breaker)
    clock.advance(25)
    assert (breaker.retry_after(), breaker.snapshot().retry_after) == (0, 0)


# ------------------------------------------------------------------ events and snapshots, every field


def test_the_events_of_a_trip_a_slow_probe_and_a_recovery_hold_every_field(clock: FakeClock) -> None:
    events = list[Event]()
    policy = BreakerPolicy(
        failure_threshold=1, success_threshold=1, half_open_calls=2, recovery_timeout=10, jitter=0,
        slow_call_seconds=1, slow_call_rate=1.0,
    )  # fmt: skip
    breaker = CircuitBreaker("a", policy, clock=clock, wall=lambda: round(clock.now * 1e6), on_event=events.append)
    late, later = breaker.admit(), breaker.admit()
    breaker.admit().failure(error="refused", duration=0)
    late.failure(retry_after=12)
    later.success()
    clock.advance(12)
    breaker.admit().success(2.5)
    breaker.admit().release()
    breaker.admit().success(0.5)
    at, end = 0, 12_000_000
    probe = {"at": end, "adapter": "a", "needed": 1}
    assert events == [
        StateChanged(
            at=at, adapter="a", before="closed", after="open", reason="failures", detail="1 failures in a row",
            generation=1, openings=1, wait=10.0, until=10_000_000, failures=1, threshold=1, needed=1,
        ),
        WaitExtended(at=at, adapter="a", wait=12, until=12_000_000),
        LateResult(at=at, adapter="a", outcome="success", generation=0, current=1),
        StateChanged(
            at=end, adapter="a", before="open", after="half_open", reason="probe_due",
            detail="the wait is over; the next call is a probe", generation=2, openings=1, threshold=1, needed=1,
        ),
        ProbeChanged(**probe, what="admitted", in_flight=1),
        ProbeChanged(**probe, what="success", slow=True, duration=2.5, limit=1.0),
        ProbeChanged(**probe, what="admitted", in_flight=1),
        ProbeChanged(**probe, what="released"),
        ProbeChanged(**probe, what="admitted", in_flight=1),
        ProbeChanged(**probe, what="success", successes=1),
        StateChanged(
            at=end, adapter="a", before="half_open", after="closed", reason="probes_succeeded", detail="1 good probe",
            generation=3, openings=1, threshold=1, needed=1,
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "after", "detail"),
    [
        (lambda breaker: breaker.force_open(actor="ann"), "forced_open", "held open by hand"),
        (lambda breaker: breaker.disable(actor="ann"), "disabled", "disabled by hand"),
        (lambda breaker: breaker.metrics_only(actor="ann"), "metrics_only", "set to watch only by hand"),
        (lambda breaker: breaker.open_for(5, actor="ann"), "open", "opened by hand"),
        (lambda breaker: breaker.half_open(actor="ann"), "half_open", "half-opened by hand"),
        (lambda breaker: breaker.reset(actor="ann"), "closed", "reset by hand"),
        (lambda breaker: breaker.restore("open", wait=5), "open", "as the last run left it"),
    ],
    ids=["force_open", "disable", "metrics_only", "open_for", "half_open", "reset", "restore"],
)
def test_an_operation_by_hand_has_reported_its_change_when_it_returns(
    breaker: CircuitBreaker, events: list[Event], operation: Callable[[CircuitBreaker], None], after: str, detail: str
) -> None:
    operation(breaker)
    (event,) = events
    assert isinstance(event, StateChanged)
    actor = "" if event.reason == "restored" else "ann"
    assert (event.after, event.detail, event.actor) == (after, detail, actor)
    events.clear()
    held = after in ("forced_open", "disabled", "metrics_only")
    breaker.enable(actor="ben")
    assert [(event.after, event.actor) for event in events if isinstance(event, StateChanged)] == [
        ("closed", "ben")
    ] * held


def test_an_early_half_open_and_a_new_policy_have_reported_their_change_when_they_return(
    breaker: CircuitBreaker, events: list[Event]
) -> None:
    trip(breaker)
    events.clear()
    assert breaker.half_open_early("an adapter is needed")
    (event,) = events
    assert isinstance(event, StateChanged)
    assert (event.after, event.detail) == ("half_open", "an adapter is needed")
    breaker.update_policy(BreakerPolicy(success_threshold=2))
    breaker.admit().success()
    events.clear()
    breaker.update_policy(BreakerPolicy(success_threshold=1))
    (closed,) = events
    assert isinstance(closed, StateChanged)
    assert (closed.after, closed.reason) == ("closed", "probes_succeeded")


def test_a_suppressed_opening_names_its_rule_and_the_group_that_forbids_it(clock: FakeClock) -> None:
    events = list[Event]()
    limits = EjectionLimits({"": 1.0, "llm": 0.5})
    breaker = CircuitBreaker(
        "a", BreakerPolicy(failure_threshold=2), clock=clock, wall=lambda: 7, on_event=events.append
    )
    breaker.ejection_limits = limits
    limits.add("a", ("llm",), "closed")
    for name, state in (("b", "open"), ("c", "closed"), ("d", "open")):
        limits.add(name, ("llm",) if name != "d" else (), state)  # type: ignore[arg-type]
    for _ in range(3):
        breaker.admit().failure()
    assert events == [
        TripSuppressed(
            at=7, adapter="a", reason="failures", group="llm", out=1, size=3, share=0.5,
            detail="2 failures in a row; it stays closed: "
            "1 of 3 adapters tagged llm are out and at most 50% may be",
        )
    ]  # fmt: skip


def test_a_snapshot_holds_every_count_of_a_half_open_breaker(clock: FakeClock) -> None:
    policy = BreakerPolicy(
        failure_threshold=1, success_threshold=2, half_open_calls=5, half_open_concurrency=2, recovery_timeout=10,
        jitter=0, slow_call_seconds=1, slow_call_rate=1.0, minimum_calls=3,
    )  # fmt: skip
    breaker = CircuitBreaker("a", policy, clock=clock, wall=lambda: round(clock.now * 1e6))
    breaker.admit().failure(error="refused")
    clock.advance(10)
    breaker.admit().failure(error="gone")
    breaker.admit().success(3.0)
    breaker.admit().success(0.5)
    breaker.admit()
    clock.advance(2)
    breaker.admit()
    refused(breaker)
    refused(breaker)
    assert breaker.snapshot().to_dict() == {
        "state": "half_open", "generation": 2, "calls": 3, "failed": 1, "slow": 1, "failure_rate": 1 / 3,
        "slow_rate": 1 / 3, "rejected": 2, "retry_after": None, "openings": 1, "failures": 0, "successes": 1,
        "probes_in_flight": 2, "last_error": "gone", "last_error_at": 10_000_000, "recoveries": 0, "relapses": 0,
        "consecutive_successes": 2,
    }  # fmt: skip
