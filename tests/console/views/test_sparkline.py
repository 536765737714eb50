"""The sparkline of the breakers table: failures in the colour of trouble, idle as flat, and a stated scale."""

from __future__ import annotations

import pytest

from fuseboard_console.text.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_console.text.line import Line, line_width, text_of
from fuseboard_console.views.adapters.adapter_view import make_view, stats_of
from fuseboard_console.views.adapters.cells import PEAK_CELLS, spark_cell
from fuseboard_console.views.adapters.columns import place, slices_of
from fuseboard_storage.board.board import AdapterKey, Board
from support.console_story import added, answered, at, failed, fold, started

GPT = AdapterKey(1, "gpt")


def cell(board: Board, now: float, cells: int = 12, glyphs: Glyphs = UNICODE) -> Line:
    stats = stats_of(board.adapters[GPT], at(now), cells - PEAK_CELLS)
    return spark_cell(make_view(board.adapters[GPT], board.instances[1], at(now), stats), at(now), cells, glyphs)


def styled(line: Line) -> list[tuple[str, str]]:
    return [(sign, style) for text, style in line for sign in text]


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_slices_with_failures_have_the_colour_of_trouble_and_idle_ones_are_flat(glyphs: Glyphs) -> None:
    calls = [answered("gpt", second) for second in range(41, 60)]  # of six slices of 20 s the third
    board = fold([started(), added("gpt"), *calls, *(failed("gpt", second) for second in range(82, 92))], alive=120)
    signs = styled(cell(board, 120, glyphs=glyphs))[:6]
    low = glyphs.sparks[0]
    assert [style for _, style in signs] == ["quiet", "quiet", "spark", "quiet", "bad", "quiet"]
    assert [sign for sign, _ in signs][::3] == [low, low]
    assert signs[2][0] == glyphs.sparks[-1]
    assert signs[4][0] not in (low, glyphs.sparks[-1])


def test_the_highest_rate_stands_beside_the_bars() -> None:
    calls = [answered("gpt", 100 + call / 10) for call in range(60)]
    board = fold([started(), added("gpt"), *calls], alive=120)
    assert text_of(cell(board, 120)) == "▁▁▁▁▁█   3.0"  # 60 calls in 20 s
    assert text_of(cell(board, 120, cells=30)).endswith("█▂▁▁  10.0")


def test_the_highest_rate_is_never_below_the_present_one() -> None:
    calls = [answered("gpt", 112 + call / 10) for call in range(60)]
    board = fold([started(), added("gpt"), *calls], alive=120)
    assert text_of(cell(board, 120)).endswith("   6.0")  # 60 calls in 10 s, in a slice of 20 s


def test_without_a_call_there_is_no_rate() -> None:
    board = fold([started(), added("gpt")], alive=120)
    assert text_of(cell(board, 120)) == "▁▁▁▁▁▁      "


def test_a_lost_engine_has_a_quiet_sparkline() -> None:
    board = fold([started(), added("gpt"), failed("gpt", 50), answered("gpt", 51)], alive=60)
    assert {style for _, style in styled(cell(board, 90))} == {"quiet", "faint"}


@pytest.mark.parametrize("cells", [7, 12, 30])
def test_the_cell_fits(cells: int) -> None:
    board = fold([started(), added("gpt"), *(answered("gpt", second / 200) for second in range(20_000))], alive=120)
    assert line_width(cell(board, 120, cells)) == cells


@pytest.mark.parametrize("cells", [120, 160, 200])
def test_as_many_slices_are_counted_as_there_are_bars(cells: int) -> None:
    columns = place(cells, 10, 1, False)
    spark = next(placed.cells for placed in columns if placed.column.id == "spark")
    assert slices_of(columns) == spark - PEAK_CELLS
