"""Bugs found in other breakers by running them. Each is a test here, so that none comes back."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from msgspec.structs import replace

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.decorator import guard
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.errors import CircuitOpen
from fuseboard_engine.events import Event, LateResult, ProbeChanged
from fuseboard_engine.retry.policy import RetryPolicy
from support.breakers import refused, trip
from support.fake_clock import FakeClock


async def test_ten_tasks_that_come_after_the_wait_send_one_probe(breaker: CircuitBreaker, clock: FakeClock) -> None:
    trip(breaker)
    clock.advance(10)
    called, answer = 0, asyncio.Event()

    @guard(breaker)
    async def call() -> None:
        nonlocal called
        called += 1
        await answer.wait()

    tasks = [asyncio.create_task(call()) for _ in range(10)]
    await asyncio.sleep(0)
    answer.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert called == 1
    assert sum(isinstance(result, CircuitOpen) for result in results) == 9


def test_a_late_success_does_not_close_an_open_breaker(breaker: CircuitBreaker, events: list[Event]) -> None:
    late = breaker.admit()
    trip(breaker)
    late.success()
    assert breaker.state == "open"
    assert isinstance(events[-1], LateResult)
    assert (events[-1].outcome, events[-1].generation, events[-1].current) == ("success", 0, 1)


@pytest.mark.parametrize("outcome", ["success", "failure"])
def test_a_late_result_that_lands_in_half_open_decides_nothing(
    breaker: CircuitBreaker, clock: FakeClock, outcome: str
) -> None:
    late = breaker.admit()
    trip(breaker)
    clock.advance(10)
    probe = breaker.admit()
    getattr(late, outcome)()
    assert breaker.state == "half_open"
    assert refused(breaker).reason == "probe_in_flight"  # and it adds no place for a probe
    probe.success()
    assert breaker.state == "closed"


def test_a_late_failure_does_not_prolong_the_wait(breaker: CircuitBreaker, clock: FakeClock) -> None:
    late = breaker.admit()
    trip(breaker)
    clock.advance(9)
    late.failure()
    assert refused(breaker).retry_after == 1
    clock.advance(1)
    breaker.admit()


def test_a_late_failure_of_an_earlier_closed_period_is_not_counted_in_the_next(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    late = breaker.admit()
    trip(breaker)
    clock.advance(10)
    breaker.admit().success()
    late.failure()
    assert breaker.state == "closed"
    assert breaker.snapshot().calls == 0


def test_a_cancelled_probe_gives_its_permit_back(breaker: CircuitBreaker, clock: FakeClock) -> None:
    trip(breaker)
    clock.advance(10)
    with pytest.raises(asyncio.CancelledError), breaker.admit():
        raise asyncio.CancelledError
    assert breaker.state == "half_open"
    assert breaker.snapshot().probes_in_flight == 0
    breaker.admit().success()
    assert breaker.state == "closed"


def test_an_ignored_probe_gives_its_permit_back(breaker: CircuitBreaker, clock: FakeClock) -> None:
    trip(breaker)
    clock.advance(10)
    breaker.admit().ignored()
    assert breaker.state == "half_open"
    breaker.admit()


def test_a_call_cancelled_while_closed_is_no_verdict(breaker: CircuitBreaker) -> None:
    breaker.admit().release()
    assert breaker.state == "closed"
    assert breaker.snapshot().calls == 0


def test_a_cancelled_call_does_not_interrupt_failures_in_a_row() -> None:
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=2))
    breaker.admit().failure()
    breaker.admit().release()
    breaker.admit().failure()
    assert breaker.state == "open"


def test_a_probe_that_never_reports_is_replaced_when_its_lease_is_over(
    breaker: CircuitBreaker, clock: FakeClock, events: list[Event]
) -> None:
    trip(breaker)
    clock.advance(10)
    lost = breaker.admit()
    clock.advance(9.5)
    assert refused(breaker).retry_after == 0.5
    clock.advance(0.5)  # the lease is the current wait
    second = breaker.admit()
    told = [event.what for event in events if isinstance(event, ProbeChanged)]
    assert told == ["admitted", "expired", "admitted"]
    lost.failure()  # too late: its place is another's
    assert breaker.state == "half_open"
    second.success()
    assert breaker.state == "closed"


def test_a_probe_slower_than_its_lease_still_decides_if_no_other_replaced_it(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    trip(breaker)
    clock.advance(10)
    probe = breaker.admit()
    clock.advance(100)
    probe.success()
    assert breaker.state == "closed"


def test_a_lease_can_be_set(clock: FakeClock) -> None:
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=1, probe_lease=3, jitter=0), clock=clock)
    trip(breaker)
    clock.advance(1)
    breaker.admit()
    assert refused(breaker).retry_after == 3


def test_a_breaker_that_waits_for_nothing_still_gives_a_probe_some_time(clock: FakeClock) -> None:
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=1, recovery_timeout=0), clock=clock)
    trip(breaker)
    breaker.admit()
    assert refused(breaker).retry_after == 1


def test_a_probe_admitted_by_an_operator_has_the_lease_of_the_first_wait(breaker: CircuitBreaker) -> None:
    breaker.half_open()
    breaker.admit()
    assert refused(breaker).retry_after == 10


def test_opening_by_hand_for_long_does_not_lengthen_the_lease(breaker: CircuitBreaker, clock: FakeClock) -> None:
    breaker.open_for(7200)
    clock.advance(7200)
    breaker.admit()
    assert refused(breaker).retry_after == 10


@pytest.mark.parametrize("state", ["closed", "open", "half_open", "forced_open", "disabled", "metrics_only"])
def test_a_reset_clears_all_counts(breaker: CircuitBreaker, clock: FakeClock, state: str) -> None:
    fresh = breaker.snapshot()
    for wait in (10, 20):
        trip(breaker)
        clock.advance(wait)
    old = breaker.admit()  # half-open, a probe in flight, two openings
    by_hand = {"open": "open_for", "forced_open": "force_open", "disabled": "disable", "metrics_only": "metrics_only"}
    if state in by_hand:
        getattr(breaker, by_hand[state])()
    elif state == "closed":
        old.success()
    breaker.reset()
    after = breaker.snapshot()
    lasting = ("generation", "recoveries", "relapses")  # counted over its whole life
    assert after == replace(fresh, **{name: getattr(after, name) for name in lasting})
    old.failure()
    clock.advance(10_000)
    breaker.admit().success()
    assert breaker.state == "closed"
    trip(breaker)
    assert breaker.snapshot().retry_after == 10


def test_no_breaker_ever_starts_a_thread_or_needs_a_loop(breaker: CircuitBreaker, clock: FakeClock) -> None:
    before = threading.active_count()
    trip(breaker)
    for verb in ("open_for", "half_open", "force_open", "disable", "metrics_only", "enable", "reset"):
        getattr(breaker, verb)()
    assert threading.active_count() == before


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_wall_clock_may_step_without_changing_a_wait(
    breaker: CircuitBreaker, clock: FakeClock, events: list[Event], hours: int
) -> None:
    trip(breaker)
    clock.wall_offset += hours * 3600
    assert refused(breaker).retry_after == 10
    clock.advance(10)
    breaker.admit().success()
    assert breaker.state == "closed"
    assert events[-1].at == clock.wall()


def test_a_step_of_the_wall_clock_does_not_change_how_old_the_last_error_is(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    trip(breaker)
    clock.advance(5)
    clock.wall_offset -= 3600
    at = breaker.snapshot().last_error_at
    assert at is not None
    assert clock.wall() - at == 5_000_000


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("state", ["closed", "half_open"])
def test_an_interruption_is_no_verdict_and_passes_as_it_is(
    breaker: CircuitBreaker, interruption: type[BaseException], state: str
) -> None:
    if state == "half_open":
        breaker.half_open()
    raised = interruption("stop")
    with pytest.raises(interruption) as caught, breaker.admit():
        raise raised
    assert caught.value is raised
    assert breaker.state == state
    assert breaker.snapshot().calls == breaker.snapshot().probes_in_flight == 0


def test_a_breaker_keeps_the_text_of_the_last_error_and_not_the_error(breaker: CircuitBreaker) -> None:
    class Heavy(Exception):
        pass

    with pytest.raises(Heavy), breaker.admit():
        raise Heavy("connection refused")
    gc.collect()
    assert breaker.snapshot().last_error == "Heavy: connection refused"
    assert refused(breaker).last_error == "Heavy: connection refused"
    assert not [thing for thing in gc.get_objects() if isinstance(thing, Heavy)]


def test_an_error_whose_text_cannot_be_read_is_a_failure_like_any_other(breaker: CircuitBreaker) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(Mute), breaker.admit():
        raise Mute
    assert breaker.state == "open"
    assert breaker.snapshot().last_error.startswith("Mute")


def test_jitter_stays_below_the_cap_and_does_not_vanish_at_it() -> None:
    waits = set()
    for number in range(20):
        clock = FakeClock()
        policy = BreakerPolicy(failure_threshold=1, recovery_timeout=60, max_recovery_timeout=60, jitter=0.1)
        breaker = CircuitBreaker("a", policy, clock=clock, rng=lambda number=number: number / 20)
        trip(breaker)
        waits.add(breaker.snapshot().retry_after)
    assert len(waits) == 20
    assert all(60 / 1.1 - 1e-9 <= wait <= 60 for wait in waits if wait is not None)


def test_jitter_of_a_retry_goes_beyond_its_cap_too() -> None:
    policy = RetryPolicy(base_delay=1, max_delay=10, jitter=0.5)
    assert policy.delay(30, 0.0) == 10
    assert policy.delay(30, 0.5) == 12.5


def test_a_rejection_says_nothing_about_the_adapter(breaker: CircuitBreaker) -> None:
    trip(breaker)
    for _ in range(100):
        refused(breaker)
    snapshot = breaker.snapshot()
    assert (snapshot.failed, snapshot.openings, snapshot.rejected, snapshot.retry_after) == (1, 1, 100, 10)


def test_a_window_of_seconds_slides_and_does_not_forget_at_an_edge(clock: FakeClock) -> None:
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=4, window_seconds=10), clock=clock)
    for moment in (9.0, 9.9, 10.1):  # on both sides of where a tumbling window would end
        clock.now = moment
        breaker.admit().failure()
    clock.now = 18.9
    breaker.admit().failure()
    assert breaker.state == "open"
