"""The mark of an injected fault: the same in the table, the detail, the lanes and the status, whoever injected it."""

from __future__ import annotations

import pytest

from fuseboard_console.text.glyphs import UNICODE
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.views.adapters.adapter_view import make_view, stats_of
from fuseboard_console.views.adapters.cells import next_cell
from fuseboard_console.views.adapters.columns import place
from fuseboard_console.views.adapters.row_cache import RowLines
from fuseboard_console.views.detail.adapter_detail import detail_lines
from fuseboard_console.views.detail.lanes import lane_line, lane_widths
from fuseboard_console.views.lists.status import status_json, status_text
from fuseboard_engine.events import Event, FaultInjected
from fuseboard_storage.board.board import AdapterKey, Board
from support.console_story import added, at, fold, opened, started

GPT = AdapterKey(1, "gpt")
FAULT = FaultInjected(at=at(1), adapter="gpt", fault="refused", until=at(31), actor="scenario")


def board_of(*events: Event, alive: float = 5) -> Board:
    return fold([started(), added("gpt"), FAULT, *events], alive=alive)


def shown(board: Board, cells: int, now: float = 5) -> str:
    row = board.adapters[GPT]
    view = make_view(row, board.instances[1], at(now), stats_of(row, at(now), 0))
    line = next_cell(view, at(now), cells, UNICODE)
    assert line_width(line) <= cells
    return text_of(line).rstrip()


def lane(board: Board, now: float = 5) -> str:
    row, instance = board.adapters[GPT], board.instances[1]
    return text_of(lane_line(row, instance, at(now), 85, lane_widths(85, 3), [], UNICODE)).rstrip()


def test_the_table_names_the_fault_and_its_time() -> None:
    assert shown(board_of(), 34) == "FAULT refused, 26 s left"
    assert shown(board_of(), 14) == "FAULT 26 s"


@pytest.mark.parametrize("cells", [14, 20, 24, 34])
def test_an_open_breaker_keeps_its_countdown_beside_the_mark(cells: int) -> None:
    text = shown(board_of(opened("gpt", 2, openings=2)), cells)
    assert text.startswith("FAULT ") and "7.0 s" in text
    assert ("2nd" in text) is (cells > 14)
    assert ("refused" in text) is (cells > 24)


def test_a_fault_leaves_no_mark_after_its_time() -> None:
    board = board_of(alive=40)
    assert shown(board, 34, 40) == ""
    assert "FAULT" not in lane(board, 40)


def test_the_mark_of_an_idle_adapter_counts_down_and_ends() -> None:
    board, rows = board_of(), RowLines(UNICODE)
    columns = place(200, 10, 1, False)

    def line(now: float) -> str:
        board.heartbeat(1, at(now))
        rows.begin(board, at(now), columns, {})
        return text_of(rows.line(GPT, frozenset()))

    assert "26 s left" in line(5)
    assert "16 s left" in line(15)
    assert "FAULT" not in line(32)


def test_a_lane_has_the_mark_beside_its_state_or_in_its_place() -> None:
    assert lane(board_of()).endswith("  FAULT")
    assert lane(board_of(opened("gpt", 2))).endswith("  OPEN FAULT")
    assert lane(fold([started(), added("gpt")], alive=5)).endswith("  CLOSED")


def test_the_detail_and_the_status_have_it() -> None:
    board = board_of(opened("gpt", 2, openings=2))
    text = [text_of(line) for line in detail_lines(board, GPT, at(5), 100, (), UNICODE)]
    (line,) = [line for line in text if line.startswith("FAULT")]
    assert "refused; injected by scenario, ends in 26 s" in line
    assert "in 7.0 s, 2nd time; FAULT refused, 26 s left" in status_text(board, "a.db", at(5), colour=False)
    assert status_json(board, "a.db", at(5))["adapters"][0]["fault"] == {
        "name": "refused", "value": None, "share": 1.0, "until": at(31), "actor": "scenario",
    }  # fmt: skip
