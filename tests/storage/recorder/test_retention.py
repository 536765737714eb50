"""Retention: old rows are deleted or rolled up, and the remaining figures stay exact."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine.events import EngineStarted
from fuseboard_storage.board.metrics import SECOND, AdapterSecond, Spans, count
from fuseboard_storage.recorder.retention import DAY, HOUR, Retention, apply_retention
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import keyframes
from fuseboard_storage.tables import metrics as metric_rows
from support.fake_engine import NOON, answered, failed


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = schema.connect(tmp_path / "a.db")
    yield connection
    connection.close()


def test_old_finished_runs_are_deleted_but_never_while_they_can_be_resumed(
    file: sqlite3.Connection,
) -> None:
    now = NOON + int(100 * DAY * SECOND)
    for run, state, at in (("old", "done", NOON), ("failed", "failed", NOON), ("new", "done", now)):
        file.execute(
            """INSERT INTO workflow_runs(
                id, workflow, name, steps, definition, input, started_at, state, changed_at, error, owner
            ) VALUES (?, 'w', 'w', '[]', '{}', '{}', 0, ?, ?, '', '')""",
            (run, state, at),
        )
        file.execute("INSERT INTO workflow_nodes VALUES (?, 'a', 'done', 0, '1', '', 1, 0.0, '', '[]')", (run,))
    while apply_retention(file, Retention(), now):
        pass
    for table, column in (("workflow_runs", "id"), ("workflow_nodes", "run")):
        left = file.execute(f"SELECT {column} FROM {table}").fetchall()
        assert {run for (run,) in left} == {"failed", "new"}


def totals(connection: sqlite3.Connection) -> dict[tuple[int, str], tuple[int, int, int, int]]:
    found = connection.execute(f"SELECT {metric_rows.COLUMNS}, instance FROM metrics").fetchall()
    result: dict[tuple[int, str], tuple[int, int, int, int]] = {}
    for row in found:
        span = metric_rows.span_of(row)
        calls, successes, failures, seen = result.get((row[8], span.adapter), (0, 0, 0, 0))
        result[row[8], span.adapter] = (
            calls + span.calls,
            successes + span.successes,
            failures + span.failures,
            seen + sum(span.latency.values()),
        )
    return result


def resolutions(connection: sqlite3.Connection) -> dict[int, int]:
    return dict(connection.execute("SELECT resolution, count(*) FROM metrics GROUP BY resolution"))


calls = st.tuples(st.integers(1, 2), st.sampled_from(["prefect", "agno"]), st.integers(0, 7_200), st.booleans())


@given(st.lists(calls, max_size=60))
def test_rolling_up_metrics_loses_no_call(found: list[tuple[int, str, int, bool]]) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection)
    for instance, adapter, second, good in found:
        spans: Spans = {}
        count(spans, (answered if good else failed)(adapter=adapter, at=NOON + second * SECOND))
        metric_rows.add(connection, instance, spans)
    before = totals(connection)
    for ages in ((HOUR, None, None), (0.0, HOUR, None), (0.0, 0.0, HOUR), (0.0, 0.0, 0.0)):
        policy = Retention(seconds=ages[0], tens=ages[1], minutes=ages[2])
        while apply_retention(connection, policy, NOON + 7_300 * SECOND):
            assert totals(connection) == before
        assert totals(connection) == before
    assert set(resolutions(connection)) <= {60, 3600}
    connection.close()


def test_seconds_become_tens_then_minutes_then_hours_and_are_then_deleted(file: sqlite3.Connection) -> None:
    spans = {(NOON + n * SECOND, "agno"): AdapterSecond(NOON + n * SECOND, "agno") for n in range(120)}
    metric_rows.add(file, 1, spans)
    seen = []
    for age in (0.0, HOUR + 200, DAY + 200, 15 * DAY, 401 * DAY):
        while apply_retention(file, Retention(), NOON + int((120 + age) * SECOND)):
            pass
        seen.append(resolutions(file))
    assert seen == [{1: 120}, {10: 12}, {60: 2}, {3600: 1}, {}]


async def test_old_events_are_deleted_up_to_a_keyframe_and_the_board_stays_exact(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = schema.connect(path)
    rows.insert(connection, 1, [EngineStarted(at=NOON, name="e", host="h", pid=1)])
    rows.insert(connection, 1, [answered(f"{n}", at=NOON + n * SECOND) for n in range(1_999)])
    maker = keyframes.KeyframeMaker(connection, 100)
    while maker.step():
        pass
    async with Recording.open(path) as recording:
        before = keyframes.dump(await recording.board())
        while apply_retention(connection, Retention(events=1_000.0), NOON + 2_000 * SECOND):
            pass
        assert keyframes.dump(await recording.board()) == before
        (left,) = await recording.entries(limit=1)
        assert 1 < left.seq <= 1_001
        while apply_retention(connection, Retention(events=None, most_events=10), NOON):
            pass
        assert keyframes.dump(await recording.board()) == before
        first = (await recording.entries(limit=1))[0]
        there = keyframes.dump(await recording.board_at(seq=first.seq - 1))
        assert keyframes.dump(await recording.board_at(at=NOON - 1)) == there  # nothing older is known
        assert (await recording.board_at(at=NOON - 1)).instances
    connection.close()


def test_events_after_the_last_keyframe_are_kept_however_old(file: sqlite3.Connection) -> None:
    rows.insert(file, 1, [answered(at=1)])
    assert not apply_retention(file, Retention(events=0.0, most_events=0), NOON)
    assert file.execute("SELECT count(*) FROM events").fetchone() == (1,)
