"""Names that an operator types, and those that are meant."""

from __future__ import annotations

from fuseboard_console.text.suggestions import rows_named
from fuseboard_engine.events import AdapterAdded
from fuseboard_storage.board.board import Board, Entry
from support.fake_engine import NOON


def test_an_adapter_is_found_by_its_name_and_by_the_name_that_is_shown_of_it() -> None:
    board = Board()
    names = ("agno", "https://app:Zq7RtY88@db", "https://app:Zq7RtY88@web", "https://app:pLmN3vKx@web")
    for seq, name in enumerate(names, 1):
        board.apply(Entry(seq, 1, AdapterAdded(at=NOON, adapter=name, policy={})))
    for name in names:
        assert [row.name for row in rows_named(board, name)] == [name]
    assert [row.name for row in rows_named(board, "https://[hidden]@db")] == [names[1]]
    assert rows_named(board, "https://[hidden]@web") == []  # two adapters are shown so
    assert rows_named(board, "https://[hidden]") == []
