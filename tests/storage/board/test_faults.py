"""Injected faults on the Board."""

from __future__ import annotations

from fuseboard_engine.events import AdapterAdded, ClockChanged, Event, FaultEnded, FaultInjected
from fuseboard_storage.board.board import AdapterKey, AdapterRow, Board, Entry
from fuseboard_storage.tables.keyframes import dump, load

SECOND = 1_000_000
INJECTED = FaultInjected(at=SECOND, adapter="a", fault="slow", until=31 * SECOND, share=0.5, value=4.0, actor="ann")


def row(*events: Event) -> AdapterRow:
    board = Board()
    for number, event in enumerate((AdapterAdded(at=1, adapter="a", policy={}), *events), 1):
        board.apply(Entry(number, 1, event))
    return load(dump(board)).adapters[AdapterKey(1, "a")]  # a keyframe must not lose any of it


def test_a_fault_is_kept_with_its_number_share_actor_and_end() -> None:
    seen = row(INJECTED)
    assert (seen.fault, seen.fault_value, seen.fault_share, seen.fault_actor) == ("slow", 4.0, 0.5, "ann")
    assert seen.fault_seconds(SECOND) == 30
    assert seen.fault_seconds(30 * SECOND) == 1
    assert seen.fault_seconds(31 * SECOND) == seen.fault_seconds(99 * SECOND) == 0


def test_a_fault_that_ended_leaves_nothing() -> None:
    seen, untouched = row(INJECTED, FaultEnded(at=2 * SECOND, adapter="a", fault="slow", reason="healed")), row()
    for name in ("fault", "fault_value", "fault_share", "fault_until", "fault_actor"):
        assert getattr(seen, name) == getattr(untouched, name)
    assert seen.fault_seconds(2 * SECOND) == 0


def test_the_end_of_a_fault_follows_a_clock_that_is_set() -> None:
    assert row(INJECTED, ClockChanged(at=3_601 * SECOND, by=3_600.0)).fault_seconds(3_601 * SECOND) == 30
