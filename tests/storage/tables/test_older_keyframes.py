"""Keyframes of earlier formats: they are used where the events before them are gone."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from pathlib import Path

import pytest

from fuseboard_storage.board.board import Board
from fuseboard_storage.board.metrics import SECOND
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recorder.retention import Retention, apply_retention
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import keyframes, older_keyframes
from fuseboard_storage.tables.marks import Moment
from support.fake_engine import NOON, FakeEngine, answered
from support.older_recordings import unpack

WITH_OLDER_KEYFRAMES = (10, 11)  # both of format 18


def counts(board: Board) -> object:
    """Return what a Board counts, without what keyframes of format 18 do not hold."""
    adapters = {
        key: (row.state, row.calls, row.successes, row.failed, row.retries, row.opens, row.busy, row.figures())
        for key, row in board.adapters.items()
    }
    seconds = {
        key: [(span.at, span.calls, span.failures, sum(span.latency.values())) for span in row.seconds]
        for key, row in board.adapters.items()
    }
    return board.tasks, board.tasks_ok, board.tasks_degraded, board.dead_letters, adapters, seconds


def forget_past(path: Path) -> int:
    """Delete the events up to the newest keyframe, as retention does. Return how many went."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        table = rows.table_of(connection.execute("PRAGMA user_version").fetchone()[0]).name
        gone = connection.execute(f"DELETE FROM {table} WHERE seq <= (SELECT max(seq) FROM keyframes)").rowcount
        connection.execute("DELETE FROM keyframes WHERE seq < (SELECT max(seq) FROM keyframes)")
        return gone


async def board_in(path: Path) -> Board:
    async with Recording.open(path) as recording:
        return await recording.board()


@pytest.mark.parametrize("version", WITH_OLDER_KEYFRAMES)
async def test_the_counts_of_deleted_events_are_read_from_an_older_keyframe(version: int, tmp_path: Path) -> None:
    path = unpack(version, tmp_path)
    complete = await board_in(path)
    assert forget_past(path) > 100
    assert complete.tasks > 0
    assert counts(await board_in(path)) == counts(complete)


async def test_the_counts_of_deleted_events_stay_when_the_recording_continues(tmp_path: Path) -> None:
    path = unpack(11, tmp_path)
    complete = await board_in(path)
    forget_past(path)
    async with record(FakeEngine(), path):
        pass
    assert (await board_in(path)).tasks == complete.tasks


def test_an_older_keyframe_is_not_used_while_all_events_are_there(tmp_path: Path) -> None:
    path = unpack(11, tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        row = connection.execute(keyframes.by_seq("events"), (keyframes.NEWEST,)).fetchone()
    assert row is None


def test_events_are_not_deleted_up_to_an_older_keyframe(tmp_path: Path) -> None:
    policies = (Retention(events=0.0), Retention(most_events=0), Retention(most_bytes=0))
    for number, policy in enumerate(policies):
        with contextlib.closing(schema.connect(tmp_path / f"{number}.db")) as file:
            rows.insert(file, 1, [answered(f"{n}", at=NOON + n * SECOND) for n in range(20)])
            keyframes.KeyframeMaker(file, every=10).step()
            file.execute("UPDATE keyframes SET format = format - 1")
            for at in (NOON, NOON + 99 * SECOND):
                while apply_retention(file, policy, Moment(at, "boot", at)):
                    pass
            assert file.execute("SELECT sum(routes) FROM (SELECT 1 AS routes FROM event_log)").fetchone() == (20,)


@pytest.mark.parametrize("damage", [b"{}", b"[]", b'{"left": 1}', b'{"left": [], "adapters": [[]]}', b"{"])
def test_a_damaged_older_keyframe_counts_as_none(damage: bytes) -> None:
    assert keyframes.board_of((zlib.compress(damage), older_keyframes.OLDEST, 1)) is None
