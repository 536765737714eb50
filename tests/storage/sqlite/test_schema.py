"""The schema of a recording: an empty file is initialized, an older one migrated, a foreign one refused unchanged."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_recording_is_accessible_to_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    before = os.umask(0)
    try:
        connection = schema.connect(path)
        connection.execute("INSERT INTO instances(name, host, pid, started_at, heartbeat_at) VALUES ('', '', 1, 1, 1)")
        files = sorted(tmp_path.iterdir())
        assert [file.name for file in files] == ["a.db", "a.db-shm", "a.db-wal"]
        assert [mode(file) for file in files] == [0o600] * 3
        connection.close()
    finally:
        os.umask(before)


def test_a_recording_is_identified_by_its_header(tmp_path: Path) -> None:
    connection = schema.connect(tmp_path / "a.db")
    assert schema.inspect(tmp_path / "a.db") == "recording"
    assert connection.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_every_table_is_strict(tmp_path: Path) -> None:
    connection = schema.connect(tmp_path / "a.db")
    tables = connection.execute(
        "SELECT name, strict FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    assert {strict for _, strict in tables} == {1}
    connection.close()


def test_an_empty_file_is_a_recording_that_awaits_its_engine(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    assert schema.inspect(path) == "missing"
    path.touch()
    assert schema.inspect(path) == "empty"
    schema.connect(path).close()
    assert schema.inspect(path) == "recording"


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE late(x)", "NONSENSE")))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with pytest.raises(sqlite3.OperationalError):
        schema.connect(path)
    assert schema.inspect(path) == "empty"


def test_an_older_recording_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    schema.connect(path).close()
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE late(x INTEGER) STRICT",)))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    connection = schema.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    assert connection.execute("SELECT count(*) FROM late").fetchone() == (0,)
    connection.close()


def another_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE cats(name)")
    connection.close()


def newer_recording(path: Path) -> None:
    made = path.with_name("made.db")
    connection = schema.connect(made)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    path.write_bytes(made.read_bytes())  # as another process leaves it: never opened in this one
    made.unlink()


def text(path: Path) -> None:
    path.write_text("hello\n" * 100)


def short_text(path: Path) -> None:
    path.write_text("x")


def folder(path: Path) -> None:
    path.mkdir()


STRANGERS = {
    another_database: "not a recording",
    newer_recording: "Install a newer Fuseboard",
    text: "not a recording",
    short_text: "not a recording",
    folder: "not a file",
}


@pytest.mark.parametrize("make", STRANGERS, ids=lambda make: make.__name__)
async def test_a_foreign_file_is_refused_with_what_to_do_and_never_changed(make, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(RecordingError, match=STRANGERS[make]):
        schema.connect(path)
    with pytest.raises(RecordingError, match=STRANGERS[make]) as caught:
        async with Recording.open(path):
            pass
    assert caught.value.todo.endswith(".")
    assert (path.read_bytes() if path.is_file() else b"") == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="folder does not exist"):
        schema.connect(tmp_path / "nowhere" / "a.db")


async def test_reading_a_missing_file_does_not_create_it(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="does not exist"):
        async with Recording.open(tmp_path / "a.db"):
            pass
    assert list(tmp_path.iterdir()) == []
