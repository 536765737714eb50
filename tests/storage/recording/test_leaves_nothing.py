"""Reading leaves nothing beside a recording without a writer, and sees what a writer adds later."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fuseboard_engine.dead_letters.letter import LetterSelection
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording import salvage
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.recording.tail import Tail
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters
from support.fake_engine import FakeEngine, answered
from support.letters import NOON, ROOM, letter


@pytest.fixture
async def ended(tmp_path: Path) -> Path:
    """A recording whose engine has ended."""
    engine, path = FakeEngine(), tmp_path / "a.db"
    async with record(engine, path) as recorder:
        engine.emit(answered())
        await recorder.flushed()
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]
    return path


async def test_reading_an_ended_recording_leaves_nothing_beside_it(ended: Path) -> None:
    before = ended.read_bytes()
    async with Recording.open(ended) as recording, Tail.open(ended) as tail:
        assert await recording.entries()
        await tail.read_first()
    async with SqliteDeadLetters.open(ended) as store:
        assert await store.find(LetterSelection(), NOON) == []
    assert salvage.check(ended) == []
    assert [file.name for file in ended.parent.iterdir()] == ["a.db"]
    assert ended.read_bytes() == before


async def test_an_open_recording_sees_what_a_writer_adds_that_starts_later(ended: Path) -> None:
    async with Recording.open(ended) as recording, SqliteDeadLetters.open(ended) as store:
        before = await recording.last_seq()
        assert await store.find(LetterSelection(), NOON) == []
        engine = FakeEngine("second")
        async with record(engine, ended) as recorder:
            engine.emit(answered("t"))
            await recorder.flushed()
            during = await recording.last_seq()
            assert during > before
            writer = SqliteDeadLetters(ended)
            await writer.add(letter(), ROOM)
            await writer.close()
            assert len(await store.find(LetterSelection(), NOON)) == 1
        assert await recording.last_seq() > during


async def test_an_open_recording_sees_a_change_of_which_no_wal_is_left(ended: Path) -> None:
    async with Recording.open(ended) as recording, SqliteDeadLetters.open(ended) as store:
        assert [row.name for row in await recording.instances()] != ["renamed"]
        assert await store.find(LetterSelection(), NOON) == []
        connection = sqlite3.connect(ended)
        with connection:
            connection.execute("UPDATE instances SET name = 'renamed'")
        connection.close()
        assert not ended.with_name("a.db-wal").exists()
        assert [row.name for row in await recording.instances()] == ["renamed"]
        assert await store.find(LetterSelection(), NOON) == []
