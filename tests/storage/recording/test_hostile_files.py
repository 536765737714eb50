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

from fuseboard_console.views.lists.status import status_json, status_text
from fuseboard_engine.events import AdapterAdded, RecordingRestarted
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recorder.restore import restore_now
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.integrity import ALL_TABLES
from fuseboard_storage.tables import events as rows
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


def loosened(path: Path) -> Path:
    """Return a recording whose tables accept values of any type."""
    made_recording(path)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("instances", "commands"):
            columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))
            connection.execute(f"CREATE TABLE loose({columns})")
            connection.execute(f"INSERT INTO loose SELECT {columns} FROM {table}")
            connection.execute(f"DROP TABLE {table}")
            connection.execute(f"ALTER TABLE loose RENAME TO {table}")
        connection.execute("DELETE FROM keyframes")
        connection.execute("INSERT INTO commands(id, status) VALUES (1, 'done')")
        connection.commit()
    return path


@pytest.mark.parametrize("value", [None, "\x1b[31mred", b"\xff", 1e308, 2**63 - 1, -(2**63)], ids=repr)
async def test_columns_with_values_of_a_wrong_type_are_read(value: object, tmp_path: Path) -> None:
    path = await asyncio.to_thread(loosened, tmp_path / "a.db")
    for table in ("instances", "commands"):
        with closing(sqlite3.connect(path)) as connection:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        for column in columns:
            with closing(sqlite3.connect(path)) as connection:
                (before,) = connection.execute(f"SELECT {column} FROM {table} LIMIT 1").fetchone()
                connection.execute(f"UPDATE {table} SET {column} = ?", (value,))
                connection.commit()
            async with Recording.open(path) as recording:
                board = await recording.board()
                await recording.bring_up_to_date(board, wall_clock())
                assert len(await recording.instances()) == 1
                (command,) = await recording.commands(10)
                assert isinstance(command.over, bool)
                assert "\x1b" not in status_text(board, "a.db", wall_clock(), colour=False)
            with closing(sqlite3.connect(path)) as connection:
                connection.execute(f"UPDATE {table} SET {column} = ?", (before,))
                connection.commit()


@pytest.mark.parametrize("number", ["1" * 5_000, '"many"', "[1]", "1e999", "-1.5"])
async def test_a_policy_with_a_monstrous_threshold_is_shown(number: str, tmp_path: Path) -> None:
    path = await asyncio.to_thread(made_recording, tmp_path / "a.db")
    with closing(schema.connect(path)) as connection:
        rows.insert(connection, 1, [AdapterAdded(at=1, adapter="odd", policy={"failure_threshold": 77})])
        for table in ("event_log", "event_templates"):
            written = f'"failure_threshold":{number}'
            connection.execute(f"UPDATE {table} SET body = replace(body, '\"failure_threshold\":77', ?)", (written,))
    async with Recording.open(path) as recording:
        board = await recording.board()
    assert status_text(board, "a.db", wall_clock(), colour=False)
    assert status_json(board, "a.db", wall_clock())
    assert all(row.threshold is None for row in board.find("odd"))
