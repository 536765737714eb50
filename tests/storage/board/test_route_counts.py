"""Ordinary routes: which they are, and that their counts have the effect of the routes on a Board."""

from __future__ import annotations

import msgspec
import pytest

from fuseboard_engine.events import (
    AdapterRemoved,
    Attempt,
    AttemptFailed,
    Event,
    RouteCounts,
    RouteFinished,
    RoutesCounted,
    ScenarioStep,
    TripSuppressed,
)
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.board.histogram import bucket_of
from fuseboard_storage.board.route_counts import RouteCounter, is_ordinary, notable
from support.fake_engine import NOON, answered, failed, opened

SECOND = 1_000_000


def streamed(adapter: str, first_item: float, duration: float, *, at: int = NOON, failures: int = 0) -> RouteFinished:
    attempt = Attempt(
        adapter=adapter, outcome="success", number=1, duration=duration, first_item=first_item, failures=failures
    )
    return RouteFinished(
        at=at, task="t", task_type="code", success=True, adapter=adapter, attempts=(attempt,), duration=duration
    )


def test_a_route_is_ordinary_if_its_first_adapter_answered_at_once() -> None:
    assert is_ordinary(answered())
    assert is_ordinary(msgspec.structs.replace(answered(), duration=5.0))
    assert not is_ordinary(msgspec.structs.replace(answered(), duration=5.1))
    assert is_ordinary(msgspec.structs.replace(answered(), duration=5.1), slow=6.0)
    assert not is_ordinary(msgspec.structs.replace(answered(), success=False))
    assert not is_ordinary(msgspec.structs.replace(answered(), degraded=True))
    assert not is_ordinary(msgspec.structs.replace(answered(), letter=3))
    assert not is_ordinary(msgspec.structs.replace(answered(), attempts=2 * answered().attempts))
    assert not is_ordinary(failed())
    assert not is_ordinary(ScenarioStep(at=1, scenario="s", text="x"))
    assert not is_ordinary(msgspec.structs.replace(answered(), adapter="another"))
    retried = msgspec.structs.replace(answered().attempts[0], number=2)
    assert not is_ordinary(msgspec.structs.replace(answered(), attempts=(retried,)))


def test_notable_events_are_kept_and_the_others_are_counted_until_the_end() -> None:
    events = [answered("a", at=NOON), failed("b", at=NOON + 1), answered("c", at=NOON + 2)]
    kept, counter = notable(events, RouteCounter(), end=False)
    assert kept == [events[1]]
    kept, counter = notable([answered("d", at=NOON + 3)], counter, end=True)
    (counted,) = kept
    assert isinstance(counted, RoutesCounted)
    assert (counted.since, counted.at, counted.tasks, bool(counter)) == (NOON, NOON + 3, 3, False)


def test_counting_ends_before_an_adapter_is_removed() -> None:
    kept, counter = notable([answered(), AdapterRemoved(at=NOON, adapter="agno")], RouteCounter(), end=False)
    assert [type(event) for event in kept] == [RoutesCounted, AdapterRemoved]
    assert not counter


def test_a_batch_that_could_not_be_written_is_counted_once() -> None:
    counter = RouteCounter()
    notable([answered()], counter, end=False)
    kept, _ = notable([answered()], counter, end=True)
    (counted,) = kept
    assert isinstance(counted, RoutesCounted)
    assert counted.tasks == 1


def test_the_newest_second_gets_the_counts() -> None:
    board = Board()
    kept, _ = notable([answered(at=NOON), answered(at=NOON + SECOND)], RouteCounter(), end=True)
    board.apply(Entry(1, 1, kept[0]))
    (row,) = board.rows()
    assert [(second.at, second.calls) for second in row.seconds] == [(NOON + SECOND, 2)]
    assert (board.tasks, board.tasks_ok, row.calls, row.successes) == (2, 2, 2, 2)


def test_counts_hold_the_calls_the_seconds_and_the_histograms_of_each_adapter() -> None:
    counter = RouteCounter()
    for route in (streamed("a", 0.5, 1.0), streamed("a", 0.5, 2.0, failures=2), streamed("b", 0.25, 4.0)):
        counter.add(route)
    histogram = {bucket_of(1.0): 1, bucket_of(2.0): 1}
    assert counter.take().adapters == {
        "a": RouteCounts(calls=2, busy=3.0, latency=histogram, first_item={bucket_of(0.5): 2}, failures=2),
        "b": RouteCounts(calls=1, busy=4.0, latency={bucket_of(4.0): 1}, first_item={bucket_of(0.25): 1}, failures=0),
    }


def test_the_seconds_of_counts_are_kept_to_the_nanosecond() -> None:
    counter = RouteCounter()
    for duration in (1.000_000_001, 0.000_000_000_4):
        counter.add(streamed("a", 0.5, duration))
    assert counter.take().adapters["a"].busy == 1.000_000_001


def test_merged_counts_are_those_of_all_routes_together() -> None:
    parts = [
        [streamed("a", 0.5, 1.0), streamed("a", 0.5, 1.0, at=NOON + 1), streamed("b", 0.25, 4.0, at=NOON + 2)],
        [streamed("b", 0.25, 4.0, at=NOON + 3), streamed("a", 2.0, 1.0, at=NOON + 4, failures=3)],
    ]
    merged, together = RouteCounter(), RouteCounter()
    for part in parts:
        counter = RouteCounter()
        for route in part:
            counter.add(route)
            together.add(route)
        merged.merge(counter.take())
    assert merged.take() == together.take()


def test_counts_span_the_time_of_their_routes_in_any_order() -> None:
    counter = RouteCounter()
    for second in (3, 1, 2):
        counter.add(answered(at=NOON + second * SECOND))
    counted = counter.take()
    assert (counted.since, counted.at) == (NOON + SECOND, NOON + 3 * SECOND)
    counter.add(answered(at=NOON + 2 * SECOND))
    counted = counter.take()
    assert (counted.since, counted.at) == (NOON + 2 * SECOND, NOON + 2 * SECOND)


def test_a_copied_counter_is_added_to_alone() -> None:
    counter = RouteCounter()
    counter.add(streamed("a", 0.5, 1.0))
    counter.copy().add(streamed("a", 0.5, 1.0))
    assert counter.take().adapters["a"] == RouteCounts(
        calls=1, busy=1.0, latency={bucket_of(1.0): 1}, first_item={bucket_of(0.5): 1}, failures=0
    )


@pytest.mark.parametrize(
    "event",
    [
        msgspec.structs.replace(streamed("a", 0.5, 9.0), success=False),
        AttemptFailed(at=NOON, task="t", task_type="code", attempt=Attempt(adapter="a", outcome="failure")),
        opened("a"),
        TripSuppressed(at=NOON, adapter="a", reason="ejection_limit", detail=""),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_later_event_of_the_breaker_decides_its_count_of_failures(event: Event) -> None:
    counter = RouteCounter()
    counter.add(streamed("a", 0.5, 1.0, failures=2))
    counter.add(streamed("b", 0.5, 1.0, failures=1))
    counter.note(event)
    assert {adapter: counts.failures for adapter, counts in counter.take().adapters.items()} == {"a": None, "b": 1}
