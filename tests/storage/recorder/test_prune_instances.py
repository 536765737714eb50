"""Rows of ended instances are deleted when nothing refers to them; totals per name stay."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuseboard_engine.events import AdapterAdded, EngineStarted, EngineStopped
from fuseboard_storage.board.metrics import SECOND, Spans, count
from fuseboard_storage.recorder.retention import DAY, InstancePruner, Retention, apply_retention
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import instances, marks, metrics
from fuseboard_storage.tables.keyframes import KeyframeMaker
from fuseboard_storage.tables.marks import Moment
from support.fake_engine import NOON, answered

HOST = "web-1"
LATER = NOON + int(500 * DAY * SECOND)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = schema.connect(tmp_path / "a.db")
    yield connection
    connection.close()


def work(file: sqlite3.Connection, at: int, name: str = "shop", *, end: bool = True, replaces: int = 0) -> int:
    """Record a process that answers one task, as a worker of a server does that is replaced again and again."""
    if not replaces and (taken := instances.take(file, name, HOST)) is not None:
        replaces = taken.id
    instance = instances.register(file, name, HOST, at)
    instances.replace(file, replaces, instance)
    file.execute("UPDATE instances SET process = ? WHERE id = ?", (f"{HOST}@999999999:1", instance))
    done = answered(adapter="agno", at=at + 1)
    rows.insert(
        file,
        instance,
        [
            EngineStarted(at=at, name=name, host=HOST, pid=instance, replaces=replaces),
            AdapterAdded(at=at, adapter="agno", policy={}),
            done,
        ],
    )
    spans: Spans = {}
    count(spans, done)
    metrics.add(file, instance, spans)
    if end:
        rows.insert(file, instance, [EngineStopped(at=at + 2)])
        instances.mark_ended(file, instance, at + 2, 0)
    return instance


def store_keyframe(file: sqlite3.Connection) -> None:
    maker = KeyframeMaker(file, every=1)
    while maker.behind():
        maker.step()


def stored(file: sqlite3.Connection) -> list[int]:
    return [id for (id,) in file.execute("SELECT id FROM instances ORDER BY id")]


def retain(file: sqlite3.Connection, now: int = LATER) -> int:
    pruner, slices = InstancePruner(), 1
    written = NOON + int(DAY / 2 * SECOND)
    marks.advance(file, Moment(written, "boot", written))
    while apply_retention(file, Retention(), Moment(now, "boot", now), pruner):
        slices += 1
    return slices


async def test_ten_thousand_replaced_workers_leave_their_totals_and_the_row_of_the_last(
    tmp_path: Path, file: sqlite3.Connection
) -> None:
    file.execute("BEGIN")
    last = 0
    for number in range(10_000):
        last = work(file, NOON + number * SECOND, replaces=last)
    file.execute("COMMIT")
    store_keyframe(file)
    async with Recording.open(tmp_path / "a.db") as recording:
        before = (await recording.board()).totals()
    assert retain(file) > 100
    assert stored(file) == [10_000]
    async with Recording.open(tmp_path / "a.db") as recording:
        board = await recording.board()
        assert (await recording.head())[1].keys() == {10_000}
    assert board.totals() == before
    assert (board.totals()["shop"].started, board.totals()["shop"].adapters["agno"].calls) == (10_000, 10_000)


def test_an_instance_with_events_or_metrics_stays(file: sqlite3.Connection) -> None:
    for number in range(3):
        work(file, NOON + number * SECOND)
    retain(file, NOON + 3600 * SECOND)
    assert stored(file) == [1, 2, 3]
    store_keyframe(file)
    retain(file, NOON + int(40 * DAY * SECOND))  # its events are gone, its metrics are not
    assert stored(file) == [1, 2, 3]
    file.execute("DELETE FROM metrics WHERE instance = 1")
    retain(file, NOON + int(40 * DAY * SECOND))
    assert stored(file) == [2, 3]


def test_an_instance_that_runs_or_may_be_restored_stays(file: sqlite3.Connection) -> None:
    for name in ("shop", "mail", "shop", "mail"):
        work(file, NOON, name)
    running = work(file, NOON, "shop", end=False)
    store_keyframe(file)
    retain(file)
    assert stored(file) == [4, running]


def test_of_many_instances_that_were_not_taken_the_newest_stay(file: sqlite3.Connection) -> None:
    ids = [work(file, NOON, end=False) for _ in range(100)]
    for id in ids:
        rows.insert(file, id, [EngineStopped(at=NOON + 2)])
        instances.mark_ended(file, id, NOON + 2, 0)
    last = work(file, NOON + SECOND)
    store_keyframe(file)
    retain(file)
    assert stored(file) == [*ids[-1 - instances.KEPT_FOR_RESTORE : -1], last][-instances.KEPT_FOR_RESTORE :]


def test_an_instance_of_a_process_that_still_runs_stays(
    file: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = work(file, NOON)
    monkeypatch.setattr("socket.gethostname", lambda: HOST)
    file.execute("UPDATE instances SET process = ? WHERE id = ?", (instances.this_process(HOST), first))
    work(file, NOON + SECOND)
    store_keyframe(file)
    retain(file)
    assert stored(file) == [first, 2]


def test_an_instance_that_a_command_names_stays(file: sqlite3.Connection) -> None:
    for _ in range(3):
        work(file, NOON)
    file.execute(
        """INSERT INTO commands(verb, adapter, args, actor, instance, requested_at, expires_at, status)
        VALUES ('reset', 'agno', '{}', 'ann', 1, ?, ?, 'done')""",
        (LATER, LATER),
    )
    store_keyframe(file)
    retain(file)
    assert stored(file) == [1, 3]
