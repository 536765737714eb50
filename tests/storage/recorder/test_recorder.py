"""The recorder: what it writes, when, and how it ends."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import threading
from pathlib import Path

import pytest

from fuseboard_engine.events import (
    AdapterAdded,
    CommandDone,
    EngineStarted,
    EngineStopped,
    Event,
    PreferenceSet,
    RouteFinished,
    StateChanged,
)
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from support.fake_engine import NOON, FakeEngine, answered, failed, opened


async def events(path: Path) -> list[Event]:
    async with Recording.open(path) as recording:
        return [entry.event for entry in await recording.entries(limit=1_000_000)]


async def test_a_recording_begins_with_the_engines_start_and_its_description(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with record(engine, tmp_path / "a.db") as recorder:
        engine.emit(opened())
    found = await events(tmp_path / "a.db")
    assert [type(event) for event in found] == [
        EngineStarted, AdapterAdded, AdapterAdded, PreferenceSet, StateChanged, EngineStopped
    ]  # fmt: skip
    started = found[0]
    assert isinstance(started, EngineStarted)
    assert (started.name, started.pid) == ("checkout", os.getpid())
    assert recorder.instance == 1


async def test_after_the_barrier_every_event_emitted_before_is_on_disk(tmp_path: Path) -> None:
    engine = FakeEngine()
    other = None
    async with record(engine, tmp_path / "a.db") as recorder:
        for round_ in range(20):
            engine.emit(*[answered(f"{round_}.{number}") for number in range(50)])
            await recorder.flushed()
            other = other or sqlite3.connect(tmp_path / "a.db")
            (count,) = other.execute("SELECT count(*) FROM events WHERE kind = 'route_finished'").fetchone()
            assert count == (round_ + 1) * 50
    assert other is not None
    other.close()


async def test_a_clean_exit_loses_nothing_and_leaves_one_file(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with record(engine, tmp_path / "a.db"):
        engine.emit(*[answered(f"{number}") for number in range(20_000)])
    found = await events(tmp_path / "a.db")
    assert [e.task for e in found if isinstance(e, RouteFinished)] == [f"{number}" for number in range(20_000)]
    assert isinstance(found[-1], EngineStopped)


async def test_an_exception_in_the_body_is_recorded_and_loses_no_event(tmp_path: Path) -> None:
    engine = FakeEngine()
    with pytest.raises(ValueError, match="mine"):
        async with record(engine, tmp_path / "a.db"):
            engine.emit(answered("last"))
            raise ValueError("mine")
    *_, last, stopped = await events(tmp_path / "a.db")
    assert isinstance(last, RouteFinished)
    assert stopped == EngineStopped(at=stopped.at, reason="ended by ValueError")


async def test_a_cancelled_body_ends_cleanly_too(tmp_path: Path) -> None:
    engine = FakeEngine()
    ready = asyncio.Event()

    async def body() -> None:
        async with record(engine, tmp_path / "a.db"):
            engine.emit(answered("last"))
            ready.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(body())
    await ready.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    *_, last, stopped = await events(tmp_path / "a.db")
    assert isinstance(last, RouteFinished)
    assert isinstance(stopped, EngineStopped)
    assert engine.listeners == []


def test_code_without_an_event_loop_can_record(tmp_path: Path) -> None:
    engine = FakeEngine()
    with record(engine, tmp_path / "a.db") as recorder:
        engine.emit(answered("x"))
        recorder.flush(10.0)
        assert recorder.waiting == 0
    assert [type(e) for e in asyncio.run(events(tmp_path / "a.db"))[-2:]] == [RouteFinished, EngineStopped]


def test_events_of_many_threads_are_all_recorded_in_each_threads_order(tmp_path: Path) -> None:
    engine = FakeEngine()

    def work(name: str) -> None:
        for number in range(2_000):
            engine.emit(answered(f"{name}.{number}"))

    with record(engine, tmp_path / "a.db"):
        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    tasks = [e.task for e in asyncio.run(events(tmp_path / "a.db")) if isinstance(e, RouteFinished)]
    for name in "abcd":
        assert [t for t in tasks if t.startswith(name)] == [f"{name}.{number}" for number in range(2_000)]


async def test_metrics_are_counted_per_adapter_and_second(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with record(engine, tmp_path / "a.db") as recorder:
        engine.emit(answered(at=NOON), failed(at=NOON))
        await recorder.flushed()
        engine.emit(answered(at=NOON + 999_999), answered(at=NOON + 1_000_000))
    async with Recording.open(tmp_path / "a.db") as recording:
        spans = {(span.at, span.adapter): span for span in await recording.spans(NOON, NOON + 2_000_000)}
        assert [s.adapter for s in await recording.spans(NOON, NOON + 1, "agno")] == ["agno"]
    assert {key: (s.calls, s.successes, s.failures) for key, s in spans.items()} == {
        (NOON, "agno"): (2, 2, 0),
        (NOON, "prefect"): (1, 0, 1),
        (NOON + 1_000_000, "agno"): (1, 1, 0),
    }
    assert sum(spans[NOON, "agno"].latency.values()) == 2


async def test_a_second_recording_in_the_same_file_is_another_instance(tmp_path: Path) -> None:
    for _ in range(2):
        async with record(FakeEngine(), tmp_path / "a.db"):
            pass
    async with Recording.open(tmp_path / "a.db") as recording:
        rows = await recording.instances()
        board = await recording.board()
    assert [row.id for row in rows] == [1, 2]
    assert all(row.ended_at is not None for row in rows)
    assert list(board.instances) == [2]


async def test_an_unusable_path_is_refused_and_the_engine_is_unchanged(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("a diary\n" * 50)
    engine = FakeEngine()
    with pytest.raises(RecordingError, match="not a recording"):
        async with record(engine, tmp_path / "a.db"):
            pass
    with pytest.raises(RecordingError, match="not a recording"):
        record(engine, tmp_path / "a.db").start()
    assert engine.listeners == []


async def test_flushing_a_closed_recorder_is_an_error(tmp_path: Path) -> None:
    async with record(FakeEngine(), tmp_path / "a.db") as recorder:
        pass
    recorder.close()
    with pytest.raises(RecordingError, match="not running"):
        await recorder.flushed()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="fork beside threads warns")
async def test_a_forked_child_records_as_an_instance_of_its_own(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with record(engine, tmp_path / "a.db") as recorder:
        engine.emit(answered("before"))
        await recorder.flushed()
        child = os.fork()
        if child == 0:
            engine.emit(answered("in the child"))
            recorder.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        engine.emit(answered("after"))
    async with Recording.open(tmp_path / "a.db") as recording:
        found = await recording.entries()
    tasks = [(entry.instance, entry.event.task) for entry in found if isinstance(entry.event, RouteFinished)]
    assert tasks == [(1, "before"), (2, "in the child"), (1, "after")]


async def test_lone_surrogates_are_recorded_as_escapes_wherever_they_occur(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with record(engine, tmp_path / "a.db") as recorder:
        engine.emit(answered(adapter="a\ud83d"), failed(adapter="a\ud83d", error="b\ud83d"))
        engine.emit(CommandDone(at=NOON, command=1, verb="reset", actor="c\ud83d", ok=False, detail="d\ud83d"))
        await recorder.flushed()
        assert recorder.dropped == 0
        async with Recording.open(tmp_path / "a.db") as recording:
            assert [span.calls for span in await recording.spans(0, 2 * NOON, "a\\ud83d")] == [2]
            found = [entry.event for entry in await recording.entries()]
    assert [event.detail for event in found if isinstance(event, CommandDone)] == ["d\\ud83d"]
