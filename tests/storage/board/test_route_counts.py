"""Ordinary routes: which they are, and that their counts have the effect of the routes on a Board."""

from __future__ import annotations

import msgspec

from fuseboard_engine.events import AdapterRemoved, RoutesCounted, ScenarioStep
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.board.route_counts import RouteCounter, is_ordinary, notable
from support.fake_engine import NOON, answered, failed

SECOND = 1_000_000


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
