"""A recording followed live: the Board is updated, and the status describes the engines."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from fuseboard_engine.events import RouteFinished
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import AdapterKey, Entry
from fuseboard_storage.board.presence import SILENT_AFTER
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording import tail as tail_module
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.recording.tail import ConnectionState, Tail
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import keyframes
from support.fake_engine import FakeEngine, answered, failed, opened
from support.waiting import until


async def test_an_empty_file_is_empty_until_an_engine_writes_to_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.touch()
    async with Tail.open(path) as tail:
        await tail.advance()
        assert tail.status.state is ConnectionState.EMPTY
        async with record(FakeEngine(), path):
            assert await tail.advance()
            assert tail.status.state is ConnectionState.LIVE
            assert [row.name for row in tail.board.rows()] == ["prefect", "agno"]


async def test_emitted_events_are_on_the_board_after_the_next_advance(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine = FakeEngine()
    async with record(engine, path) as recorder, Tail.open(path) as tail:
        assert await tail.advance()
        engine.emit(opened("prefect"))
        await recorder.flushed()
        assert await tail.behind() == 1
        assert await tail.advance()
        assert tail.board.adapters[AdapterKey(1, "prefect")].state == "open"
        assert await tail.behind() == 0


async def test_the_followed_board_equals_the_folded_board(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine = FakeEngine()
    async with record(engine, path) as recorder, Tail.open(path) as tail:
        for round_ in range(10):
            engine.emit(*[answered(f"{round_}.{n}") for n in range(300)])
            await recorder.flushed()
            await tail.advance()
        for row in tail.board.instances.values():
            row.heartbeat_at = row.started_at  # heartbeats are not entries
        async with Recording.open(path) as recording:
            assert keyframes.dump(tail.board) == keyframes.dump(await recording.board())


async def test_an_engine_without_a_heartbeat_is_silent_and_when_it_beats_again_it_is_live(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    offset = 0
    async with record(FakeEngine(), path), Tail.open(path, now=lambda: wall_clock() + offset) as tail:
        await tail.advance()
        assert tail.status.state is ConnectionState.LIVE
        offset = SILENT_AFTER + 2_000_000
        assert await tail.advance()
        assert tail.status.state is ConnectionState.SILENT
        offset = 0
        assert await tail.advance()
        assert tail.status.state is ConnectionState.LIVE


async def test_heartbeats_are_read_again_after_entries_took_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    passed, beat = 0.0, 0
    read = Recording.slice

    async def slow(self: Recording, *args: int) -> list[Entry]:
        nonlocal passed, beat
        found = await read(self, *args)
        if found:
            passed += 4.0
            beat = wall_clock() + 4_000_000
            with contextlib.closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("UPDATE instances SET heartbeat_at = ?", (beat,))
        return found

    async with record(FakeEngine(), path):
        pass
    monkeypatch.setattr(tail_module.time, "monotonic", lambda: passed)
    monkeypatch.setattr(Recording, "slice", slow)
    async with Tail.open(path) as tail:
        await tail.read_first()
        assert [row.heartbeat_at for row in tail.board.instances.values()] == [beat]


async def test_an_ended_engine_is_shown_as_ended_and_its_successor_as_live(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with record(FakeEngine(), path):
        pass
    async with Tail.open(path) as tail:
        await tail.advance()
        assert tail.status.state is ConnectionState.ENDED
        async with record(FakeEngine(), path):
            await tail.advance()
            assert tail.status.state is ConnectionState.LIVE
            assert [row.key.instance for row in tail.board.rows()] == [2, 2]


async def test_a_deleted_file_leaves_the_last_board_and_a_new_file_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with record(FakeEngine("old"), path):
        pass
    async with Tail.open(path) as tail:
        await tail.advance()
        path.unlink()
        await tail.advance()
        assert tail.status.state is ConnectionState.MISSING
        assert [row.name for row in tail.board.instances.values()] == ["old"]
        async with record(FakeEngine("new"), path):
            assert await tail.advance()
            assert tail.status.state is ConnectionState.LIVE
            assert [row.name for row in tail.board.instances.values()] == ["new"]


async def test_a_foreign_file_in_its_place_is_reported_as_trouble_and_following_continues(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with record(FakeEngine(), path):
        pass
    async with Tail.open(path) as tail:
        await tail.advance()
        path.unlink()
        path.write_text("a diary\n" * 50)
        await tail.advance()
        assert "not a recording" in tail.status.trouble
        assert not await tail.advance()
        assert "not a recording" in tail.status.trouble  # the second attempt reports the same
        assert list(tail.board.instances) == [1]
        path.unlink()
        async with record(FakeEngine(), path):
            await tail.advance()
            assert (tail.status.state, tail.status.trouble) == (ConnectionState.LIVE, "")


async def test_a_file_that_becomes_a_recording_in_its_place_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with record(FakeEngine(), path):
        pass
    async with record(FakeEngine("new"), tmp_path / "b.db"):
        pass
    async with Tail.open(path) as tail:
        await tail.advance()
        path.unlink()
        whole = (tmp_path / "b.db").read_bytes()
        path.write_bytes(whole[:50])  # an unfinished copy
        await tail.advance()
        assert tail.status.trouble
        with path.open("ab") as file:
            file.write(whole[50:])
        assert await tail.advance()
        assert tail.status.trouble == ""
        assert [row.name for row in tail.board.instances.values()] == ["new"]


async def test_the_new_entries_are_complete_however_many_have_arrived(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine = FakeEngine()
    taken: list[Entry] = []
    async with record(engine, path) as recorder, Tail.open(path) as tail:
        await tail.advance()
        before = tail.board.seq
        tail.on_entries = taken.extend
        for part in range(3):
            engine.emit(*[answered(f"{part}.{number}") for number in range(keyframes.EVERY)])
            await recorder.flushed()
        await tail.advance()
        assert [entry.seq for entry in taken] == list(range(before + 1, tail.board.seq + 1))
        assert sum(isinstance(entry.event, RouteFinished) for entry in taken) == 3 * keyframes.EVERY


async def test_failures_are_read_newest_first_and_by_adapter(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine = FakeEngine()
    async with record(engine, path) as recorder:
        for number in range(5):
            engine.emit(failed(f"{number}", adapter="prefect" if number % 2 else "agno"), answered())
        await recorder.flushed()
        async with Recording.open(path) as recording:
            assert [entry.event.task for entry in await recording.failures(3)] == ["4", "3", "2"]
            assert [entry.event.task for entry in await recording.failures(9, "prefect")] == ["3", "1"]


async def test_a_recording_is_unchanged_until_something_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = schema.connect(path)
    async with Recording.open(path) as recording:
        until(recording.unchanged)
        connection.execute("INSERT INTO event_log(at, instance, template, body) VALUES (1, 1, 1, '{}')")
        assert not recording.unchanged()
        assert await recording.entries() == []
        assert await recording.last_seq() == 1
        until(recording.unchanged)
    connection.close()
