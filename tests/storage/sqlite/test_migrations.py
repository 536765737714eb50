"""Recordings of every earlier version: they are read as they are, and a migration loses nothing of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine.dead_letters.letter import LetterSelection
from fuseboard_storage.board.route_counts import is_ordinary
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.integrity import TEMPLATES_SINCE
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters
from fuseboard_storage.tables.keyframes import dump
from support.fake_engine import FakeEngine, answered
from support.older_recordings import VERSIONS, unpack

NOW = 2_000_000_000_000_000  # microseconds, in 2033
EVERY = pytest.mark.parametrize("version", VERSIONS)


def version_of(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[60:64], "big")


def number_of_events(path: Path) -> int:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])


async def contents_of(path: Path) -> dict[str, Any]:
    """Return everything that can be read of a recording."""
    async with Recording.open(path) as recording:
        entries = await recording.entries(limit=100_000)
        middle = entries[len(entries) // 2].seq
        found = {
            "entries": entries,
            "slice": await recording.slice(0, 100_000),
            "failures": await recording.failures(1_000),
            "changes": await recording.changes(),
            "ends": await recording.ends(),
            "board": dump(await recording.board()),
            "board before": dump(await recording.board_at(seq=middle)),
            "spans": await recording.spans(0, 2**60),
            "metrics": await recording.metrics(),
            "instances": [
                (row.id, row.name, row.host, row.pid, row.started_at, row.heartbeat_at, row.ended_at)
                for row in await recording.instances()
            ],
            "ends of engines": sorted(await recording.end_reasons()),
            "commands": await recording.commands(100),
            "runs": await recording.workflow_runs(100),
        }
    async with SqliteDeadLetters.open(path) as letters:
        found["letters"] = await letters.find(LetterSelection(), NOW, 1_000) if await letters.has_table() else []
    return found


@EVERY
async def test_a_recording_of_an_earlier_version_is_read_without_a_migration(version: int, tmp_path: Path) -> None:
    path = unpack(version, tmp_path)
    before = path.read_bytes(), path.stat().st_mtime_ns
    found = await contents_of(path)
    assert len(found["entries"]) == number_of_events(path)
    assert [command.status for command in found["commands"]] == ["expired", "failed", "done", "done"]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [file.name for file in tmp_path.iterdir()] == ["checkout.db"]


@EVERY
async def test_a_migration_loses_nothing(version: int, tmp_path: Path) -> None:
    path = unpack(version, tmp_path)
    before, events = await contents_of(path), number_of_events(path)
    schema.connect(path).close()
    assert version_of(path) == schema.VERSION
    after = await contents_of(path)
    assert {part: after[part] for part in before} == before
    assert number_of_events(path) == events
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert tables_of(connection) == tables_of_a_new_recording(tmp_path)
        notable = dict(connection.execute("SELECT seq, notable FROM events"))
    if version < TEMPLATES_SINCE:
        assert notable == {entry.seq: int(not is_ordinary(entry.event)) for entry in after["slice"]}


@EVERY
async def test_an_engine_goes_on_in_a_recording_of_an_earlier_version(version: int, tmp_path: Path) -> None:
    path, engine = unpack(version, tmp_path), FakeEngine()
    async with Recording.open(path) as recording:
        before = await recording.entries(limit=100_000)
        async with record(engine, path) as recorder:
            engine.emit(answered())
            await recorder.flushed()
            entries = await recording.entries(limit=100_000)  # by the reader that was open before
            board = dump(await recording.board())
    async with Recording.open(path) as recording:
        assert dump(await recording.board_at(seq=entries[-1].seq)) == board
        assert await recording.newest(1)
    assert entries[: len(before)] == before
    assert entries[len(before)].seq > before[-1].seq
    assert "RouteFinished" in [type(entry.event).__name__ for entry in entries[len(before) :]]


def tables_of(connection: sqlite3.Connection) -> dict[str, list[str]]:
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")]
    return {
        name: sorted(column for (column,) in connection.execute("SELECT name FROM pragma_table_info(?)", (name,)))
        for name in names
    }


def tables_of_a_new_recording(folder: Path) -> dict[str, list[str]]:
    path = folder / "new.db"
    schema.connect(path).close()
    with closing(sqlite3.connect(path)) as connection:
        return tables_of(connection)
