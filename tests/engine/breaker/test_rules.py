"""Rules at their edges: rates met exactly, waits that make no sense, slow calls in flight, switches by hand."""

from __future__ import annotations

import pytest

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.policy import BreakerPolicy
from support.breakers import refused, trip
from support.fake_clock import FakeClock


def test_a_rate_that_is_met_exactly_trips_whatever_floating_point_makes_of_it() -> None:
    """0.55 * 20 is a little more than 11."""
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=None, failure_rate=0.55, minimum_calls=20))
    for _ in range(9):
        breaker.admit().success()
    for _ in range(10):
        breaker.admit().failure()
    assert breaker.state == "closed"
    breaker.admit().failure()
    assert breaker.state == "open"


@pytest.mark.parametrize("wait", [float("nan"), float("inf"), -5.0, 1e300])
def test_an_invalid_retry_after_is_ignored(breaker: CircuitBreaker, wait: float) -> None:
    breaker.admit().failure("rate_limited", retry_after=wait)
    assert breaker.snapshot().retry_after == 10


def test_a_retry_after_opens_the_breaker_at_once_for_its_duration(clock: FakeClock) -> None:
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=5), clock=clock)
    breaker.admit().failure("rate_limited", retry_after=300)
    assert refused(breaker).retry_after == 300


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, 1e300])
def test_opening_by_hand_for_an_impossible_time_is_refused(breaker: CircuitBreaker, seconds: float) -> None:
    with pytest.raises(ValueError, match="open_for needs"):
        breaker.open_for(seconds)
    assert breaker.state == "closed"


def test_calls_still_in_flight_past_the_limit_count_as_slow(clock: FakeClock) -> None:
    policy = BreakerPolicy(slow_call_seconds=2, slow_call_rate=0.5, minimum_calls=4)
    breaker = CircuitBreaker("a", policy, clock=clock)
    hanging = [breaker.admit() for _ in range(4)]
    clock.advance(2)
    breaker.admit()  # exactly at the limit is not slow
    clock.advance(0.5)
    assert refused(breaker).reason == "open"
    for permit in hanging:
        permit.success()  # late, they change nothing
    assert breaker.state == "open"


def test_a_hanging_call_does_not_lower_the_failure_rate(clock: FakeClock) -> None:
    policy = BreakerPolicy(
        failure_threshold=None, failure_rate=1.0, minimum_calls=3, slow_call_seconds=1, slow_call_rate=1.0
    )
    breaker = CircuitBreaker("a", policy, clock=clock)
    breaker.admit()
    clock.advance(5)
    for _ in range(3):
        breaker.admit().failure(duration=0)
    assert breaker.state == "open"


def test_a_disabled_breaker_records_nothing_not_even_the_last_error(breaker: CircuitBreaker) -> None:
    breaker.disable()
    breaker.admit().failure(error="boom")
    assert breaker.snapshot().last_error == ""
    assert breaker.snapshot().calls == 0


def test_a_breaker_that_only_watches_counts_but_never_trips(breaker: CircuitBreaker) -> None:
    breaker.metrics_only()
    for _ in range(20):
        breaker.admit().failure()
    assert (breaker.state, breaker.snapshot().failed) == ("metrics_only", 20)
    breaker.enable()
    assert (breaker.state, breaker.snapshot().failed) == ("closed", 0)


def test_settling_a_permit_twice_counts_once(breaker: CircuitBreaker) -> None:
    permit = breaker.admit()
    permit.success()
    permit.failure()
    permit.release()
    assert breaker.state == "closed"
    assert breaker.snapshot().calls == 1


def test_an_open_breaker_stays_open_until_a_call_asks_for_a_permit(breaker: CircuitBreaker, clock: FakeClock) -> None:
    trip(breaker)
    clock.advance(1000)
    assert breaker.state == breaker.snapshot().state == "open"
    assert breaker.snapshot().retry_after == 0
    breaker.admit()
    assert breaker.state == "half_open"


def test_a_probe_that_succeeds_slowly_does_not_help_to_close(clock: FakeClock) -> None:
    policy = BreakerPolicy(success_threshold=1, half_open_calls=2, slow_call_seconds=1, slow_call_rate=0.5)
    breaker = CircuitBreaker("a", policy, clock=clock)
    breaker.half_open()
    breaker.admit().success(duration=2)
    assert (breaker.state, breaker.snapshot().successes) == ("half_open", 0)
    breaker.admit().success(duration=2)
    assert breaker.state == "open"


@pytest.mark.parametrize("held", ["force_open", "disable", "metrics_only"])
def test_time_in_a_manual_state_is_not_a_healthy_period(breaker: CircuitBreaker, clock: FakeClock, held: str) -> None:
    trip(breaker)
    clock.advance(10)
    breaker.admit().success()
    getattr(breaker, held)()
    clock.advance(10_000)
    breaker.half_open()
    breaker.admit().failure()
    assert breaker.snapshot().openings == 2


def test_a_healthy_period_ended_by_an_operator_still_resets_the_backoff(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    trip(breaker)
    clock.advance(10)
    breaker.admit().success()
    clock.advance(10)
    breaker.half_open()
    breaker.admit().failure()
    assert breaker.snapshot().openings == 1
