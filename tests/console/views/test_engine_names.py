"""Adapters of one name in several engines: how they are told apart in the table, in lists and in sentences."""

from __future__ import annotations

import pytest

from fuseboard_console.operator.audit import AuditEntry
from fuseboard_console.operator.bulk_prompts import batch_prompt
from fuseboard_console.operator.messages import no_engine_message, not_taken_message, outcome_text
from fuseboard_console.operator.prompts import prompt_for, reset_all_prompt
from fuseboard_console.text.glyphs import UNICODE
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.tui.alerts import Alerts
from fuseboard_console.views.adapters.adapter_view import make_view, stats_of
from fuseboard_console.views.adapters.cells import engine_cell
from fuseboard_console.views.adapters.columns import columns_of, place, row_line
from fuseboard_console.views.adapters.engine_names import (
    ENDED,
    NO_ENGINES,
    cut_with_engine,
    engine_names,
    with_recorded,
)
from fuseboard_console.views.adapters.engine_presence import Connection
from fuseboard_console.views.detail.adapter_detail import detail_lines
from fuseboard_console.views.events.audit import audit_columns, audit_line, audit_lines
from fuseboard_console.views.events.chains import engine_of, route_line
from fuseboard_console.views.events.copy_text import adapter_copy, failure_copy, route_copy
from fuseboard_console.views.events.failure_detail import failure_detail
from fuseboard_console.views.events.failures import failure_lines
from fuseboard_console.views.events.narrator import EventNarrator
from fuseboard_console.views.events.routes import route_lines
from fuseboard_console.views.events.text import event_line
from fuseboard_console.views.lists.health import health_line, names_width
from fuseboard_console.views.lists.status import status_text
from fuseboard_engine.events import AdapterRemoved, EngineStarted, Event, RouteFinished
from fuseboard_storage.board.board import AdapterKey, Board, Entry, InstanceRow
from support.console_story import added, answered, at, entries, failed, opened

SHOP, BILLING = AdapterKey(1, "gpt"), AdapterKey(2, "gpt")


def engine(name: str, host: str = "web-1", pid: int = 4711) -> EngineStarted:
    return EngineStarted(at=at(0), name=name, host=host, pid=pid)


def two(
    first: EngineStarted | None = None, second: EngineStarted | None = None, events: tuple[Event, ...] = ()
) -> Board:
    """Return a Board of two engines; both have `gpt`, the first one also `agno`. `events` are those of the second."""
    board = Board()
    told = [
        *entries([first or engine("shop"), added("gpt"), added("agno")], 1, 1),
        *entries([second or engine("billing", pid=4712), added("gpt"), *events], 4, 2),
    ]
    for entry in told:
        board.apply(entry)
    for live in (1, 2):
        board.heartbeat(live, at(10))
    return board


class TestShortNames:
    def test_a_name_of_one_engine_needs_no_engine(self) -> None:
        board = two()
        board.apply(Entry(10, 2, AdapterRemoved(at=at(1), adapter="gpt")))
        assert engine_names(board).repeated == frozenset()
        assert engine_names(board).adapter(SHOP) == "gpt"
        assert engine_names(board).cells == 0

    def test_engines_of_different_names_are_told_by_name(self) -> None:
        names = engine_names(two())
        assert (names.adapter(SHOP), names.adapter(BILLING)) == ("gpt (shop)", "gpt (billing)")
        assert names.adapter(AdapterKey(1, "agno")) == "agno"
        assert names.cells == len("billing")

    def test_engines_of_one_name_are_told_by_process(self) -> None:
        names = engine_names(two(engine("shop", pid=1), engine("shop", pid=2)))
        assert dict(names.short) == {1: "shop:1", 2: "shop:2"}

    def test_engines_of_one_name_and_process_id_are_told_by_host(self) -> None:
        names = engine_names(two(engine("shop", "web-1", 1), engine("shop", "web-2", 1)))
        assert dict(names.short) == {1: "shop@web-1:1", 2: "shop@web-2:1"}

    def test_an_engine_that_has_left_the_board_has_ended(self) -> None:
        names = engine_names(two())
        assert names.adapter(AdapterKey(9, "gpt")) == f"gpt ({ENDED})"
        recorded = with_recorded(names, [InstanceRow(id, name, "web-1", id, at(0)) for id, name in enumerate("abc", 7)])
        assert recorded.adapter(AdapterKey(9, "gpt")) == "gpt (c)"

    def test_names_follow_the_board(self) -> None:
        board = two()
        assert engine_names(board) is engine_names(board)
        board.apply(Entry(10, 2, added("agno")))
        assert engine_names(board).adapter(AdapterKey(2, "agno")) == "agno (billing)"

    @pytest.mark.parametrize(
        ("cells", "shown"),
        [
            (40, "provider-gateway (billing)"),
            (20, "provider-… (billing)"),
            (14, "pro… (billing)"),
            (12, "pro… (…ling)"),
        ],
    )
    def test_the_name_is_cut_before_the_engine(self, cells: int, shown: str) -> None:
        assert cut_with_engine("provider-gateway", "billing", cells) == shown

    @pytest.mark.parametrize("cells", range(1, 40))
    def test_a_cut_name_keeps_to_its_cells(self, cells: int) -> None:
        assert len(cut_with_engine("provider-gateway", "checkout:4711", cells)) <= cells


class TestTable:
    @pytest.mark.parametrize("cells", [48, 58, 78, 80, 100, 118, 120, 200])
    def test_the_engine_stands_beside_a_repeated_name(self, cells: int) -> None:
        ids = [placed.column.id for placed in place(cells, 16, 2, False, engine_cells=13)]
        assert ids[:3] == ["name", "engine", "state"]

    def test_at_80_columns_what_is_next_keeps_its_place(self) -> None:
        ids = [placed.column.id for placed in place(78, 16, 2, False, engine_cells=13)]
        assert ids == ["name", "engine", "state", "ok", "next"]

    def test_in_very_little_room_name_and_state_stay(self) -> None:
        assert [placed.column.id for placed in place(30, 16, 2, False, engine_cells=13)] == ["name", "state"]

    def test_without_a_repeated_name_the_engine_gives_way_as_before(self) -> None:
        assert "engine" not in [placed.column.id for placed in place(78, 16, 2, False)]

    def test_of_an_operators_columns_the_engine_leaves_last(self) -> None:
        chosen = columns_of(("name", "state", "p50", "p95", "p99", "engine"))
        assert [placed.column.id for placed in place(60, 8, 2, False, chosen, engine_cells=7)][-1] == "engine"
        without = columns_of(("name", "state", "p50"))
        assert [placed.column.id for placed in place(80, 8, 2, False, without, engine_cells=7)] == [
            *["name", "state", "p50"]
        ]

    @pytest.mark.parametrize("cells", [48, 78, 118])
    def test_two_rows_of_one_name_differ(self, cells: int) -> None:
        board = two(
            engine("checkout", "web-1.example.internal", 10234), engine("checkout", "web-1.example.internal", 9)
        )
        names = engine_names(board)
        columns = place(cells, 3, 2, False, engine_cells=names.cells)
        shown = set()
        for key in (SHOP, BILLING):
            row = board.adapters[key]
            view = make_view(
                row, board.instances[key.instance], at(10), stats_of(row, at(10), 0), (), names.short[key.instance]
            )
            shown.add(line := text_of(row_line(view, at(10), columns, UNICODE)))
            assert len(line) <= cells
        assert len(shown) == 2

    def test_a_column_holds_the_short_names_of_all_engines_or_the_labels_of_all(self) -> None:
        board = two(engine("shop", pid=1), engine("billing", pid=22_222))
        names = engine_names(board)
        for cells, shown in (
            (14, {"shop", "billing"}),
            (29, {"shop", "billing"}),
            (30, {"shop@web-1:1", "billing@web-1:22222"}),
        ):
            views = [
                make_view(
                    row, board.instances[key.instance], at(10), stats_of(row, at(10), 0), (), names.short[key.instance]
                )
                for key, row in board.adapters.items()
            ]
            assert {text_of(engine_cell(view, at(10), cells, UNICODE)) for view in views} == shown


class TestLists:
    BOARD = two(events=(failed("gpt", 3), answered("gpt", 4)))
    NAMES = engine_names(BOARD)

    def test_failures_name_the_engine(self) -> None:
        (line,) = failure_lines(tuple(self.BOARD.failures), 78, UNICODE, self.NAMES)
        assert text_of(line).startswith("14:00:03 gpt (billing) ConnectError")
        assert line_width(line) == 78
        row = self.BOARD.failures[0]
        assert any(text_of(line).split() == ["engine", "billing"] for line in failure_detail(row, at(5), 78, "billing"))
        assert "gpt (billing)" in failure_copy(row, self.NAMES)

    def test_routes_name_the_engine(self) -> None:
        entry = self.BOARD.routes[0]
        assert isinstance(entry.event, RouteFinished)
        assert engine_of(entry, self.NAMES) == "billing"
        line = text_of(route_line(entry.event, 78, 7, UNICODE, "billing", 7))
        assert line.startswith("14:00:04 ai_task #8f20    billing  gpt")
        assert any(
            text_of(line).split() == ["engine", "billing"] for line in route_lines(entry.event, 78, UNICODE, "billing")
        )
        assert "8f20 in billing: answered by gpt" in route_copy(entry.event, "billing")
        assert engine_of(Entry(9, 1, answered("agno", 5)), self.NAMES) == ""

    def test_the_audit_names_the_engine(self) -> None:
        asked = AuditEntry((7, 0, "reset"), at(1), at(2), "ben@web-2", "reset", "gpt", "done", "", 2)
        line = audit_line(asked, audit_columns([asked], self.NAMES), 78, UNICODE, self.NAMES)
        assert "reset gpt (billing)" in text_of(line)
        assert any(text_of(line).split() == ["engine", "billing"] for line in audit_lines(asked, 78, self.NAMES))

    def test_the_audit_names_the_engine_of_a_command_without_an_adapter(self) -> None:
        asked = AuditEntry((7, 0, "reset_all"), at(1), at(2), "ben@web-2", "reset_all", "", "done", "", 2)
        line = audit_line(asked, audit_columns([asked], self.NAMES), 78, UNICODE, self.NAMES)
        assert " (billing)" in text_of(line)

    def test_health_names_the_engine(self) -> None:
        names = names_width([SHOP, BILLING], self.NAMES)
        line = health_line(self.BOARD.adapters[BILLING], None, at(5), 78, names, UNICODE, "billing")
        assert "gpt (billing)" in text_of(line)

    def test_the_detail_and_the_copy_name_the_engine(self) -> None:
        lines = [text_of(line).split() for line in detail_lines(self.BOARD, BILLING, at(5), 80, (), UNICODE)]
        assert ["engine", "billing@web-1:4712"] in lines
        lines = [
            text_of(line).split() for line in detail_lines(self.BOARD, AdapterKey(1, "agno"), at(5), 80, (), UNICODE)
        ]
        assert ["engine", "shop@web-1:4711"] in lines
        assert adapter_copy(self.BOARD, BILLING, at(5)).startswith("gpt (billing): ")


class TestSentences:
    def test_outcomes_name_the_engine(self) -> None:
        assert outcome_text("reset", "gpt", True, "", engine="billing") == "gpt (billing) was reset."
        assert outcome_text("reset", "gpt", False, "no", engine="billing") == "This was not done for gpt (billing): no."
        assert outcome_text("reset_all", "", True, "gpt reset", engine="billing") == "billing: gpt reset."
        assert outcome_text("dlq_stop", "", True, "one retry ends", engine="billing") == "billing: one retry ends."

    def test_a_command_that_no_engine_takes_names_the_engine(self) -> None:
        ended = Connection("ended", since=at(0))
        assert "the engine billing of a.db ended" in no_engine_message(ended, "a.db", "billing")
        assert "the engine billing did not answer" in not_taken_message(Connection("live"), "a.db", "billing")
        assert "its engine did not answer" in not_taken_message(Connection("live"), "a.db")

    def test_prompts_name_the_engine(self) -> None:
        board = two(events=(opened("gpt", 1),))
        names = engine_names(board)
        assert prompt_for("force_open", "gpt", "billing").title == "Hold gpt (billing) open?"
        assert reset_all_prompt([board.adapters[BILLING]], names).text.startswith("gpt (billing)\n")
        asked = batch_prompt("reset", (SHOP, BILLING), engines=names)
        assert asked.text.startswith("gpt (shop), gpt (billing)\n")
        assert asked.word == "gpt"

    def test_alerts_name_the_engine(self) -> None:
        board, alerts = two(), Alerts()
        assert alerts.opened(board, at(0)) == ()
        board.apply(Entry(10, 2, opened("gpt", 5)))
        assert alerts.opened(board, at(5)) == ("gpt (billing)",)

    def test_plain_lines_name_the_engine(self) -> None:
        names, entry = engine_names(two()), Entry(10, 2, opened("gpt", 5))
        assert "  billing: gpt " in event_line(entry, names)
        assert "billing" not in event_line(Entry(10, 2, opened("agno", 5)), names)
        assert "  billing: gpt " in (EventNarrator(None).narrate(entry.event, "billing") or "")

    def test_a_plain_line_is_not_left_out_because_another_engine_did_the_same(self) -> None:
        narrator, answer = EventNarrator(None), failed_over()
        assert narrator.narrate(answer, "shop")
        assert narrator.narrate(answer, "billing")
        assert narrator.narrate(answer, "billing") is None

    def test_the_status_has_the_engine_beside_a_repeated_name(self) -> None:
        said = status_text(two(), "a.db", at(10), colour=False).splitlines()
        heading = next(line for line in said if line.startswith("ADAPTER"))
        assert heading.split()[:3] == ["ADAPTER", "ENGINE", "STATE"]
        rows = [line.split()[:2] for line in said if line.startswith("gpt")]
        assert sorted(rows) == [["gpt", "billing@web-1:4712"], ["gpt", "shop@web-1:4711"]]

    def test_the_status_has_the_engine_last_where_names_differ(self) -> None:
        board = two()
        board.apply(Entry(10, 2, AdapterRemoved(at=at(1), adapter="gpt")))
        said = status_text(board, "a.db", at(10), colour=False).splitlines()
        assert next(line for line in said if line.startswith("ADAPTER")).endswith("LAST ERROR  ENGINE")
        assert next(line for line in said if line.startswith("agno")).endswith("shop@web-1:4711")

    def test_one_engine_is_not_named(self) -> None:
        assert engine_names(Board()) is NO_ENGINES


def failed_over() -> RouteFinished:
    route = answered("gpt", 5)
    return RouteFinished(
        at=route.at, task="8f20", task_type="ai_task", success=True, adapter="gpt",
        attempts=(failed("agno", 4).attempt, *route.attempts),
    )  # fmt: skip
