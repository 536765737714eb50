"""A damaged recording: what is wrong with it, what can be read of it, and that an engine begins a new one."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine.events import RouteFinished
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.recording.salvage import check, salvage
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events
from support.fake_engine import NOON, FakeEngine, answered

EVENTS = 3_000


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "a.db"

    async def write() -> None:
        engine = FakeEngine()
        async with record(engine, path):
            engine.emit(*[answered(f"{n}", at=NOON + n * 1_000_000) for n in range(EVENTS)])

    asyncio.run(write())
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    return shutil.copy(sound, tmp_path / "a.db")


def damage(path: Path, *pages: int, length: int = 4_096) -> None:
    data = bytearray(path.read_bytes())
    dice = random.Random(7)
    for page in pages:
        data[page * 4_096 : page * 4_096 + length] = dice.randbytes(length)
    path.write_bytes(data)


def pages_of(path: Path, table: str, leaves: bool = True) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        sql = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        root = int(connection.execute(sql, (table,)).fetchone()[0])
        try:
            sql = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'"
            return [page - 1 for (page,) in connection.execute(sql, (table,))] if leaves else [root - 1]
        except sqlite3.OperationalError:  # this SQLite is built without dbstat
            data = path.read_bytes()
            leaf = [n for n in range(1, len(data) // 4_096) if data[n * 4_096] == 13]
            return leaf if leaves else [root - 1]


async def tasks(path: Path) -> list[str]:
    async with Recording.open(path) as recording:
        found = [entry.event for entry in await recording.entries(limit=100_000)]
    return [event.task for event in found if isinstance(event, RouteFinished)]


def test_a_sound_recording_has_no_complaints_and_is_not_changed(path: Path) -> None:
    before = path.read_bytes()
    assert check(path) == []
    assert path.read_bytes() == before


async def test_everything_is_salvaged_of_a_sound_recording(path: Path, tmp_path: Path) -> None:
    found = {part.table: part for part in salvage(path, tmp_path / "new.db")}
    assert found["event_log"].rows == EVENTS + 5  # start, two adapters, the order, and the end
    assert not any(part.gaps for part in found.values())
    assert await tasks(tmp_path / "new.db") == [f"{n}" for n in range(EVENTS)]
    async with Recording.open(path) as old, Recording.open(tmp_path / "new.db") as new:
        assert await new.spans(0, 2**62) == await old.spans(0, 2**62)
        assert [row.id for row in await new.instances()] == [row.id for row in await old.instances()]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
async def test_the_rows_on_pages_that_are_not_damaged_are_salvaged(share: float, path: Path, tmp_path: Path) -> None:
    leaves = pages_of(path, "event_log")
    damage(path, leaves[int(len(leaves) * share)])
    assert check(path)
    found = {part.table: part for part in salvage(path, tmp_path / "new.db")}
    assert found["event_log"].gaps >= 1
    rescued = await tasks(tmp_path / "new.db")
    assert EVENTS * 0.9 < len(rescued) < EVENTS
    assert "0" in rescued and f"{EVENTS - 1}" in rescued
    assert check(tmp_path / "new.db") == []


def test_nothing_can_be_salvaged_without_the_list_of_tables(path: Path, tmp_path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100:4_096] = bytes(3_996)
    path.write_bytes(data)
    with pytest.raises(RecordingError, match="damaged"):
        salvage(path, tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


def test_a_salvage_never_writes_over_a_file(path: Path, tmp_path: Path) -> None:
    (tmp_path / "new.db").touch()
    with pytest.raises(RecordingError, match="exists already"):
        salvage(path, tmp_path / "new.db")
    with pytest.raises(RecordingError, match="does not exist"):
        salvage(tmp_path / "none.db", tmp_path / "other.db")


def test_an_older_recording_is_salvaged_into_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        older.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:2])
        older.setattr(schema, "VERSION", 2)
        with closing(schema.connect(tmp_path / "a.db")) as connection:
            connection.execute("INSERT INTO events(at, instance, kind, body) VALUES (1, 1, 'event', '{}')")
    found = {part.table: part.rows for part in salvage(tmp_path / "a.db", tmp_path / "new.db")}
    assert found["events"] == 1


@pytest.mark.parametrize("where", ["everywhere", "instances", "event_log", "metrics", "schema"])
async def test_an_engine_moves_a_damaged_recording_aside_and_begins_a_new_one(
    where: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if where == "schema":
        data = bytearray(path.read_bytes())
        data[100:4_096] = bytes(3_996)
        path.write_bytes(data)
    else:
        size = path.stat().st_size // 4_096
        damage(path, *(range(2, min(40, size)) if where == "everywhere" else pages_of(path, where, leaves=False)))
    engine = FakeEngine()
    async with record(engine, path, close_timeout=2.0) as recorder:
        engine.emit(answered("new"))
        await recorder.flushed()
    assert await tasks(path) == ["new"]
    assert Path(f"{path}.damaged-1").exists()
    assert f"was moved to {path}.damaged-1" in caplog.text
    assert check(path) == []


async def test_a_recording_damaged_while_it_is_written_is_moved_aside(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert, met = events.insert, []

    def damaged_once(*arguments: Any) -> None:
        if engine.emitted and not met:
            met.append(1)
            error = sqlite3.DatabaseError("database disk image is malformed")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error
        insert(*arguments)

    class Emitting(FakeEngine):
        emitted = False

    engine = Emitting()
    monkeypatch.setattr(events, "insert", damaged_once)
    async with record(engine, path) as recorder:
        await recorder.flushed()
        engine.emitted = True
        engine.emit(answered("new"))
        await recorder.flushed()
    assert await tasks(path) == ["new"]
    assert len(await tasks(Path(f"{path}.damaged-1"))) == EVENTS
