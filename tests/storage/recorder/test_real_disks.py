"""Recording on real file systems that are full, frozen, read-only, or without locks."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuseboard_engine import DeadLetterPolicy, Engine, LetterSelection, RetryPolicy
from fuseboard_engine.events import EventsDropped, RouteFinished
from fuseboard_storage import Recording, SqliteDeadLetters, record
from support.disks import FreezableDisk, freezable_disk, resize, small_disk
from support.fake_engine import FakeEngine, answered
from support.waiting import until

RECORD = """
import asyncio, sys
from fuseboard import Engine, record

async def main():
    async with record(Engine("app"), sys.argv[1]):
        pass

asyncio.run(main())
"""
LONG = 60.0  # seconds after which a test gives up


async def answers_in(path: Path) -> list[str]:
    async with Recording.open(path) as recording:
        events = [entry.event for entry in await recording.entries(limit=1_000_000)]
    assert not [event for event in events if isinstance(event, EventsDropped)]
    return [event.task for event in events if isinstance(event, RouteFinished)]


@pytest.fixture
def freezable(tmp_path: Path) -> Iterator[FreezableDisk]:
    with freezable_disk(tmp_path) as disk:
        yield disk


async def test_events_wait_for_room_on_a_full_disk_and_all_are_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = [f"task-{number:05}" for number in range(20_000)]
    with small_disk(tmp_path, "1m") as disk:
        engine, path = FakeEngine(), disk / "a.db"
        async with record(engine, path) as recorder, asyncio.timeout(LONG):
            for task in tasks:
                engine.emit(answered(task))
            await asyncio.to_thread(until, lambda: "cannot be written" in caplog.text)
            assert recorder.waiting > 0
            resize(disk, "100m")
            await recorder.flushed()
        assert await answers_in(path) == tasks
        assert recorder.dropped == 0
    assert caplog.text.count("cannot be written") == 1


def fill(disk: Path) -> Path:
    """Write a file until the disk is full, and return it."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    return filler


async def test_a_recording_on_a_full_disk_is_read(tmp_path: Path) -> None:
    with small_disk(tmp_path, "2m") as disk:
        engine, path = FakeEngine(), disk / "a.db"
        async with record(engine, path) as recorder, asyncio.timeout(LONG):
            engine.emit(answered("first"))
            await recorder.flushed()
            filler = fill(disk)
            assert await answers_in(path) == ["first"]
            filler.unlink()


async def test_a_dead_letter_is_acknowledged_only_if_the_disk_has_room_for_it(tmp_path: Path) -> None:
    engine = Engine("app", retry=RetryPolicy(max_attempts=1), dead_letters=DeadLetterPolicy(automatic_retry=False))

    async def bad(task: object) -> None:
        raise ConnectionError("down")

    engine.add_adapter("bad", bad)
    with small_disk(tmp_path, "2m") as disk:
        path = disk / "a.db"
        async with record(engine, path) as recorder, asyncio.timeout(LONG):
            await recorder.flushed()
            results = [await engine.execute_with_fallback({"type": "t", "text": "x" * 20_000}) for _ in range(100)]
            acknowledged = {result.dead_letter for result in results if result.dead_letter is not None}
            refused = [result for result in results if result.dead_letter is None]
            assert acknowledged
            assert {"disk is full" in result.why for result in refused} == {True}
            resize(disk, "100m")
            await recorder.flushed()
        async with SqliteDeadLetters.open(path) as store:
            kept = {letter.id for letter in await store.find(LetterSelection(), 0, 1_000)}
    assert kept == acknowledged


async def test_calls_are_answered_while_the_disk_is_frozen(freezable: FreezableDisk) -> None:
    engine, path = Engine("app"), freezable.folder / "a.db"

    async def good(task: object) -> str:
        return "yes"

    engine.add_adapter("good", good)
    async with record(engine, path) as recorder, asyncio.timeout(LONG):
        await recorder.flushed()
        with freezable.frozen():
            for _ in range(500):
                assert (await engine.execute_with_fallback({"type": "t"})).unwrap() == "yes"
            assert recorder.waiting > 0
        await recorder.flushed()
    assert len(await answers_in(path)) == 500


async def test_closing_a_recording_on_a_frozen_disk_takes_a_limited_time(
    freezable: FreezableDisk, caplog: pytest.LogCaptureFixture
) -> None:
    engine, path = FakeEngine(), freezable.folder / "a.db"
    async with asyncio.timeout(LONG):
        async with record(engine, path, close_timeout=0.2) as recorder:
            await recorder.flushed()
            freezing = freezable.frozen()
            freezing.__enter__()
            engine.emit(answered("late"))
        freezing.__exit__(None, None, None)
    assert "lost" in caplog.text or await answers_in(path) == ["late"]


@pytest.fixture(scope="module")
def without_locks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that makes each lock fail, as on a network file system without locks."""
    if sys.platform != "linux" or not shutil.which("cc"):
        pytest.skip("a C compiler on Linux is needed")
    library = tmp_path_factory.mktemp("library") / "no_locks.so"
    source = Path(__file__).parents[2] / "support" / "programs" / "no_locks.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL], ids=errno.errorcode.get)
async def test_a_file_system_without_locks_is_refused_with_a_sentence(
    code: int, without_locks: Path, tmp_path: Path
) -> None:
    # Coverage keeps its figures in SQLite too, which needs the locks that fail here.
    own = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment = {**own, "LD_PRELOAD": str(without_locks), "LOCK_ERROR": str(code)}
    path, engine = tmp_path / "a.db", FakeEngine()

    async def run(*arguments: object) -> str:
        command = [sys.executable, *map(str, arguments)]
        done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True)
        assert done.returncode
        return done.stderr.strip().splitlines()[-1]

    assert (await run("-c", RECORD, path)).endswith(
        f"{path} is on a file system without locks. Use a local disk: SQLite needs locks and shared memory."
    )
    async with record(engine, path) as recorder:
        await recorder.flushed()
        assert await run("-m", "fuseboard", "status", path) == (
            "a.db is on a file system without locks. Use a local disk: SQLite needs locks and shared memory."
        )
