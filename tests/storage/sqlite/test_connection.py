"""Errors of a recording that can't be read or written: they say what to do, and are never raw SQLite errors."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from fuseboard_storage.errors import RecordingError, RecordingNotWritable
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import connection, schema
from support.waiting import PATIENCE, until


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


class SlowOpening:
    """Opens files only once `go_on` is set, and counts the connections that are open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        self.open = 0
        real = sqlite3.connect

        class Counting(sqlite3.Connection):
            def close(counting) -> None:
                self.open -= 1
                super().close()

        def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
            self.began.set()
            assert self.go_on.wait(PATIENCE)
            self.open += 1
            return real(*arguments, factory=Counting, **options)

        monkeypatch.setattr(connection.sqlite3, "connect", connect)


@pytest.mark.parametrize("waits_for", ["the file is opened", "a query", "the file is closed"])
def test_a_reader_that_is_cancelled_leaves_neither_a_thread_nor_an_open_file(
    waits_for: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    schema.connect(path).close()
    opening = SlowOpening(monkeypatch)
    before = set(threading.enumerate())
    blocking, asked = threading.Event(), threading.Event()

    async def read() -> None:
        async with connection.connected(path, "mode=ro") as opened:
            if waits_for == "a query":
                await opened.run(lambda c: (asked.set(), blocking.wait(PATIENCE)))
            if waits_for == "the file is closed":
                query = asyncio.ensure_future(opened.run(lambda c: (asked.set(), blocking.wait(PATIENCE))))
                await asyncio.to_thread(asked.wait)
                query.cancel()

    async def leave() -> None:
        """Give up after the reader has begun to wait, and let what it waits for end then."""
        reader = asyncio.ensure_future(read())
        if waits_for == "the file is opened":
            await asyncio.to_thread(opening.began.wait)
        else:
            opening.go_on.set()
            await asyncio.to_thread(asked.wait)
        reader.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        opening.go_on.set()
        blocking.set()
        with contextlib.suppress(asyncio.CancelledError):
            await reader

    asyncio.run(leave())
    until(lambda: not set(threading.enumerate()) - before)  # pytest fails if one of them raised
    assert opening.open == 0


def test_a_file_that_cannot_be_written_is_told_from_one_that_cannot_be_read(tmp_path: Path) -> None:
    for done, kind in (("written", RecordingNotWritable), ("read", RecordingError)):
        with (
            pytest.raises(RecordingError, match=f"cannot be {done}") as caught,
            connection.translate_sqlite_errors(tmp_path / "a.db", done),
        ):
            raise sqlite3.OperationalError("attempt to write a readonly database")
        assert type(caught.value) is kind
