"""The Board: entries are applied once, and ended processes leave their adapters to their successor."""

from __future__ import annotations

import pytest

from fuseboard_engine.events import DeadLetterChanged, DeadLettersCounted, EngineStarted, EngineStopped
from fuseboard_storage.board.board import Board, Entry
from support.fake_engine import NOON, answered


def test_an_entry_that_was_applied_before_is_ignored() -> None:
    board = Board()
    for seq in (1, 2, 2, 1):
        board.apply(Entry(seq, 1, answered()))
    assert (board.tasks, board.seq) == (2, 2)


@pytest.mark.parametrize(("restored", "kept"), [(True, {1}), (False, set())])
def test_the_adapters_of_an_ended_process_stay_only_for_a_successor_that_restores_them(
    restored: bool, kept: set[int]
) -> None:
    board = Board()
    events = (
        EngineStarted(at=NOON, name="app", host="h", pid=1),
        answered(),
        EngineStopped(at=NOON, reason="closed"),
    )
    for seq, event in enumerate(events, 1):
        board.apply(Entry(seq, 1, event))
    board.apply(Entry(9, 2, EngineStarted(at=NOON, name="app", host="h", pid=2, replaces=1, restored=restored)))
    assert set(board.left) == kept


def test_dead_letters_are_counted_by_status() -> None:
    board = Board()
    counts = []
    for seq, event in enumerate(
        (
            DeadLettersCounted(at=NOON, counts={"pending": 5, "archived": 1}),
            DeadLetterChanged(at=NOON, letters=(1, 2), before="pending", status="archived"),
            DeadLetterChanged(at=NOON, letters=(3,), before="pending", status="purged"),
            DeadLetterChanged(at=NOON, letters=(4, 5, 6), before="pending", status="retried"),
        ),
        1,
    ):
        board.apply(Entry(seq, 1, event))
        counts.append(dict(board.dead_letters))
    assert counts == [
        {"pending": 5, "archived": 1},
        {"pending": 3, "archived": 3},
        {"pending": 2, "archived": 3},
        {"pending": 0, "archived": 3, "retried": 3},  # never below zero
    ]


def test_the_calls_of_one_second_are_counted_together() -> None:
    board = Board()
    for seq, second in enumerate((0, 1, 1, 2, 2, 2), 1):
        board.apply(Entry(seq, 1, answered(at=NOON + second * 1_000_000)))
    (row,) = board.rows()
    assert [span.calls for span in row.seconds] == [1, 2, 3]
