"""The event buffer: what it drops, what it keeps, and what it counts."""

from __future__ import annotations

from concurrent.futures import Future

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine.events import AttemptFailed
from fuseboard_storage.recorder.event_buffer import Barrier, EventBuffer, events_of, size_of
from support.fake_engine import answered, failed, opened


def kinds(buffer: EventBuffer) -> list[str]:
    return [type(event).__name__ for event in events_of(buffer.take(10**6).items)]


def test_events_leave_in_the_order_they_arrived() -> None:
    buffer = EventBuffer(10)
    for number in range(5):
        buffer.add(answered(f"{number}"))
    assert [e.task for e in buffer.take(3).items] == ["0", "1", "2"]
    assert [e.task for e in buffer.take(3).items] == ["3", "4"]


def test_a_full_buffer_drops_and_counts_the_oldest_ordinary_events() -> None:
    buffer = EventBuffer(10)
    for number in range(25):
        buffer.add(answered(f"{number}"))
    taken = buffer.take(100)
    assert [e.task for e in taken.items] == [str(n) for n in range(15, 25)]
    assert taken.dropped == buffer.dropped == 15


def test_events_that_the_board_needs_are_kept() -> None:
    buffer = EventBuffer(10)
    buffer.add(opened())
    for number in range(50):
        buffer.add(failed(f"{number}"))
    assert kinds(buffer) == ["StateChanged"] + ["AttemptFailed"] * 9


def test_a_buffer_of_only_needed_events_drops_them_too_so_that_memory_is_bounded() -> None:
    buffer = EventBuffer(10)
    for _ in range(50):
        buffer.add(opened())
    assert len(buffer) == 10
    assert buffer.dropped == 40


def test_dropped_events_still_count_in_the_metrics() -> None:
    buffer = EventBuffer(4)
    for _ in range(10):
        buffer.add(answered())
    (span,) = buffer.take(100).spans.values()
    assert (span.calls, span.successes) == (6, 6)


def test_events_put_back_come_before_newer_ones() -> None:
    buffer = EventBuffer(10)
    for number in range(4):
        buffer.add(answered(f"{number}"))
    taken = buffer.take(2)
    buffer.add(answered("4"))
    buffer.put_back(taken)
    assert [e.task for e in buffer.take(100).items] == ["0", "1", "2", "3", "4"]


def test_events_put_back_do_not_exceed_the_buffers_capacity() -> None:
    buffer = EventBuffer(6)
    for number in range(6):
        buffer.add(answered(f"{number}"))
    taken = buffer.take(6)
    for number in range(6, 10):
        buffer.add(answered(f"{number}"))
    buffer.put_back(taken)
    again = buffer.take(100)
    assert [e.task for e in again.items] == ["4", "5", "6", "7", "8", "9"]
    assert again.dropped == 4


def test_drops_that_were_not_reported_are_reported_next_time() -> None:
    buffer = EventBuffer(2)
    for _ in range(5):
        buffer.add(answered())
    taken = buffer.take(100)
    buffer.put_back(taken)
    again = buffer.take(100)
    assert again.dropped == taken.dropped == 3
    assert sum(span.calls for span in again.spans.values()) == 3


def test_a_barrier_is_never_dropped() -> None:
    buffer = EventBuffer(3)
    barrier = Barrier(Future())
    buffer.add(barrier)
    for _ in range(20):
        buffer.add(answered())
    assert barrier in buffer.take(100).items


def heavy(number: int, size: int = 2_000) -> AttemptFailed:
    event = failed(f"{number}")
    return msgspec.structs.replace(event, attempt=msgspec.structs.replace(event.attempt, error="e" * size))


def test_a_buffer_full_by_bytes_drops_and_counts_the_oldest_ordinary_events() -> None:
    buffer = EventBuffer(100_000, 1_000_000)
    for number in range(5_000):
        buffer.add(heavy(number))
        assert buffer.bytes <= 1_000_000
    taken = buffer.take(10**6)
    assert taken.dropped == buffer.dropped == 5_000 - len(taken.items)
    assert 350 < len(taken.items) < 450
    assert [e.task for e in events_of(taken.items)] == [str(n) for n in range(buffer.dropped, 5_000)]
    assert sum(span.calls for span in taken.spans.values()) == buffer.dropped
    assert buffer.bytes == 0


def test_events_that_the_board_needs_outlive_ordinary_ones_when_bytes_are_short() -> None:
    buffer = EventBuffer(100_000, 100_000)
    buffer.add(opened())
    for number in range(1_000):
        buffer.add(heavy(number))
    assert kinds(buffer)[0] == "StateChanged"


def test_endless_texts_in_the_buffer_are_cut_instead_of_costing_other_events() -> None:
    buffer = EventBuffer(100_000, 64_000_000)
    endless = "x" * 10_000_000
    for number in range(20_000):
        buffer.add(msgspec.structs.replace(heavy(number), task_type=endless))
    assert buffer.dropped == 0
    assert sum(len(e.task_type) > 300 for e in events_of(buffer.take(10**6).items)) <= 8_000  # not measured yet


@given(st.lists(st.tuples(st.sampled_from("artbs"), st.integers(1, 200)), max_size=60))
def test_the_bytes_are_exact_and_bounded_whatever_happens(steps: list[tuple[str, int]]) -> None:
    buffer, most, added, seen = EventBuffer(150, 100_000), 100_000, 0, 0
    for step, amount in steps:
        if step == "a":
            for _ in range(amount):
                buffer.add(heavy(added, amount))
                added += 1
        elif step == "b":
            buffer.add(Barrier(Future()))
        elif step == "s":
            buffer.add(opened())
            added += 1
        else:
            batch = buffer.take(amount)
            if step == "r":
                buffer.put_back(batch)
            else:
                seen += len(events_of(batch.items))
        assert 0 <= buffer.bytes <= most
    left = len(events_of(buffer.take(10**6).items))
    assert added == seen + left + buffer.dropped
    assert buffer.bytes == 0


@pytest.mark.parametrize("most", [0, -1])
def test_a_limit_of_bytes_below_one_is_refused(most: int) -> None:
    with pytest.raises(ValueError, match="buffer_bytes must be at least 1"):
        EventBuffer(10, most)


@pytest.mark.parametrize("field", ["task", "task_type", "why", "error", "left"])
def test_a_long_text_of_an_ordinary_route_is_measured(field: str) -> None:
    text = "x" * 10_000
    route = msgspec.structs.replace(answered(), **{field: (text,) if field == "left" else text})
    assert size_of(route) > 10_000
    assert size_of(answered()) < 1_000
