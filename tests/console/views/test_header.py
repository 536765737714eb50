"""The line at the top: what it shows at which width, and how its totals are counted."""

from __future__ import annotations

import re

import pytest

from fuseboard_console.text.glyphs import ASCII, UNICODE, Condition, Glyphs
from fuseboard_console.text.line import Line, line_width, text_of
from fuseboard_console.views.adapters.engine_presence import Connection
from fuseboard_console.views.frame.header import Counting, HeaderTotals, Heading, header_line
from fuseboard_console.views.lists.chains import chain_views
from fuseboard_engine.events import AdapterRemoved, Event
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.workflow_runs import WorkflowRow
from support.console_story import added, answered, at, attempt, entries, fold, route, started

LIVE = Connection("live", 0.4)
COUNTS: dict[Condition, int] = {"open": 2, "watch": 3, "disabled": 4, "closed": 9}
HEADING = Heading("checkout.db", LIVE, COUNTS, HeaderTotals(12.0, 0.95), at(5))


def shown(cells: int, **changes: object) -> str:
    return text_of(header_line(HEADING._replace(**changes), cells, UNICODE))  # type: ignore[arg-type]


def style_of(line: Line, part: str) -> str:
    return next(span.style for span in line if part in span.text)


class TestHeader:
    def test_a_wide_header_shows_everything_and_ends_at_the_right_edge(self) -> None:
        line = shown(160)
        assert line.startswith(" fuseboard  checkout.db   ")
        assert line.endswith(
            "   IMPAIRED   ● live 0.4 s   18 adapters   2 ✖  3 ◌  4 ○  9 ●    12.0/s   95.0 % answered   14:00:05 "
        )

    def test_the_clock_leaves_first_and_words_are_shortened_before_figures_leave(self) -> None:
        parts = {
            "clock": "14:00:05", "name of the product": "fuseboard", "word of the share": "answered",
            "adapters": "18 adapters", "age": "0.4 s", "word of the runs": "runs", "rate": "12.0/s", "calm": "9 ●",
            "page": "› Overview", "runs": "✗ 2", "share": " %", "letters": "☠ 348 ↑", "breakers": "2 ✖",
        }  # fmt: skip
        gone: list[str] = []
        totals = HeaderTotals(12.0, 0.95, letters=348, rising=True, failed_runs=2)
        for cells in range(180, 29, -1):
            line = shown(cells, totals=totals, where=("Overview",))
            gone += [name for name, text in parts.items() if text not in line and name not in gone]
            assert "live" in line
            assert "IMPAIRED" in line
        assert gone == list(parts)

    @pytest.mark.parametrize("cells", [34, 40, 60, 80, 120, 160])
    @pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
    @pytest.mark.parametrize(
        ("changes", "word"),
        [
            ({"counts": {"closed": 9}, "totals": HeaderTotals(1.0, 1.0)}, "HEALTHY"),
            ({"counts": {"closed": 9}, "totals": HeaderTotals(1.0, None, letters=9, failed_runs=1)}, "HEALTHY"),
            ({"counts": {"closed": 8, "disabled": 1, "counting": 1}, "totals": HeaderTotals(1.0, 0.99)}, "HEALTHY"),
            ({"counts": {"closed": 9}, "totals": HeaderTotals(1.0, 0.98)}, "IMPAIRED"),
            ({"counts": {"closed": 9}, "totals": HeaderTotals(1.0, 1.0, letters=1, rising=True)}, "IMPAIRED"),
            ({"counts": {"closed": 9, "open": 1}, "totals": HeaderTotals(1.0, 1.0)}, "IMPAIRED"),
            ({"counts": {"closed": 9, "probing": 1}, "totals": HeaderTotals(1.0, 1.0)}, "IMPAIRED"),
            ({"counts": {"closed": 9}, "connection": LIVE._replace(silent=("b@host:1",))}, "IMPAIRED"),
            ({"totals": HeaderTotals(1.0, 0.5, chains_out=1)}, "CHAIN OUT"),
            ({"connection": Connection("silent", 30.0, gone=True)}, "killed"),
            ({"connection": Connection("ended")}, "ended"),
            ({"connection": Connection("empty"), "unreadable": True}, "cannot be read"),
        ],
    )
    def test_a_word_says_the_health_of_the_whole_at_every_width(
        self, changes: dict[str, object], word: str, cells: int, glyphs: Glyphs
    ) -> None:
        heading = HEADING._replace(**changes, where=("Overview",))  # type: ignore[arg-type]
        heading = heading if "totals" in changes else heading._replace(totals=HeaderTotals(1.0, 1.0))
        line = text_of(header_line(heading, cells, glyphs))
        assert word in line
        assert [other for other in ("HEALTHY", "IMPAIRED", "CHAIN OUT") if other in line] in ([], [word])

    def test_dead_letters_and_failed_runs_have_signs(self) -> None:
        assert "☠ 348 ↑   ✗ 1 run " in shown(180, totals=HeaderTotals(12.0, 0.5, 348, True, 1))
        assert "☠ 3   14:00:05" in shown(180, totals=HeaderTotals(12.0, 0.5, 3))

    def test_a_header_part_is_dropped_only_for_lack_of_room(self) -> None:
        left, right = shown(200).split("      ", 1)
        needed = len(left) + 2 + len(f"   {right.strip()}")  # one cell more for a chain that is out
        assert "14:00:05" in shown(needed)
        assert "14:00:05" not in shown(needed - 1)
        assert "18 adapters" in shown(needed - 1)

    @pytest.mark.parametrize("cells", [99, 100])
    def test_on_a_narrow_screen_breakers_put_aside_are_not_counted(self, cells: int) -> None:
        assert ("3 ◌  4 ○" in shown(cells)) is (cells >= 100)

    def test_on_a_narrow_screen_the_products_name_is_dropped_first(self) -> None:
        assert shown(99).startswith(" checkout.db  ")
        assert "12.0/s" in shown(99)
        assert shown(99, counts={}).startswith(" fuseboard  checkout.db")

    @pytest.mark.parametrize(
        ("share", "style"), [(1.0, "text"), (0.99, "text"), (0.98, "warn"), (0.9, "warn"), (0.89, "bad"), (0.0, "bad")]
    )
    def test_the_share_of_answered_tasks_has_the_colour_of_its_trouble(self, share: float, style: str) -> None:
        heading = HEADING._replace(totals=HeaderTotals(12.0, share))
        assert style_of(header_line(heading, 160, UNICODE), "answered") == style

    def test_without_ended_tasks_the_share_is_a_dash_in_its_place(self) -> None:
        assert "    – % answered   14:00:05 " in shown(170, totals=HeaderTotals(12.0, None))

    @pytest.mark.parametrize("cells", [60, 80, 100, 120, 160])
    def test_no_figure_moves_another_part_or_has_it_come_and_go(self, cells: int) -> None:
        lines = {
            re.sub(r"[\d.k–]", "#", re.sub(r" +(?=[\d.k–]+(/s| %))", lambda gap: "#" * len(gap[0]), line))
            for rate in (0.0, 9.9, 12.3, 184.0, 12_345.0)
            for share in (None, 0.0, 0.095, 0.95, 1.0)
            if (line := shown(cells, totals=HeaderTotals(rate, share)))
        }
        assert len(lines) == 1

    @pytest.mark.parametrize("cells", [60, 80, 100, 120])
    def test_the_same_parts_are_shown_in_every_state_of_the_breakers(self, cells: int) -> None:
        states: list[dict[Condition, int]] = [
            {"closed": 9}, {"open": 1, "closed": 8}, {"open": 3, "probing": 3, "closed": 3}, {"open": 9},
        ]  # fmt: skip
        parts = ("adapters", "/s", "%", "answered", "14:00:05")
        assert len({tuple(part in shown(cells, counts=counts) for part in parts) for counts in states}) == 1

    def test_at_80_columns_the_share_is_shown_beside_a_page_whatever_else_is_wrong(self) -> None:
        totals = HeaderTotals(12.0, 0.0, 348, True, 2, 1)
        line = shown(80, totals=totals, where=("Overview",))
        assert line.startswith(" checkout.db › Overview ")
        assert line.endswith("   CHAIN OUT   ● live   2 ✖    0.0 %   ☠ 348 ↑   ✗ 2 ")

    @pytest.mark.parametrize("state", ["silent", "ended", "empty"])
    def test_the_traffic_of_an_engine_that_is_not_live_is_not_shown(self, state: str) -> None:
        line = shown(160, connection=Connection(state))  # type: ignore[arg-type]
        assert "/s" not in line
        assert "answered" not in line
        assert "18 adapters" in line

    def test_without_adapters_there_is_neither_a_count_nor_a_rate(self) -> None:
        line = shown(160, counts={}, totals=HeaderTotals(0.0, None))
        assert "adapter" not in line
        assert "/s" not in line
        assert line.endswith("● live 0.4 s   14:00:05 ")

    @pytest.mark.parametrize(("behind", "text"), [(0, "0 events behind"), (1, "1 event behind")])
    def test_a_paused_header_says_how_far_it_is_behind(self, behind: int, text: str) -> None:
        line = shown(160, behind=behind)
        assert f"⏸ PAUSED  {text}" in line
        assert "live" not in line

    def test_the_page_follows_the_file_and_takes_at_most_a_third(self) -> None:
        assert " fuseboard  checkout.db › Routes › 8f20  " in shown(180, where=("Routes", "8f20"))
        line = shown(60, where=("a" * 50,))
        assert line_width(header_line(HEADING._replace(where=("a" * 50,)), 60, UNICODE)) == 60
        assert line.count("a") - line.replace("a" * 5, "").count("a") <= 20

    def test_on_the_narrowest_screen_the_connection_stays(self) -> None:
        assert shown(35).strip().endswith("IMPAIRED   ● live")
        assert shown(35).startswith(" checkout.db ")

    def test_a_file_that_cannot_be_read_is_said_unless_it_was_read_before(self) -> None:
        empty = Connection("empty")
        assert "cannot be read" in shown(160, connection=empty, unreadable=True)
        assert "cannot be read" not in shown(160, connection=empty)
        assert "live 0.4 s" in shown(160, unreadable=True)

    def test_the_file_name_is_strong_also_when_it_is_cut(self) -> None:
        assert style_of(header_line(HEADING, 160, UNICODE), "checkout.db") == "strong"
        assert style_of(header_line(HEADING._replace(file="x" * 150), 80, UNICODE), "xxx…") == "strong"

    def test_a_long_file_name_is_cut_but_never_away(self) -> None:
        for cells in (30, 40, 80, 120):
            line = shown(cells, file="x" * 150)
            assert "xxx…" in line
            assert "live" in line


def counted(board: Board, seconds: float) -> HeaderTotals:
    return Counting(budget=float("inf")).totals(board, at(seconds))


class TestTotals:
    def test_calls_of_the_last_ten_complete_seconds_are_counted(self) -> None:
        events: list[Event] = [started(), added("a"), *(answered("a", second) for second in range(5, 31))]
        board = fold(events)
        assert counted(board, 20.5).rate == 1.0
        once = fold([started(), added("a"), answered("a", 10)])
        assert [counted(once, second).rate for second in (10.9, 11, 20.9, 21)] == [0.0, 0.1, 0.1, 0.0]

    def test_the_share_is_that_of_the_same_seconds(self) -> None:
        refused = route(10, attempt("a", "rejected", 0.0), success=False)
        board = fold([started(), added("a"), refused, *(answered("a", second) for second in (11, 21, 22))])
        assert [counted(board, second).answered for second in (11, 12, 20, 21, 22)] == [0.0, 0.5, 0.5, 1.0, 1.0]

    def test_the_rate_is_over_the_time_since_the_first_adapter_was_added(self) -> None:
        board = fold([started(), added("a", 6), added("b", 8), *(answered("a", 6 + n / 2) for n in range(8))])
        assert counted(board, 10.5).rate == 2.0
        fresh = fold([started(), added("a", 9.9), answered("a", 9.95)])
        assert counted(fresh, 10).rate == 1.0  # over at least one second

    def test_totals_are_recounted_each_second_and_at_once_when_adapters_change(self) -> None:
        board = fold([started(), added("a"), added("b"), answered("a", 5), answered("b", 5)])
        counting = Counting(budget=float("inf"))
        assert counting.totals(board, at(10.1)).rate == 0.2
        for entry in entries([answered("a", 9)], board.seq + 1):
            board.apply(entry)
        assert counting.totals(board, at(10.9)).rate == 0.2
        assert counting.totals(board, at(11.0)).rate == pytest.approx(0.3)
        for entry in entries([AdapterRemoved(at=at(11), adapter="b")], board.seq + 1):
            board.apply(entry)
        assert counting.totals(board, at(11.1)).rate == 0.2
        assert counting.totals(fold([started(), added("c")]), at(11.1)).rate == 0.0

    def test_with_little_time_adapters_are_counted_in_portions(self) -> None:
        names = [f"a{number}" for number in range(250)]
        board = fold([started(), *map(added, names), *(answered(name, 5) for name in names)])
        seconds = iter(range(1000))
        counting = Counting(budget=0.5, clock=lambda: float(next(seconds)))
        rates = [counting.totals(board, at(10.1 + n / 10)).rate for n in range(4)]
        assert rates == [0.0, 0.0, 25.0, 25.0]  # counted at 200, 100 and 0 adapters left

    def test_counting_takes_less_than_a_frame_at_a_time(self) -> None:
        names = [f"a{number}" for number in range(250)]
        board = fold([started(), *map(added, names), *(answered(name, 5) for name in names)])
        frames = iter(range(1000))
        counting = Counting(clock=lambda: next(frames) / 60)
        assert [counting.totals(board, at(10.1)).rate for _ in range(3)] == [0.0, 0.0, 25.0]

    def test_a_count_continued_in_the_next_second_keeps_its_window(self) -> None:
        names = [f"a{number}" for number in range(250)]
        board = fold([started(), *map(added, names), *(answered(name, 10) for name in names)])
        seconds = iter(range(1000))
        counting = Counting(budget=0.5, clock=lambda: float(next(seconds)))
        rates = [counting.totals(board, at(20 + n)).rate for n in range(4)]
        assert rates[2] == 25.0  # the window from 10 to 20, although it is 22 by now
        assert counting.totals(board, at(25)).rate == 25.0

    def test_dead_letters_that_nothing_became_of_are_counted(self) -> None:
        failed = route(10, attempt("a", "failed", 0.0), success=False, dead_letter="1")
        board = fold([started(), added("a"), failed])
        board.dead_letters = {"pending": 3, "retrying": 1, "exhausted": 2, "succeeded": 4, "archived": 5}
        assert [counted(board, second).rising for second in (10, 11, 70, 71)] == [False, True, True, False]
        assert counted(board, 11).letters == 6
        board.dead_letters = {"pending": -3}
        assert counted(board, 12).letters == 0

    def test_runs_that_failed_in_the_last_day_are_counted(self) -> None:
        board = fold([started(), added("a")])
        for number, state in enumerate(("failed", "killed", "running", "done", "degraded", "interrupted")):
            board.workflows[f"r{number}"] = WorkflowRow(1, f"r{number}", "w", "", at(0), at(5), state)
        assert [counted(board, second).failed_runs for second in (6, 86_405, 86_406)] == [2, 2, 0]

    def test_chains_that_answer_no_task_are_counted_as_the_list_of_chains_does(self) -> None:
        refused = [route(second, attempt("a", "failed", 0.0), success=False) for second in (10, 10.1, 10.2)]
        board = fold([started(), added("a"), answered("a", 5), *refused], alive=90)
        for second in range(6, 90):
            out = sum(view.condition == "out" for view in chain_views(board, at(second)))
            assert counted(board, second).chains_out == out
        assert [counted(board, second).chains_out for second in (10, 16, 69, 90)] == [0, 1, 1, 0]
