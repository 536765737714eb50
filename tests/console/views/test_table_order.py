"""The order of the breakers table: each column, lost engines, the title, groups, and when it is recomputed."""

from __future__ import annotations

import pytest

from fuseboard_console.text.glyphs import UNICODE
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.views.selection.filter import parse
from fuseboard_console.views.selection.grouping import (
    GroupHead,
    group_name,
    grouped,
    head_line,
    marked_group,
    members_of,
    nearest_selectable,
)
from fuseboard_console.views.selection.ordering import (
    MIN_COUNTED,
    SHARE,
    Choice,
    Order,
    Ordering,
    chosen_title,
    order_of,
)
from fuseboard_console.views.selection.sorting import Sort, is_descending
from fuseboard_engine.events import (
    AdapterAdded,
    EngineStarted,
    EngineStopped,
    Event,
    GaugesSampled,
    HealthChecked,
    PreferenceSet,
)
from fuseboard_storage.board.board import AdapterKey, Board, Entry, InstanceRow
from support.console_story import added, answered, at, attempt, changed, entries, failed, fold, opened, route, started


def names(order: Order) -> list[str]:
    return [key.adapter for key in order.keys]


def tagged(name: str, *tags: str) -> AdapterAdded:
    return AdapterAdded(at=at(0), adapter=name, policy={"failure_threshold": 5}, tags=tags)


def apply(board: Board, *events: Event) -> None:
    for entry in entries(events, board.seq + 1):
        board.apply(entry)


def refused(name: str, when: float) -> Event:
    return route(when, attempt(name, "rejected", 0.0), success=False)


# Adapter `c` has the most of everything, `a` less, and `b` nothing at all.
RANKED: dict[str, list[Event]] = {
    "inflight": [GaugesSampled(at=at(9), gauges={"c": (4, 5), "a": (2, 5)})],
    "rate": [*(answered("c", 5) for _ in range(3)), answered("a", 5)],
    "spark": [*(answered("c", 5) for _ in range(3)), answered("a", 5)],
    "p50": [answered("c", 5, 0.9), answered("a", 5, 0.1)],
    "p95": [answered("c", 5, 0.9), answered("a", 5, 0.1)],
    "p99": [answered("c", 5, 0.9), answered("a", 5, 0.1)],
    "rejected": [refused("c", 5), refused("c", 5), refused("a", 5)],
    "since": [opened("c", 8), opened("a", 7)],
    "error": [failed("c", 8), failed("a", 7)],
    "state": [opened("c", 8), failed("a", 7)],
    "next": [opened("a", 8, wait=90), opened("c", 8, wait=60)],
    "budget": [GaugesSampled(at=at(9), gauges={"c": (0, 1), "a": (0, 5)})],
    "ok": [answered("a", 5), failed("a", 5), answered("a", 5), failed("c", 5)],
    "chain": [PreferenceSet(at=at(1), order=("c", "a"))],
    "tags": [tagged("c", "EU"), tagged("a", "us")],
}
VALUED_LAST = {"inflight", "rate", "spark", "rejected", "since", "state"}
"""The columns where `b` has a value too; in the others it has none and is last in both directions."""
DESCENDING = ("state", "inflight", "rate", "p50", "p95", "p99", "rejected", "spark", "since", "error")
ASCENDING = ("name", "ok", "budget", "chain", "next", "engine", "tags")


@pytest.mark.parametrize("column", RANKED)
def test_each_column_sorts_by_its_value_and_reversed_the_other_way(column: str) -> None:
    board = fold([started(), *map(added, "abc"), *RANKED[column]], alive=10)
    assert names(order_of(board, at(10), Sort(column))) == ["c", "a", "b"]
    back = ["b", "a", "c"] if column in VALUED_LAST else ["a", "c", "b"]
    assert names(order_of(board, at(10), Sort(column, reverse=True))) == back


@pytest.mark.parametrize(
    ("column", "reverse", "descending"),
    [
        *((column, False, True) for column in DESCENDING),
        *((column, False, False) for column in ASCENDING),
        ("rate", True, False),
        ("name", True, True),
    ],
)
def test_the_direction_of_an_order_is_that_of_its_column_unless_reversed(
    column: str, reverse: bool, descending: bool
) -> None:
    assert is_descending(Sort(column, reverse)) is descending


def test_names_sort_without_regard_to_case_and_reversed_from_the_end() -> None:
    board = fold([started(), *map(added, ["b", "A", "C", "a"])], alive=1)
    assert names(order_of(board, at(1), Sort("name"))) == ["A", "a", "b", "C"]
    assert names(order_of(board, at(1), Sort("name", reverse=True))) == ["C", "b", "a", "A"]


@pytest.mark.parametrize(("column", "seconds"), [("rate", 10), ("ok", 60), ("p50", 60), ("rejected", 60)])
def test_a_column_looks_back_so_many_complete_seconds(column: str, seconds: int) -> None:
    board = fold([started(), *map(added, "ab"), answered("b", 100), refused("b", 100)], alive=100)
    seen = [names(order_of(board, at(now), Sort(column)))[0] for now in (100.9, 101, 100.9 + seconds, 101 + seconds)]
    assert seen == ["a", "b", "b", "a"]


def test_the_rate_of_a_new_adapter_is_over_the_time_since_it_was_added() -> None:
    board = fold([started(), added("a"), added("b", 98), *(answered(n, 98) for n in "aabb")])
    assert names(order_of(board, at(100), Sort("rate"))) == ["b", "a"]  # two in 2 s against two in 10 s
    apply(board, *(answered("a", 98) for _ in range(12)))
    assert names(order_of(board, at(100), Sort("rate"))) == ["a", "b"]  # two in 2 s against 14 in 10 s


class TestLostEngines:
    def board(self) -> Board:
        """Return the Board of a live engine, one that went silent and one that ended, each with two adapters."""
        board = Board()
        seq = 0
        for instance in (1, 2, 3):
            start = EngineStarted(at=at(0), name=f"e{instance}", host="web", pid=instance)
            for event in (start, added("calm"), added("trouble"), opened("trouble", 1, wait=500)):
                seq += 1
                board.apply(Entry(seq, instance, event))
        board.apply(Entry(seq + 1, 3, EngineStopped(at=at(2))))
        board.heartbeat(1, at(100))
        return board

    def test_adapters_of_lost_engines_come_last_those_in_trouble_first(self) -> None:
        order = order_of(self.board(), at(100))
        assert [(key.adapter, key.instance) for key in order.keys] == [
            ("trouble", 1), ("calm", 1), ("trouble", 2), ("trouble", 3), ("calm", 2), ("calm", 3),
        ]  # fmt: skip
        assert order.counts == {"open": 1, "closed": 1, "silent": 2, "ended": 2}

    def test_the_column_of_engines_sorts_by_their_labels(self) -> None:
        order = order_of(self.board(), at(100), Sort("engine"))
        assert [key.instance for key in order.keys] == [1, 1, 2, 2, 3, 3]
        back = order_of(self.board(), at(100), Sort("engine", reverse=True))
        assert [key.instance for key in back.keys] == [3, 3, 2, 2, 1, 1]

    def test_faults_only_shows_a_silent_engines_adapters_but_not_an_ended_ones(self) -> None:
        order = Ordering().order(self.board(), at(100), Choice(faults=True))
        assert sorted((key.instance, key.adapter) for key in order.keys) == [
            (1, "trouble"), (2, "calm"), (2, "trouble"),
        ]  # fmt: skip
        assert sum(order.counts.values()) == 6


@pytest.mark.parametrize(
    ("choice", "shown", "marked", "unseen", "title"),
    [
        (Choice(), 12, 0, "", "Breakers"),
        (Choice(), 11, 0, "", "Breakers  11 of 12"),
        (Choice(terms=parse("a")), 12, 0, "", "Breakers  / typed  12 of 12"),
        (Choice(faults=True), 12, 0, "", "Breakers  faults only  12 of 12"),
        (Choice(group="instance"), 12, 0, "", "Breakers  by engine"),
        (Choice(group="tag"), 12, 1, "p95", "Breakers  by tag  sorted by p95  1 marked"),
    ],
)
def test_the_title_tells_what_differs_from_the_whole_table(
    choice: Choice, shown: int, marked: int, unseen: str, title: str
) -> None:
    assert chosen_title(choice, "typed", shown, 12, marked, unseen) == title


def test_large_numbers_in_the_title_are_grouped_and_a_hostile_filter_is_safe() -> None:
    title = chosen_title(Choice(terms=parse("a")), "\x1b[31m" + "a" * 99, 1234, 10_000, 1500)
    assert title.endswith("  1,234 of 10,000  1,500 marked")
    assert "\x1b" not in title and len(title) < 90


class TestRecomputing:
    def test_a_new_choice_or_second_recomputes_the_order_at_once(self) -> None:
        ticks = iter(range(0, 10_000, 5))  # every computation takes long
        board, ordering = fold([started(), *map(added, "ab")], alive=1), Ordering(clock=lambda: float(next(ticks)))
        first = ordering.order(board, at(1))
        assert names(ordering.order(board, at(1), Choice(Sort("name", reverse=True)))) == ["b", "a"]
        assert ordering.order(board, at(1)) is not first
        later = ordering.order(board, at(1.9))
        assert ordering.order(board, at(2)) is not later

    @pytest.mark.parametrize(("after", "recomputed"), [(SHARE - 0.5, False), (SHARE, True)])
    def test_after_a_change_of_state_an_order_is_kept_for_a_multiple_of_its_duration(
        self, after: float, recomputed: bool
    ) -> None:
        times = [100.0, 101.0]  # the first computation begins and ends; each lasts a second
        board = fold([started(), *map(added, "ab")], alive=1)
        clock = [0.0]

        def tick() -> float:
            return times.pop(0) if times else clock[0]

        ordering = Ordering(clock=tick)
        ordering.order(board, at(1))
        apply(board, opened("b", 1.1))
        clock[0] = 101.0 + after
        assert (names(ordering.order(board, at(1.2))) == ["b", "a"]) is recomputed

    def many(self, slow: dict[int, float]) -> Board:
        """Return the Board of twice as many adapters as one call counts at least, of which some are slow."""
        numbers = range(MIN_COUNTED * 2)
        events: list[Event] = [started(), *(added(f"a{number:04}") for number in numbers)]
        events += [answered(f"a{number:04}", 9, duration=slow.get(number, 0.01)) for number in numbers]
        return fold(events, alive=10)

    def test_values_of_a_column_are_kept_when_adapters_come(self) -> None:
        board, ordering = self.many({MIN_COUNTED * 2 - 1: 5.0}), Ordering(budget=-1.0)
        choice = Choice(Sort("p50"))
        for _ in range(2):
            ordering.order(board, at(10.5), choice)
        apply(board, added("new", 10))
        shown = ordering.order(board, at(10.5), choice)
        assert names(shown)[0] == f"a{MIN_COUNTED * 2 - 1:04}"
        assert names(shown)[-1] == "new"

    def test_adapters_that_come_are_counted_although_nothing_else_changes(self) -> None:
        board, ordering = self.many({}), Ordering(budget=-1.0)
        choice = Choice(Sort("p50"))
        for _ in range(2):
            ordering.order(board, at(10.5), choice)
        apply(board, added("new", 9), answered("new", 9, duration=5.0))
        for _ in range(3):
            shown = ordering.order(board, at(10.5), choice)
        assert names(shown)[0] == "new"

    def test_a_minimum_of_adapters_is_counted_however_little_time_there_is(self) -> None:
        board, ordering = self.many({MIN_COUNTED - 1: 1.0, MIN_COUNTED: 5.0}), Ordering(budget=-1.0)
        first = ordering.order(board, at(10.5), Choice(Sort("p50")))
        assert names(first)[0] == f"a{MIN_COUNTED - 1:04}"
        assert names(first)[MIN_COUNTED:] == [
            f"a{number:04}" for number in range(MIN_COUNTED, MIN_COUNTED * 2)
        ]  # not counted yet
        second = ordering.order(board, at(10.5), Choice(Sort("p50")))
        assert names(second)[:2] == [f"a{MIN_COUNTED:04}", f"a{MIN_COUNTED - 1:04}"]

    def test_another_column_is_counted_from_the_start(self) -> None:
        board, ordering = self.many({0: 5.0}), Ordering(budget=-1.0)
        ordering.order(board, at(10.5), Choice(Sort("rate")))
        assert names(ordering.order(board, at(10.5), Choice(Sort("p50"))))[0] == "a0000"

    def test_the_positions_in_chains_follow_the_chains(self) -> None:
        board, ordering = fold([started(), *map(added, "ab")], alive=1), Ordering()
        ordering.order(board, at(1))
        assert ordering.places == {}
        apply(board, PreferenceSet(at=at(1), order=("b", "a")))
        assert names(ordering.order(board, at(2), Choice(Sort("chain")))) == ["b", "a"]


class TestGroups:
    A, B, C = (AdapterKey(1, name) for name in "abc")
    LINES = grouped([("eu", A, "closed"), ("", B, "open"), ("eu", C, "open")])

    def test_a_group_has_a_heading_with_its_size_and_its_counts_most_severe_first(self) -> None:
        assert (
            GroupHead("eu", 2, (("open", 1), ("closed", 1))),
            self.A,
            self.C,
            GroupHead("no tag", 1, (("open", 1),)),
            self.B,
        ) == self.LINES

    def test_an_adapters_group_is_its_first_tag_or_its_engine(self) -> None:
        row = fold([started(), tagged("a", "eu", "llm")]).adapters[self.A]
        bare = fold([started(), added("a")]).adapters[self.A]
        instance = InstanceRow(1, "checkout", "web-1", 7, 0)
        assert [group_name(one, instance, "tag") for one in (row, bare)] == ["eu", ""]
        assert [group_name(row, one, "instance") for one in (instance, None)] == ["checkout@web-1:7", ""]

    @pytest.mark.parametrize(
        ("index", "step", "found"),
        [(1, 1, 1), (0, 1, 1), (0, -1, 1), (3, 1, 4), (3, -1, 2), (-5, -1, 1), (99, 1, 4), (99, -1, 4)],
    )
    def test_the_cursor_skips_headings(self, index: int, step: int, found: int) -> None:
        assert nearest_selectable(self.LINES, index, step) == found

    def test_without_an_adapter_the_cursor_is_at_the_top(self) -> None:
        assert nearest_selectable((), 3, 1) == 0

    def test_the_members_of_a_heading_end_at_the_next(self) -> None:
        assert members_of(self.LINES, 0) == [self.A, self.C]
        assert members_of(self.LINES, 3) == [self.B]

    @pytest.mark.parametrize(
        ("marked", "group"),
        [("", ""), ("a", ""), ("ac", "eu"), ("ab", ""), ("b", "no tag"), ("abc", "")],
    )
    def test_a_group_is_marked_when_exactly_its_adapters_are(self, marked: str, group: str) -> None:
        assert marked_group(self.LINES, {AdapterKey(1, name) for name in marked}) == group

    def test_a_heading_keeps_its_counts_and_cuts_a_long_name(self) -> None:
        head = GroupHead("x" * 70, 1234, (("open", 2),))
        line = head_line(head, 40, UNICODE)
        assert text_of(line) == f"▾ ✖ {'x' * 12}…  2 of 1,234 open   2 ✖"
        assert line_width(line) <= 40
        assert text_of(head_line(head, 5, UNICODE)).startswith("▾ ✖ xxx…")


def test_faults_only_shows_what_needs_an_operator_and_what_counts_failures() -> None:
    board = fold(
        [
            started(), *map(added, "abcdefghi"), opened("a", 1, wait=60), changed("b", "forced_open", 1),
            HealthChecked(at=at(1), adapter="c", status="unhealthy", before="healthy"), opened("d", 1, wait=1),
            changed("e", "half_open", 1, before="open"), failed("f", 1), changed("g", "disabled", 1),
            changed("h", "metrics_only", 1),
        ],
        alive=5,
    )  # fmt: skip
    assert sorted(names(Ordering().order(board, at(5), Choice(faults=True)))) == list("abcdef")


def test_a_state_put_aside_by_hand_has_its_place_by_severity() -> None:
    board = fold(
        [
            started(), *map(added, "abcdef"), changed("a", "disabled", 1), changed("b", "metrics_only", 1),
            changed("c", "half_open", 1, before="open"), changed("d", "forced_open", 1), opened("e", 1, wait=1),
        ],
        alive=5,
    )  # fmt: skip
    assert names(order_of(board, at(5))) == ["d", "e", "c", "b", "a", "f"]
    assert names(order_of(board, at(5), Sort("state", reverse=True))) == ["f", "a", "b", "c", "e", "d"]
