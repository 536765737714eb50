"""A wall clock that jumps by a year kills no living engine and keeps no dead one alive."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fuseboard_storage.board.rows import InstanceRow
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.process_identity import pid_space
from fuseboard_storage.tables import instances
from support.fake_engine import NOON

YEAR = 365 * 86_400_000_000


@pytest.fixture
def file(tmp_path: Path) -> sqlite3.Connection:
    return schema.connect(tmp_path / "a.db")


def register(connection: sqlite3.Connection, host: str, pid: int, space: str) -> int:
    sql = "INSERT INTO instances(name, host, pid, started_at, heartbeat_at, process, pid_space) VALUES (?,?,?,?,?,?,?)"
    values = ("checkout", host, pid, NOON, NOON, f"{host}@{pid}:", space)
    return connection.execute(sql, values).lastrowid or 0


def dead(connection: sqlite3.Connection, now: int) -> list[int]:
    return [id for id, _ in instances.record_dead(connection, "web-1", now)]


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_the_process_alone_decides_on_this_host(file: sqlite3.Connection, jump: int) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    register(file, "web-1", os.getppid(), pid_space())
    gone = register(file, "web-1", ended.pid, pid_space())
    assert dead(file, NOON + jump) == [gone]


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_a_dead_engine_of_another_host_is_not_kept_alive(file: sqlite3.Connection, jump: int) -> None:
    other = register(file, "web-2", 7, "elsewhere")
    assert dead(file, NOON + 1_000_000) == []
    assert instances.first_alive(file, NOON) == other
    assert instances.first_alive(file, NOON + jump) is None
    assert dead(file, NOON + jump) == [other]


def test_a_host_whose_clock_is_some_minutes_ahead_is_not_dead(file: sqlite3.Connection) -> None:
    register(file, "web-2", 7, "elsewhere")
    assert dead(file, NOON - 600_000_000) == []


@pytest.mark.parametrize("ahead", [YEAR, -YEAR])
def test_a_dead_process_of_this_host_is_seen_whatever_its_last_heartbeat(ahead: int) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lives = InstanceRow(1, "checkout", socket.gethostname(), os.getppid(), NOON)
    gone = InstanceRow(2, "checkout", socket.gethostname(), ended.pid, NOON)
    assert instances.mark_dead([lives, gone], NOON - ahead)
    assert (lives.gone, gone.gone) == (False, True)
