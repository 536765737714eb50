"""Replays of real recordings: pausing, playing, stepping and seeking, and their display."""

from __future__ import annotations

import asyncio
from argparse import ArgumentTypeError
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuseboard_console.app.app import ConsoleApp
from fuseboard_console.cli.moments import micros, moment
from fuseboard_console.sources.live import LiveRecording
from fuseboard_console.sources.replay import SPEEDS, Replay
from fuseboard_console.text.glyphs import ASCII, UNICODE
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.views.frame.seek_bar import SeekView, seek_bar, time_at
from fuseboard_storage.recording.history import BreakerChange
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.recording.tail import Tail
from fuseboard_storage.tables.keyframes import dump
from support.console_story import NOON, SECOND, at, resize, settle, story, until
from support.console_watching import replaying
from support.replays import Watch, recorded, screen, shown


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story of the console's tests as a recording."""
    return recorded(tmp_path_factory.mktemp("replay") / "checkout.db", sorted(story(), key=lambda event: event.at))


async def test_a_replay_opens_paused_at_the_start(told: Path) -> None:
    async with Replay.open(told) as replay:
        assert (replay.position, replay.playing, replay.speed) == (NOON, False, 1.0)
        assert replay.end == max(event.at for event in story())
        assert "prefect" in {key.adapter for key in replay.board.adapters}


@pytest.mark.parametrize("speed", SPEEDS)
async def test_a_replay_plays_at_its_speed(told: Path, speed: float) -> None:
    watch = Watch()
    async with Replay.open(told, monotonic=watch) as replay:
        replay.set_speed(speed)
        replay.toggle()
        watch.seconds += 1.5
        await replay.advance()
        assert replay.position == at(1.5 * speed)


async def test_a_replay_stops_at_the_end(told: Path) -> None:
    watch = Watch()
    async with Replay.open(told, monotonic=watch) as replay:
        replay.toggle()
        watch.seconds += 10_000
        await replay.advance()
        assert (replay.position, replay.playing) == (replay.end, False)
        assert await replay.behind() == 0


async def test_time_that_passes_while_paused_is_not_caught_up(told: Path) -> None:
    watch = Watch()
    async with Replay.open(told, monotonic=watch) as replay:
        watch.seconds += 60
        await replay.advance()
        replay.toggle()
        watch.seconds += 1
        await replay.advance()
        assert replay.position == at(1)


@settings(max_examples=40, deadline=None)
@given(moves=st.lists(st.sampled_from(["seek 3", "seek 66", "seek 129.1", "skip -10", "skip 10", "step 1", "step -1",
                                       "change 1", "change -1", "start", "end"]), max_size=12))  # fmt: skip
def test_the_board_matches_the_position_after_any_move(told: Path, moves: list[str]) -> None:
    async def go() -> None:
        async with Replay.open(told) as replay, Recording.open(told) as recording:
            for move in moves:
                kind, _, value = move.partition(" ")
                if kind == "seek":
                    await replay.seek(at(float(value)))
                elif kind == "skip":
                    await replay.skip(float(value))
                elif kind == "step":
                    await replay.step(int(value))
                elif kind == "change":
                    await replay.to_change(int(value))
                elif kind == "start":
                    await replay.to_start()
                else:
                    await replay.seek(replay.end)
                assert replay.start <= replay.position <= replay.end
                there = await recording.board_at(seq=replay.board.seq)
                for board in (there, replay.board):
                    for row in board.instances.values():
                        row.heartbeat_at = 0  # a replay gives its engines the signs of life they had
                assert dump(there) == dump(replay.board)

    asyncio.run(go())


async def test_state_changes_are_stepped_through_forwards_and_backwards(told: Path) -> None:
    async with Replay.open(told) as replay:
        there = []
        while await replay.to_change(1):
            there.append(replay.board.seq)
        assert there == [change.seq for change in replay.changes]
        back = []
        while await replay.to_change(-1):
            back.append(replay.board.seq)
        assert back == there[-2::-1]


async def test_an_engine_that_was_alive_then_is_shown_alive(told: Path) -> None:
    async with shown(told) as (show, pilot):
        await until(lambda: "REPLAY" in screen(show), pilot)
        await show.seek(at(60))
        await until(lambda: "14:01:00" in screen(show), pilot)
        assert "silent" not in screen(show)


async def test_the_seek_bar_differs_from_live_and_its_keys_seek(told: Path) -> None:
    async with shown(told) as (show, pilot):
        await until(lambda: "REPLAY ×1" in screen(show) and "2025-11-21 14:00:00.0" in screen(show), pilot)
        await pilot.press("right")
        await until(lambda: "14:00:10.0" in screen(show), pilot)
        await pilot.press("right_curly_bracket", "right_curly_bracket")
        await until(lambda: "14:00:30.0" in screen(show), pilot)
        await pilot.press("left_curly_bracket")
        await until(lambda: "14:00:20.0" in screen(show) and "HELD OPEN" in screen(show), pilot)
        await pilot.press("greater_than_sign", "greater_than_sign")
        await until(lambda: "REPLAY ×4" in screen(show), pilot)
        await pilot.press("space")
        await until(lambda: "14:00:20.0" not in screen(show), pilot)
        await pilot.press("left_parenthesis")
        await until(lambda: "14:00:00.0" in screen(show), pilot)


async def test_no_command_can_be_sent_in_a_replay(told: Path) -> None:
    async with shown(told) as (show, pilot):
        await until(lambda: "prefect" in screen(show) and "read-only" in screen(show), pilot)
        assert "r reset" not in screen(show)
        for key in ("r", "R", "o"):
            await pilot.press(key)
            await settle(pilot)
            assert len(show.screen_stack) == 1
        await until(lambda: "This is a replay" in screen(show), pilot)  # where the keys stood


async def test_a_live_recording_is_rewound_and_one_key_returns(told: Path) -> None:
    async with Tail.open(told) as tail:
        live = LiveRecording(tail)
        await live.advance()
        app = ConsoleApp(live, file="checkout.db", mailbox=live, now=lambda: at(131), poll=0.01)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await until(lambda: "● live" in screen(app), pilot)
            await pilot.press("left_curly_bracket")
            await until(lambda: "REPLAY" in screen(app) and " −00:" in screen(app) and "L live" in screen(app), pilot)
            assert "● live" not in screen(app)
            await pilot.press("r")
            await until(lambda: "This is a replay" in screen(app), pilot)
            await pilot.press("L")
            await until(lambda: "● live" in screen(app) and "REPLAY" not in screen(app), pilot)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("03:12", "2026-01-31 03:12:00"),
        ("23:30:05", "2026-01-30 23:30:05"),
        ("2026-01-02T03:04:05", "2026-01-02 03:04:05"),
    ],
)
def test_a_time_of_day_is_the_last_one_before_the_end(text: str, means: str) -> None:
    end = round(datetime(2026, 1, 31, 22, 0).timestamp() * SECOND)
    assert micros(moment(text), end) == round(datetime.fromisoformat(means).timestamp() * SECOND)


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "03:12:99", "-5"])
def test_an_invalid_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="03:12"):
        moment(text)


async def test_a_click_on_the_bar_goes_there(told: Path) -> None:
    async with shown(told) as (show, pilot):
        await until(lambda: "REPLAY" in screen(show), pilot)
        bar = show.renderer.seek_bar
        await pilot.click("#header", offset=(bar.first + bar.cells - 1, 0))
        await until(lambda: "14:02:1" in screen(show), pilot)


@pytest.mark.parametrize("cells", [1, 5, 12, 20, 40, 60, 80, 120, 200, 300])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("back", [None, 3.0, 90_000.0])
@pytest.mark.parametrize("where", [(), ("checkout.db", "Overview"), ("x" * 90, "Dead letters", "pending", "y" * 90)])
def test_the_bar_fits_every_width(cells: int, glyphs: object, back: float | None, where: tuple[str, ...]) -> None:
    changes = [
        BreakerChange(1, at(5), "open"),
        BreakerChange(2, at(5.1), "closed"),
        BreakerChange(3, at(60), "half_open"),
    ]
    view = SeekView(at(30), at(0), at(60), 4.0, True, back, changes, where)
    bar = seek_bar(view, cells, glyphs)  # type: ignore[arg-type]
    assert line_width(bar.line) == cells
    if cells >= 20:
        assert "REPLAY" in text_of(bar.line)
    if bar.cells:
        assert time_at(view, bar, bar.first) == at(0)
        assert time_at(view, bar, bar.first + bar.cells - 1) == at(60)
    assert time_at(view, bar, bar.first + bar.cells) is None


async def test_the_seek_bar_shows_the_page_as_the_live_header_does(told: Path) -> None:
    async with replaying(told, size=(200, 30)) as console:
        await console.sees("REPLAY", "checkout.db › Overview")
        await console.press("2")
        await console.sees("checkout.db › Routes")
        await console.press("enter")
        await console.sees("checkout.db › Routes › Route of #")
        await console.press("escape")
        await resize(console.pilot, 100, 24)
        await console.sees("REPLAY", "› Routes")
        assert "checkout.db" not in console.screen().splitlines()[0]


@pytest.mark.parametrize("size", [(40, 10), (60, 18), (80, 24), (120, 40)])
async def test_the_seek_bar_says_the_health_of_the_whole_at_its_position(told: Path, size: tuple[int, int]) -> None:
    async with replaying(told, size=size) as console:
        await console.sees("REPLAY")
        await console.app.seek(at(21))
        await console.sees("14:00:21", "IMPAIRED")
        line = console.screen().splitlines()[0]
        assert "1 ■" in line or size[0] < 80
        await console.app.seek(at(0.5))
        await console.sees("14:00:00.5")
        assert "IMPAIRED" not in console.screen().splitlines()[0]


def test_a_tick_shows_the_most_severe_event_in_its_cell() -> None:
    changes = [
        BreakerChange(1, at(30), "closed"),
        BreakerChange(2, at(30.1), "open"),
        BreakerChange(3, at(30.2), "half_open"),
    ]
    bar = seek_bar(SeekView(at(0), at(0), at(60), 1.0, False, None, changes), 80, UNICODE)
    assert text_of(bar.line).count("✖") == 1
    assert "◐" not in text_of(bar.line)
