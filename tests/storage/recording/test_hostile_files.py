"""Files that only look like recordings: each command says one sentence, in bounded time and memory."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fuseboard_engine.events import RecordingRestarted
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recorder.restore import restore_now
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite.integrity import ALL_TABLES
from support.dead_letter_files import put
from support.fake_engine import FakeEngine, failed
from support.waiting import PATIENCE

ENDLESS = """CREATE VIEW {table} AS WITH RECURSIVE more(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM more)
    SELECT seq, seq AS id, seq AS at, 1 AS instance, 'x' AS kind, zeroblob(1000000) AS body, 'a' AS adapter,
    'pending' AS status, 1 AS resolution FROM more"""


def made_recording(path: Path) -> Path:
    async def fill() -> None:
        engine = FakeEngine()
        async with record(engine, path) as recorder:
            engine.emit(failed("t1"))
            await recorder.flushed()

    asyncio.run(fill())
    return put(path, {})


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def endless(path: Path, table: str) -> None:
    change(path, f"DROP TABLE {table}", ENDLESS.format(table=table.upper()))


def triggered(path: Path, table: str) -> None:
    change(path, f"CREATE TRIGGER t AFTER INSERT ON {table} BEGIN SELECT zeroblob(1000000000); END")


def computed(path: Path, table: str) -> None:
    change(path, f"ALTER TABLE {table} ADD COLUMN more BLOB AS (zeroblob(1000000000))")


def virtual(path: Path, table: str) -> None:
    change(path, f"DROP TABLE {table}", f"CREATE VIRTUAL TABLE {table} USING fts5(body)")


HOSTILE: dict[str, Callable[[Path, str], None]] = {
    "is a view instead of a table": endless,
    "has a trigger": triggered,
    "has a computed column": computed,
    "is a virtual table": virtual,
}


@pytest.mark.parametrize("words", list(HOSTILE))
def test_each_command_says_one_sentence(words: str, tmp_path: Path) -> None:
    for table in ("event_log", "dead_letters"):
        path = made_recording(tmp_path / f"{table}.db")
        HOSTILE[words](path, table)
        for command in (["status"], ["events"], ["dlq", "list"], ["dlq", "archive", "--all"], ["db", "check"]):
            line = [*command, str(path)] if command[0] == "db" else [command[0], str(path), *command[1:]]
            shown = subprocess.run(
                [sys.executable, "-m", "fuseboard_console", *line],
                capture_output=True, text=True, timeout=PATIENCE, check=False,
            )  # fmt: skip
            assert shown.returncode in (1, 2), line
            assert len(shown.stderr.splitlines()) == 1, shown.stderr
            assert f"{table} {words}" in shown.stderr


@pytest.mark.parametrize("table", [table for table in ALL_TABLES if table != "events"])
async def test_no_table_may_be_a_view(table: str, tmp_path: Path) -> None:
    path = await asyncio.to_thread(made_recording, tmp_path / "a.db")
    endless(path, table)
    with pytest.raises(RecordingError, match=f"not a recording: {table} is a view instead of a table"):
        async with Recording.open(path):
            pass


async def test_the_events_of_an_older_recording_may_not_be_a_view(tmp_path: Path) -> None:
    path = await asyncio.to_thread(made_recording, tmp_path / "a.db")
    change(path, "DROP VIEW events", ENDLESS.format(table="events"), "PRAGMA user_version = 10")
    with pytest.raises(RecordingError, match="not a recording: events is a view instead of a table"):
        async with Recording.open(path):
            pass


@pytest.mark.parametrize("words", list(HOSTILE))
async def test_an_engine_moves_the_file_aside_and_records(words: str, tmp_path: Path) -> None:
    path = await asyncio.to_thread(made_recording, tmp_path / "a.db")
    HOSTILE[words](path, "event_log")
    engine = FakeEngine()
    async with record(engine, path) as recorder:
        await recorder.flushed()
        async with Recording.open(path) as recording:
            (event,) = [e.event for e in await recording.entries() if isinstance(e.event, RecordingRestarted)]
    assert f"event_log {words}" in event.why
    assert Path(event.moved_to).exists()


def test_nothing_is_restored_from_such_a_file(tmp_path: Path) -> None:
    path = made_recording(tmp_path / "a.db")
    endless(path, "event_log")
    assert "event_log is a view instead of a table" in restore_now(FakeEngine(), path).why_fresh
