"""Dead letters whose file does not answer: what a caller waits for, and what becomes of the letters."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import DeadLetterPolicy, Engine, RetryPolicy
from fuseboard_engine.dead_letters import queue
from fuseboard_storage import SqliteDeadLetters, record
from fuseboard_storage.tables import dead_letters as letters
from support.waiting import until

SHORT = 0.05
LONG = 60.0  # seconds after which a test gives up


@contextmanager
def write_lock(path: Path) -> Iterator[None]:
    """Hold the file's write lock, as a program does that never commits."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


class Disk:
    """A disk that does not answer a function of `tables.dead_letters` until `heal`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
        self.asked = threading.Event()
        self._healed = threading.Event()
        real = getattr(letters, function)

        def stalled(*arguments: Any) -> Any:
            self.asked.set()
            self._healed.wait(LONG)
            return real(*arguments)

        monkeypatch.setattr(letters, function, stalled)

    def heal(self) -> None:
        self._healed.set()


def failing(**policy: Any) -> Engine:
    engine = Engine("app", retry=RetryPolicy(max_attempts=1), dead_letters=DeadLetterPolicy(**policy))

    async def bad(task: object) -> None:
        raise ConnectionError("down")

    engine.add_adapter("bad", bad)
    return engine


async def stored(path: Path) -> list[str]:
    async with SqliteDeadLetters.open(path) as store:
        return [letter.task for letter in await store.find(queue._ALL, 0, 100)]


@pytest.mark.parametrize(
    ("deadline", "commit_timeout"), [(SHORT, 15.0), (None, SHORT)], ids=["deadline", "commit_timeout"]
)
async def test_a_task_is_answered_while_another_program_holds_the_file(
    deadline: float | None, commit_timeout: float, tmp_path: Path
) -> None:
    path = tmp_path / "a.db"
    engine = failing(automatic_retry=False, commit_timeout=commit_timeout)
    async with record(engine, path) as recorder, asyncio.timeout(LONG):
        await recorder.flushed()
        with write_lock(path):
            result = await engine.execute_with_fallback("x", ["bad"], deadline=deadline)
            assert (result.success, result.dead_letter) == (False, None)
            assert "its dead letter is still being stored" in result.why
            assert engine.dead_letters is not None
            assert (engine.dead_letters.being_stored, engine.dead_letters.unacknowledged) == (1, 1)
            assert await stored(path) == []
        await asyncio.to_thread(until, lambda: engine.dead_letters is not None and not engine.dead_letters.being_stored)
    assert await stored(path) == [result.task]


@pytest.mark.parametrize(
    ("deadline", "commit_timeout"), [(SHORT, 15.0), (None, SHORT)], ids=["deadline", "commit_timeout"]
)
async def test_a_task_is_answered_while_the_disk_does_not_answer(
    deadline: float | None, commit_timeout: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    engine = failing(automatic_retry=False, commit_timeout=commit_timeout)
    async with record(engine, path) as recorder, asyncio.timeout(LONG):
        await recorder.flushed()
        disk = Disk(monkeypatch, "add")
        result = await engine.execute_with_fallback("x", ["bad"], deadline=deadline)
        assert disk.asked.is_set()
        assert (result.success, result.dead_letter) == (False, None)
        disk.heal()
        await asyncio.to_thread(until, lambda: engine.dead_letters is not None and not engine.dead_letters.being_stored)
    assert await stored(path) == [result.task]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_store_without_a_recorder_works_in_a_forked_child(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine, store = failing(automatic_retry=False), SqliteDeadLetters(path)
    assert engine.dead_letters is not None
    engine.dead_letters.attach_store(store)
    asyncio.run(engine.dead_letters.enqueue("parent", error="down"))
    child = os.fork()
    if not child:
        signal.alarm(30)  # ends a child that hangs
        try:
            asyncio.run(engine.dead_letters.enqueue("child", error="down"))
            os._exit(0)
        finally:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    asyncio.run(engine.dead_letters.enqueue("parent", error="down"))
    store.close_blocking()
    assert len(asyncio.run(stored(path))) == 3


async def test_an_engine_closes_while_the_disk_does_not_let_it_release_an_interrupted_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "STOP_SECONDS", SHORT)
    path = tmp_path / "a.db"
    engine = failing(automatic_retry=False)
    started = asyncio.Event()

    async def hangs(task: object) -> None:
        started.set()
        await asyncio.Event().wait()

    engine.add_adapter("hangs", hangs)
    async with record(engine, path, close_timeout=SHORT), asyncio.timeout(LONG):
        assert engine.dead_letters is not None
        id = await engine.dead_letters.enqueue("x", error="down", order=("hangs",))
        retry = asyncio.create_task(engine.dead_letters.retry(id))
        await started.wait()
        disk = Disk(monkeypatch, "settle")
        await engine.close()
        assert disk.asked.is_set() and retry.done()
    disk.heal()
    assert isinstance(retry.exception(), queue.StoreUnavailable)
