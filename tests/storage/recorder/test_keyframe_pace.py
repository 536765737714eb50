"""Keyframes keep up with all processes that write: a model of many writers, and real processes at full speed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine.events import EngineStarted, Event, RouteFinished
from fuseboard_storage import Recording, Retention
from fuseboard_storage.backend.values import EventBatch, Heartbeat
from fuseboard_storage.board.board import Board
from fuseboard_storage.recorder import file_writer
from fuseboard_storage.recorder.keyframe_pace import (
    EVEN,
    FIRST,
    MOST_SECONDS,
    PATIENCE,
    UNLIMITED,
    URGENT,
    KeyframePace,
)
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events, keyframes, metrics
from fuseboard_storage.tables.event_templates import Templates
from fuseboard_storage.tables.keyframes import MOST_BEHIND, SLICE, KeyframeMaker
from support.fake_engine import NOON, FakeEngine, answered, failed, opened
from support.waiting import until

FLOOD = Path(__file__).parents[2] / "support" / "programs" / "flood_engine.py"


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 50))
def test_no_number_of_writers_gets_further_ahead_of_the_keyframes_than_the_limit(
    seed: int, writers: int, pace: int
) -> None:
    chance = random.Random(seed)
    paces = [KeyframePace() for _ in range(writers)]
    newest = folded = keyframe = 0
    now, written = 0.0, 0
    for _ in range(400):
        now += 0.01
        writer = chance.randrange(writers)
        room = paces[writer].room(newest, keyframe, now)
        newest += min(room, chance.choice((1, 500, 5_000)))
        written += room > 0
        folded = min(newest, folded + pace * SLICE // writers)
        if folded - keyframe >= keyframes.EVERY:
            keyframe = folded
        assert newest - keyframe <= MOST_BEHIND
    assert written


def test_writers_go_on_when_nothing_makes_keyframes() -> None:
    pace = KeyframePace()
    assert pace.room(10_000, 0, 0.0) > 0
    assert pace.room(60_000, 0, 10.0) == 0
    assert pace.room(60_000, 0, 10.0 + PATIENCE / 2) == 0
    assert pace.room(60_000, 5_000, 10.0 + PATIENCE) == 0, "a keyframe was made"
    assert pace.room(60_000, 5_000, 10.0 + 2 * PATIENCE) == UNLIMITED
    assert pace.room(60_000, 5_000, 11.0 + 2 * PATIENCE) == UNLIMITED
    assert 0 < pace.room(60_000, 40_000, 12.0 + 2 * PATIENCE) < MOST_BEHIND
    assert pace.room(100_000, 40_000, 13.0 + 2 * PATIENCE) == 0


def test_a_file_without_keyframes_is_written_at_once() -> None:
    assert KeyframePace().room(6_000_000, 0, 0.0) == UNLIMITED


def test_folding_takes_a_growing_share_of_the_time() -> None:
    assert KeyframePace.seconds(FIRST, 1.0) == 0.0
    assert KeyframePace.seconds(EVEN, 0.1) == pytest.approx(0.1)
    assert KeyframePace.seconds(FIRST + (EVEN - FIRST) // 5, 0.1) == pytest.approx(0.02)
    assert KeyframePace.seconds(URGENT, 0.0) == MOST_SECONDS


@pytest.fixture
def file(tmp_path: Path) -> sqlite3.Connection:
    connection = schema.connect(tmp_path / "a.db")
    add(connection, [EngineStarted(at=NOON, name="e", host="h", pid=1)])
    return connection


def add(connection: sqlite3.Connection, new: list[Event]) -> None:
    connection.execute("BEGIN")
    events.insert(connection, 1, new)
    connection.execute("COMMIT")


def routes(count: int) -> list[Event]:
    return [RouteFinished(at=NOON, task=f"t{n}", task_type="t", success=True, attempts=()) for n in range(count)]


def stored(connection: sqlite3.Connection) -> list[int]:
    return [seq for (seq,) in connection.execute("SELECT seq FROM keyframes ORDER BY seq")]


def test_a_keyframe_of_a_large_board_is_replaced_by_a_newer_one(
    file: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyframes, "MOST_BETWEEN", 500)
    maker = KeyframeMaker(file, 500)
    add(file, routes(500))
    while maker.step():
        pass
    assert stored(file) == [500]
    maker._due = 1_500  # the Board has become large
    monkeypatch.setattr(keyframes, "_BYTES_PER_EVENT", len(keyframes.dump(maker._board)) / 1_500)
    seen = []
    for _ in range(6):
        add(file, routes(500))
        while maker.step():
            pass
        seen.append(stored(file))
    assert [found[-1] for found in seen] == [1_001, 1_501, 2_001, 2_501, 3_001, 3_501]
    assert max(map(len, seen)) <= 4
    assert len(seen[-1]) < 7


def test_a_keyframe_is_kept_while_retention_deletes_what_is_before_it(
    file: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyframes, "MOST_BETWEEN", 500)
    maker = KeyframeMaker(file, 500)
    monkeypatch.setattr(keyframes, "_BYTES_PER_EVENT", 0.01)
    for _ in range(2):
        add(file, routes(500))
        while maker.step():
            pass
    assert stored(file) == [500, 1_001]
    file.execute("DELETE FROM keyframes WHERE seq < 1001")
    add(file, routes(500))
    while maker.step():
        pass
    assert stored(file) == [1_001, 1_501]


adapters = st.sampled_from(["agno", "prefect"])
ordinary = st.builds(
    answered, adapter=adapters, at=st.integers(NOON, NOON + 3_000_000), duration=st.floats(0.0, 10.0), task=st.text()
)
others = st.one_of(
    st.builds(failed, adapter=adapters),
    st.builds(opened, adapter=adapters),
    ordinary.map(lambda event: msgspec.structs.replace(event, letter=1)),
    ordinary.map(lambda event: msgspec.structs.replace(event, degraded=True)),
    ordinary.map(lambda event: msgspec.structs.replace(event, attempts=event.attempts * 2)),
    st.just(EngineStarted(at=NOON, name="e", host="h", pid=2)),
)


@given(st.lists(st.tuples(ordinary | others, st.integers(1, 3)), max_size=60), st.integers(1, 30))
def test_a_keyframe_is_the_board_of_all_events_before_it(given: list[tuple[Event, int]], every: int) -> None:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        schema.migrate(connection)
        templates = Templates()
        for event, instance in given:
            events.insert(connection, instance, [event], templates)
        maker = KeyframeMaker(connection, every)
        maker.fold()
        maker._make()
        maker.store()
        made = keyframes.newest_board(connection, "event_log")
        board = Board()
        for entry in events.after(connection, 0, 1_000):
            board.apply(entry)
        assert zlib.decompress(keyframes.dump(made)) == zlib.decompress(keyframes.dump(board))


def test_a_damaged_row_is_folded_as_a_bare_event(file: sqlite3.Connection) -> None:
    add(file, [answered() for _ in range(3)])
    file.execute("UPDATE event_log SET body = '[1,-1]' WHERE seq = 3")
    file.execute("UPDATE event_log SET body = CAST(x'ff00fe' AS TEXT) WHERE seq = 4")
    maker = KeyframeMaker(file, 1)
    maker.fold()
    assert maker.folded == 4
    assert maker._board.tasks == 2


def test_a_made_keyframe_is_stored_again_if_its_transaction_fails(file: sqlite3.Connection) -> None:
    maker = KeyframeMaker(file, 500)
    add(file, routes(600))
    while maker.fold():
        pass
    assert maker.has_made
    file.execute("BEGIN")
    maker.store()
    file.execute("ROLLBACK")
    assert maker.has_made
    assert stored(file) == []
    maker.store()
    maker.stored()
    assert stored(file) == [500]


def test_maintenance_that_meets_another_writer_is_not_postponed_for_longer_and_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_writer, "FIRST_PAUSE", 0.0)
    path = tmp_path / "a.db"
    writer = file_writer.FileWriter(FakeEngine(), path, Retention(), [])
    writer.open()
    writer.append(EventBatch(routes(6_000), heartbeat=Heartbeat(NOON)))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer._maintenance_pause = 60.0  # after other failures
    assert writer._session.connection is not None
    writer._session.connection.patience = 0.0
    writer._session.connection.execute("PRAGMA busy_timeout = 0")
    for _ in range(40):
        writer.maintain(1.0, calm=True, writable=True)
    assert other.execute("SELECT count(*) FROM keyframes").fetchone() == (0,)
    other.execute("ROLLBACK")
    writer.maintain(1.0, calm=True, writable=True)
    assert other.execute("SELECT count(*) FROM keyframes").fetchone() == (1,)
    other.close()
    writer.close()


def test_entries_that_are_read_together_are_the_same(file: sqlite3.Connection) -> None:
    odd = 'a "quoted"\n\x00 \u2028 \U0001f600 name'
    add(file, [RouteFinished(at=NOON, task=odd, task_type=odd, success=False, attempts=(), why=odd), *routes(300)])
    rows = file.execute(f"{events.SELECT} WHERE seq > 0 ORDER BY seq").fetchall()
    assert events.after(file, 0, 1_000) == [events.entry_of(None, row) for row in rows]
    assert [entry.seq for entry in events.after(file, 5, 3)] == [6, 7, 8]


def test_entries_are_read_past_a_damaged_row(file: sqlite3.Connection) -> None:
    add(file, routes(3))
    file.execute("UPDATE event_log SET body = CAST(x'ff00fe' AS TEXT) WHERE seq = 2")
    found = events.after(file, 0, 10)
    assert [entry.seq for entry in found] == [1, 2, 3, 4]
    assert type(found[1].event) is Event


@contextlib.contextmanager
def flooding(path: Path, seconds: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Start eight processes that write at full speed from the same moment on."""
    command = [sys.executable, str(FLOOD), str(path), "1000000", seconds]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(8)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "recording\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        yield processes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()


def test_eight_processes_at_full_speed_keep_keyframes_status_and_commands(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with flooding(path, "200") as processes:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        made: set[int] = set()
        end = time.monotonic() + 150.0
        while len(made) < 2:
            event, keyframe = keyframes.newest(connection)
            assert event - keyframe <= MOST_BEHIND
            made |= {keyframe} - {0}
            assert time.monotonic() < end, f"{made}, of {event}"
        connection.close()
        status = [sys.executable, "-m", "fuseboard", "status", str(path)]
        shown = subprocess.run(status, capture_output=True, text=True, timeout=120, check=True)
        assert "flood" in shown.stdout
        command_id = asyncio.run(ask_to_open(path))
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        sql = "SELECT status FROM commands WHERE id = ?"
        until(lambda: connection.execute(sql, (command_id,)).fetchone()[0] in ("taken", "done"))
        connection.close()
        assert all(process.poll() is None for process in processes), "they still write"


def test_eight_processes_at_full_speed_lose_nothing_that_their_buffers_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with flooding(path, "0.05") as processes:
        emitted = [int(process.stdout.readline()) for process in processes if process.stdout is not None]
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        sql = """SELECT count(*) FROM events WHERE kind IN ('route_finished', 'attempt_failed') GROUP BY instance"""
        assert sorted(number for (number,) in connection.execute(sql)) == sorted(emitted)
        sql = "SELECT instance, sum(calls) FROM metrics GROUP BY instance"
        assert sorted(calls for _, calls in connection.execute(sql)) == sorted(emitted)
        assert connection.execute("SELECT sum(dropped) FROM instances").fetchone() == (0,)
        connection.close()


async def ask_to_open(path: Path) -> int:
    async with Recording.open(path) as recording:
        return await recording.ask("force_open", "adapter-000", actor="ann", expires_in=120.0)


def test_metrics_of_many_adapters_are_added_in_few_statements(file: sqlite3.Connection) -> None:
    from fuseboard_storage.board.metrics import AdapterSecond

    spans = {
        (at, name): AdapterSecond(at, name, calls=1, successes=1, latency={3: 1})
        for at in (NOON, NOON + 1_000_000)
        for name in ["a", 'odd "name"', *(f"x{n}" for n in range(150))]
    }
    statements: list[str] = []
    metrics.add(file, 1, spans)
    file.set_trace_callback(statements.append)
    metrics.add(file, 1, spans)
    file.set_trace_callback(None)
    assert len(statements) < 20
    rows = file.execute("SELECT count(*), min(calls), max(calls), min(successes), max(latency) FROM metrics").fetchone()
    assert rows[:4] == (304, 2, 2, 2)
    assert "2" in rows[4]
