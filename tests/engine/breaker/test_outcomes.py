"""What one outcome changes: counts, the last error, the events; and what an outcome that comes too late does not."""

from __future__ import annotations

import pytest

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.ejection_limit import EjectionLimits
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.events import Event, LateResult, ProbeChanged, StateChanged, TripSuppressed
from support.fake_clock import FakeClock

THRICE = BreakerPolicy(failure_threshold=3, recovery_timeout=10, jitter=0, success_threshold=2)


def watched(clock: FakeClock, policy: BreakerPolicy = THRICE) -> tuple[CircuitBreaker, list[Event]]:
    events: list[Event] = []
    return CircuitBreaker("a", policy, clock=clock, on_event=events.append, wall=lambda: 0), events


@pytest.mark.parametrize("first", ["success", "failure", "ignored", "release"])
@pytest.mark.parametrize("policy", [THRICE, BreakerPolicy(failure_threshold=3, window_size=10)])
def test_only_the_first_outcome_of_a_permit_counts(clock: FakeClock, first: str, policy: BreakerPolicy) -> None:
    breaker, events = watched(clock, policy)
    permit = breaker.admit()
    getattr(permit, first)()
    before = breaker.snapshot()
    for _ in range(5):
        permit.failure(error="again")
        permit.success()
        permit.ignored()
        permit.release()
    assert breaker.snapshot() == before
    assert (breaker.state, events) == ("closed", [])


def test_the_last_error_is_the_text_and_the_kind_where_there_is_no_text(clock: FakeClock) -> None:
    breaker, _ = watched(clock)
    breaker.admit().failure("timeout", error="ReadTimeout: no answer")
    assert breaker.snapshot().last_error == "ReadTimeout: no answer"
    breaker.admit().failure("timeout")
    assert breaker.snapshot().last_error == "timeout"
    breaker.admit().failure("server", error="500")  # the one that opens is recorded under the lock
    assert (breaker.state, breaker.snapshot().last_error) == ("open", "500")


@pytest.mark.parametrize("outcome", ["failure", "success"])
def test_an_outcome_from_before_a_reset_changes_nothing_and_is_reported_as_late(clock: FakeClock, outcome: str) -> None:
    breaker, events = watched(clock)
    early = [breaker.admit() for _ in range(3)]
    breaker.admit().failure(error="before")
    breaker.reset()
    breaker.admit().failure(error="after")
    for permit in early:
        getattr(permit, outcome)()
    seen = breaker.snapshot()
    assert (seen.state, seen.failures, seen.last_error) == ("closed", 1, "after")
    late = [event for event in events if isinstance(event, LateResult)]
    assert [(event.outcome, event.generation, event.current) for event in late] == [(outcome, 0, 1)] * 3


def test_a_change_of_state_has_the_number_of_openings_and_their_cause(clock: FakeClock) -> None:
    breaker, events = watched(clock)
    for _ in range(3):
        breaker.admit().failure()
    clock.advance(10)
    breaker.admit().failure()
    clock.advance(20)
    breaker.admit().success()
    breaker.admit().success()
    changes = [event for event in events if isinstance(event, StateChanged)]
    assert [(e.after, e.openings, e.failures, e.threshold, e.needed) for e in changes] == [
        ("open", 1, 3, 3, 2),
        ("half_open", 1, 0, 3, 2),
        ("open", 2, 1, 3, 2),
        ("half_open", 2, 0, 3, 2),
        ("closed", 2, 0, 3, 2),
    ]
    assert [event.generation for event in changes] == [1, 2, 3, 4, 5]


def test_the_slow_rate_is_the_share_of_slow_calls_once_there_are_enough(clock: FakeClock) -> None:
    policy = BreakerPolicy(failure_threshold=None, slow_call_rate=1.0, slow_call_seconds=2, minimum_calls=4)
    breaker, _ = watched(clock, policy)
    for duration in (3.0, 1.0, 2.0):
        breaker.admit().success(duration)
    assert breaker.snapshot().slow_rate is None
    breaker.admit().success(2.1)
    assert breaker.snapshot().slow_rate == 0.5
    assert breaker.snapshot().failure_rate == 0
    breaker.admit().failure(duration=5)
    assert breaker.snapshot().slow_rate == pytest.approx(3 / 5)
    assert breaker.snapshot().failure_rate == pytest.approx(1 / 5)


def test_a_suppressed_opening_states_how_many_adapters_are_ejected(clock: FakeClock) -> None:
    limits = EjectionLimits({"": 0.34, "llm": 1.0})
    breakers = []
    events: list[Event] = []
    for name in "abcd":
        breaker = CircuitBreaker(name, THRICE, clock=clock, on_event=events.append)
        breaker.ejection_limits = limits
        limits.add(name, ("llm",), "closed")
        breakers.append(breaker)
    for breaker in breakers[:2]:
        for _ in range(4):
            breaker.admit().failure() if breaker.state == "closed" else None
    assert [breaker.state for breaker in breakers] == ["open", "closed", "closed", "closed"]
    (held,) = [event for event in events if isinstance(event, TripSuppressed)]
    assert (held.adapter, held.group, held.out, held.size, held.share) == ("b", "", 1, 4, 0.34)
    assert "1 of 4 adapters are out and at most 34% may be" in held.detail


def test_a_suppressed_opening_is_reported_again_only_after_a_success(clock: FakeClock) -> None:
    limits = EjectionLimits({"": 0.0})
    breaker, events = watched(clock)
    breaker.ejection_limits = limits
    limits.add("a", (), "closed")
    for _ in range(6):
        breaker.admit().failure()
    assert len(events) == 1
    breaker.admit().success()
    for _ in range(3):
        breaker.admit().failure()
    assert len(events) == 2


def test_a_change_of_state_has_its_reason_actor_and_end(clock: FakeClock) -> None:
    breaker, events = watched(clock)
    for _ in range(3):
        breaker.admit().failure()
    breaker.reset(actor="ana")
    breaker.open_for(30, actor="ana")
    changes = [event for event in events if isinstance(event, StateChanged)]
    assert [(e.before, e.after, e.reason, e.actor) for e in changes] == [
        ("closed", "open", "failures", ""),
        ("open", "closed", "reset", "ana"),
        ("closed", "open", "by_hand", "ana"),
    ]
    assert changes[0].detail == "3 failures in a row"
    assert (changes[1].wait, changes[1].until) == (None, None)
    assert (changes[2].wait, changes[2].until) == (30, changes[2].at + 30_000_000)


def test_probes_in_flight_are_counted_while_half_open(clock: FakeClock) -> None:
    breaker, events = watched(clock, THRICE.model_copy(update={"half_open_concurrency": 2}))
    for _ in range(3):
        breaker.admit().failure()
    assert breaker.snapshot().probes_in_flight == 0
    clock.advance(10)
    first, second = breaker.admit(), breaker.admit()
    assert breaker.snapshot().probes_in_flight == 2
    first.success()
    assert (breaker.snapshot().probes_in_flight, breaker.snapshot().successes) == (1, 1)
    second.release()
    assert breaker.snapshot().probes_in_flight == 0
    probes = [event for event in events if isinstance(event, ProbeChanged)]
    assert [(e.what, e.in_flight, e.successes, e.needed) for e in probes] == [
        ("admitted", 1, 0, 2),
        ("admitted", 2, 0, 2),
        ("success", 1, 1, 2),
        ("released", 0, 1, 2),
    ]
