"""A breaker restored from an earlier process, and one whose policy is replaced while it works."""

from __future__ import annotations

import pytest

from fuseboard_engine import BreakerPolicy, CircuitBreaker, CircuitOpen
from fuseboard_engine.events import Event, StateChanged
from support.fake_clock import FakeClock

POLICY = BreakerPolicy(failure_threshold=3, success_threshold=2, recovery_timeout=10, jitter=0, backoff_multiplier=2)


@pytest.fixture
def three(clock: FakeClock, events: list[Event]) -> CircuitBreaker:
    return CircuitBreaker("a", POLICY, clock=clock, wall=clock.wall, on_event=events.append)


def fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.admit().failure(error="refused")


# ------------------------------------------------------------------ restore


def test_CB24_an_open_breaker_is_restored_with_its_failures_and_remaining_wait(
    three: CircuitBreaker, clock: FakeClock
) -> None:
    three.restore("open", wait=4.0, openings=2, failures=5, last_error="ConnectionError: refused")
    seen = three.snapshot()
    assert (seen.state, seen.failures, seen.openings, seen.retry_after) == ("open", 5, 2, 4.0)
    clock.advance(3.9)
    with pytest.raises(CircuitOpen, match="last error: ConnectionError: refused"):
        three.admit()
    clock.advance(0.1)
    three.admit().failure()
    assert three.snapshot().retry_after == 40.0, "the third opening in a row: the growth went on"


def test_a_half_open_breaker_is_restored_open_and_ready_to_probe(three: CircuitBreaker) -> None:
    three.restore("half_open", wait=7.0, openings=1)
    assert (three.state, three.snapshot().retry_after) == ("open", 0.0)
    three.admit()
    assert three.state == "half_open"


@pytest.mark.parametrize("state", ["forced_open", "disabled", "metrics_only"])
def test_a_manual_state_is_kept(three: CircuitBreaker, state: str) -> None:
    three.restore(state)  # type: ignore[arg-type]
    assert three.state == state


def test_a_restored_closed_breaker_continues_counting_failures_in_a_row(three: CircuitBreaker) -> None:
    three.restore("closed", failures=2)
    assert three.state == "closed"
    fail(three, 1)
    assert three.state == "open"


def test_a_success_clears_restored_failures(three: CircuitBreaker) -> None:
    three.restore("closed", failures=2)
    three.admit().success()
    fail(three, 2)
    assert three.state == "closed"


def test_failures_of_a_window_are_not_restored(clock: FakeClock) -> None:
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=3, window_seconds=60), clock=clock)
    breaker.restore("closed", failures=2)
    fail(breaker, 1)
    assert breaker.state == "closed"


def test_the_event_of_a_restored_breaker_names_the_cause(three: CircuitBreaker, events: list[Event]) -> None:
    three.restore("open", wait=4.0, openings=1, failures=3)
    (event,) = events
    assert isinstance(event, StateChanged)
    assert (event.after, event.reason, event.wait, event.failures) == ("open", "restored", 4.0, 3)


def test_restored_counts_have_up_to_32_bits() -> None:
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=5))
    breaker.restore("closed", openings=(1 << 32) - 1, failures=(1 << 32) - 1)
    assert (breaker.snapshot().openings, breaker.snapshot().failures) == ((1 << 32) - 1, (1 << 32) - 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"wait": -1.0}, {"wait": float("nan")}, {"wait": float("inf")}, {"openings": -1}, {"openings": 1 << 32},
        {"failures": -1}, {"failures": 1 << 32},
    ],
)  # fmt: skip
def test_invalid_restored_numbers_are_refused(three: CircuitBreaker, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="cannot be restored"):
        three.restore("open", **wrong)  # type: ignore[arg-type]
    assert three.state == "closed"


# ------------------------------------------------------------------ use


def test_a_lower_threshold_applies_to_the_failures_so_far(three: CircuitBreaker) -> None:
    three.update_policy(BreakerPolicy(failure_threshold=10))
    fail(three, 5)
    assert three.state == "closed"
    assert three.update_policy(BreakerPolicy(failure_threshold=6)) is False
    fail(three, 1)
    assert three.state == "open"


def test_an_open_breaker_stays_open_and_keeps_the_wait_it_announced(three: CircuitBreaker, clock: FakeClock) -> None:
    fail(three, 3)
    three.update_policy(BreakerPolicy(recovery_timeout=1, jitter=0, success_threshold=2))
    assert three.snapshot().retry_after == 10.0
    clock.advance(10)
    three.admit().failure()
    assert three.snapshot().retry_after == pytest.approx(1.5)


def test_probes_in_flight_stay_and_fewer_needed_are_enough_at_once(three: CircuitBreaker, clock: FakeClock) -> None:
    fail(three, 3)
    clock.advance(10)
    three.admit().success()
    assert three.state == "half_open"
    three.update_policy(POLICY.model_copy(update={"success_threshold": 1}))
    assert three.state == "closed"


def test_a_probe_in_flight_reports_to_the_new_policy(three: CircuitBreaker, clock: FakeClock) -> None:
    fail(three, 3)
    clock.advance(10)
    probe = three.admit()
    three.update_policy(POLICY.model_copy(update={"success_threshold": 1}))
    assert three.snapshot().probes_in_flight == 1
    probe.success()
    assert three.state == "closed"


def test_another_kind_of_window_starts_empty_and_reports_it(three: CircuitBreaker) -> None:
    fail(three, 2)
    under_way = three.admit()
    assert three.update_policy(BreakerPolicy(failure_threshold=3, window_size=10)) is True
    assert three.snapshot().failures == 0
    under_way.failure()
    assert three.snapshot().calls == 0, "begun under the old count"
    fail(three, 3)
    assert three.state == "open"


def test_slow_calls_are_measured_from_when_they_began_after_a_change(three: CircuitBreaker, clock: FakeClock) -> None:
    clock.advance(100)
    three.update_policy(BreakerPolicy(slow_call_rate=0.5, slow_call_seconds=1, minimum_calls=1))
    permit = three.admit()
    clock.advance(0.5)
    permit.success()
    assert (three.state, three.snapshot().slow) == ("closed", 0)


@pytest.mark.parametrize("state", ["force_open", "disable", "metrics_only"])
def test_a_manual_state_is_not_changed_by_a_policy(three: CircuitBreaker, state: str) -> None:
    getattr(three, state)()
    before = three.state
    three.update_policy(BreakerPolicy(failure_threshold=1, window_size=5))
    assert three.state == before
