"""The write lock that threads of one process share for a file."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from fuseboard_engine.dead_letters.letter import Capacity, StoreUnavailable
from fuseboard_storage import SqliteDeadLetters
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.write_lock import STEPS, LockingConnection, begin, transaction
from support.letters import letter
from support.waiting import PATIENCE


def note(connection: LockingConnection, name: str) -> None:
    connection.execute("INSERT INTO dead_letter_totals VALUES (?, 1)", (name,))


def names(connection: LockingConnection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM dead_letter_totals ORDER BY name")]


def test_a_writer_waits_for_another_threads_lock_and_then_writes(tmp_path: Path) -> None:
    one, two = schema.connect(tmp_path / "a.db"), schema.connect(tmp_path / "a.db")
    begun = threading.Event()

    def second() -> None:
        begun.set()
        with transaction(two):
            note(two, "second")

    thread = threading.Thread(target=second)
    with transaction(one):
        thread.start()
        assert begun.wait(PATIENCE)
        note(one, "first")
    thread.join(PATIENCE)
    assert names(one) == ["first", "second"]


def test_connections_to_different_files_do_not_wait_for_each_other(tmp_path: Path) -> None:
    one, two = schema.connect(tmp_path / "a.db"), schema.connect(tmp_path / "b.db")
    assert one.write_lock is not two.write_lock
    with transaction(one), transaction(two):
        note(two, "meanwhile")
    assert names(two) == ["meanwhile"]


def test_a_thread_that_holds_the_lock_can_start_a_transaction(tmp_path: Path) -> None:
    connection = schema.connect(tmp_path / "a.db")
    with connection.write_lock, transaction(connection):
        note(connection, "went ahead")
    assert names(connection) == ["went ahead"]


def test_a_failed_transaction_is_rolled_back_and_releases_the_lock(tmp_path: Path) -> None:
    connection = schema.connect(tmp_path / "a.db")
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        note(connection, "twice")
        note(connection, "twice")
    assert names(connection) == []
    assert not connection.write_lock.locked()


def test_a_writer_asks_more_often_the_longer_it_has_waited_for_other_processes(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)  # like another process: it does not share the lock
    writer = schema.connect(tmp_path / "a.db", busy_timeout=0.5)
    asked: list[str] = []
    writer.set_trace_callback(asked.append)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        begin(writer)
    waits = [int(sql.rpartition("=")[2]) for sql in asked if "busy_timeout" in sql]
    assert waits == sorted(waits, reverse=True)
    assert waits[-1] == min(STEPS.values())
    assert writer.waits_since is not None, "it goes on where it was"
    other.execute("ROLLBACK")
    begin(writer)
    assert writer.waits_since is None
    assert writer.execute("PRAGMA busy_timeout").fetchone() == (STEPS[0.0],)
    writer.execute("ROLLBACK")
    writer.close()
    other.close()


async def test_every_letter_for_a_closed_store_is_refused_at_once(tmp_path: Path) -> None:
    store = SqliteDeadLetters(tmp_path / "a.db")
    await store.close()
    for _ in range(2):
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(StoreUnavailable):
                await store.add(letter(), Capacity(10, False))
