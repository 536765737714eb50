"""The recorder's thread survives whatever happens in it, and everybody who waits for it is answered."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine.errors import FuseboardError
from fuseboard_engine.events import Event, RouteFinished
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recorder.restore import restore_now
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite.worker_thread import WorkerThread
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters
from fuseboard_storage.tables import events
from support.fake_engine import FakeEngine, answered
from support.waiting import PATIENCE, until

LIMIT = PATIENCE  # nothing here takes long unless it hangs


@pytest.fixture(autouse=True)
def died(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    found: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: found.append(repr(args.exc_value)))
    yield found
    assert not found, "a thread died"


def lock(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


async def tasks(path: Path) -> list[str]:
    async with Recording.open(path) as recording:
        found = [entry.event for entry in await recording.entries(limit=100_000)]
    return [event.task for event in found if isinstance(event, RouteFinished)]


async def test_a_waiter_that_gave_up_does_not_leave_the_others_waiting(tmp_path: Path) -> None:
    recorder = record(FakeEngine(), tmp_path / "a.db", close_timeout=0.3)
    async with recorder:
        await recorder.flushed()
        other = lock(tmp_path / "a.db")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(recorder.flushed(), 0.05)
        waits = [asyncio.create_task(recorder.flushed()) for _ in range(3)]
        await asyncio.sleep(0)
    async with asyncio.timeout(LIMIT):
        assert [type(error) for error in await asyncio.gather(*waits, return_exceptions=True)] == [RecordingError] * 3
    other.close()


async def test_a_start_that_was_given_up_ends_the_thread_in_order(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        recorder = record(FakeEngine(), tmp_path / "a.db", close_timeout=0.1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await recorder.__aenter__()
        other.execute("ROLLBACK")
    other.close()
    assert recorder._thread is not None
    await asyncio.to_thread(recorder._thread.join, LIMIT)
    assert not recorder._thread.is_alive()


def test_a_barrier_set_while_the_thread_ends_is_answered(tmp_path: Path) -> None:
    recorder = record(FakeEngine(), tmp_path / "a.db")
    recorder.start()
    recorder.close()
    recorder._closed = False  # as it was for a thread that asked just before
    with pytest.raises(RecordingError, match="could not be written"):
        recorder.flush(LIMIT)


@pytest.mark.parametrize("name", ["caf\udce9", "a\x00b", "\N{SNOWMAN}", ""])
async def test_an_engine_with_an_odd_name_is_recorded_and_restored(name: str, tmp_path: Path) -> None:
    engine = FakeEngine(name, adapters=("ad\udce9", "agno"))
    async with asyncio.timeout(LIMIT):
        async with record(engine, tmp_path / "a.db") as recorder:
            engine.emit(answered("1", adapter="ad\udce9"))
            await recorder.flushed()
    assert await tasks(tmp_path / "a.db") == ["1"]
    engine = FakeEngine(name)
    engine.registry = ()  # type: ignore[attr-defined]
    assert restore_now(engine, tmp_path / "a.db").why_fresh == ""
    store = SqliteDeadLetters(tmp_path / "a.db")
    assert await store.claim_due(name, "c", 1, 2) is None
    assert await store.next_due(name, 1) is None
    assert await store.chains_due(name, 1) == []
    await store.close()


@pytest.mark.parametrize("board", [b"no keyframe", None, b"x\x9c\x03\x00\x00\x00\x00\x01", "text", 17])
async def test_a_damaged_keyframe_does_not_prevent_recording(board: object, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with record(FakeEngine(), path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE keyframes")
        connection.execute("CREATE TABLE keyframes(seq INTEGER PRIMARY KEY, at INTEGER, format INTEGER, board)")
        connection.execute("CREATE INDEX keyframes_at ON keyframes(at, seq)")
        connection.executemany("INSERT INTO keyframes VALUES (1, 1, ?, ?)", [(_format(), board)])
    connection.close()
    engine = FakeEngine()
    async with asyncio.timeout(LIMIT):
        async with record(engine, path) as recorder:
            engine.emit(answered("1"))
            await recorder.flushed()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM events WHERE kind = 'route_finished'").fetchone() == (1,)
    connection.close()


def _format() -> int:
    from fuseboard_storage.tables import keyframes

    return keyframes.FORMAT


async def test_rows_that_are_null_do_not_stop_the_recorder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.db"
    async with record(FakeEngine(), path):
        pass
    with sqlite3.connect(path) as connection:
        for table in ("instances", "commands"):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            connection.execute(f"DROP TABLE {table}")
            loose = ", ".join("id INTEGER PRIMARY KEY" if column == "id" else column for column in columns)
            connection.execute(f"CREATE TABLE {table}({loose})")
        connection.execute("INSERT INTO instances(id) VALUES (7)")
        connection.execute("INSERT INTO commands(id, status, expires_at) VALUES (9, 'pending', 1)")
    connection.close()
    engine = FakeEngine()
    async with asyncio.timeout(LIMIT):
        async with record(engine, path) as recorder:
            engine.emit(answered("1"))
            await recorder.flushed()
    assert await tasks(path) == ["1"]
    assert len([line for line in caplog.records if line.levelno >= logging.ERROR]) <= 1, "each error is logged once"


class UndescribableEngine(FakeEngine):
    sampled = 0

    def describe(self) -> list[Event]:
        raise ZeroDivisionError("no state")

    def gauges(self) -> dict[str, tuple[int, int]]:
        self.sampled += 1
        raise SystemExit(3)


async def test_an_engine_that_cannot_be_described_is_recorded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine = UndescribableEngine()
    async with asyncio.timeout(LIMIT):
        async with record(engine, tmp_path / "a.db") as recorder:
            await asyncio.to_thread(until, lambda: "unexpected error" in caplog.text)
            engine.emit(answered("1"))
            await recorder.flushed()
            await asyncio.to_thread(until, lambda: engine.sampled > 2)
    assert await tasks(tmp_path / "a.db") == ["1"]
    assert caplog.text.count("unexpected error") == 1


async def test_keyframes_that_cannot_be_made_are_reported_once_and_events_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from fuseboard_storage.tables.keyframes import KeyframeMaker

    tried = []

    def fold(self: KeyframeMaker, most: int = 0) -> bool:
        tried.append(1)
        raise sqlite3.OperationalError("Could not decode to UTF-8 column 'body'")

    monkeypatch.setattr(KeyframeMaker, "fold", fold)
    engine = FakeEngine()
    async with record(engine, tmp_path / "a.db") as recorder:
        for number in range(600):
            engine.emit(answered(f"{number}"))
        await recorder.flushed()
        await asyncio.to_thread(until, lambda: len(tried) >= 2)
        engine.emit(answered("last"))
        await recorder.flushed()
    assert len(await tasks(tmp_path / "a.db")) == 601
    assert len(caplog.records) == 1, caplog.text


async def test_the_same_error_of_the_file_is_logged_once_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = record(FakeEngine(), tmp_path / "a.db")
    writer = recorder._writer
    for _ in range(20):
        writer._note_failure(sqlite3.OperationalError("disk I/O error"))
        writer._note_recovery()
    assert [line.getMessage().partition(": ")[0].partition(",")[0] for line in caplog.records] == [
        f"{tmp_path / 'a.db'} cannot be written",
        f"{tmp_path / 'a.db'} can be written again",
    ]


def test_a_job_that_fails_does_not_end_the_worker_thread(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()
    thread = WorkerThread("test")

    def fails() -> None:
        raise SystemExit

    thread.submit(fails)
    thread.submit(done.set)
    assert done.wait(LIMIT)
    thread.shut_down()
    assert caplog.text.count("A job of the thread test failed") == 1


async def test_a_recorder_closed_by_its_own_thread_does_not_wait_for_itself(tmp_path: Path) -> None:
    class ClosingEngine(FakeEngine):
        def gauges(self) -> dict[str, tuple[int, int]]:
            closing.close("by itself")
            return {}

    engine = ClosingEngine()
    closing = record(engine, tmp_path / "a.db")
    closing.start()
    assert closing._thread is not None
    await asyncio.to_thread(closing._thread.join, LIMIT)
    assert not closing._thread.is_alive()
    with pytest.raises(FuseboardError):
        closing.flush()


async def test_events_that_wait_for_a_locked_file_beside_one_that_cannot_be_stored_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert, refused = events.insert, []

    def insert_or_refuse(connection: sqlite3.Connection, instance: int, given: list[Event], *rest: Any) -> None:
        tasks = [getattr(event, "task", "") for event in given]
        if "poison" in tasks:
            raise ValueError("cannot be stored")
        if tasks in (["1"], ["2"], ["3"]) and len(refused) < 3:
            refused.append(tasks)
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        insert(connection, instance, given, *rest)

    engine, path = FakeEngine(), tmp_path / "a.db"
    async with record(engine, path) as recorder:
        await recorder.flushed()
        monkeypatch.setattr(events, "insert", insert_or_refuse)
        with recorder._writer._store.gate:  # so that all of them are in one batch
            engine.emit(*(answered(task) for task in ("1", "poison", "2", "3")))
            flushed = asyncio.ensure_future(recorder.flushed())
            await asyncio.sleep(0)
        await flushed
        async with Recording.open(path) as recording:
            tasks = [entry.event.task for entry in await recording.events(kinds=RouteFinished)]  # type: ignore[attr-defined]
    assert len(refused) == 3
    assert tasks == ["1", "2", "3"]
