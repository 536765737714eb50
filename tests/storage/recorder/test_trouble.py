"""Recording while the disk is full, locked or gone: calls continue, and lost events are counted and reported."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
from pathlib import Path

import pytest

from fuseboard_engine.events import AdapterAdded, EngineStarted, EventsDropped, RouteFinished, StateChanged
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from support.fake_engine import NOON, FakeEngine, answered, opened
from support.waiting import until


async def entries(path: Path) -> list:
    async with Recording.open(path) as recording:
        return [entry.event for entry in await recording.entries(limit=1_000_000)]


def lock(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


async def test_events_wait_while_another_program_locks_the_file_and_are_then_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.db"
    engine = FakeEngine()
    with caplog.at_level(logging.WARNING, "fuseboard.recorder"):
        async with record(engine, path) as recorder:
            await recorder.flushed()
            other = lock(path)
            engine.emit(*[answered(f"{number}") for number in range(100)])
            await asyncio.to_thread(until, lambda: "cannot be written" in caplog.text)
            assert recorder.waiting > 0
            other.execute("ROLLBACK")
            other.close()
            await recorder.flushed()
            assert "can be written again" in caplog.text
    assert [e.task for e in await entries(path) if isinstance(e, RouteFinished)] == [f"{n}" for n in range(100)]
    assert recorder.dropped == 0


async def test_a_full_buffer_drops_the_oldest_ordinary_events_and_the_recording_counts_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.db"
    engine = FakeEngine()
    async with record(engine, path, buffer_size=100) as recorder:
        await recorder.flushed()
        other = lock(path)
        engine.emit(opened())
        for number in range(500):
            engine.emit(answered(f"{number}"))
        await asyncio.to_thread(until, lambda: "have been dropped" in caplog.text)
        other.execute("ROLLBACK")
        other.close()
        await recorder.flushed()
    found = await entries(path)
    kept = [e.task for e in found if isinstance(e, RouteFinished)]
    reported = sum(e.count for e in found if isinstance(e, EventsDropped))
    assert kept[-1] == "499"
    assert kept == sorted(kept, key=int)
    assert len(kept) + reported == 500
    assert reported == recorder.dropped > 0
    assert [type(e) for e in found].count(StateChanged) == 1
    async with Recording.open(path) as recording:
        board = await recording.board()
        (span,) = await recording.spans(NOON, NOON + 1)
    assert board.dropped == reported
    assert span.calls == 500, "counters stay exact whatever was let go"


async def test_a_full_disk_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    path = tmp_path / "a.db"
    connections: list[sqlite3.Connection] = []
    connect = schema.connect

    def remembered(*args, **kwargs) -> sqlite3.Connection:
        connections.append(connect(*args, **kwargs))
        return connections[-1]

    monkeypatch.setattr(schema, "connect", remembered)
    engine = FakeEngine()
    async with record(engine, path) as recorder:
        await recorder.flushed()
        connections[-1].execute("PRAGMA max_page_count = 1")  # SQLite raises it to the file's current size
        engine.emit(*[answered(f"{number}", at=NOON + number) for number in range(5_000)])
        await asyncio.to_thread(until, lambda: "disk is full" in caplog.text)
        engine.emit(answered("still"))
        connections[-1].execute("PRAGMA max_page_count = 1000000")
        await recorder.flushed()
    tasks = [e.task for e in await entries(path) if isinstance(e, RouteFinished)]
    assert tasks == [*(f"{number}" for number in range(5_000)), "still"]


async def test_a_file_that_stays_locked_does_not_prevent_the_applications_exit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.db"
    engine = FakeEngine()
    recorder = record(engine, path, close_timeout=0.1)
    async with recorder:
        await recorder.flushed()
        other = lock(path)
        engine.emit(answered("lost"))
        barrier = asyncio.create_task(recorder.flushed())
        await asyncio.sleep(0)
    with pytest.raises(RecordingError, match="could not be written"):
        await barrier
    assert "its last 2 events are lost" in caplog.text
    other.close()


async def test_a_file_that_is_locked_from_the_start_does_not_prevent_the_applications_start(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    schema.connect(path).close()
    other = lock(path)
    engine = FakeEngine()
    async with record(engine, path) as recorder:
        engine.emit(answered("early"))
        other.close()
        await recorder.flushed()
    assert [e.task for e in await entries(path) if isinstance(e, RouteFinished)] == ["early"]


@pytest.mark.parametrize("how", ["deleted", "moved"])
async def test_a_deleted_or_moved_file_is_replaced_by_a_new_one(how: str, tmp_path: Path, caplog) -> None:
    path = tmp_path / "a.db"
    engine = FakeEngine()
    async with record(engine, path) as recorder:
        engine.emit(answered("old"))
        await recorder.flushed()
        if how == "deleted":
            path.unlink()
        else:
            path.rename(tmp_path / "b.db")
        engine.emit(answered("new"))
        await recorder.flushed()
    found = await entries(path)
    assert [type(e) for e in found[:2]] == [EngineStarted, AdapterAdded]
    assert [e.task for e in found if isinstance(e, RouteFinished)] == ["new"]
    assert "a new recording starts" in caplog.text
    if how == "moved":
        moved = await entries(tmp_path / "b.db")
        assert [e.task for e in moved if isinstance(e, RouteFinished)] == ["old"]


async def test_a_folder_that_disappears_and_returns_is_temporary_trouble(tmp_path: Path, caplog) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    engine = FakeEngine()
    async with record(engine, folder / "a.db") as recorder:
        await recorder.flushed()
        shutil.rmtree(folder)
        engine.emit(answered("new"))
        await asyncio.to_thread(until, lambda: "cannot be written" in caplog.text)
        folder.mkdir()
        await recorder.flushed()
    assert [e.task for e in await entries(folder / "a.db") if isinstance(e, RouteFinished)] == ["new"]


async def test_one_event_that_cannot_be_stored_does_not_stop_the_others(tmp_path: Path, caplog) -> None:
    engine = FakeEngine()
    async with record(engine, tmp_path / "a.db") as recorder:
        engine.emit(answered("a"), answered("bad", at=2**70), answered("b"))
        await recorder.flushed()
    found = await entries(tmp_path / "a.db")
    assert sorted(e.task for e in found if isinstance(e, RouteFinished)) == ["a", "b"]
    assert sum(e.count for e in found if isinstance(e, EventsDropped)) == 1
