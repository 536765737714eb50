"""Recordings of every earlier version: they are read as they are, and a migration loses nothing of them."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine.dead_letters.letter import LetterSelection
from fuseboard_storage.board.route_counts import is_ordinary
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import kept_copy, schema
from fuseboard_storage.sqlite.integrity import TEMPLATES_SINCE
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters
from fuseboard_storage.tables.keyframes import dump
from support.disks import resize, small_disk
from support.fake_engine import FakeEngine, answered
from support.older_recordings import VERSIONS, unpack
from support.paths import PROGRAMS
from support.waiting import PATIENCE

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


def test_a_recording_whose_conversion_is_killed_at_any_point_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    program = [sys.executable, str(PROGRAMS / "killed_conversion.py"), str(unpack(1, tmp_path)), str(folder), "1000"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = done.stdout.split()
    assert found.count("old") > 60 and found.count("new") > 2


@pytest.mark.parametrize("version", [1, 10, 12])
async def test_an_older_recording_is_kept_as_it_was_beside_the_new_one(
    version: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = unpack(version, tmp_path)
    before = await contents_of(path)
    with caplog.at_level(logging.WARNING):
        schema.connect(path).close()
        schema.connect(path).close()
    copy = tmp_path / f"checkout.db.version-{version}.bak"
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["checkout.db", copy.name]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert version_of(copy) == version and await contents_of(copy) == before
    told = [record.getMessage() for record in caplog.records]
    assert f"{path} has the older version {version} and is converted to version {schema.VERSION}." in told
    assert any("converted from version" in text and f"{copy} is a checked copy" in text for text in told)


def test_a_new_recording_has_no_copy_beside_it(tmp_path: Path) -> None:
    schema.connect(tmp_path / "a.db").close()
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]


def test_a_copy_that_holds_the_same_is_not_made_again_and_another_is_never_overwritten(tmp_path: Path) -> None:
    path = unpack(10, tmp_path)
    old = path.read_bytes()
    schema.connect(path).close()
    copy = tmp_path / "checkout.db.version-10.bak"
    state = copy.stat().st_ino, copy.stat().st_mtime_ns
    path.write_bytes(old)
    schema.connect(path).close()
    assert (copy.stat().st_ino, copy.stat().st_mtime_ns) == state
    path.write_bytes(old)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE instances SET heartbeat_at = heartbeat_at + 1")
    schema.connect(path).close()
    assert (copy.stat().st_ino, copy.stat().st_mtime_ns) == state
    with closing(sqlite3.connect(tmp_path / "checkout.db.version-10.bak-2")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (10,)


def test_without_room_for_a_copy_nothing_is_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = unpack(10, tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr(kept_copy, "free_bytes", lambda folder: 1_000)
    with pytest.raises(OSError, match=r"older version 10, .* need [\d,]+ bytes on the disk, of which 1,000 are free"):
        schema.connect(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["checkout.db"]


async def test_without_room_for_a_copy_events_wait_until_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, engine, room = unpack(10, tmp_path), FakeEngine(), [1_000]
    before = number_of_events(path)
    monkeypatch.setattr(kept_copy, "free_bytes", lambda folder: room[0])
    async with record(engine, path) as recorder:
        engine.emit(answered())
        assert version_of(path) == 10 and recorder.waiting
        room[0] = 10**12
        await asyncio.wait_for(recorder.flushed(), PATIENCE)
    assert number_of_events(path) > before + recorder.written > before + 1
    assert any("a checked copy and the conversion need" in record.getMessage() for record in caplog.records)


async def test_a_recording_that_cannot_be_converted_is_moved_aside_whole(tmp_path: Path) -> None:
    path, engine = unpack(10, tmp_path), FakeEngine()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE marks(x)")
    events = number_of_events(path)
    async with record(engine, path) as recorder:
        engine.emit(answered())
        await asyncio.wait_for(recorder.flushed(), PATIENCE)
    aside = tmp_path / "checkout.db.damaged-1"
    assert version_of(aside) == 10 and number_of_events(aside) == events
    assert version_of(path) == schema.VERSION


async def test_a_damaged_older_recording_is_moved_aside_and_not_converted(tmp_path: Path) -> None:
    path, engine = unpack(10, tmp_path), FakeEngine()
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 5] = b"\xff" * 4096 * 2
    path.write_bytes(content)
    async with record(engine, path) as recorder:
        engine.emit(answered())
        await asyncio.wait_for(recorder.flushed(), PATIENCE)
    assert (tmp_path / "checkout.db.damaged-1").read_bytes() == content
    assert not list(tmp_path.glob("*.bak*"))


async def test_an_older_recording_on_a_full_disk_is_converted_once_there_is_room(tmp_path: Path) -> None:
    size, engine = unpack(10, tmp_path).stat().st_size * 3 // 2, FakeEngine()
    with small_disk(tmp_path, f"{size}") as disk:
        path = unpack(10, disk)
        before = path.read_bytes()
        async with record(engine, path) as recorder:
            engine.emit(answered())
            assert recorder.waiting
            assert path.read_bytes() == before
            resize(disk, "100m")
            await asyncio.wait_for(recorder.flushed(), PATIENCE)
        assert version_of(path) == schema.VERSION
        assert version_of(disk / "checkout.db.version-10.bak") == 10
