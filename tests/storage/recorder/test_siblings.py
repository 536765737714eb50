"""Several processes with one name: each takes the state of one that ended, once, and never of one that runs."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy
from fuseboard_engine.events import LOST, AdapterAdded, EngineStarted, EngineStopped, Event
from fuseboard_storage import record, restore
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.process_identity import pid_space, this_process
from fuseboard_storage.tables import instances, keyframes
from support.fake_engine import NOON, answered

SECOND = 1_000_000


class App(Engine):
    """An engine with an adapter that is up and one that is down."""

    def __init__(self, name: str = "checkout") -> None:
        super().__init__(
            name, breaker=BreakerPolicy(failure_threshold=2, recovery_timeout=600), retry=RetryPolicy(max_attempts=1)
        )
        self.add_adapter("up", self._up)
        self.add_adapter("down", self._down)

    async def _up(self, task: Any) -> str:
        return "yes"

    async def _down(self, task: Any) -> None:
        raise ConnectionError("refused")

    async def work(self, times: int, adapter: str = "up") -> None:
        for _ in range(times):
            await self.execute_with_fallback({}, [adapter])

    @property
    def calls(self) -> int:
        return self.get_adapter_statistics()["up"]["calls"]


async def test_two_processes_take_the_state_of_two_that_ended_each_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    one, two = App(), App()
    async with record(one, path), record(two, path):
        await one.work(3)
        await two.work(5)
    new = [App() for _ in range(3)]
    await asyncio.gather(*(restore(app, path) for app in new))
    assert sorted(app.calls for app in new) == [0, 3, 5]
    async with record(new[0], path), record(new[1], path), record(new[2], path):
        late = App()
        assert "running" in (await restore(late, path)).why_fresh
        await asyncio.gather(*(app.work(2) for app in new))
    last = [App() for _ in range(4)]
    for app in last:
        await restore(app, path)
    assert sorted(app.calls for app in last) == [0, 2, 5, 7]
    assert sum(app.calls for app in last) == 3 + 5 + 3 * 2


async def test_nothing_is_taken_from_a_sibling_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    sibling = App()
    async with record(sibling, path) as recorder:
        await sibling.work(2, "down")
        await recorder.flushed()
        app = App()
        async with record(app, path, restore=True):
            assert app.breaker("down").state == "closed"
            assert app.calls == 0


async def test_an_engine_that_is_recorded_again_does_not_count_twice(tmp_path: Path) -> None:
    path, app = tmp_path / "a.db", App()
    for _ in range(3):
        async with record(app, path, restore=True):
            await app.work(2)
    assert app.calls == 6
    successor = App()
    await restore(successor, path)
    assert successor.calls == 6


async def test_a_start_without_restoring_replaces_what_ended_before(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    first = App()
    async with record(first, path):
        first.breaker("up").force_open(actor="ann")
    async with record(App(), path):
        pass
    second, third = App(), App()
    async with record(second, path, restore=True), record(third, path, restore=True):
        assert [app.breaker("up").state for app in (second, third)] == ["closed", "closed"]


TAKER = """
import asyncio, os, sys
from fuseboard_engine import Engine
from fuseboard_storage import restore
engine = Engine("checkout")
engine.add_adapter("up", lambda task: task)
asyncio.run(restore(engine, sys.argv[1]))
print(engine.get_adapter_statistics()["up"]["calls"], flush=True)
os._exit(0)
"""


async def test_a_restored_state_is_available_again_if_its_process_died_before_recording(tmp_path: Path) -> None:
    path, app = tmp_path / "a.db", App()
    async with record(app, path):
        await app.work(4)
    for _ in range(2):
        shown = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", TAKER, str(path)], capture_output=True, text=True, check=True
        )
        assert shown.stdout == "4\n"
    successor = App()
    await restore(successor, path)
    assert successor.calls == 4


def test_of_a_file_of_an_older_version_only_the_last_instance_of_a_name_can_be_taken(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    before = next(i for i, migration in enumerate(schema.MIGRATIONS) if "continued_by" in "".join(migration))
    for statements in schema.MIGRATIONS[:before]:
        for statement in statements:
            connection.execute(statement)
    connection.executemany(
        "INSERT INTO instances(name, host, pid, started_at, heartbeat_at, ended_at) VALUES (?, 'h', 1, ?, ?, ?)",
        [("a", n, n, n) for n in (1, 2, 3)] + [("b", 4, 4, 4)],
    )
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {before}")
    connection.commit()
    connection.close()
    connection = schema.connect(path)
    taken = [instances.take(connection, name, "h") for name in ("a", "a", "b")]
    connection.close()
    assert taken == [(3, 3), None, (4, 4)]


@pytest.mark.skipif(not pid_space(), reason="this system has no pid namespaces")
def test_an_engine_of_another_container_is_dead_only_without_a_heartbeat(tmp_path: Path) -> None:
    connection = schema.connect(tmp_path / "a.db")
    other = instances.register(connection, "checkout", "web-1", NOON)
    gone = instances.register(connection, "checkout", "web-1", NOON)
    for id, space in ((other, "another boot:pid:[1]"), (gone, pid_space())):
        values = ("web-1@999999999:7", space, 999_999_999, id)
        connection.execute("UPDATE instances SET process = ?, pid_space = ?, pid = ? WHERE id = ?", values)
    found = [id for id, _ in instances.record_dead(connection, "web-1", NOON + 2 * SECOND)]
    assert found == [gone], "its process is known to have ended"
    found = [id for id, _ in instances.record_dead(connection, "web-1", NOON + 6 * SECOND)]
    assert found == [other]
    connection.close()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system does not tell when a process started")
def test_an_engine_whose_pid_another_process_has_now_is_dead(tmp_path: Path) -> None:
    connection = schema.connect(tmp_path / "a.db")
    for process in (f"web-1@{os.getpid()}:1", f"web-1@{os.getppid()}:1"):
        id = instances.register(connection, "checkout", "web-1", NOON)
        pid = int(process.partition("@")[2].partition(":")[0])
        connection.execute("UPDATE instances SET process = ?, pid = ? WHERE id = ?", (process, pid, id))
    alive = instances.register(connection, "checkout", "web-1", NOON)
    found = [id for id, _ in instances.record_dead(connection, "web-1", NOON + SECOND)]
    assert found == [1, 2]
    assert alive == 3
    assert this_process("web-1").startswith(f"web-1@{os.getpid()}:")
    connection.close()


# ------------------------------------------------------------------ the Board


def board_of(*entries: tuple[int, Event]) -> Board:
    board = Board()
    for seq, (instance, event) in enumerate(entries, 1):
        board.apply(Entry(seq, instance, event))
    return board


def started(second: int, replaces: int = 0) -> EngineStarted:
    return EngineStarted(at=NOON + second * SECOND, name="app", host="h", pid=second, replaces=replaces)


def added() -> AdapterAdded:
    return AdapterAdded(at=NOON, adapter="agno", policy={})


def stopped(second: int, reason: str = "closed") -> EngineStopped:
    return EngineStopped(at=NOON + second * SECOND, reason=reason)


def test_a_sibling_is_not_mistaken_for_a_restart() -> None:
    board = board_of((1, started(0)), (1, added()), (2, started(1)), (1, stopped(9, LOST)))
    assert list(board.instances) == [1, 2]
    assert [row.key.instance for row in board.rows()] == [1]


def test_a_restart_replaces_an_engine_that_is_found_dead_later() -> None:
    board = board_of((1, started(0)), (1, added()), (2, started(10)), (1, stopped(9, LOST)))
    assert list(board.instances) == [2]


def test_a_state_that_no_process_restored_stays_available_but_hidden() -> None:
    board = board_of(
        (1, started(0)), (1, added()), (1, answered()), (2, started(1)), (2, added()),
        (1, stopped(2)), (2, stopped(3)), (3, started(4, replaces=2)),
    )  # fmt: skip
    assert list(board.instances) == [3]
    assert list(board.left) == [1]
    assert [row.calls for row in board.rows_of(1)] == [1]
    again = keyframes.load(keyframes.dump(board))
    assert [row.calls for row in again.rows_of(1)] == [1]
    board.apply(Entry(99, 4, started(5, replaces=1)))
    assert not board.left


def test_the_kept_states_of_ended_instances_are_bounded() -> None:
    board = board_of(*[(n, event) for n in range(1, 101) for event in (started(n), added(), stopped(n))])
    assert list(board.left) == list(range(36, 100))
