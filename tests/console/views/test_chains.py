"""Chains as lines: what users notice, who answers since when, and which adapters take no call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fuseboard_console.text.glyphs import ASCII, UNICODE, Condition, Glyphs
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.views.lists import chain_adapters
from fuseboard_console.views.lists.chains import (
    ChainView,
    chain_line,
    chain_sign,
    chain_views,
    chains_out,
    chains_summary,
    name_cells,
    tasks_not_kept,
    trend_of,
)
from fuseboard_console.views.lists.status import status_json, status_text
from fuseboard_engine.events import EngineStopped, Event, PreferenceSet, RouteFinished
from fuseboard_storage.board.board import AdapterRow, Board, Entry, InstanceRow
from fuseboard_storage.board.chain_rows import ChainSecond
from support.console_story import added, at, changed, fold, started, stopped
from support.hostile_texts import HOSTILE

NOW = 120.5


def chain(*order: str, task_type: str = "") -> PreferenceSet:
    return PreferenceSet(at=at(0), order=order, task_type=task_type)


def done(when: float, adapter: str = "", task_type: str = "pay", **fields: object) -> RouteFinished:
    """A task that an adapter answered; without one, that none did."""
    return RouteFinished(
        at=at(when), task="t", task_type=task_type, success=bool(adapter), adapter=adapter, attempts=(), **fields
    )


def every_second(route: Callable[[int], Event], first: int = 0, last: int = 120) -> list[Event]:
    return [route(second) for second in range(first, last)]


def board_of(*events: Event | list[Event], adapters: tuple[str, ...] = ("a", "b", "c")) -> Board:
    flat = [event for one in events for event in (one if isinstance(one, list) else [one])]
    return fold([started(), *map(added, adapters), *sorted(flat, key=lambda event: event.at)], alive=120)


def only(board: Board, now: float = NOW) -> ChainView:
    (view,) = chain_views(board, at(now))
    return view


def line(board: Board, cells: int = 118, glyphs: Glyphs = UNICODE, now: float = NOW) -> str:
    views = chain_views(board, at(now))
    trend = trend_of(board.chain_rows[views[0].key], at(now))
    return text_of(chain_line(views[0], trend, cells, name_cells(views), glyphs)).rstrip()


def opened(adapter: str, when: float, **fields: object) -> Event:
    return changed(adapter, "open", when, until=at(300), **fields)


OUT = board_of(
    chain("a", "b", task_type="pay"),
    every_second(lambda second: done(second, "a") if second < 60 else done(second, dead_letter=second)),
    opened("a", 60),
    opened("b", 61),
)


def test_a_chain_without_an_answer_says_since_when_and_which_adapters_take_no_call() -> None:
    shown = line(OUT)
    assert shown.startswith(" ✖ pay   0.0 %  ██████▁▁▁▁▁▁  no adapter answers since 14:01:00 (60 s)   a ✖   b ✖  ")
    assert shown.endswith("☠ 1.0/s")
    view = only(OUT)
    assert (view.condition, view.share, view.answerer, view.since) == ("out", 0.0, "", at(60))


def test_at_80_columns_it_says_since_when_no_adapter_answers() -> None:
    assert "no adapter answers since 14:01:00 (60 s)" in line(OUT, 76)
    assert "  since 14:01:00 (60 s)" in line(OUT, 56)
    assert "no adapter" not in line(OUT, 56)
    assert "no adapter" in line(OUT, 38)


def test_a_later_adapter_says_its_place_and_what_is_before_it() -> None:
    board = board_of(
        chain("a", "b", "c", task_type="pay"),
        every_second(lambda second: done(second, "a" if second < 60 else "c")),
        opened("a", 60),
        opened("b", 61, reason="rate_limited"),
    )
    assert "▽ pay" in line(board)
    assert "100 %  ████████████  c, 3rd of 3 since 14:01:00   a ✖   b limited until 14:05:00" in line(board)
    assert only(board).condition == "failover"


def test_a_healthy_chain_is_quiet() -> None:
    board = board_of(chain("a", "b", task_type="pay"), every_second(lambda second: done(second, "a")))
    assert line(board) == " ● pay   100 %  ████████████  a, 1st of 2"
    assert only(board).unavailable == ()


def test_degraded_answers_are_a_share_of_their_own() -> None:
    some = board_of(every_second(lambda second: done(second, "" if second % 4 == 0 else "a", degraded=second % 4 == 0)))
    assert "◇ pay" in line(some)
    assert "% degraded" in line(some)
    every = board_of(every_second(lambda second: done(second, degraded=True)))
    assert "degraded answers only since 14:00:00" in line(every)
    assert only(every).condition == "degraded"


def test_a_single_task_without_an_answer_does_not_make_a_chain_out() -> None:
    board = board_of(chain("a", task_type="pay"), done(115, dead_letter=1))
    assert only(board).condition == "failing"
    assert "no adapter answers since 14:01:55 (6 s)" in line(board)


def test_a_chain_that_answers_most_tasks_is_failing() -> None:
    board = board_of(every_second(lambda second: done(second, "a" if second % 3 else "")))
    assert only(board).condition == "failing"
    assert only(board).share == pytest.approx(0.7)


def test_a_chain_without_tasks_is_idle_unless_none_of_its_adapters_takes_a_call() -> None:
    calm = board_of(chain("a", task_type="pay"), done(5, "a"))
    assert only(calm).condition == "idle"
    assert "no task in the last minute" in line(calm)
    out = board_of(chain("a", task_type="pay"), done(5, "a"), opened("a", 6))
    assert only(out).condition == "out"


def test_a_chain_whose_tasks_all_ended_in_one_second_has_no_since() -> None:
    calm = board_of(chain("a", task_type="pay"), done(5, "a"))
    assert only(calm).since is None
    assert "no task in the last minute" in status_text(calm, "a.db", at(NOW), colour=False)
    (row,) = status_json(calm, "a.db", at(NOW))["chains"]
    assert row["since"] is None
    assert "since" not in status_text(calm, "a.db", at(NOW), colour=False).split("CHAIN")[1]


def test_tasks_of_a_chain_that_is_out_were_not_kept_if_no_dead_letter_is_known() -> None:
    outage = [chain("a", task_type="pay"), opened("a", 110)]
    lost = board_of(outage, every_second(lambda second: done(second, "a" if second < 110 else "")))
    assert tasks_not_kept(lost, at(NOW)) == 10
    lost.dead_letters["pending"] = 1
    assert tasks_not_kept(lost, at(NOW)) == 0
    assert tasks_not_kept(OUT, at(NOW)) == 0  # all became dead letters
    refused = board_of(
        chain("a", task_type="pay"), every_second(lambda second: done(second, "a" if second % 9 else ""))
    )
    assert tasks_not_kept(refused, at(NOW)) == 0  # the caller's own fault, perhaps: the chain answers


def test_the_limit_that_a_process_was_told_ends_with_the_process() -> None:
    board = Board()
    told: list[tuple[int, Event]] = [(1, started(0, "shop")), (2, started(0, "shop"))]
    told += [(instance, added(adapter)) for instance in (1, 2) for adapter in ("a", "b")]
    told += [(1, chain("a", "b", task_type="pay")), (1, opened("a", 60))]
    told += [(2, opened("a", 61, reason="rate_limited")), (2, EngineStopped(at=at(65), reason="lost"))]
    told += [(1, done(second, "b")) for second in range(66, 120)]
    for seq, (instance, event) in enumerate(told, 1):
        board.apply(Entry(seq, instance, event))
    board.heartbeat(1, at(120))
    assert "a ✖" in line(board)
    assert "limited" not in line(board)


def test_an_adapter_that_takes_no_call_is_not_the_one_that_answers_once_another_does() -> None:
    board = board_of(
        chain("a", "b", task_type="pay"),
        [done(second + part / 10, "a") for second in range(118) for part in range(9)],
        [opened("a", 118), done(119, "b")],
    )
    view = only(board)
    assert (view.answerer, view.place, view.condition) == ("b", 2, "failover")
    assert "a ✖" in line(board)


def test_the_adapter_of_the_newest_answers_is_the_one_that_answers() -> None:
    board = board_of(
        chain("a", "b", task_type="pay"),
        every_second(lambda second: done(second, "b" if second < 117 else "a")),
    )
    view = only(board)
    assert (view.answerer, view.since, view.condition) == ("a", at(117), "answered")


def test_a_chain_whose_adapters_all_refuse_is_out_at_once_also_while_one_is_probed() -> None:
    outage = [chain("a", "b", task_type="pay"), opened("a", 118), opened("b", 118), done(118.5), done(118.7), done(119)]
    before = every_second(lambda second: done(second, "a"), last=118)
    assert only(board_of(before, outage[:-1])).condition == "failing"
    board = board_of(before, outage)
    assert "no adapter answers since 14:01:58" in line(board)
    assert (only(board).condition, only(board).answerer, chains_out(board, at(NOW))) == ("out", "", 1)
    probed = board_of(before, outage, changed("a", "half_open", 119.5, before="open"))
    assert (only(probed).condition, chains_out(probed, at(NOW))) == ("out", 1)
    answered = board_of(before, outage, changed("a", "half_open", 119.5, before="open"), done(119.6, "a"))
    assert (only(answered).condition, chains_out(answered, at(NOW))) == ("failing", 0)
    closed = board_of(before, outage, changed("a", "closed", 119.5, before="open"))
    assert (only(closed).condition, chains_out(closed, at(NOW))) == ("failing", 0)


def test_the_most_severe_chain_is_first_and_the_title_counts() -> None:
    board = board_of(
        chain("a", "b"),
        *(
            every_second(lambda second, adapter=adapter, kind=kind: done(second, adapter, kind))  # type: ignore[misc]
            for kind, adapter in (("fine", "a"), ("later", "b"), ("broken", ""))
        ),
    )
    views = chain_views(board, at(NOW))
    assert [view.name for view in views] == ["broken", "later", "fine"]
    assert chains_summary(views) == "1 out, 1 on a later adapter, of 3"
    assert chains_summary(views[2:]) == "1"


def test_chains_of_several_engines_name_them() -> None:
    board = fold([started(name="shop"), done(1, "a")], alive=2)
    other = fold([started(name="billing"), done(1, "a")], alive=2)
    board.chain_rows.update(other.chain_rows)
    assert [view.name for view in chain_views(board, at(3))] == ["pay (billing)", "pay (shop)"]


def test_the_chains_of_an_engine_that_has_ended_are_those_of_its_end() -> None:
    board = board_of(
        chain("a", "b", task_type="pay"),
        every_second(lambda second: done(second, "b"), 0, 100),
        opened("a", 3),
        stopped(100),
    )
    for now in (101, 9_999):
        view = only(board, now)
        assert (view.condition, view.share, view.answerer) == ("failover", 1.0, "b")
        assert view.unavailable[0].adapter == "a"
        assert "b, 2nd of 2 since 14:00:00   a ✖" in line(board, now=now)


def test_the_trend_has_a_gap_where_no_task_ended() -> None:
    board = board_of(done(5, "a"), done(115), done(116, "a"))
    trend = trend_of(board.chain_rows["checkout", "pay"], at(120))
    assert trend == (1.0, *[None] * 10, 0.5)


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("cells", [1, 8, 20, 40, 60, 78, 118, 198])
def test_a_line_fits_at_any_width(cells: int, glyphs: Glyphs) -> None:
    for text in HOSTILE:
        board = board_of(
            chain(text, "b", task_type=text),
            every_second(lambda second, text=text: done(second, "b", text)),  # type: ignore[misc]
            opened(text, 3),
            adapters=(text, "b"),
        )
        views = chain_views(board, at(NOW))
        trend = trend_of(board.chain_rows[views[0].key], at(NOW))
        shown = chain_line(views[0], trend, cells, name_cells(views), glyphs)
        assert line_width(shown) <= cells
        assert text_of(shown).isprintable()


def test_signs_differ_without_colour() -> None:
    view = only(OUT)
    for glyphs in (UNICODE, ASCII):
        conditions = ("out", "degraded", "failing", "failover", "answered", "idle")
        signs = [chain_sign(view._replace(condition=condition), glyphs) for condition in conditions]
        assert len(set(signs)) == len(conditions)


def test_each_adapter_is_looked_at_once_however_many_chains_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    condition_of = chain_adapters.condition_of

    def counted(row: AdapterRow, instance: InstanceRow | None, now: int) -> Condition:
        looked.append(row.name)
        return condition_of(row, instance, now)

    monkeypatch.setattr(chain_adapters, "condition_of", counted)
    adapters = tuple(f"a{number}" for number in range(40))
    board = board_of(
        chain(*adapters),
        [opened(adapter, 1) for adapter in adapters],
        [done(119, task_type=f"type {number}") for number in range(60)],
        adapters=adapters,
    )
    views = chain_views(board, at(NOW))
    assert len(views) == 60
    assert all(len(view.unavailable) == 40 and view.condition == "out" for view in views)
    assert len(looked) == 40


def test_a_chain_that_its_first_adapter_answers_looks_at_no_other() -> None:
    board = board_of(chain("a", "b", "c"), opened("c", 1), every_second(lambda second: done(second, "a")))
    assert only(board).unavailable == ()


@pytest.mark.parametrize(("answered", "unanswered"), [(5, -4), (-50, 60), (-5, 5), (2**63 - 1, -(2**63)), (0, -1)])
def test_impossible_counts_of_a_damaged_recording_are_shown_as_a_share(answered: int, unanswered: int) -> None:
    board = board_of(chain("a", "b"), done(1, "a"))
    row = next(iter(board.chain_rows.values()))
    row.seconds = [ChainSecond(at(119), {"a": answered}, unanswered, -7, -7)]
    for cells in (20, 60, 118):
        assert line(board, cells)
    view = only(board)
    assert view.share is None or 0 <= view.share <= 1
    assert 0 <= view.degraded <= 1
