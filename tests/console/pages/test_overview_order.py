"""The adapters that the overview shows, their order and headings, and when these are recomputed."""

from __future__ import annotations

import pytest

from fuseboard_console.text.glyphs import UNICODE
from fuseboard_console.text.line import text_of
from fuseboard_console.views.adapters.chain_positions import chain_positions, positions_text
from fuseboard_console.views.adapters.columns import COLUMNS
from fuseboard_console.views.selection.filter import parse, problem_of
from fuseboard_console.views.selection.grouping import GroupHead, head_line
from fuseboard_console.views.selection.ordering import MIN_COUNTED, Choice, Order, Ordering, order_of
from fuseboard_console.views.selection.sorting import Sort
from fuseboard_engine.events import AdapterAdded, AdapterRemoved, EngineStarted, Event, GaugesSampled, PreferenceSet
from fuseboard_storage.board.board import AdapterKey, Board, Entry
from support.console_story import (
    STORY_ENDS,
    added,
    answered,
    at,
    changed,
    entries,
    failed,
    fold,
    opened,
    started,
    story,
)

BOARD = fold(story(), alive=STORY_ENDS)


def names(order: Order) -> list[str]:
    return [key.adapter for key in order.keys]


def tagged(name: str, *tags: str) -> AdapterAdded:
    return AdapterAdded(at=at(0), adapter=name, policy={"failure_threshold": 5}, tags=tags)


def apply(board: Board, *events: Event) -> None:
    for entry in entries(events, board.seq + 1):
        board.apply(entry)


class TestSorting:
    @pytest.mark.parametrize("column", [column.id for column in COLUMNS])
    def test_a_reversed_order_reverses_values_and_keeps_missing_ones_last(self, column: str) -> None:
        there = order_of(BOARD, at(STORY_ENDS), Sort(column)).keys
        back = order_of(BOARD, at(STORY_ENDS), Sort(column, reverse=True)).keys
        assert sorted(there) == sorted(back) == sorted(BOARD.adapters)

    def test_adapters_without_a_latency_come_last_in_both_directions(self) -> None:
        board = fold([started(), *map(added, "abcd"), answered("b", 9, 0.1), answered("c", 9, 0.3)], alive=10)
        assert names(order_of(board, at(10.5), Sort("p95"))) == ["c", "b", "a", "d"]
        assert names(order_of(board, at(10.5), Sort("p95", reverse=True))) == ["b", "c", "a", "d"]

    def test_equal_values_are_sorted_by_name_in_both_directions(self) -> None:
        board = fold([started(), *map(added, "cab")], alive=1)
        assert names(order_of(board, at(1), Sort("rate"))) == ["a", "b", "c"]
        assert names(order_of(board, at(1), Sort("rate", reverse=True))) == ["a", "b", "c"]

    def test_the_busiest_the_least_saved_up_and_the_first_of_a_chain_come_first(self) -> None:
        gauged = GaugesSampled(at=at(1), gauges={"a": (1, 10), "b": (4, 2), "c": (0, 7)})
        chain = PreferenceSet(at=at(1), order=("c", "a"))
        board = fold([started(), *map(added, "abc"), gauged, chain], alive=1)
        assert names(order_of(board, at(1), Sort("inflight"))) == ["b", "a", "c"]
        assert names(order_of(board, at(1), Sort("budget"))) == ["b", "c", "a"]
        assert names(order_of(board, at(1), Sort("chain"))) == ["c", "a", "b"]


class TestGroups:
    BOARD = fold(
        [started(), tagged("gpt", "eu", "llm"), tagged("agno"), tagged("x", "US"), tagged("y", "eu"), opened("y", 1)],
        alive=2,
    )

    def test_adapters_are_grouped_by_first_tag_and_untagged_ones_come_last(self) -> None:
        order = Ordering().order(self.BOARD, at(2), Choice(Sort("name"), group="tag"))
        shown = [line.name if isinstance(line, GroupHead) else line.adapter for line in order.lines]
        assert shown == ["eu", "gpt", "y", "US", "x", "no tag", "agno"]
        assert names(order) == ["gpt", "y", "x", "agno"]

    def test_within_a_group_they_are_sorted(self) -> None:
        order = Ordering().order(self.BOARD, at(2), Choice(group="tag"))
        assert names(order)[:2] == ["y", "gpt"]

    def test_a_heading_counts_its_adapters_by_state(self) -> None:
        order = Ordering().order(self.BOARD, at(2), Choice(group="tag"))
        head = order.lines[0]
        assert isinstance(head, GroupHead)
        assert text_of(head_line(head, 60, UNICODE)) == "▾ ✖ eu  1 of 2 open   1 ✖  1 ●"

    def test_the_adapters_of_each_engine_are_adjacent(self) -> None:
        board = fold([started(), added("gpt")])
        board.apply(Entry(3, 2, EngineStarted(at=at(0), name="billing", host="web-2", pid=7)))
        board.apply(Entry(4, 2, added("gpt")))
        order = Ordering().order(board, at(0), Choice(group="instance"))
        heads = [line.name for line in order.lines if isinstance(line, GroupHead)]
        assert heads == ["billing@web-2:7", "checkout@web-1:4242"]
        assert order.keys == (AdapterKey(2, "gpt"), AdapterKey(1, "gpt"))

    def test_without_groups_there_are_no_headings(self) -> None:
        order = Ordering().order(self.BOARD, at(2))
        assert order.lines == order.keys


def test_faults_only_shows_adapters_that_need_attention_or_count_failures() -> None:
    order = Ordering().order(BOARD, at(STORY_ENDS), Choice(faults=True))
    assert set(names(order)) == {"eu-search", "prefect", "billing", "rerank", "agno", "llamaindex"}
    assert sum(order.counts.values()) == 12


class TestFilter:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("tag:eu", ["gpt"]),
            ("instance:check", ["agno", "gpt", "rerank"]),
            ("instance:*@web-2:*", []),
            ("error:timeout", ["rerank"]),
            ('error:"timed out"', ["rerank"]),
            ("error:ConnectError !rerank", ["agno"]),
            ("chain:rag", ["agno"]),
            ("chain:default", ["gpt"]),
            ("!chain:*", ["rerank"]),
            ("[gpt]", []),
        ],
    )
    def test_each_filter_field_matches_its_property(self, text: str, expected: list[str]) -> None:
        late = failed("rerank", 1, "timed out", error_type="Timeout")
        board = fold(
            [
                started(), added("agno"), tagged("gpt", "eu"), added("rerank"), failed("agno", 1), late,
                PreferenceSet(at=at(1), order=("gpt",)), PreferenceSet(at=at(1), order=("agno",), task_type="rag"),
            ],
            alive=2,
        )  # fmt: skip
        assert names(order_of(board, at(2), Sort("name"), parse(text))) == expected

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("stat:open", "There is no field stat. Did you mean state?"),
            ("qqq:open", "There is no field qqq. There are name, state, tag, instance, error, chain."),
            ("state:opne", "There is no state opne. Did you mean open?"),
            ("state:zzz*", "There is no state zzz*."),
            ("name:nobody", ""),
            ("state:half", ""),
            ("state:", ""),
            ("eu:gpt", ""),
        ],
    )
    def test_a_filter_that_cannot_match_states_the_reason(self, text: str, says: str) -> None:
        assert problem_of(parse(text), lambda: ["gpt", "eu:gpt"]) == says

    def test_hostile_text_in_the_problem_of_a_filter_is_made_safe(self) -> None:
        assert "\x1b" not in problem_of(parse("\x1b[31m:x state:\x1b]"), list)


class TestChainPlaces:
    def test_a_chain_position_is_described_in_words(self) -> None:
        places = chain_positions({(1, ""): ("gpt", "agno", "mail"), (1, "rag"): ("agno", "gpt"), (2, ""): ("gpt",)})
        assert positions_text(places[AdapterKey(1, "mail")], 20) == "3 of 3"
        assert positions_text(places[AdapterKey(1, "gpt")], 20) == "1 of 3, 2 of 2 rag"
        assert positions_text(places[AdapterKey(1, "agno")], 20) == "1 of 2 rag, 2 of 3"
        assert positions_text(places[AdapterKey(2, "gpt")], 20) == "1 of 1"
        assert positions_text((), 20) == ""
        assert positions_text(places[AdapterKey(1, "agno")], 14) == "1 of 2 rag +1"
        assert positions_text(places[AdapterKey(1, "agno")], 10) == "1 of 2 +1"


class TestWorkedOutAnew:
    def test_the_order_is_not_recomputed_without_a_relevant_change(self) -> None:
        board, ordering = fold([started(), *map(added, "ab")], alive=1), Ordering()
        before = ordering.order(board, at(1))
        apply(board, answered("b", 1.1))
        assert ordering.order(board, at(1.2)) is before

    def test_a_breaker_that_opens_goes_to_the_top_at_once(self) -> None:
        board, ordering = fold([started(), *map(added, "ab")], alive=1), Ordering(clock=lambda: 0.0)
        assert names(ordering.order(board, at(1))) == ["a", "b"]
        apply(board, opened("b", 1.1))
        assert names(ordering.order(board, at(1.2))) == ["b", "a"]
        apply(board, changed("b", "closed", 1.3, before="open"), failed("a", 1.3))
        assert names(ordering.order(board, at(1.4))) == ["a", "b"]

    def test_added_and_removed_adapters_appear_and_disappear_at_once(self) -> None:
        board, ordering = fold([started(), *map(added, "ab")], alive=1), Ordering()
        ordering.order(board, at(1), Choice(Sort("rate")))
        apply(board, added("c", 1), AdapterRemoved(at=at(1), adapter="a"))
        assert names(ordering.order(board, at(1), Choice(Sort("rate")))) == ["b", "c"]

    def test_a_new_board_has_a_new_order(self) -> None:
        ordering = Ordering()
        ordering.order(fold([started(), added("a")]), at(0))
        assert names(ordering.order(fold([started(), added("b")]), at(0))) == ["b"]

    def test_with_little_time_the_values_of_a_column_are_counted_in_portions(self) -> None:
        many = MIN_COUNTED * 2
        events: list[Event] = [started()]
        events += [added(f"a{number:04}") for number in range(many)]
        events += [answered(f"a{number:04}", 9, duration=0.001 * (number + 1)) for number in range(many)]
        board, ordering = fold(events, alive=10), Ordering(budget=-1.0)
        choice = Choice(Sort("p50"))
        first = ordering.order(board, at(10.5), choice)
        assert len(first.keys) == many
        settled = ordering.order(board, at(10.5), choice)
        assert settled.keys == order_of(board, at(10.5), Sort("p50")).keys != first.keys
        assert ordering.order(board, at(10.5), choice) is settled
