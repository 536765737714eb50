"""The cells and columns of the overview, the highlighting of changes, and the prompts before actions on many."""

from __future__ import annotations

import pytest
from rich.style import Style

from fuseboard_console.operator.bulk_prompts import Outcome, batch_prompt, batch_text
from fuseboard_console.text.glyphs import UNICODE
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.tui.themes import THEMES, palette_of
from fuseboard_console.views.adapters.adapter_view import AdapterView, make_view, stats_of
from fuseboard_console.views.adapters.chain_positions import chain_positions, positions_text
from fuseboard_console.views.adapters.change_highlight import HIGHLIGHT_SECONDS, ChangeHighlight
from fuseboard_console.views.adapters.columns import COLUMNS, column_at, columns_of, place, row_line, slices_of, titles
from fuseboard_console.views.selection.filter import parse
from fuseboard_console.views.selection.ordering import Choice, chosen_title
from fuseboard_engine.events import AdapterAdded, Event, GaugesSampled, PreferenceSet, ProbeChanged
from fuseboard_storage.board.board import AdapterKey, Board
from support.console_story import added, at, changed, failed, fold, opened, started

GPT = AdapterKey(1, "gpt")


def view(board: Board, seconds: float = 10, slices: int = 0) -> AdapterView:
    row, now = board.adapters[GPT], at(seconds)
    places = chain_positions(board.chains).get(GPT, ())
    return make_view(row, board.instances.get(1), now, stats_of(row, now, slices), places)


class TestCells:
    GAUGED = GaugesSampled(at=at(9), gauges={"gpt": (12, 0)})

    def test_calls_in_flight_and_retries_left(self) -> None:
        board = fold([started(), added("gpt"), self.GAUGED], alive=10)
        columns = place(60, 3, 1, False, columns_of(["inflight", "budget"]))
        assert text_of(row_line(view(board), at(10), columns, UNICODE)).split() == ["●", "gpt", "12", "0"]

    def test_an_unreported_value_is_shown_as_a_dash(self) -> None:
        assert view(fold([started(), added("gpt")], alive=10)).budget is None

    def test_calls_in_flight_of_a_silent_engine_are_unknown(self) -> None:
        board = fold([started(), added("gpt"), self.GAUGED], alive=1)
        assert (view(board, 60).in_flight, view(board, 60).budget) == (None, None)

    def test_the_chain_position_and_the_tags_are_shown(self) -> None:
        events = [
            started(),
            AdapterAdded(at=at(0), adapter="gpt", policy={}, tags=("eu", "llm")),
            PreferenceSet(at=at(1), order=("agno", "gpt")),
        ]
        found = view(fold(events, alive=10))
        assert (positions_text(found.places, 20), found.tags) == ("2 of 2", "eu, llm")


class TestColumns:
    def test_the_operators_columns_keep_their_order_and_the_last_are_dropped_first(self) -> None:
        chosen = columns_of(["p99", "state", "error"])
        ids = [placed.column.id for placed in place(120, 8, 1, False, chosen)]
        assert ids == ["name", "p99", "state", "error"]
        assert [placed.column.id for placed in place(40, 8, 1, False, chosen)] == ["name", "p99", "state"]

    def test_an_unknown_column_is_refused_with_a_suggestion(self) -> None:
        with pytest.raises(ValueError, match=r"There is no column 'stat'\. Did you mean state\?"):
            columns_of(["stat"])
        with pytest.raises(ValueError, match="twice"):
            columns_of(["p95", "p95"])

    def test_every_cell_of_a_line_belongs_to_the_column_with_the_title_above_it(self) -> None:
        columns = place(120, 8, 1, False)
        line = text_of(titles(columns))
        for column, _ in columns:
            assert column_at(columns, line.index(column.title)) == column.id
        assert column_at(columns, 0) == column_at(columns, 300) == ""

    def test_columns_without_content_leave_their_space_to_others(self) -> None:
        ids = {placed.column.id for placed in place(300, 8, 1, False, without=frozenset({"tags", "chain"}))}
        assert not ids & {"tags", "chain", "engine"}
        assert {placed.column.id for placed in place(300, 8, 2, False)} == {column.id for column in COLUMNS}

    @pytest.mark.parametrize("cells", [30, 60, 78, 118, 198, 300])
    def test_a_highlighted_row_has_the_usual_width(self, cells: int) -> None:
        columns = place(cells, 3, 1, False)
        row = view(fold([started(), added("gpt"), failed("gpt", 9)], alive=10), slices=slices_of(columns))
        ids = frozenset(column.id for column in COLUMNS)
        highlighted, calm = row_line(row, at(10), columns, UNICODE, ids), row_line(row, at(10), columns, UNICODE)
        assert text_of(highlighted) == text_of(calm)
        assert line_width(highlighted) == line_width(calm)


class TestGlow:
    def changes(self, before: list[Event], after: list[Event], seconds: float = 10.5) -> frozenset[str]:
        """Return the columns that glow after more events, or more time."""
        glow = ChangeHighlight()
        glow.take([view(fold([started(), added("gpt"), *before], alive=10))], COLUMNS, 0.0)
        glow.take([view(fold([started(), added("gpt"), *before, *after], alive=seconds), seconds)], COLUMNS, 0.0)
        return glow.of(GPT)

    def test_a_row_scrolled_into_view_is_not_highlighted(self) -> None:
        glow = ChangeHighlight()
        glow.take([view(fold([started(), added("gpt"), opened("gpt", 9)], alive=10))], COLUMNS, 0.0)
        assert glow.of(GPT) == frozenset()
        assert glow.fade(0.0) is None

    def test_changed_content_is_highlighted(self) -> None:
        assert {"state", "error"} <= self.changes([], [failed("gpt", 9.9)])
        assert "state" in self.changes([], [opened("gpt", 9.9)])
        half = changed("gpt", "half_open", 9, before="open", needed=3)
        probe = ProbeChanged(at=at(9.9), adapter="gpt", what="success", successes=1, needed=3)
        assert "state" in self.changes([half], [probe])
        assert self.changes([], [GaugesSampled(at=at(9), gauges={"gpt": (3, 10)})]) == {"inflight", "budget"}

    def test_a_small_fluctuation_is_not_highlighted(self) -> None:
        many = GaugesSampled(at=at(9), gauges={"gpt": (100, 50)})
        assert self.changes([many], [GaugesSampled(at=at(9), gauges={"gpt": (110, 49)})]) == frozenset()

    def test_small_changes_add_up_to_a_highlighted_one(self) -> None:
        glow = ChangeHighlight()
        for count in (100, 110, 120, 130):
            gauged = GaugesSampled(at=at(9), gauges={"gpt": (count, 10)})
            glow.take([view(fold([started(), added("gpt"), gauged], alive=10))], COLUMNS, 0.0)
        assert glow.of(GPT) == frozenset()
        gauged = GaugesSampled(at=at(9), gauges={"gpt": (140, 10)})
        glow.take([view(fold([started(), added("gpt"), gauged], alive=10))], COLUMNS, 0.0)
        assert glow.of(GPT) == {"inflight"}

    @pytest.mark.parametrize("seconds", [11, 15, 19, 25])
    def test_a_change_by_time_alone_is_not_highlighted(self, seconds: float) -> None:
        assert self.changes([opened("gpt", 9, wait=9.0)], [], seconds) <= {"rate", "rejected"}

    def test_a_highlight_ends(self) -> None:
        glow = ChangeHighlight()
        glow.take([view(fold([started(), added("gpt")], alive=10))], COLUMNS, 100.0)
        glow.take([view(fold([started(), added("gpt"), opened("gpt", 9)], alive=10))], COLUMNS, 101.0)
        assert glow.fade(101.0) == pytest.approx(HIGHLIGHT_SECONDS)
        assert glow.of(GPT) == {"state"}
        assert glow.fade(101.0 + HIGHLIGHT_SECONDS) is None
        assert glow.of(GPT) == frozenset()

    def test_forgotten_content_is_not_highlighted(self) -> None:
        glow = ChangeHighlight()
        glow.take([view(fold([started(), added("gpt")], alive=10))], COLUMNS, 0.0)
        glow.forget()
        glow.take([view(fold([started(), added("gpt"), opened("gpt", 9)], alive=10))], COLUMNS, 0.0)
        assert glow.of(GPT) == frozenset()

    @pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
    def test_every_theme_paints_the_highlight_behind_the_colour_of_the_cell(self, theme: object) -> None:
        palette = palette_of(theme)  # type: ignore[arg-type]
        look = palette.look("warn+glow")
        assert look.color == palette["warn"].color
        assert look.bgcolor == palette["glow"].bgcolor is not None
        assert look.bgcolor not in (palette["cursor"].bgcolor, Style.null().bgcolor)
        assert palette.look("no such style") == palette["text"]


class TestBulk:
    KEYS = tuple(AdapterKey(1, name) for name in ("prefect", "gpt", *(f"a{number}" for number in range(8))))

    def test_the_question_names_some_and_counts_all(self) -> None:
        asked = batch_prompt("force_open", self.KEYS)
        assert asked.title == "Hold 10 breakers open?"
        assert asked.text.startswith("prefect, gpt, a0, a1, a2, a3 and 4 more\n\nEvery call is refused")
        assert (asked.word, asked.yes) == ("prefect", "Hold 10 open")

    @pytest.mark.parametrize("name", ["ламба", "x" * 41, " gpt", "a\x1b[0m", ""])
    def test_a_word_that_cannot_be_typed_is_not_requested(self, name: str) -> None:
        assert batch_prompt("reset", (AdapterKey(1, name), *self.KEYS[1:])).word == "10"

    def test_a_batch_of_a_whole_group_requests_the_groups_name(self) -> None:
        assert batch_prompt("disable", self.KEYS, "eu").word == "eu"

    @pytest.mark.parametrize(
        "verb", ["reset", "force_open", "open_for", "half_open", "disable", "metrics_only", "enable"]
    )
    def test_every_verb_has_its_wording(self, verb: str) -> None:
        asked = batch_prompt(verb, self.KEYS)
        assert "10 breakers" in asked.title and asked.title.endswith("?")
        assert batch_text(verb, [Outcome("gpt", True)] * 10).startswith("10 breakers were ")
        assert batch_text(verb, [Outcome("gpt", True)] * 10, "r").endswith(" To undo, mark them again and press r.")

    def test_the_outcomes_of_a_batch_are_one_sentence(self) -> None:
        good = [Outcome(f"a{number}", True) for number in range(9)]
        assert batch_text("reset", [*good, Outcome("gpt", False, "There is no such adapter.")]) == (
            "9 of 10 done; gpt: there is no such adapter."
        )

    def test_equal_reasons_are_given_once_and_long_lists_are_cut(self) -> None:
        bad = [Outcome(f"a{number}", False, "no engine took it in time") for number in range(5)]
        assert batch_text("reset", bad) == "0 of 5 done; a0, a1, a2 and 2 more: no engine took it in time."
        apart = [Outcome(f"a{number}", False, f"reason {number}") for number in range(5)]
        assert batch_text("reset", apart).endswith("a2: reason 2; 2 more reasons in the audit.")


def test_the_title_shows_the_choice() -> None:
    assert chosen_title(Choice(), "", 12, 12, 0) == "Breakers"
    choice = Choice(terms=parse("state:open"), group="tag", faults=True)
    assert chosen_title(choice, "state:open", 2, 12, 3) == (
        "Breakers  / state:open  faults only  2 of 12  by tag  3 marked"
    )
