"""A recording that starts in place of another one says so: an event, the Board, `status` and the banner."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fuseboard_console.text.line import text_of
from fuseboard_console.views.adapters.engine_presence import connection_of
from fuseboard_console.views.events.narrator import EventNarrator
from fuseboard_console.views.frame.banner import RESTART_SHOWN, banner
from fuseboard_console.views.lists.status import status_json, status_text
from fuseboard_engine.events import RecordingRestarted
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import Board
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.tables import keyframes
from support.dead_letter_files import add
from support.fake_engine import FakeEngine, answered


async def told(path: Path) -> tuple[list[RecordingRestarted], Board]:
    async with Recording.open(path) as recording:
        entries = await recording.slice(0, 1_000)
        events = [entry.event for entry in entries if isinstance(entry.event, RecordingRestarted)]
        return events, await recording.board()


async def recorded(path: Path) -> None:
    engine = FakeEngine()
    async with record(engine, path) as recorder:
        engine.emit(answered("old"))
        await recorder.flushed()


async def test_a_recording_that_starts_by_itself_says_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        await recorded(tmp_path / "a.db")
    events, board = await told(tmp_path / "a.db")
    assert (events, board.restarted) == ([], None)


@pytest.mark.parametrize("how", ["at the start", "while it is open"])
async def test_a_damaged_recording_is_named_by_the_one_that_takes_its_place(how: str, tmp_path: Path) -> None:
    path, engine = tmp_path / "a.db", FakeEngine()
    await recorded(path)
    if how == "at the start":
        spoil(path)
    async with record(engine, path) as recorder:
        if how == "while it is open":
            await recorder.flushed()
            os.truncate(path, 5_000)
            engine.emit(answered("new"))
        await recorder.flushed()
    (event,), board = await told(path)
    assert event.moved_to == f"{path}.damaged-1"
    assert Path(event.moved_to).exists()
    assert board.restarted == event
    await recorded(path)
    assert (await told(path))[0] == [event]


def spoil(path: Path) -> None:
    """Overwrite all pages but the first with noise."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))


async def test_a_moved_recording_is_told_of_with_the_letters_that_it_holds(tmp_path: Path) -> None:
    path, engine = tmp_path / "a.db", FakeEngine()
    async with record(engine, path) as recorder:
        await recorder.flushed()
        await add(path, {}, {})
        path.rename(tmp_path / "b.db")
        engine.emit(answered("new"))
        await recorder.flushed()
    (event,), _ = await told(path)
    assert (event.why, event.moved_to, event.letters) == ("was moved or deleted", "", 2)
    assert (await told(tmp_path / "b.db"))[0] == []


async def test_the_first_events_of_the_new_recording_are_complete(tmp_path: Path) -> None:
    path, engine = tmp_path / "a.db", FakeEngine()
    async with record(engine, path) as recorder:
        await recorder.flushed()
        path.unlink()
        engine.emit(answered("new"))
        await recorder.flushed()
    async with Recording.open(path) as recording:
        kinds = [type(entry.event).__name__ for entry in await recording.slice(0, 10)]
    assert kinds.index("EngineStarted") < kinds.index("RecordingRestarted") < kinds.index("RouteFinished")


async def test_status_banner_and_lines_say_what_happened(tmp_path: Path) -> None:
    path, engine = tmp_path / "a.db", FakeEngine()
    await recorded(path)
    spoil(path)
    async with record(engine, path) as recorder:
        await recorder.flushed()
        (event,), board = await told(path)
        board = keyframes.load(keyframes.dump(board))
        at = event.at
        assert "New recording, because the previous one is damaged" in status_text(board, "a.db", at, colour=False)
        assert f"{path}.damaged-1" in status_text(board, "a.db", at, colour=False)
        assert status_json(board, "a.db", at)["recording_restarted"] == {
            "at": event.at,
            "why": event.why,
            "moved_to": event.moved_to,
            "dead_letters_left": 0,
        }
        assert "New recording, because" in (EventNarrator(None).narrate(event) or "")
        async with Recording.open(path) as recording:
            await recording.bring_up_to_date(board, wall_clock())
        connection = connection_of(board, wall_clock())
        assert "New recording, because" in text_of(banner(connection, "", board.restarted, event.at))
        assert banner(connection, "", board.restarted, event.at + RESTART_SHOWN) == ()
