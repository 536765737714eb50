"""A replay that is moved while it plays, over keyframes and unreadable files: its Board is always the right one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fuseboard_console.sources.replay import CHUNK, KEYFRAME_DISTANCE, Replay
from fuseboard_engine.events import Event
from fuseboard_storage.board.board import Board
from fuseboard_storage.recorder.retention import Retention, apply_retention
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import keyframes as keyframe
from fuseboard_storage.tables.keyframes import KeyframeMaker, dump
from fuseboard_storage.tables.marks import Moment
from support.console_story import NOON, SECOND, added, answered, at, changed, opened, started, stopped, story
from support.console_watching import replaying, watching
from support.replays import Watch, recorded

BUSY = 100
"""Calls a second."""


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four minutes of an engine with a hundred calls a second; breakers that open and close; keyframes."""
    events: list[Event] = [started(0), *(added(f"a{number}") for number in range(10))]
    for second in range(1, 240):
        events += [answered(f"a{call % 10}", second + call / BUSY, 0.01, f"{second}-{call}") for call in range(BUSY)]
        if second % 7 == 0:
            events.append(opened(f"a{second % 10}", second + 0.999))
        if second % 7 == 3:
            events.append(changed(f"a{(second - 3) % 10}", "closed", second + 0.999, before="open"))
    path = recorded(tmp_path_factory.mktemp("busy") / "a.db", events)
    keyframes(path)
    return path


def keyframes(path: Path) -> None:
    connection = schema.connect(path)
    maker = KeyframeMaker(connection, 2_000)
    while maker.step():
        pass
    connection.close()


def known(board: Board) -> bytes:
    """A Board, without the signs of life that a replay gives its engines."""
    for row in board.instances.values():
        row.heartbeat_at = 0
    return dump(board)


async def is_right(replay: Replay) -> bool:
    async with Recording.open(replay.recording.path) as recording:
        there = await recording.board_at(seq=replay.board.seq)
        until = await recording.board_at(at=replay.position)
    return known(replay.board) == known(there) and until.seq >= replay.board.seq and replay.board.at <= replay.position


Move = Callable[[Replay], Awaitable[object]]
MOVES: dict[str, Move] = {
    "seek back": lambda replay: replay.seek(at(20)),
    "seek on": lambda replay: replay.seek(at(230)),
    "skip back": lambda replay: replay.skip(-30),
    "skip on": lambda replay: replay.skip(30),
    "step back": lambda replay: replay.step(-1),
    "step on": lambda replay: replay.step(1),
    "change before": lambda replay: replay.to_change(-1),
    "change after": lambda replay: replay.to_change(1),
    "start": lambda replay: replay.to_start(),
    "end": lambda replay: replay.seek(replay.end),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("under_way", [0, 1, 2, 3, 5, 8, 13])
async def test_a_seek_during_play_ends_at_its_target_with_the_board_of_that_time(
    busy: Path, move: str, under_way: int
) -> None:
    watch = Watch()
    async with Replay.open(busy, at=at(60), monotonic=watch) as replay, Replay.open(busy) as alone:
        replay.set_speed(64)
        replay.toggle()
        watch.seconds += 1.5  # a hundred seconds to be played, in one go
        playing = asyncio.ensure_future(replay.advance())
        for _ in range(under_way):
            await asyncio.sleep(0)
        went = asyncio.ensure_future(MOVES[move](replay))
        await asyncio.sleep(0)
        await asyncio.gather(playing, went)
        assert await is_right(replay)
        if move in ("seek back", "seek on", "start", "end"):  # they go to a place, wherever they began
            await MOVES[move](alone)
            assert (replay.position, replay.board.seq) == (alone.position, alone.board.seq)
        if move not in ("seek back", "seek on", "skip back", "skip on", "end"):
            assert not replay.playing
            stands = replay.position
            watch.seconds += 60
            await replay.advance()
            assert replay.position == stands


async def test_concurrent_seeks_run_one_after_the_other(busy: Path) -> None:
    async with Replay.open(busy) as replay:
        await asyncio.gather(replay.seek(at(200)), replay.seek(at(100)), replay.step(1), replay.step(1))
        assert await is_right(replay)
        expected = replay.board.seq
        await replay.seek(at(100))
        assert replay.board.seq == expected - 2


async def test_a_seek_does_not_wait_for_pending_events(busy: Path) -> None:
    watch = Watch()
    async with Replay.open(busy, monotonic=watch) as replay:
        replay.set_speed(64)
        replay.toggle()
        watch.seconds += 3
        playing = asyncio.ensure_future(replay.advance())
        await asyncio.sleep(0)
        await replay.step(1)
        assert replay.board.seq <= 2 * CHUNK  # of nineteen thousand
        await playing


@pytest.mark.parametrize("seconds", [0.5, 30, 119.5, 239])
async def test_a_distant_seek_gives_the_same_board_as_folding(busy: Path, seconds: float) -> None:
    async with Replay.open(busy, at=at(seconds)) as there, Replay.open(busy) as replay:
        assert there.end - there.start > 200 * SECOND
        await replay.seek(at(seconds))
        assert known(there.board) == known(replay.board)
        async with Recording.open(busy) as recording:
            folded = Board()
            for entry in await recording.entries(limit=100_000):
                if entry.event.at <= at(seconds):
                    folded.apply(entry)
        assert known(folded) == known(replay.board)
        assert (seconds < 100) == (replay.board.seq < KEYFRAME_DISTANCE)


async def test_the_board_before_the_oldest_kept_event_comes_from_its_keyframe(tmp_path: Path) -> None:
    events: list[Event] = [started(0), added("gpt"), *(answered("gpt", 1 + n / 100, task=f"{n}") for n in range(3_000))]
    path = recorded(tmp_path / "a.db", events)
    keyframes(path)
    async with Replay.open(path) as early:
        connection = schema.connect(path)
        while apply_retention(connection, Retention(most_events=500), Moment(NOON, "boot", 0)):
            pass
        connection.close()
        async with Replay.open(path) as replay:
            assert [row.name for row in replay.board.rows()] == ["gpt"]
            assert replay.start > at(20)
            await replay.step(1)
            assert await is_right(replay)
        await early.seek(at(30))  # it stood before what was let go meanwhile
        assert await is_right(early)


async def test_an_unreadable_file_moves_nothing_and_is_reported_until_it_recovers(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.db", story())
    whole = path.read_bytes()
    watch = Watch()
    async with Replay.open(path, at=at(60), monotonic=watch) as replay:
        stood = replay.position, known(replay.board)
        os.truncate(path, 0)
        replay.toggle()
        watch.seconds += 1.5
        assert await replay.advance()
        assert replay.trouble.startswith("a.db ")
        for move in ("seek back", "skip back", "step back", "change before", "start"):
            await MOVES[move](replay)
            assert (replay.position, known(replay.board)) == stood
        await replay.seek(replay.end)  # as far as it had been read already
        assert replay.trouble.startswith("a.db ")
        assert replay.board.at <= replay.position < replay.end
        path.write_bytes(whole)
        watch.seconds += 1.5
        assert await replay.advance()
        assert replay.trouble == ""
        await replay.step(1)
        assert await is_right(replay)


async def test_the_console_continues_a_replay_whose_file_was_truncated(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.db", story())
    async with replaying(path, at=at(60)) as console:
        await console.sees("REPLAY", "prefect")
        os.truncate(path, 0)
        await console.press("space")
        await console.sees("a.db is damaged")
        for key in ("right_curly_bracket", "left_curly_bracket", "left", "right", "left_square_bracket"):
            await console.press(key)
        await console.sees("a.db is damaged", "prefect")


async def test_a_paused_view_of_a_deleted_file_cannot_seek(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.db", story())
    async with watching(path) as console:
        await console.sees("prefect")
        await console.press("space")
        await console.sees("PAUSED")
        for file in tmp_path.iterdir():
            file.unlink()
        await console.press("left_square_bracket")
        await console.hears("The past cannot be shown now: a.db is gone.")
        recorded(path, [started(0, "billing"), added("other")])
        await console.press("left_curly_bracket")
        await console.hears("a.db was replaced by another recording")
        await console.sees("PAUSED", "prefect")


async def test_the_key_for_live_goes_back_from_a_detail_of_the_past_too(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.db", story())
    async with watching(path) as console:
        await console.sees("prefect")
        await console.press("left_square_bracket")
        await console.sees("This is the past:")
        await console.press("enter")
        await console.sees("esc close")
        await console.press("L")
        await console.sees("Back at the present: no engine is writing.")
        await console.sees_no("esc close")


async def test_marks_belong_to_the_session_in_which_they_were_set(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.db", story())
    async with watching(path) as console:
        await console.sees("prefect")
        await console.press("x")
        await console.sees("1 marked")
        await console.press("left_square_bracket")
        await console.sees("This is the past:")
        await console.sees_no("1 marked")
        await console.press("x", "x")
        await console.sees("2 marked")
        await console.press("L")
        await console.sees("Back at the present: no engine is writing.")
        await console.sees_no("2 marked")


async def test_the_past_of_an_ended_engine_says_nothing_of_an_engine_that_is_back(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.db", [*story(), stopped(130)])
    async with watching(path) as console:
        await console.sees("The engine ended at")
        await console.press("left_square_bracket")
        await console.hears("This is the past: engines take no commands here. L goes back to the present.")
        await console.press("left_curly_bracket")  # the engine lives then
        await console.sees("REPLAY")
        await console.pilot.pause()
        assert [notice.message for notice in console.app._notifications] == [
            "This is the past: engines take no commands here. L goes back to the present."
        ]
        await console.press("L")
        await console.sees("Back at the present: no engine is writing.")


def test_a_chunk_is_less_than_what_a_keyframe_saves() -> None:
    assert CHUNK < KEYFRAME_DISTANCE == 2 * keyframe.EVERY
