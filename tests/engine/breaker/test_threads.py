"""Many threads and one breaker: exact counts, listeners in order, and no lock across a call."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable

import pytest

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.decorator import guard
from fuseboard_engine.breaker.permit import Permit
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.events import Event, StateChanged
from support.breakers import POLICY, in_threads, refused, trip
from support.fake_clock import FakeClock
from support.waiting import PATIENCE


@pytest.mark.parametrize("places", [1, 3])
def test_threads_that_ask_at_once_get_exactly_as_many_probes_as_there_are_places(places: int, clock: FakeClock) -> None:
    policy = BreakerPolicy(failure_threshold=1, recovery_timeout=1, success_threshold=5, half_open_concurrency=places)
    for _ in range(20):
        breaker = CircuitBreaker("a", policy, clock=clock)
        trip(breaker)
        clock.advance(2)
        given = [result for result in in_threads(12, breaker.admit) if isinstance(result, Permit)]
        assert len(given) == places == breaker.snapshot().probes_in_flight


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_breaker_of_no_engine_works_in_a_child_that_was_forked_while_a_thread_held_its_lock() -> None:
    held, release = threading.Event(), threading.Event()

    def wall() -> int:
        if threading.current_thread().name == "holds the lock":
            held.set()
            release.wait(60)
        return 0

    breaker = CircuitBreaker("a", POLICY, wall=wall, on_event=lambda event: None)
    trip(breaker)
    holder = threading.Thread(target=breaker.snapshot, name="holds the lock")
    holder.start()
    held.wait(60)
    child = os.fork()
    if not child:
        signal.alarm(30)  # ends a child that hangs
        try:
            breaker.reset()
            breaker.admit().failure("rate_limited")
            os._exit(0 if breaker.snapshot().state == "open" else 3)
        finally:
            os._exit(4)
    release.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert breaker.snapshot().state == "open"


def test_a_listener_that_raises_loses_no_result_and_keeps_no_breaker_closed(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    def listener(event: Event) -> None:
        raise RuntimeError("no disk")

    breaker = CircuitBreaker("a", POLICY, clock=clock, on_event=listener)
    call: Callable[[int], float] = guard(breaker)(lambda by: 1 / by)
    with pytest.raises(ZeroDivisionError):
        call(0)
    assert breaker.state == "open"
    clock.advance(10)
    assert call(4) == 0.25
    assert breaker.state == "closed"
    assert "a listener of a raised on StateChanged" in caplog.text


def test_a_listener_may_call_the_breaker_it_listens_to(clock: FakeClock) -> None:
    heard: list[tuple[str, str]] = []

    def listener(event: Event) -> None:
        if isinstance(event, StateChanged):
            heard.append((event.before, event.after))
            breaker.snapshot()
            if event.after == "open":
                breaker.reset()

    breaker = CircuitBreaker("a", POLICY, clock=clock, on_event=listener)
    breaker.admit().failure()
    assert heard == [("closed", "open"), ("open", "closed")]
    assert breaker.state == "closed"


def test_a_listener_that_hangs_keeps_no_other_thread_waiting(clock: FakeClock) -> None:
    hangs, go_on = threading.Event(), threading.Event()

    def listener(event: Event) -> None:
        hangs.set()
        assert go_on.wait(timeout=PATIENCE)

    breaker = CircuitBreaker("a", POLICY, clock=clock, on_event=listener)
    thread = threading.Thread(target=lambda: breaker.admit().failure())
    thread.start()
    assert hangs.wait(timeout=PATIENCE)
    assert breaker.snapshot().state == "open"
    assert refused(breaker).reason == "open"
    breaker.reset()
    breaker.admit().success()
    go_on.set()
    thread.join(timeout=PATIENCE)
    assert not thread.is_alive()


def test_a_listener_hears_changes_of_many_threads_in_the_order_they_were_decided(clock: FakeClock) -> None:
    heard: list[StateChanged] = []
    breaker = CircuitBreaker(
        "a", POLICY, clock=clock, on_event=lambda event: isinstance(event, StateChanged) and heard.append(event)
    )

    def flip() -> None:
        for _ in range(200):
            breaker.open_for(1)
            breaker.reset()
            breaker.half_open()

    in_threads(4, flip)
    assert [event.generation for event in heard] == list(range(1, 4 * 600 + 1))
    assert all(before.after == after.before for before, after in itertools.pairwise(heard))


def test_five_calls_run_at_the_same_time(breaker: CircuitBreaker) -> None:
    together = threading.Barrier(5)  # breaks if the calls come one after another
    call = guard(breaker)(lambda: together.wait(timeout=PATIENCE))
    assert sorted(in_threads(5, call)) == [0, 1, 2, 3, 4]
    assert breaker.snapshot().calls == 5


def test_counts_are_exact_when_threads_share_a_guarded_function() -> None:
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=None))

    @guard(breaker)
    async def call(fails: bool) -> None:
        if fails:
            raise ValueError

    async def many() -> None:
        for number in range(500):
            try:
                await call(number % 5 == 0)
            except ValueError:
                pass

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        in_threads(6, lambda: asyncio.run(many()))
    finally:
        sys.setswitchinterval(switch)
    assert (breaker.snapshot().calls, breaker.snapshot().failed) == (3000, 600)


def test_refusals_are_counted_exactly_under_threads(breaker: CircuitBreaker) -> None:
    trip(breaker)
    in_threads(8, lambda: [refused(breaker) for _ in range(200)])
    assert breaker.snapshot().rejected == 1600


@pytest.mark.parametrize("short", [False, True], ids=["by permits", "by a guard"])
def test_failures_of_many_threads_are_each_counted_once_and_the_last_one_opens_it(short: bool) -> None:
    each, heard = 1_000, list[Event]()
    breaker = CircuitBreaker(
        "a", BreakerPolicy(failure_threshold=8 * each, recovery_timeout=1000), on_event=heard.append
    )

    @guard(breaker)
    def fails() -> None:
        raise ValueError

    def many() -> None:
        for _ in range(each):
            if not short:
                breaker.admit().failure()
                continue
            try:
                fails()
            except ValueError:
                pass

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        in_threads(8, many)
    finally:
        sys.setswitchinterval(switch)
    seen = breaker.snapshot()
    assert (seen.state, seen.failed, seen.failures) == ("open", 8 * each, 8 * each)
    assert [event.after for event in heard if isinstance(event, StateChanged)] == ["open"]
