"""A fork of a recorded process records as an instance of its own, with its own connections and exact figures."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import DeadLetterPolicy, Engine, RetryPolicy
from fuseboard_engine.dead_letters.letter import LetterRefused
from fuseboard_engine.events import DeadLetterRefused, Event
from fuseboard_storage import Recording, record
from support.paths import ROOT

PATIENCE = 120
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def run(scene: str, path: Path) -> dict[str, Any]:
    """Run a scene of the forking program and return what it printed."""
    program = [sys.executable, "-W", "ignore", "-m", "support.programs.forking_engine", scene, str(path)]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT / "tests")
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def calls_by_instance(path: Path) -> list[int]:
    """Return the recorded calls of the adapter `plain` by instance, in the order of the instances."""
    sql = "SELECT sum(calls) FROM metrics WHERE adapter = 'plain' GROUP BY instance ORDER BY instance"
    return [calls for (calls,) in query(path, sql)]


@needs_fork
def test_a_forked_child_records_its_calls_letters_and_runs(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    assert run("fork", path) == {"code": 0}
    assert calls_by_instance(path) == [5, 4]
    pids = [pid for (pid,) in query(path, "SELECT pid FROM instances ORDER BY id")]
    assert len(set(pids)) == 2
    assert query(path, "SELECT task, status FROM dead_letters") == [("kept", "pending")]
    assert query(path, "SELECT id, state FROM workflow_runs") == [("in-child", "done")]


@needs_fork
def test_a_child_that_does_not_use_the_engine_is_not_an_instance(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    assert run("unused", path) == {"code": 0}
    assert len(query(path, "SELECT 1 FROM instances")) == 1


@needs_fork
def test_a_child_that_closes_its_recording_leaves_that_of_its_parent_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    assert run("closed", path) == {"code": 0}
    assert calls_by_instance(path) == [2, 4]
    stopped = query(path, "SELECT instance FROM events WHERE kind = 'engine_stopped' ORDER BY seq")
    assert stopped == [(2,), (1,)]


@needs_fork
def test_forks_beside_busy_threads_neither_hang_nor_lose_a_call(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    told = run("busy", path)
    assert told["codes"] == [0] * 20
    assert sum(calls_by_instance(path)) == told["calls"]
    letters = query(path, "SELECT count(*) FROM dead_letters")
    assert letters == [(told["calls"] - 20 * 5 + 20,)]


@needs_fork
def test_a_pool_of_forked_processes_is_recorded_exactly(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    told = run("pool_fork", path)
    assert sum(calls_by_instance(path)) == told["calls"] + 2
    assert len(query(path, "SELECT 1 FROM instances")) == told["processes"] + 1


def test_a_pool_of_spawned_processes_is_recorded_exactly(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    told = run("pool_spawn", path)
    assert sum(calls_by_instance(path)) == told["calls"]
    assert query(path, "SELECT count(*) FROM instances WHERE ended_at IS NULL") == [(0,)]


async def test_letters_are_refused_after_the_recording_was_closed(tmp_path: Path) -> None:
    engine = Engine("app", retry=RetryPolicy(max_attempts=1), dead_letters=DeadLetterPolicy())
    assert engine.dead_letters is not None
    seen: list[Event] = []
    engine.subscribe(seen.append)

    async def down(task: Any) -> None:
        raise ConnectionError("down")

    engine.add_adapter("down", down)
    async with record(engine, tmp_path / "a.db"):
        assert (await engine.execute_with_fallback({})).dead_letter == 1
    result = await engine.execute_with_fallback({})
    assert result.dead_letter is None
    assert isinstance(seen[-2], DeadLetterRefused)
    with pytest.raises(LetterRefused, match="closed"):
        await engine.dead_letters.enqueue({})
    async with record(engine, tmp_path / "a.db"):
        assert await engine.dead_letters.enqueue({}) == 2


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_drops_the_letters_that_its_parent_keeps_in_memory() -> None:
    engine = Engine("app", retry=RetryPolicy(max_attempts=1), dead_letters=DeadLetterPolicy())
    letters = engine.dead_letters
    assert letters is not None
    asyncio.run(letters.enqueue({}))
    read, write = os.pipe()
    if not os.fork():
        os.write(write, str(len(asyncio.run(letters.find()))).encode())
        os._exit(0)
    assert os.read(read, 10) == b"0"
    assert len(asyncio.run(letters.find())) == 1


async def test_the_board_keeps_parent_and_child_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    await asyncio.to_thread(run, "closed", path)
    async with Recording.open(path) as recording:
        board = await recording.board()
    assert [row.calls for row in board.find("plain")] == [2, 4]
