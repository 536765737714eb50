"""The charts of the detail: failures stacked into calls, the limit of slow calls, and the width that there is."""

from __future__ import annotations

import pytest

from fuseboard_console.actions.catalogue import actions_for
from fuseboard_console.text.formatting import latency
from fuseboard_console.text.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_console.text.line import Line, line_width, text_of
from fuseboard_console.views.detail.adapter_detail import Look, detail_lines
from fuseboard_console.views.detail.charts import latency_lines, limit_row, stacked
from fuseboard_console.views.detail.time_slices import Slice
from fuseboard_engine.events import AdapterAdded, Event
from fuseboard_storage.board.board import AdapterKey, Board
from support.console_story import STORY_ENDS, added, answered, at, failed, fold, started, story

ACTIONS = tuple(action for action in actions_for(False) if action.verb and action.needs_selection)


def styled(line: Line) -> list[tuple[str, str]]:
    return [(sign, style) for text, style in line for sign in text]


def texts(
    board: Board, adapter: str, seconds: float, cells: int, rows: int = 40, glyphs: Glyphs = UNICODE
) -> list[str]:
    look = Look(rows=rows)
    lines = detail_lines(board, AdapterKey(1, adapter), at(seconds), cells, ACTIONS, glyphs, look)
    assert max(line_width(line) for line in lines) <= cells
    return [text_of(line) for line in lines]


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_failures_are_stacked_into_calls_on_one_scale(glyphs: Glyphs) -> None:
    parts = [(0, 8), (4, 8), (8, 8), (0, 4), (0, 0), None]
    lines = stacked(parts, 4, 6, glyphs)
    full, low, cross = glyphs.sparks[-1], glyphs.sparks[0], glyphs.failed
    assert [text_of(line) for line in lines] == [
        f"{full}{full}{cross}   ",
        f"{full}{full}{cross}   ",
        f"{full}{cross}{cross}{full}  ",
        f"{full}{cross}{cross}{full}{low} ",
    ]
    assert styled(lines[3])[1] == (cross, "bad")
    assert styled(lines[3])[0] == (full, "spark")


def test_one_failure_of_very_many_calls_is_visible() -> None:
    lines = stacked([(1, 100_000), (0, 100_000)], 3, 2, UNICODE)
    assert text_of(lines[2]) == "✗█"
    assert text_of(lines[1]) == "██"


def slice_of(p99: float | None) -> Slice:
    return Slice(1, 0, 0, p99, p99, p99, "closed")


def test_a_limit_within_reach_is_on_the_scale_of_the_latencies() -> None:
    lines, top = latency_lines([slice_of(0.2), slice_of(None)], 4, 2, UNICODE, limit=0.4)
    assert top == 0.4
    assert limit_row(top, 4, 0.4) == 0
    assert [text_of(line) for line in lines] == ["──", "  ", "█ ", "█▁"]


def test_what_is_above_the_limit_has_the_colour_of_trouble() -> None:
    lines, top = latency_lines([slice_of(1.0), slice_of(0.3)], 4, 2, UNICODE, limit=0.6)
    assert top == 1.0
    assert limit_row(top, 4, 0.6) == 1
    assert [text_of(line) for line in lines] == ["█ ", "█─", "█ ", "██"]
    assert styled(lines[0])[0] == ("█", "bad")
    assert styled(lines[1]) == [("█", "spark"), ("─", "warn")]
    assert styled(lines[3])[0] == ("█", "spark")


def test_a_limit_far_above_all_latencies_stands_over_the_chart() -> None:
    lines, top = latency_lines([slice_of(0.1), slice_of(0.05)], 4, 2, UNICODE, limit=10.0)
    assert top == 0.1
    assert limit_row(top, 4, 10.0) == -1
    assert [text_of(line) for line in lines] == ["──", "█ ", "█ ", "██", "██"]


def test_without_a_limit_nothing_is_drawn_for_it() -> None:
    lines, _ = latency_lines([slice_of(0.1)], 3, 1, UNICODE)
    assert [text_of(line) for line in lines] == ["█", "█", "█"]
    assert limit_row(0.1, 3, None) is None


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_an_odd_limit_of_a_damaged_file_is_no_limit(limit: float) -> None:
    assert limit_row(1.0, 4, limit) is None
    assert limit_row(0.0, 4, limit) is None
    assert len(latency_lines([slice_of(0.1)], 4, 1, UNICODE, limit)[0]) == 4


def with_limit(limit: float) -> Board:
    policy = {"failure_threshold": 5, "slow_call_rate": 0.5, "slow_call_seconds": limit}
    events: list[Event] = [started(), AdapterAdded(at=at(0), adapter="gpt", policy=policy)]
    return fold([*events, *(answered("gpt", second, 0.3) for second in range(1, 100))], alive=100)


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_the_detail_draws_and_names_the_limit(glyphs: Glyphs) -> None:
    near = texts(with_limit(0.5), "gpt", 100, 100, glyphs=glyphs)
    assert any(f"{glyphs.bar_rest} 500 ms" in line and glyphs.bar_rest * 5 in line for line in near)
    far = texts(with_limit(10.0), "gpt", 100, 100, glyphs=glyphs)
    place = next(place for place, line in enumerate(far) if line.startswith("latency"))
    assert far[place].rstrip().endswith(f"{glyphs.sort_ascending} {latency(10.0)}")
    assert far[place + 1].rstrip().endswith(" ms")


def test_the_second_line_has_the_last_error_in_full() -> None:
    error = "the upstream refused: " + " ".join(f"word{number}" for number in range(40))
    board = fold([started(), added("gpt"), failed("gpt", 5, error)], alive=8)
    lines = texts(board, "gpt", 8, 80)
    assert lines[1].startswith("last error  ConnectError: the upstream refused")
    engine = next(place for place, line in enumerate(lines) if line.startswith("engine"))
    assert " ".join(line[12:] for line in lines[1:engine]) == f"ConnectError: {error}, 3 s ago"
    assert lines[engine] == "engine      checkout@web-1:4242"


def test_without_an_error_the_second_line_names_the_engine() -> None:
    board = fold([started(), added("gpt")], alive=8)
    assert texts(board, "gpt", 8, 80)[1] == "engine      checkout@web-1:4242"


@pytest.mark.parametrize("cells", [76, 116, 156, 184, 240])
@pytest.mark.parametrize("rows", [20, 36, 46])
def test_the_detail_uses_the_width_it_has(cells: int, rows: int) -> None:
    lines = texts(fold(story(), alive=STORY_ENDS), "prefect", STORY_ENDS, cells, rows)
    states = next(line for line in lines if line.startswith("states"))
    assert len(states.rstrip()) == cells - 9
    side_by_side = any("last minute" in line and "Last failures" in line for line in lines)
    assert side_by_side == (cells >= 140)
    assert any("connection refused" in line and "×42" in line for line in lines)
    assert any("Hold the selected breaker open" in line for line in lines)
    latencies = next(place for place, line in enumerate(lines) if line.startswith("latency"))
    axis = next(place for place, line in enumerate(lines) if "╵" in line)
    assert axis - latencies == {20: 3, 36: 5, 46: 8}[rows]


def test_a_text_to_be_copied_is_not_laid_out_for_its_width() -> None:
    lines = texts(fold(story(), alive=STORY_ENDS), "prefect", STORY_ENDS, 5_000)
    assert len(next(line for line in lines if line.startswith("states")).rstrip()) <= 172
    assert not any("last minute" in line and "Last failures" in line for line in lines)
