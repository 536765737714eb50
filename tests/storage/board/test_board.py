"""The Board: entries are applied once, and ended processes leave their adapters to their successor."""

from __future__ import annotations

import pytest

from fuseboard_engine.events import EngineStarted, EngineStopped
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
