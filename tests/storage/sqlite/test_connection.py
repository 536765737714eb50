"""Errors of a recording that can't be read or written: they say what to do, and are never raw SQLite errors."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema


def blocked(path: Path) -> Path:
    """Return a recording that SQLite can't open, because the path of its log is taken."""
    schema.connect(path).close()
    path.with_name(f"{path.name}-wal").mkdir()
    return path


async def test_a_file_that_cannot_be_opened_is_reported_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"a\.db cannot be read: unable to open") as caught:
        async with Recording.open(blocked(tmp_path / "a.db")):
            pass
    assert caught.value.todo.startswith("Check the file, its folder")


async def test_errors_while_reading_are_reported_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    schema.connect(path).close()
    with pytest.raises(RecordingError, match=r"a\.db cannot be read: no such table: event_log"):
        async with Recording.open(path) as recording:
            connection = sqlite3.connect(path)
            connection.execute("DROP TABLE event_log")
            connection.close()
            await recording.entries()


async def test_a_file_locked_by_another_process_is_an_error_that_says_to_try_again(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    schema.connect(path).close()
    holder = sqlite3.connect(path, isolation_level=None)
    async with Recording.open(path) as recording:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecordingError, match=r"cannot be written: .*locked\. Another process holds it: try again"):
            await recording.ask("reset", "agno", actor="ann")
        holder.execute("ROLLBACK")
        assert await recording.ask("reset", "agno", actor="ann") == 1
    holder.close()


async def test_a_read_while_another_thread_closes_the_recording_is_reported_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    schema.connect(path).close()
    async with Recording.open(path) as recording:
        pass
    for read in (recording.entries, recording.instances):
        with pytest.raises(RecordingError, match=r"a\.db was closed in the meantime\. Try again\."):
            await read()


async def test_a_damaged_page_is_reported_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    schema.connect(path).close()
    async with Recording.open(path) as recording:
        with path.open("r+b") as file:
            file.seek(100)  # behind the header
            file.write(b"\0garbage" * (path.stat().st_size // 8 - 13))
        with pytest.raises(RecordingError, match=r"a\.db is damaged: "):
            await recording.entries()
