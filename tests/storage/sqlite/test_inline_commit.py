"""Commits in an event loop's own thread: made only when they need not wait for a lock or a slow disk."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from fuseboard_engine.dead_letters.letter import Capacity, LetterSelection
from fuseboard_storage import SqliteDeadLetters
from fuseboard_storage.sqlite import inline_commit, schema
from fuseboard_storage.sqlite.inline_commit import (
    QUICK_SECONDS,
    RECENT,
    RUN,
    STALL_SECONDS,
    THREAD_ONLY_AFTER_STALL,
    THREAD_ONLY_SECONDS,
    InlineCommitter,
)
from fuseboard_storage.sqlite.write_lock import LockingConnection
from fuseboard_storage.tables import dead_letters as letters
from support.letters import NOON, ROOM, letter

LITTLE = QUICK_SECONDS / 10  # seconds


class File:
    """A recording with an inline committer, and a clock that the test moves."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 0.0
        self.thread = schema.connect(path)
        self.committer = InlineCommitter(lambda: self.now)

    def commit_in_thread(self, seconds: float = LITTLE) -> None:
        began = self.now
        self.now += seconds
        self.committer.note(began, self.path)

    def commit_inline(self, seconds: float = LITTLE) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            connection.execute(
                "INSERT INTO dead_letter_totals VALUES ('n', 1) ON CONFLICT DO UPDATE SET total = total + 1"
            )
            self.now += seconds
            return True

        return self.committer.commit(work) is not None

    def open(self) -> None:
        for _ in range(2):
            self.commit_in_thread()

    def commits(self) -> int:
        row = self.thread.execute("SELECT total FROM dead_letter_totals").fetchone()
        return 0 if row is None else int(row[0])


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    made = File(tmp_path / "a.db")
    yield made
    made.committer.close()
    made.thread.close()


def test_the_first_commits_of_a_series_are_made_by_the_thread(file: File) -> None:
    assert not file.commit_inline()
    file.commit_in_thread()
    assert not file.commit_inline()
    file.commit_in_thread()
    assert file.commit_inline()
    assert file.commit_inline()
    assert file.commits() == 2


def test_some_time_after_the_last_commit_the_disks_speed_is_unknown(file: File) -> None:
    file.open()
    file.now += RECENT
    assert not file.commit_inline()
    file.commit_in_thread()
    assert file.commit_inline()


def test_after_a_slow_commit_by_the_thread_the_next_is_not_made_inline(file: File) -> None:
    file.open()
    file.commit_in_thread(QUICK_SECONDS)
    assert not file.commit_inline()


def test_after_a_slow_inline_commit_the_thread_makes_all_commits_for_some_seconds(file: File) -> None:
    file.open()
    assert file.commit_inline(QUICK_SECONDS)
    slow_until = file.now + THREAD_ONLY_SECONDS
    while file.now + LITTLE < slow_until - LITTLE:
        file.commit_in_thread()
        assert not file.commit_inline()
        file.now += THREAD_ONLY_SECONDS / 10
    file.now = slow_until
    file.commit_in_thread()
    assert file.commit_inline()


def test_after_an_inline_commit_that_delayed_the_loop_the_thread_makes_all_commits_for_an_hour(file: File) -> None:
    file.open()
    assert file.commit_inline(STALL_SECONDS)
    file.now += THREAD_ONLY_AFTER_STALL - 3 * LITTLE
    for _ in range(2):
        file.commit_in_thread()
    assert not file.commit_inline()
    file.now += LITTLE
    file.open()
    assert file.commit_inline()


def test_an_inline_commit_that_fails_after_a_delay_is_not_repeated_for_an_hour(file: File) -> None:
    file.open()

    def work(connection: sqlite3.Connection) -> None:
        file.now += STALL_SECONDS
        raise sqlite3.OperationalError("disk I/O error")

    assert file.committer.commit(work) is None
    file.open()
    assert not file.commit_inline()


def test_an_inline_commit_waits_for_no_disk(file: File) -> None:
    file.open()
    connection = file.committer._connection
    assert connection is not None
    settings = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "wal_autocheckpoint")]
    assert settings == [1, 0]  # NORMAL: a commit in WAL mode is not synced


def test_an_inline_commit_does_not_wait_for_another_thread(file: File) -> None:
    file.open()
    with file.thread.write_lock:
        assert not file.commit_inline()
    assert file.commit_inline()
    assert file.commits() == 1


def test_an_inline_commit_does_not_wait_for_another_process(file: File) -> None:
    file.open()
    other = sqlite3.connect(file.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert not file.commit_inline()
    other.execute("ROLLBACK")
    other.close()
    file.commit_in_thread()
    assert file.commit_inline()


def test_a_failed_inline_commit_is_rolled_back_and_left_to_the_thread(file: File) -> None:
    file.open()

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO dead_letter_totals VALUES ('n', 1)")
        raise ValueError("no")

    assert file.committer.commit(work) is None
    assert file.commits() == 0
    assert not file.thread.write_lock.locked()
    file.commit_in_thread()
    assert file.commit_inline()


def test_the_thread_regularly_commits_and_checkpoints_the_log(file: File) -> None:
    file.open()
    assert all(file.commit_inline() for _ in range(RUN))
    assert not file.commit_inline()
    file.commit_in_thread()
    assert file.commit_inline()


def test_a_closed_committer_is_reopened_by_the_next_row(file: File) -> None:
    file.open()
    file.committer.close()
    assert not file.commit_inline()
    file.open()
    assert file.commit_inline()


# ------------------------------------------------------------------ letters


class Threads:
    """Records the threads in which transactions start."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.used: list[str] = []

        class Noting(LockingConnection):
            def execute(noting, sql: str, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
                if sql == "BEGIN IMMEDIATE":
                    self.used.append(threading.current_thread().name)
                return super().execute(sql, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(schema, "LockingConnection", Noting)
        monkeypatch.setattr(inline_commit, "QUICK_SECONDS", 60.0)  # even on a busy machine
        monkeypatch.setattr(inline_commit, "RECENT", 60.0)


async def test_sequential_letters_are_stored_in_order_whichever_thread_commits_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = Threads(monkeypatch)
    store = SqliteDeadLetters(tmp_path / "a.db")
    ids = [(await store.add(letter(f"t{number}"), ROOM))[0] for number in range(10)]
    threads.used.clear()
    ids += [(await store.add(letter(f"t{number}"), ROOM))[0] for number in range(10, 20)]
    assert set(threads.used) == {threading.current_thread().name}
    assert ids == list(range(1, 21))
    found = await store.find(LetterSelection(), NOON)
    assert [(one.id, one.task) for one in reversed(found)] == [(n + 1, f"t{n}") for n in range(20)]
    await store.close()


@pytest.mark.parametrize("slow", ["a large payload", "an eviction"])
async def test_what_may_take_long_is_committed_by_the_thread(
    slow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = Threads(monkeypatch)
    store = SqliteDeadLetters(tmp_path / "a.db")
    room = Capacity(4, True) if slow == "an eviction" else ROOM
    for number in range(4):
        await store.add(letter(f"t{number}"), room)
    await store.change("discard", LetterSelection(), NOON, "ann")
    await store.add(letter("warm"), ROOM)
    assert threads.used[-1] == threading.current_thread().name
    threads.used.clear()
    payload = "x" * (letters.QUICK_CHARACTERS + 1) if slow == "a large payload" else "{}"
    _, evicted = await store.add(replace(letter("slow"), payload=payload), room)
    assert threads.used[-1] != threading.current_thread().name
    assert bool(evicted) is (slow == "an eviction")
    await store.close()


async def test_concurrent_letters_are_committed_by_the_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = Threads(monkeypatch)
    store = SqliteDeadLetters(tmp_path / "a.db")
    for number in range(5):
        await store.add(letter(f"first {number}"), ROOM)
    threads.used.clear()
    kept = await asyncio.gather(*(store.add(letter(f"t{number}"), ROOM) for number in range(50)))
    assert sorted(id for id, _ in kept) == list(range(6, 56))
    assert threads.used.count(threading.current_thread().name) == 1
    assert len(threads.used) < 10
    await store.close()


def test_a_loop_that_ends_before_it_is_answered_leaves_the_store_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Threads(monkeypatch)
    store = SqliteDeadLetters(tmp_path / "a.db")

    async def fill(count: int) -> None:
        for number in range(count):
            await store.add(letter(f"t{number}"), ROOM)

    async def leave() -> None:
        store.add(letter("left alone"), ROOM)

    asyncio.run(fill(5))
    asyncio.run(leave())
    asyncio.run(fill(5))

    async def count() -> int:
        found = len(await store.find(LetterSelection(), NOON))
        await store.close()
        return found

    assert asyncio.run(count()) == 11
