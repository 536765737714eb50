"""Windows say what they hold, exactly, as a list of the same calls would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine.breaker.sliding_window import AtomicCounter, CountWindow, StateWindow, TimeWindow, Window

calls = st.lists(st.tuples(st.integers(0, 8).map(lambda n: n / 4), st.booleans(), st.booleans()), max_size=80)


def held(window: Window) -> tuple[int, int, int]:
    return window.calls, window.failed, window.slow


def counted(kept: list[tuple[float, bool, bool]]) -> tuple[int, int, int]:
    return len(kept), sum(failed for _, failed, _ in kept), sum(slow for _, _, slow in kept)


@given(calls, st.integers(1, 12))
def test_the_last_calls_are_the_end_of_the_list(calls: list[tuple[float, bool, bool]], size: int) -> None:
    window, kept = CountWindow(size), []
    for call in calls:
        window.record(*call)
        kept.append(call)
        assert held(window) == counted(kept[-size:])


@given(calls, st.integers(1, 20).map(lambda n: n / 4))
def test_the_last_seconds_hold_what_is_younger_than_their_length(
    calls: list[tuple[float, bool, bool]], seconds: float
) -> None:
    window, kept, now = TimeWindow(seconds), [], 0.0
    for step, failed, slow in calls:
        now += step
        window.record(now, failed, slow)
        kept.append((now, failed, slow))
        assert held(window) == counted([call for call in kept if now - call[0] < seconds])
    now += seconds / 2
    window.expire(now)
    assert held(window) == counted([call for call in kept if now - call[0] < seconds])


def test_a_call_as_old_as_the_window_is_out_and_a_younger_one_is_in() -> None:
    window = TimeWindow(10)
    window.record(0, True, False)
    window.expire(9.999_999)
    assert window.calls == 1
    window.expire(10)
    assert held(window) == (0, 0, 0)


def test_under_heavy_traffic_a_window_of_seconds_is_out_by_less_than_a_hundredth_of_its_length() -> None:
    window, rate = TimeWindow(10), 1000
    for number in range(30 * rate):
        window.record(number / rate, number % 2 == 0, False)
    assert 9.9 * rate <= window.calls <= 10 * rate
    assert window.failed == pytest.approx(window.calls / 2, abs=1)


def test_a_window_accepts_a_slightly_earlier_time_of_another_thread() -> None:
    window = TimeWindow(10)
    for moment in (5.0, 4.999, 5.0, 4.998):
        window.record(moment, True, True)
    assert held(window) == (4, 4, 4)
    window.expire(15)
    assert held(window) == (0, 0, 0)


def test_a_whole_state_forgets_nothing() -> None:
    window = StateWindow()
    window.tick()
    window.record(0, True, False)
    window.record(1e9, False, True)
    window.expire(1e12)
    assert held(window) == (3, 1, 1)


@given(st.lists(st.booleans()))
def test_reading_a_counter_does_not_count(steps: list[bool]) -> None:
    counter, ticks = AtomicCounter(), 0
    for tick in steps:
        if tick:
            counter.tick()
            ticks += 1
        else:
            assert counter.read() == ticks
    assert counter.read() == ticks


def test_calls_at_few_distinct_times_expire_exactly() -> None:
    window = TimeWindow(128)
    for moment in range(100):
        window.record(moment + 0.5, True, True)
        window.record(moment + 0.5, False, True)
    window.expire(128.5)  # the first two are as old as the window
    assert held(window) == (198, 99, 198)
    window.expire(150.4)
    assert held(window) == (156, 78, 156)


def test_memory_is_bounded_while_times_come_and_go_and_few_distinct_times_are_exact_again() -> None:
    window = TimeWindow(128)
    for number in range(5000):
        window.record(number / 10, False, False)
        assert len(window._slots) <= 400
    window.expire(1000)
    assert held(window) == (0, 0, 0)
    window.record(1000, True, False)
    window.record(1000.5, False, True)
    window.expire(1128)
    assert held(window) == (1, 0, 1)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_full_ring_replaces_the_oldest_and_its_kinds(size: int) -> None:
    window = CountWindow(size)
    for failed, slow in ((True, True), (True, False), (False, True)):
        window.record(0, failed, slow)
    for _ in range(size):
        window.record(0, False, False)
    assert held(window) == (size, 0, 0)


def test_few_times_are_exact_while_many_that_have_expired_are_still_stored() -> None:
    window = TimeWindow(128)
    for moment in range(100):
        window.record(moment, False, False)
    window.expire(128 + 89.5)
    assert window.calls == 10
    window.record(217.6, True, False)
    window.record(218.1, True, False)
    window.expire(128 + 217.6)
    assert held(window) == (1, 1, 0)
