"""Recordings and real processes: killed ones, and two that write one file."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from fuseboard_engine.events import EngineStopped, RouteFinished
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from support.fake_engine import FakeEngine
from support.paths import PROGRAMS, ROOT


def start(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAMS / "recording_engine.py"), str(path), name, str(count)]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)


async def tasks(path: Path) -> list[str]:
    async with Recording.open(path) as recording:
        found = [entry.event for entry in await recording.entries(limit=10**6)]
    return [event.task for event in found if isinstance(event, RouteFinished)]


async def test_a_killed_process_loses_no_flushed_event_and_leaves_an_intact_file(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with start(path, "app", 10**9) as process:
        assert process.stdout is not None
        flushed = 0
        while flushed < 2_000:
            flushed = int(process.stdout.readline())
        process.kill()
        flushed = max([flushed, *(int(line) for line in process.stdout.readlines() if line.endswith("\n"))])
    found = await tasks(path)
    assert found == [f"app.{number}" for number in range(len(found))]
    assert len(found) > flushed
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


async def test_after_a_kill_the_next_instance_records_that_the_last_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with start(path, "checkout", 10**9) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    async with record(FakeEngine("checkout"), path), Recording.open(path) as recording:
        entries = await recording.entries(limit=10**6)
        stopped = [(e.instance, e.event.reason) for e in entries if isinstance(e.event, EngineStopped)]
        assert stopped == [(1, "lost")]
        assert list((await recording.board()).instances) == [2]


async def test_two_processes_write_one_file_and_each_keeps_its_order(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with start(path, "one", 3_000) as one, start(path, "two", 3_000) as two:
        assert one.stdout is not None
        assert two.stdout is not None
        one.stdout.read()
        two.stdout.read()
    assert (one.returncode, two.returncode) == (0, 0)
    found = await tasks(path)
    for name in ("one", "two"):
        assert [task for task in found if task.startswith(name)] == [f"{name}.{n}" for n in range(3_000)]
    async with Recording.open(path) as recording:
        rows = await recording.instances()
    assert {row.name for row in rows} == {"one", "two"}
    assert all(row.ended_at for row in rows)
