"""Opening and closing a recording take a limited time, whatever the file and the disk do."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fuseboard_engine import DeadLetterPolicy, Engine, RetryPolicy
from fuseboard_engine.events import EngineStopped, EventsDropped, RouteFinished
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder import writer
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.write_lock import LockingConnection
from fuseboard_storage.tables import events
from support.fake_engine import NOON, FakeEngine, answered
from support.waiting import PATIENCE, until

SLACK = 4.0  # seconds that a busy machine may add; SQLite itself would wait 5 for a lock


@contextmanager
def locked(path: Path, how: str = "EXCLUSIVE") -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute(f"BEGIN {how}")
        yield other


class Stall:
    """A disk that answers no more: each commit waits until `end`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on = False
        self._ended = threading.Event()
        insert = events.insert

        def stalled(*arguments: object) -> None:
            if self.on:
                self._ended.wait(30.0)
            insert(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(events, "insert", stalled)

    def end(self) -> None:
        self.on = False
        self._ended.set()


@pytest.fixture
def stall(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stall]:
    made = Stall(monkeypatch)
    yield made
    made.end()


def failing(name: str = "app") -> Engine:
    engine = Engine(name, retry=RetryPolicy(max_attempts=1), dead_letters=DeadLetterPolicy(automatic_retry=False))

    async def bad(task: object) -> None:
        raise ConnectionError("down")

    engine.add_adapter("bad", bad)
    return engine


async def entries(path: Path) -> list:
    async with Recording.open(path) as recording:
        return [entry.event for entry in await recording.entries(limit=100_000)]


@pytest.mark.parametrize("seconds", [0.1, 0.5])
async def test_closing_a_locked_file_takes_no_longer_than_its_limit(seconds: float, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine = failing()
    recorder = record(engine, path, close_timeout=seconds)
    await recorder.__aenter__()
    await recorder.flushed()
    with locked(path, "IMMEDIATE"):
        storing = [asyncio.create_task(engine.execute_with_fallback(n, ["bad"])) for n in range(20)]
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await recorder.__aexit__(None, None, None)
        assert time.monotonic() - began < seconds + SLACK
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*storing)  # nobody waits for a letter that nobody stores


async def test_closing_from_a_thread_takes_no_longer_than_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine = failing()
    recorder = record(engine, path, close_timeout=0.3)
    recorder.start()
    recorder.flush()
    with locked(path, "IMMEDIATE"):
        began = time.monotonic()
        recorder.close()
        assert time.monotonic() - began < 0.3 + SLACK


async def test_closing_while_the_disk_does_not_answer_is_limited_and_the_log_counts_what_waits(
    tmp_path: Path, stall: Stall, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.db"
    engine = FakeEngine()
    recorder = record(engine, path, close_timeout=0.3)
    await recorder.__aenter__()
    await recorder.flushed()
    stall.on = True
    engine.emit(answered("stuck"))
    await asyncio.to_thread(until, lambda: recorder.waiting == 0)
    engine.emit(*[answered(f"{n}") for n in range(10)])
    began = time.monotonic()
    await recorder.__aexit__(None, None, None)
    assert time.monotonic() - began < 0.3 + SLACK
    assert "could not be closed in 0.3 s. 11 events are lost unless the disk answers" in caplog.text
    stall.end()
    assert recorder._thread is not None
    await asyncio.to_thread(recorder._thread.join, PATIENCE)
    found = await entries(path)
    assert [event.task for event in found if isinstance(event, RouteFinished)] == ["stuck"]
    assert [event.count for event in found if isinstance(event, EventsDropped)] == [10]
    assert isinstance(found[-1], EngineStopped)
    async with Recording.open(path) as recording:
        (span,) = await recording.spans(NOON, NOON + 1)
    assert span.calls == 11, "counters stay exact"


async def test_events_lost_on_closing_are_counted_in_a_file_that_is_writable_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.db"
    engine = FakeEngine()
    monkeypatch.setattr(writer, "RETRY", 60.0)
    async with record(engine, path, close_timeout=0.2) as recorder:
        await recorder.flushed()
        with locked(path, "IMMEDIATE"):
            engine.emit(answered("lost"))
            await asyncio.to_thread(until, lambda: "cannot be written" in caplog.text)
    assert recorder._thread is not None
    await asyncio.to_thread(recorder._thread.join, PATIENCE)  # closing has not waited longer than its limit for it
    found = await entries(path)
    assert [event.count for event in found if isinstance(event, EventsDropped)] == [1]
    assert isinstance(found[-1], EngineStopped)
    assert "its last 2 events are lost" in caplog.text


@pytest.mark.parametrize("restore", [False, True])
@pytest.mark.parametrize("mode", ["async", "thread"])
async def test_opening_a_locked_file_takes_no_longer_than_its_limit(
    mode: str, restore: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.db"
    schema.connect(path).close()
    engine = failing()
    recorder = record(engine, path, open_timeout=0.3, close_timeout=5.0, restore=restore)
    with locked(path) as other:
        other.execute("UPDATE instances SET id = id")
        began = time.monotonic()
        if mode == "async":
            await recorder.__aenter__()
        else:
            await asyncio.to_thread(recorder.start)
        assert time.monotonic() - began < 0.3 + SLACK
        await engine.execute_with_fallback("early", ["bad"], deadline=0.1)
        other.execute("ROLLBACK")
    await recorder.flushed()
    await asyncio.to_thread(recorder.close)
    assert any(isinstance(event, RouteFinished) for event in await entries(path))


async def test_a_file_that_turns_out_to_be_foreign_after_the_limit_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def slow(*arguments: object, **options: object) -> LockingConnection:
        time.sleep(0.3)
        raise RecordingError("a.db is not a recording.", "Name another.")

    monkeypatch.setattr(schema, "connect", slow)
    async with record(FakeEngine(), tmp_path / "a.db", open_timeout=0.05, close_timeout=0.1):
        await asyncio.to_thread(until, lambda: "is not recorded: a.db is not a recording" in caplog.text)


async def test_a_dead_letter_does_not_delay_an_answer_beyond_its_deadline(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine = failing()
    async with record(engine, path, close_timeout=0.2) as recorder:
        await recorder.flushed()
        with locked(path, "IMMEDIATE"):
            began = time.monotonic()
            result = await engine.execute_with_fallback("x", ["bad"], deadline=0.3)
            assert time.monotonic() - began < 0.3 + SLACK
        assert not result.success


async def test_the_end_of_a_closed_recorder_is_quick(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    began = time.monotonic()
    async with record(failing(), tmp_path / "a.db") as recorder:
        await recorder.flushed()
    assert time.monotonic() - began < SLACK
    assert not caplog.records
