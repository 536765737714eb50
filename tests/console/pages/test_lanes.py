"""The lanes page: all adapters over time, the worst state in each slice, and the share of tasks answered."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fuseboard_console.pages.lanes.page import Lanes
from fuseboard_console.text.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.views.adapters.adapter_view import condition_of
from fuseboard_console.views.detail.charts import axis, stretched
from fuseboard_console.views.detail.lanes import (
    answered_line,
    answered_of,
    lane_line,
    lane_openings,
    lane_states,
    lane_widths,
    lanes_order,
)
from fuseboard_console.views.detail.time_slices import Cut, count_of, cut_at
from fuseboard_console.views.selection.ordering import order_of
from fuseboard_engine import BreakerPolicy, Engine
from fuseboard_engine.events import AdapterAdded, EngineStarted, Event, FaultInjected
from fuseboard_storage import Recording, record
from fuseboard_storage.board.board import AdapterKey, Board
from fuseboard_storage.recording.history import AdapterPast, lanes_of
from support.console_show import Show
from support.console_story import (
    STORY_ENDS,
    added,
    answered,
    at,
    attempt,
    changed,
    entries,
    fold,
    opened,
    route,
    started,
    story,
    until,
)
from support.console_watching import watching

SECOND = 1_000_000
GPT = AdapterKey(1, "gpt")


def lane(board: Board, now: float, cells: int = 85, glyphs: Glyphs = UNICODE, seconds: int = 120) -> str:
    widths = lane_widths(cells, 3)
    cut = cut_at(at(now), seconds, widths.lane)
    row, instance = board.adapters[GPT], board.instances[1]
    states = lane_states(row, instance, at(now), cut, None)
    return text_of(lane_line(row, instance, at(now), cells, widths, states, glyphs))


def strip(board: Board, now: float, cells: int = 85, glyphs: Glyphs = UNICODE) -> str:
    widths = lane_widths(cells, 3)
    return lane(board, now, cells, glyphs)[widths.name + 4 :][: widths.lane]


def test_a_lane_shows_the_worst_state_of_each_slice() -> None:
    board = fold([started(), added("gpt"), opened("gpt", 61), changed("gpt", "closed", 61.5, before="open")], alive=120)
    assert lane_widths(85, 3).lane == 60
    assert strip(board, 120) == "●" * 30 + "✖" + "●" * 29
    assert strip(board, 120, glyphs=ASCII) == "o" * 30 + "X" + "o" * 29


def test_a_lane_names_the_present_state_and_where_there_is_room_since_when_it_is_down() -> None:
    board = fold([started(), added("gpt"), opened("gpt", 61, wait=600)], alive=120)
    assert lane(board, 120).rstrip().endswith("OPEN")
    assert lane(board, 120, cells=100).rstrip().endswith("OPEN        since 14:01:01")


def test_where_there_is_room_a_lane_says_how_often_its_breaker_opened_in_the_time() -> None:
    events = [opened("gpt", 10), changed("gpt", "closed", 20, before="open"), opened("gpt", 61), opened("gpt", 90)]
    board = fold([started(), added("gpt"), *events], alive=120)
    row, cut = board.adapters[GPT], cut_at(at(120), 60, 30)
    assert (lane_openings(row, cut, None), lane_openings(row, cut_at(at(120), 120, 30), None)) == (2, 3)
    read = AdapterPast((), ((at(61), "open"),), (), 40)
    assert lane_openings(row, cut, read) == 41
    for cells, shown in ((116, "  opened 41×"), (115, "")):
        widths = lane_widths(cells, 3)
        line = text_of(lane_line(row, board.instances[1], at(120), cells, widths, [], UNICODE, openings=41))
        assert line.endswith(f"since 14:01:01{shown}")


def test_a_lane_ends_with_the_last_sign_of_life() -> None:
    board = fold([started(), added("gpt"), opened("gpt", 30, wait=600)], alive=60.5)
    shown = strip(board, 120)
    assert shown == "●" * 15 + "✖" * 16 + " " * 29


@pytest.mark.parametrize("cells", [20, 40, 76, 116, 196])
def test_a_lane_never_takes_more_than_its_cells(cells: int) -> None:
    board = fold(story(), alive=STORY_ENDS)
    widths = lane_widths(cells, 10)
    cut = cut_at(at(STORY_ENDS), 120, widths.lane)
    for key, row in board.adapters.items():
        instance = board.instances[key.instance]
        states = lane_states(row, instance, at(STORY_ENDS), cut, None)
        assert len(states) == cut.slices
        assert line_width(lane_line(row, instance, at(STORY_ENDS), cells, widths, states, UNICODE)) <= cells


def test_problems_come_first_then_recent_ones_then_the_others() -> None:
    board = fold(story(), alive=STORY_ENDS)
    now = at(STORY_ENDS)
    keys = lanes_order(board, order_of(board, now).keys, now - 120 * SECOND)
    conditions = [condition_of(board.adapters[key], board.instances[1], now) for key in keys]
    assert conditions[:3] == ["open", "open", "held"]
    assert [key.adapter for key in keys].index("vision") == 7  # it was reset 7 s ago
    assert [key.adapter for key in lanes_order(board, order_of(board, now).keys, now)].index("vision") > 7
    assert sorted(keys) == sorted(board.adapters)


def routes(when: float, good: int, bad: int) -> list[Event]:
    failed = attempt("gpt", "failure")
    return [
        *(answered("gpt", when + call / 100) for call in range(good)),
        *(route(when + 0.5 + call / 100, failed, success=False) for call in range(bad)),
    ]


def test_the_answered_share_is_of_the_tasks_of_each_slice() -> None:
    board = fold([started(), added("gpt"), *routes(10, 4, 0), *routes(50, 3, 1), *routes(90, 0, 5)], alive=120)
    cut = Cut(at(120), 120, 3)
    assert answered_of(board, cut) == [(4, 4), (3, 4), (0, 5)]
    line = answered_line(answered_of(board, cut), lane_widths(85, 3), UNICODE)
    assert text_of(line).rstrip() == "  answered  " + "█" * 20 + "▆" * 20 + "▁" * 20 + "  53.8 %"


def test_a_single_unanswered_task_of_many_is_visible_and_no_tasks_are_not_a_failure() -> None:
    widths = lane_widths(80, 8)
    shown = text_of(answered_line([(9_999, 10_000), (5, 5), (0, 0), None], widths, UNICODE))
    lane_text = shown[widths.name + 4 :][: widths.lane]
    assert lane_text[0] == "▇"
    assert lane_text[widths.lane // 4 + 1] == "█"
    assert set(lane_text[-widths.lane // 2 + 1 :]) == {"·"}


class TestCuts:
    @pytest.mark.parametrize("most", [1, 7, 30, 59, 95, 160, 1_000])
    @pytest.mark.parametrize("seconds", [30, 120, 600, 3_600, 21_600, 86_400, 604_800])
    def test_slices_are_whole_seconds_and_contain_now(self, seconds: int, most: int) -> None:
        for now in (at(0), at(0.5), at(1_234.567)):
            cut = cut_at(now, seconds, most, age=float(seconds))
            assert 1 <= cut.slices <= max(1, most)
            assert cut.each * cut.slices == seconds
            assert cut.edges()[-2] <= now <= cut.until

    def test_long_slices_stay_as_time_passes(self) -> None:
        early, late = cut_at(at(1), 3_600, 95), cut_at(at(30), 3_600, 95)
        assert early == late
        assert early.each == 40

    def test_there_are_as_many_slices_as_fit(self) -> None:
        assert count_of(120, 95, 0) == 60
        assert count_of(604_800, 200, 604_800) == 180


@pytest.mark.parametrize("cells", [95, 60, 97, 171])
@pytest.mark.parametrize("seconds", [120, 600, 3_600])
def test_each_time_of_an_axis_begins_at_the_cell_of_its_moment(cells: int, seconds: int) -> None:
    cut = cut_at(at(0), seconds, cells)
    edges = cut.edges()
    line = text_of(stretched([(chr(0x4000 + place), "text") for place in range(cut.slices)], cells))
    times = axis(cut.until, seconds, cells, tick="╵")
    assert len(times) == cells
    assert times.endswith("14:00:00╵")
    ticks = [place for place, sign in enumerate(times[:-1]) if sign == "╵"]
    assert len(ticks) >= 2
    for place in ticks:
        shown = times[place + 1 : place + 9]
        first = line.index(line[place])
        assert first == place, "a time begins where its slice begins"
        moment = time.strftime("%H:%M:%S", time.localtime(edges[ord(line[place]) - 0x4000] / SECOND))
        assert moment == shown


async def test_l_opens_the_lanes_from_every_page_and_plus_and_minus_change_the_window() -> None:
    show = Show()
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        for page in ("1", "6", "9"):
            await pilot.press(page, "l")
            await until(show.sees("› Lanes", "last 2 min", "╵14:00:12", "answered", "99.8 %"), pilot)
        assert show.line_of("✖ eu-search") < show.line_of("✖ prefect") < show.line_of("● gpt")
        await pilot.press("+")
        await until(show.sees("last 30 s", "╵14:01:41"), pilot)
        await pilot.press("-", "-")
        await until(show.sees("last 10 min", "there is no file to read more from"), pilot)


async def test_enter_opens_the_adapter_at_the_same_window_and_a_command_acts_on_it() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 44), notifications=True) as pilot:
        await pilot.press("l", "+")
        await until(show.sees("last 30 s", "▌ ✖ eu-search"), pilot)
        await pilot.press("j", "enter")
        await until(show.sees("› Lanes › prefect", "last 30 s"), pilot)
        await pilot.press("escape", "r")
        await until(lambda: show.mailbox.asked == [("reset", "prefect", 1)], pilot)


async def test_a_fault_is_marked_at_once_and_until_its_end_also_where_a_slice_is_long() -> None:
    fault = FaultInjected(at=at(1), adapter="gpt", fault="refused", until=at(30), actor="ada")
    show = Show([started(), added("gpt")], when=5)
    async with show.app.run_test(size=(100, 20), notifications=True) as pilot:
        await pilot.press("l", *"-----")
        await until(show.sees("last 7 d", "CLOSED"), pilot)
        show.feed.events.append(fault)
        await until(show.sees("FAULT"), pilot)
        show.when = show.feed.alive = 31
        await until(lambda: "FAULT" not in show.screen(), pilot)


async def test_lanes_are_filtered_by_state() -> None:
    show = Show()
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("l", "slash", *"state:open", "enter")
        await until(lambda: "3 of 12" in show.screen() or "2 of 12" in show.screen(), pilot)
        assert "eu-search" in show.screen()
        assert "llamaindex" not in show.screen()


async def test_ten_thousand_adapters_cost_what_is_visible() -> None:
    events: list[Event] = [EngineStarted(at=at(0), name="big", host="h", pid=1)]
    events += [AdapterAdded(at=at(0), adapter=f"a{number:05}", policy={}) for number in range(10_000)]
    events += [opened("a09999", 60, wait=600)]
    show = Show(events, when=120)
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(show.sees("a09999"), pilot)
        await pilot.press("l")
        await until(show.sees("✖ a09999", "● a00000", "of 10,000"), pilot)
        page = show.app.page
        assert isinstance(page, Lanes)
        assert len(page._states) <= 24
        assert show.line_of("a09999") < show.line_of("a00000")
        await pilot.press("end")
        await until(show.sees("a09998"), pilot)
        assert len(page._states) <= 48


async def recorded(path: Path) -> None:
    """An engine that ran twice. Of 30 tasks 20 were answered; the breaker of `down` opened each time."""
    for _ in range(2):
        engine = Engine("checkout")

        def fail(task: object) -> str:
            raise ConnectionRefusedError("refused")

        engine.add_adapter("down", fail, breaker=BreakerPolicy(failure_threshold=2, recovery_timeout=600))
        engine.add_adapter("gpt", lambda task: "an answer")
        async with record(engine, path) as recorder:
            for _ in range(10):
                await engine.execute_with_fallback("a question", preference_order=["gpt"])
            for _ in range(5):
                await engine.execute_with_fallback("a question", preference_order=["down"])
            await recorder.flushed()


async def test_a_long_window_is_read_from_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await recorded(path)
    async with watching(path, size=(100, 24)) as console:
        await console.press("l", "-", "-")
        await console.sees("Lanes  last hour", "down", "gpt", "66.7 %")
        assert "✖" in console.lines("down")[0]
    now = time.time_ns() // 1_000
    since, each = now - 3_600 * SECOND, 60 * SECOND
    keys = [AdapterKey(2, "down"), AdapterKey(2, "gpt")]
    async with Recording.open(path) as recording:
        lanes = await lanes_of(recording, keys, since, now + 1, each)
        none = await lanes_of(recording, [], since, now + 1, each)
    assert [state for _, state in lanes.pasts[keys[0]].changes].count("open") >= 1
    assert not lanes.pasts[keys[1]].changes
    assert len(lanes.pasts[keys[0]].lives) == 2
    known = [one for one in lanes.answered if one is not None]
    assert (sum(one[0] for one in known), sum(one[1] for one in known)) == (20, 30)
    assert len(lanes.answered) == 61
    assert (none.pasts, none.answered) == ({}, lanes.answered)


async def test_changes_are_read_once_for_each_state_of_a_slice(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine = Engine("checkout")
    engine.add_adapter("gpt", lambda task: "an answer")
    async with record(engine, path) as recorder:
        for _ in range(50):
            engine.registry["gpt"].breaker.force_open(actor="ana")
            engine.registry["gpt"].breaker.reset(actor="ana")
        await recorder.flushed()
    now = time.time_ns() // 1_000
    async with Recording.open(path) as recording:
        found = await recording.state_slices("gpt", [1], now - 3_600 * SECOND, now + 1, 3_600 * SECOND)
        whole = await recording.changes_of("gpt", [1], now - 3_600 * SECOND, now + 1)
        late = await recording.state_slices("gpt", [1], now + 1, now + 10, 1)
    assert len(whole) == 100
    assert [(state, count) for _, state, count in found] == [("forced_open", 50), ("closed", 50)]
    assert found[-1][:2] == whole[-1]
    assert [(at, state) for at, state, _ in late] == [whole[-1]]  # how it stood at the beginning


async def test_more_than_can_be_read_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    await recorded(path)
    now = time.time_ns() // 1_000
    monkeypatch.setattr("fuseboard_storage.recording.slices.MOST_ROWS", 10)
    async with Recording.open(path) as recording:
        found = await recording.answered_slices(now - 3_600 * SECOND, now + 1, 60 * SECOND)
    assert set(found) == {None}


def test_an_empty_board_has_lanes_of_nothing() -> None:
    board = Board()
    for entry in entries([started()]):
        board.apply(entry)
    assert answered_of(board, Cut(at(120), 120, 4)) == [(0, 0)] * 4
    assert lanes_order(board, (), 0) == []
