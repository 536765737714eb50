"""Retention: old rows are deleted or rolled up, and the remaining figures stay exact."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine.events import EngineStarted
from fuseboard_storage.board.histogram import MAX_BUCKET, MIN_BUCKET
from fuseboard_storage.board.metrics import SECOND, AdapterSecond
from fuseboard_storage.recorder.retention import DAY, HOUR, Retention, apply_retention
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import keyframes
from fuseboard_storage.tables import metrics as metric_rows
from fuseboard_storage.tables.marks import Moment
from support.fake_engine import NOON, answered, failed


def moment(at: int) -> Moment:
    """A moment of one boot, in which the wall clock is right."""
    return Moment(at, "boot", at)


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
    apply_retention(file, Retention(), moment(NOON + SECOND))
    while apply_retention(file, Retention(), moment(now)):
        pass
    for table, column in (("workflow_runs", "id"), ("workflow_nodes", "run")):
        left = file.execute(f"SELECT {column} FROM {table}").fetchall()
        assert {run for (run,) in left} == {"failed", "new"}


def totals(connection: sqlite3.Connection) -> dict[tuple[int, str], AdapterSecond]:
    """Return the sum of all rows of each instance and adapter: of every count and of both histograms."""
    result: dict[tuple[int, str], AdapterSecond] = {}
    for row in connection.execute(f"SELECT {metric_rows.COLUMNS}, instance FROM metrics"):
        span = metric_rows.span_of(row)
        result.setdefault((row[-1], span.adapter), AdapterSecond(0, span.adapter)).merge(span)
    return result


def resolutions(connection: sqlite3.Connection) -> dict[int, int]:
    return dict(connection.execute("SELECT resolution, count(*) FROM metrics GROUP BY resolution"))


counts = st.lists(st.integers(0, 10**6), min_size=5, max_size=5)
histograms = st.dictionaries(st.integers(MIN_BUCKET, MAX_BUCKET), st.integers(1, 10**6), max_size=5)
spans = st.tuples(
    st.integers(1, 2), st.sampled_from(["prefect", "agno"]), st.integers(0, 7_200), counts, histograms, histograms
)


@given(st.lists(spans, max_size=60))
def test_rolling_up_metrics_loses_nothing(found: list[tuple]) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection)
    before: dict[tuple[int, str], AdapterSecond] = {}
    for instance, adapter, second, numbers, latency, first_item in found:
        at = NOON + second * SECOND
        span = AdapterSecond(at, adapter, *numbers, latency=latency, first_item=first_item)
        metric_rows.add(connection, instance, {(at, adapter): span})
        before.setdefault((instance, adapter), AdapterSecond(0, adapter)).merge(span)
    assert totals(connection) == before
    for ages in ((HOUR, None, None), (0.0, HOUR, None), (0.0, 0.0, HOUR), (0.0, 0.0, 0.0)):
        policy = Retention(seconds=ages[0], tens=ages[1], minutes=ages[2])
        while apply_retention(connection, policy, moment(NOON + 7_300 * SECOND)):
            assert totals(connection) == before
        assert totals(connection) == before
    assert set(resolutions(connection)) <= {60, 3600}
    connection.close()


def test_seconds_become_tens_then_minutes_then_hours_and_are_then_deleted(file: sqlite3.Connection) -> None:
    spans = {(NOON + n * SECOND, "agno"): AdapterSecond(NOON + n * SECOND, "agno") for n in range(120)}
    metric_rows.add(file, 1, spans)
    seen = []
    for age in (0.0, HOUR + 200, DAY + 200, 15 * DAY, 401 * DAY):
        while apply_retention(file, Retention(), moment(NOON + int((120 + age) * SECOND))):
            pass
        seen.append(resolutions(file))
    assert seen == [{1: 120}, {10: 12}, {60: 2}, {3600: 1}, {}]


async def test_old_events_are_deleted_up_to_a_keyframe_and_the_board_stays_exact(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = schema.connect(path)
    rows.insert(connection, 1, [EngineStarted(at=NOON, name="e", host="h", pid=1)])
    rows.insert(connection, 1, [answered(f"{n}", at=NOON + n * SECOND) for n in range(999)])
    apply_retention(connection, Retention(), moment(NOON + 1_000 * SECOND))
    rows.insert(connection, 1, [answered(f"{n}", at=NOON + n * SECOND) for n in range(1_000, 2_000)])
    maker = keyframes.KeyframeMaker(connection, 100)
    while maker.step():
        pass
    async with Recording.open(path) as recording:
        before = keyframes.dump(await recording.board())
        while apply_retention(connection, Retention(events=1_000.0), moment(NOON + 2_000 * SECOND)):
            pass
        assert keyframes.dump(await recording.board()) == before
        (left,) = await recording.entries(limit=1)
        assert 1 < left.seq <= 1_001
        while apply_retention(connection, Retention(events=None, most_events=10), moment(NOON)):
            pass
        assert keyframes.dump(await recording.board()) == before
        first = (await recording.entries(limit=1))[0]
        there = keyframes.dump(await recording.board_at(seq=first.seq - 1))
        assert keyframes.dump(await recording.board_at(at=NOON - 1)) == there  # nothing older is known
        assert (await recording.board_at(at=NOON - 1)).instances
    connection.close()


def test_events_after_the_last_keyframe_are_kept_however_old(file: sqlite3.Connection) -> None:
    rows.insert(file, 1, [answered(at=1)])
    assert not apply_retention(file, Retention(events=0.0, most_events=0), moment(NOON))
    assert file.execute("SELECT count(*) FROM events").fetchone() == (1,)


async def test_of_a_recording_whose_events_are_all_too_old_the_board_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = schema.connect(path)
    rows.insert(connection, 1, [EngineStarted(at=NOON, name="e", host="h", pid=1), answered(at=NOON)])
    keyframes.KeyframeMaker(connection, every=1).step()
    apply_retention(connection, Retention(events=0.0), moment(NOON))
    while apply_retention(connection, Retention(events=0.0), moment(NOON + SECOND)):
        pass
    connection.close()
    async with Recording.open(path) as recording:
        assert await recording.entries() == []
        assert (await recording.board()).tasks == 1


def test_without_settings_a_recording_keeps_its_contents_for_the_documented_times() -> None:
    hour, day = 3_600.0, 86_400.0
    assert Retention() == Retention(
        ordinary=hour, most_ordinary=1_000_000, events=30 * day, most_events=10_000_000, most_bytes=1_000_000_000,
        seconds=hour, tens=day, minutes=14 * day, hours=400 * day, commands=90 * day, runs=90 * day,
    )  # fmt: skip


NOTHING = Retention(
    ordinary=None, most_ordinary=None, events=None, most_events=None, most_bytes=None,
    seconds=None, tens=None, minutes=None, hours=None, commands=None, runs=None,
)  # fmt: skip
"""Keeps everything."""


def until_done(file: sqlite3.Connection, policy: Retention, now: Moment) -> None:
    while apply_retention(file, policy, now):
        pass


def ten_minutes(file: sqlite3.Connection) -> list[int]:
    """Let ten minutes pass, with a mark at the end of each; return when those were."""
    times = [NOON + minute * 60 * SECOND for minute in range(11)]
    for at in times:
        apply_retention(file, NOTHING, moment(at))
    return times


def test_a_policy_without_limits_deletes_nothing(file: sqlite3.Connection) -> None:
    rows.insert(file, 1, [EngineStarted(at=NOON, name="e", host="h", pid=1), answered(at=NOON), answered(at=NOON)])
    metric_rows.add(file, 1, {(NOON, "agno"): AdapterSecond(NOON, "agno")})
    keyframes.KeyframeMaker(file, every=1).step()
    ten_minutes(file)
    until_done(file, NOTHING, moment(NOON + int(1_000 * DAY * SECOND)))
    assert file.execute("SELECT count(*) FROM events").fetchone() == (3,)
    assert resolutions(file) == {1: 1}


@pytest.mark.parametrize("status", ["done", "failed", "expired", "pending", "taken"])
def test_old_commands_are_deleted_unless_they_are_still_to_be_done(file: sqlite3.Connection, status: str) -> None:
    times = ten_minutes(file)
    for at in (times[4] - 1, times[4], times[4] + 1):
        file.execute(
            "INSERT INTO commands(verb, adapter, args, actor, requested_at, expires_at, status) "
            "VALUES ('reset', 'agno', '{}', 'ann', ?, 0, ?)",
            (at, status),
        )
    until_done(file, replace(NOTHING, commands=6 * 60.0), moment(times[10]))
    left = [at for (at,) in file.execute("SELECT requested_at FROM commands ORDER BY requested_at")]
    kept = [times[4] - 1] if status in ("pending", "taken") else []
    assert left == [*kept, times[4], times[4] + 1]


@pytest.mark.parametrize("state", ["done", "degraded", "failed", "running"])
def test_old_runs_are_deleted_if_they_are_done_and_only_up_to_their_age(file: sqlite3.Connection, state: str) -> None:
    times = ten_minutes(file)
    for at in (times[4] - 1, times[4]):
        file.execute(
            """INSERT INTO workflow_runs(
                id, workflow, name, steps, definition, input, started_at, state, changed_at, error, owner
            ) VALUES (?, 'w', 'w', '[]', '{}', '{}', 0, ?, ?, '', '')""",
            (str(at), state, at),
        )
    until_done(file, replace(NOTHING, runs=6 * 60.0), moment(times[10]))
    kept = [] if state in ("done", "degraded") else [times[4] - 1]
    assert [int(run) for (run,) in file.execute("SELECT id FROM workflow_runs ORDER BY id")] == [*kept, times[4]]


def test_hourly_metrics_are_deleted_only_up_to_their_age(file: sqlite3.Connection) -> None:
    hours = [NOON - NOON % (3_600 * SECOND) + hour * 3_600 * SECOND for hour in range(4)]
    for at in hours:
        metric_rows.add(file, 1, {(at, "agno"): AdapterSecond(at, "agno")})
        apply_retention(file, NOTHING, moment(at))
    rolled = replace(NOTHING, seconds=0.0, tens=0.0, minutes=0.0)
    until_done(file, rolled, moment(hours[3] + 3_600 * SECOND))
    assert resolutions(file) == {3600: 4}
    until_done(file, replace(NOTHING, hours=2 * HOUR), moment(hours[3] + 3_600 * SECOND))
    assert [at for (at,) in file.execute("SELECT at FROM metrics ORDER BY at")] == hours[2:]


def test_the_newest_events_are_kept_up_to_the_greatest_number(file: sqlite3.Connection) -> None:
    rows.insert(file, 1, [failed(str(number), at=NOON) for number in range(100)])
    maker = keyframes.KeyframeMaker(file, every=10)
    for _ in range(10):
        maker.fold(10)
        maker.store()
        maker.stored()
    (frames,) = file.execute("SELECT group_concat(seq) FROM keyframes").fetchone()
    for most, first in ((100, 1), (91, 1), (90, 11), (89, 11), (80, 21)):
        until_done(file, replace(NOTHING, most_events=most), moment(NOON))
        assert file.execute("SELECT min(seq), max(seq) FROM events").fetchone() == (first, 100), frames
    assert file.execute("SELECT min(seq) FROM keyframes").fetchone() == (20,)


def test_a_keyframe_of_another_format_does_not_free_the_events_before_it(file: sqlite3.Connection) -> None:
    rows.insert(file, 1, [failed(str(number), at=NOON) for number in range(20)])
    keyframes.KeyframeMaker(file, every=20).step()
    file.execute("UPDATE keyframes SET format = format - 1")
    until_done(file, replace(NOTHING, most_events=0), moment(NOON))
    assert file.execute("SELECT count(*) FROM events").fetchone() == (20,)


def test_a_slice_that_fails_changes_nothing_and_leaves_no_transaction(file: sqlite3.Connection) -> None:
    ten_minutes(file)
    rows.insert(file, 1, [failed(str(number), at=NOON) for number in range(20)])
    keyframes.KeyframeMaker(file, every=20).step()
    (marked,) = file.execute("SELECT count(*) FROM marks").fetchone()
    file.execute("CREATE TRIGGER refuse BEFORE DELETE ON event_log BEGIN SELECT raise(ABORT, 'no'); END")
    later = moment(NOON + 3_600 * SECOND)
    with pytest.raises(sqlite3.IntegrityError):
        apply_retention(file, replace(NOTHING, most_events=0), later)
    assert not file.in_transaction
    assert file.execute("SELECT count(*) FROM events").fetchone() == (20,)
    assert file.execute("SELECT count(*) FROM marks").fetchone() == (marked,)
