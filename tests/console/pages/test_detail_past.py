"""The charts of an adapter's detail: any length of time, cut into slices under one axis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from fuseboard_console.text.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.views.detail.charts import axis, bars, latency_lines, states_line
from fuseboard_console.views.detail.time_slices import Slice, count_of, slices_of
from fuseboard_engine import Engine
from fuseboard_engine.events import State
from fuseboard_storage import Recording, record
from fuseboard_storage.board.board import AdapterKey, Board
from fuseboard_storage.board.metrics import AdapterSecond
from fuseboard_storage.recording.history import AdapterPast, past_of
from support.console_show import Show
from support.console_story import STORY_ENDS, added, answered, at, changed, fold, opened, started, story, until
from support.console_watching import watching

GPT = AdapterKey(1, "gpt")


def cut(board: Board, now: float, seconds: int, count: int) -> list[Slice]:
    row = board.adapters[GPT]
    return slices_of(AdapterPast(tuple(row.seconds), tuple(row.changes)), at(now), seconds, count, row.added_at)


def test_each_slice_counts_what_happened_in_it() -> None:
    board = fold([started(), added("gpt"), *(answered("gpt", second + 0.5, 0.1) for second in (1, 2, 2, 25))])
    slices = cut(board, 30, 30, 3)
    assert [one.calls for one in slices] == [3, 0, 1]
    assert slices[0].p50 == pytest.approx(0.1, rel=0.06)
    assert slices[1].p50 is None


def test_a_brief_opening_is_shown_however_long_a_slice_is() -> None:
    board = fold([started(), added("gpt"), opened("gpt", 31), changed("gpt", "closed", 31.2, before="open")])
    assert [one.state for one in cut(board, 60, 60, 4)] == ["closed", "closed", "open", "closed"]


def test_the_time_before_the_adapter_was_added_is_unknown() -> None:
    board = fold([started(), added("gpt", 45)])
    assert [one.state for one in cut(board, 60, 60, 4)] == [None, None, None, "closed"]


def test_no_slice_is_shorter_than_the_resolution_of_old_metrics() -> None:
    assert count_of(120, 100, age=60) == 60
    assert count_of(3_600, 1_000, age=3_600) == 360  # tens of seconds
    assert count_of(604_800, 200, age=604_800) == 180
    assert count_of(3_600, 100, age=2_000_000) == 1  # hours


@given(
    seconds=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 50), st.floats(0, 5)), max_size=30),
    states=st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from(["closed", "open", "half_open", "forced_open"])), max_size=9
    ),
    count=st.integers(1, 60),
    length=st.sampled_from([30, 120, 600]),
    glyphs=st.sampled_from([UNICODE, ASCII]),
    cells=st.integers(1, 90),
)
def test_charts_count_every_call_once_and_fill_their_cells(
    seconds: list[tuple[int, int, float]],
    states: list[tuple[int, State]],
    count: int,
    length: int,
    glyphs: Glyphs,
    cells: int,
) -> None:
    spans = []
    for second, calls, latency in seconds:
        span = AdapterSecond(at(second), "gpt")
        span.calls = calls
        span.latency = {round(latency * 20): calls} if calls else {}
        spans.append(span)
    past = AdapterPast(spans, sorted((at(second), state) for second, state in states))
    slices = slices_of(past, at(200), length, count, at(0))
    since = 200 - length
    assert sum(one.calls for one in slices) == sum(calls for second, calls, _ in seconds if since <= second < 200)
    seen = {state for second, state in states if since <= second <= 200}
    if "open" in seen:
        assert "open" in {one.state for one in slices}
    lines, _ = latency_lines(slices, 5, cells, glyphs)
    calls = bars([one.calls for one in slices], 2, cells, "spark", glyphs)
    for line in (*lines, *calls, states_line(slices, cells, glyphs)):
        assert line_width(line) == cells


@pytest.mark.parametrize("cells", [1, 5, 17, 30, 120])
@pytest.mark.parametrize("seconds", [30, 120, 3_600, 86_400])
def test_an_axis_never_takes_more_than_its_cells(cells: int, seconds: int) -> None:
    text = axis(at(0), seconds, cells)
    assert len(text) == cells
    if cells >= 30:
        assert "14:00" in text


async def test_plus_and_minus_change_the_window_and_a_longer_one_needs_a_file() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 44), notifications=True) as pilot:
        await pilot.press("enter")
        await until(show.sees("last 2 min", "14:00:11", "14:02:11"), pilot)
        await pilot.press("+")
        await until(show.sees("last 30 s", "14:01:41"), pilot)
        await pilot.press("+", "-", "-")
        await until(show.sees("last 10 min", "there is no file to read more from"), pilot)


async def test_the_breadcrumb_shows_the_location_and_the_footer_its_actions() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("enter")
        await until(show.sees("› Overview › eu-search", "+ zoom in", "esc close"), pilot)
        await pilot.press("question_mark")
        await until(show.sees("Hold the selected breaker open", "Show a longer time in the charts."), pilot)
        await pilot.press("escape", "escape")
        await until(lambda: "› eu-search" not in show.screen(), pilot)


async def test_a_click_in_the_footer_acts_like_its_key() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("enter")
        await until(show.sees("- zoom out"), pilot)
        column = show.screen().splitlines()[-1].index("zoom in")
        await pilot.click("AdapterDetailScreen FooterBar", offset=(column, 0))
        await until(show.sees("last 30 s"), pilot)
        column = show.screen().splitlines()[-1].index("reset")
        await pilot.click("AdapterDetailScreen FooterBar", offset=(column, 0))
        await until(lambda: show.mailbox.asked == [("reset", "eu-search", 1)], pilot)


async def recorded(path: Path) -> None:
    """An engine that ran twice: it made calls, and its breaker was held open and closed again."""
    for _ in range(2):
        engine = Engine("checkout")
        engine.add_adapter("gpt", lambda task: "an answer")
        async with record(engine, path) as recorder:
            await engine.execute_with_fallback("a question")
            engine.registry["gpt"].breaker.force_open(actor="ana")
            engine.registry["gpt"].breaker.reset(actor="ana")
            await recorder.flushed()


async def test_a_longer_history_is_read_across_restarts(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await recorded(path)
    now = time.time_ns() // 1_000 + 1
    async with Recording.open(path) as recording:
        past = await past_of(recording, AdapterKey(2, "gpt"), now - 3_600_000_000, now)
        late = await recording.changes_of("gpt", [2], now, now + 1)
    assert sum(span.calls for span in past.spans) == 2
    assert [state for _, state in past.changes] == ["forced_open", "closed"] * 2
    assert [state for _, state in late] == ["closed"]  # how it stood at the beginning


async def test_the_console_shows_a_longer_history_of_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await recorded(path)
    async with watching(path, size=(120, 44)) as console:
        await console.sees("gpt")
        await console.press("enter")
        await console.sees("last 2 min  1 calls")
        await console.press("-", "-")
        await console.sees("last hour  2 calls", "■")


class Slow:
    """Readings of an adapter's past that wait until a test lets them go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()
        read = Recording.changes_of

        async def changes_of(
            recording: Recording, adapter: str, instances: Sequence[int], since: int, until: int
        ) -> list[tuple[int, str]]:
            self.begun += 1
            await self.go_on.wait()
            return await read(recording, adapter, instances, since, until)

        monkeypatch.setattr(Recording, "changes_of", changes_of)


async def test_a_history_that_is_slow_to_read_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    await recorded(path)
    monkeypatch.setattr("fuseboard_console.screens.adapter_detail.READ_EVERY", 0.0)
    slow = Slow(monkeypatch)
    async with watching(path, size=(120, 44)) as console:
        await console.press("enter", "-", "-")
        await console.sees("last hour", "reading ...")
        for _ in range(5):
            console.app.screen.refresh_lines()  # type: ignore[attr-defined]  # as twice a second
        await console.wait_for(lambda: slow.begun > 0)
        assert slow.begun == 1
        await console.sees("reading ...")
        slow.go_on.set()
        await console.sees("last hour  2 calls")
        assert "reading ..." not in console.screen()


async def test_a_new_window_shows_that_it_is_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    await recorded(path)
    slow = Slow(monkeypatch)
    slow.go_on.set()
    async with watching(path, size=(120, 44)) as console:
        await console.press("enter", "-", "-")
        await console.sees("last hour  2 calls")
        slow.go_on.clear()
        await console.press("-")
        await console.sees("last 6 h  1 calls", "reading ...")
        await console.press("-")
        await console.sees("last 24 h  1 calls", "reading ...")
        slow.go_on.set()
        await console.sees("last 24 h  2 calls")


async def test_the_console_continues_when_a_file_is_replaced_during_a_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    await recorded(path)
    slow = Slow(monkeypatch)
    async with watching(path, size=(120, 44)) as console:
        await console.press("enter", "-", "-")
        await console.sees("reading ...")
        await console.wait_for(lambda: slow.begun == 1)
        before = console.app.feed.recording
        for file in tmp_path.glob("a.db*"):
            file.unlink()
        await recorded(path)
        await console.wait_for(lambda: console.app.feed.recording not in (None, before))
        slow.go_on.set()
        await console.sees("last hour  2 calls")


def test_the_charts_show_the_recorded_calls() -> None:
    board = fold(story(), alive=STORY_ENDS)
    row = board.adapters[AdapterKey(1, "prefect")]
    slices = slices_of(AdapterPast(tuple(row.seconds), tuple(row.changes)), at(STORY_ENDS), 120, 60, row.added_at)
    assert {one.state for one in slices} == {"closed", "open"}
    assert text_of(states_line(slices, 60, UNICODE)).count("✖") > 30
