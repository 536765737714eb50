"""An engine is recorded to any store. The recorder copes with what a store may answer."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_engine.engine import Engine
from fuseboard_engine.events import AdapterAdded, EngineStarted, EngineStopped, EventsDropped, RouteFinished
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.backend import EventBatch, InDoubt, StoreBehind, StoreReplaced
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder import file_writer
from fuseboard_storage.recorder.file_store import FileStore
from fuseboard_storage.recorder.recorder import Recorder, record
from fuseboard_storage.recorder.retention import Retention
from support.fake_engine import FakeEngine, answered
from support.memory_store import Contents, MemoryStore, MemoryWriter
from support.waiting import until_async


@pytest.fixture
def contents() -> Contents:
    return Contents()


@pytest.fixture
def store(contents: Contents) -> MemoryStore:
    return MemoryStore(contents, wall_clock)


def tasks(contents: Contents) -> list[str]:
    return [entry.event.task for entry in contents.entries if isinstance(entry.event, RouteFinished)]


async def test_an_engine_is_recorded_to_a_store_that_is_not_a_file(store: MemoryStore, contents: Contents) -> None:
    engine = Engine(name="checkout")
    engine.add_adapter("gpt", lambda task: "an answer")
    async with record(engine, store) as recorder:
        await engine.execute_with_fallback("a question")
        await recorder.flushed()
        assert recorder.instance == 1
        assert recorder.store is store
        with pytest.raises(TypeError, match="memory is not a file"):
            _ = recorder.path
    kinds = [type(entry.event) for entry in contents.entries]
    assert kinds == [EngineStarted, AdapterAdded, RouteFinished, EngineStopped]
    assert contents.instances[1].ended_at is not None


async def test_a_command_in_another_store_is_executed(store: MemoryStore) -> None:
    engine = FakeEngine()
    async with record(engine, store), store.reader() as reader:
        (id_,) = await reader.ask_many("reset", [(None, "agno")], actor="ann")

        async def done() -> bool:
            return (await reader.statuses([id_]))[id_].status == "done"

        await until_async(done)
    assert [command.verb for command in engine.commands] == ["reset"]


async def test_dead_letters_and_runs_are_kept_in_the_same_store(store: MemoryStore, contents: Contents) -> None:
    def fails(task: object) -> None:
        raise ConnectionError("refused")

    engine = Engine(name="checkout", dead_letters=DeadLetterPolicy())
    engine.add_adapter("gpt", fails)
    async with record(engine, store):
        await engine.execute_with_fallback("a question")
        assert engine.checkpoints is store.runs[0]
    assert len(contents.letters) == 1


@pytest.mark.parametrize("kept", [True, False])
async def test_a_batch_in_doubt_is_sent_again_and_kept_once(
    kept: bool, store: MemoryStore, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, sent = MemoryWriter.append, []

    def doubtful(self: MemoryWriter, batch: EventBatch) -> None:
        sent.append(batch)
        if len(sent) <= 3:
            if kept:
                append(self, batch)
            raise InDoubt("no answer")
        append(self, batch)

    monkeypatch.setattr(MemoryWriter, "certain", False)
    engine = FakeEngine()
    async with record(engine, store) as recorder:
        await recorder.flushed()
        monkeypatch.setattr(MemoryWriter, "append", doubtful)
        engine.emit(*(answered(str(number)) for number in range(5)))
        flushed = recorder.flushed()
        engine.emit(answered("later"))
        await flushed
        await recorder.flushed()
    assert tasks(contents) == ["0", "1", "2", "3", "4", "later"]
    assert [batch.number for batch in sent[:4]] == [sent[0].number] * 4
    numbers = [batch.number for batch in sent[3:]]
    assert numbers == sorted(set(numbers))
    assert sum(span.calls for spans in contents.spans.values() for span in spans.values()) == 6


async def test_a_batch_in_doubt_at_the_end_counts_as_lost(
    store: MemoryStore, contents: Contents, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def silent(self: MemoryWriter, batch: EventBatch) -> None:
        raise InDoubt("no answer")

    monkeypatch.setattr(MemoryWriter, "certain", False)
    engine = FakeEngine()
    with caplog.at_level(logging.ERROR, "fuseboard"):
        async with record(engine, store, close_timeout=0.3) as recorder:
            await recorder.flushed()
            monkeypatch.setattr(MemoryWriter, "append", silent)
            engine.emit(answered("lost"))
    assert "could not be written; its last 2 events are lost" in caplog.text


async def test_a_store_that_has_to_catch_up_gets_smaller_batches(
    store: MemoryStore, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, sizes = MemoryWriter.append, []

    def limited(self: MemoryWriter, batch: EventBatch) -> None:
        if len(batch.events) > 3:
            raise StoreBehind("it takes 3")
        sizes.append(len(batch.events))
        append(self, batch)

    engine = FakeEngine()
    async with record(engine, store) as recorder:
        await recorder.flushed()
        monkeypatch.setattr(MemoryWriter, "append", limited)
        monkeypatch.setattr(MemoryWriter, "room", lambda self: 3)
        with recorder._writer._store.gate:  # so that all of them are in one batch
            engine.emit(*(answered(str(number)) for number in range(10)))
        await recorder.flushed()
    assert tasks(contents) == [str(number) for number in range(10)]
    assert max(sizes) == 3
    assert not any(isinstance(entry.event, EventsDropped) for entry in contents.entries)


async def test_a_batch_whose_event_cannot_be_stored_keeps_the_others(
    store: MemoryStore, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = MemoryWriter.append

    def refusing(self: MemoryWriter, batch: EventBatch) -> None:
        if any(getattr(event, "task", "") == "poison" for event in batch.events):
            raise ValueError("cannot be stored")
        append(self, batch)

    monkeypatch.setattr(MemoryWriter, "append", refusing)
    engine = FakeEngine()
    async with record(engine, store) as recorder:
        engine.emit(answered("one"), answered("poison"), answered("two"))
        await recorder.flushed()
    assert tasks(contents) == ["one", "two"]
    assert sum(entry.event.count for entry in contents.entries if isinstance(entry.event, EventsDropped)) == 1


async def test_a_recording_may_be_given_as_a_store(tmp_path: Path) -> None:
    kept = FileStore(tmp_path / "a.db", retention=Retention(events=86_400))
    async with record(FakeEngine(), kept, restore=True) as recorder:
        assert recorder.path == tmp_path / "a.db"
    async with kept.reader() as reader:
        assert [type(entry.event) for entry in await reader.slice(0, 1)] == [EngineStarted]


@pytest.mark.parametrize(
    "make",
    [
        lambda store: record(FakeEngine(), store, restore=True),
        lambda store: record(FakeEngine(), store, retention=Retention()),
    ],
)
def test_what_only_a_recording_has_is_refused_for_another_store(
    make: Callable[[MemoryStore], Recorder], store: MemoryStore
) -> None:
    with pytest.raises(ValueError, match="memory"):
        make(store)


async def test_an_event_of_a_batch_in_doubt_that_cannot_be_stored_is_counted_as_dropped(
    store: MemoryStore, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, sent = MemoryWriter.append, []

    def refusing(self: MemoryWriter, batch: EventBatch) -> None:
        if any(getattr(event, "task", "") == "poison" for event in batch.events):
            sent.append(batch)
            raise InDoubt("no answer") if len(sent) == 1 else ValueError("cannot be stored")
        append(self, batch)

    monkeypatch.setattr(MemoryWriter, "certain", False)
    monkeypatch.setattr(MemoryWriter, "append", refusing)
    engine = FakeEngine()
    async with record(engine, store) as recorder:
        engine.emit(answered("poison"))
        await recorder.flushed()
        engine.emit(answered("next"))
        await recorder.flushed()
    assert tasks(contents) == ["next"]
    dropped = [entry.event.count for entry in contents.entries if isinstance(entry.event, EventsDropped)]
    assert sum(dropped) == recorder.dropped > 0


async def test_a_batch_in_doubt_waits_for_a_store_that_has_to_catch_up(
    store: MemoryStore, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, answers = MemoryWriter.append, [InDoubt("no answer"), StoreBehind("it takes none")]

    def late(self: MemoryWriter, batch: EventBatch) -> None:
        if answers and any(isinstance(event, RouteFinished) for event in batch.events):
            raise answers.pop(0)
        append(self, batch)

    monkeypatch.setattr(MemoryWriter, "certain", False)
    monkeypatch.setattr(MemoryWriter, "append", late)
    engine = FakeEngine()
    async with record(engine, store) as recorder:
        engine.emit(answered("one"))
        await recorder.flushed()
    assert tasks(contents) == ["one"]
    assert not answers


async def test_a_store_that_was_replaced_is_opened_again_at_once(
    store: MemoryStore, contents: Contents, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    append, replaced = MemoryWriter.append, [StoreReplaced("was replaced")]

    def once(self: MemoryWriter, batch: EventBatch) -> None:
        if replaced and any(isinstance(event, RouteFinished) for event in batch.events):
            self.instance = None
            raise replaced.pop()
        append(self, batch)

    monkeypatch.setattr(MemoryWriter, "append", once)
    engine = FakeEngine()
    async with record(engine, store) as recorder:
        engine.emit(answered("one"))
        await recorder.flushed()
        assert recorder.instance == 2
    assert tasks(contents) == ["one"]
    assert "cannot be written" not in caplog.text


async def test_the_retention_of_a_recording_given_as_a_store_is_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply, applied = file_writer.apply_retention, []

    def noted(connection: sqlite3.Connection, policy: Retention, *rest: Any, **named: Any) -> bool:
        applied.append(policy)
        return apply(connection, policy, *rest, **named)

    async def done() -> bool:
        return bool(applied)

    monkeypatch.setattr(file_writer, "apply_retention", noted)
    retention = Retention(events=86_400)
    async with record(FakeEngine(), FileStore(tmp_path / "a.db", retention=retention)):
        await until_async(done)
    assert applied[0] == retention


def test_a_url_is_not_taken_for_the_path_of_a_file_and_its_password_not_shown() -> None:
    with pytest.raises(RecordingError, match=r"redis:// names no recording") as raised:
        record(FakeEngine(), "redis://:secret@host/0")
    assert "secret" not in str(raised.value)
