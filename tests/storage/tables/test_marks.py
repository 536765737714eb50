"""Marks: for how long a recording was written, whatever the wall clock said."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.process_identity import boot_id
from fuseboard_storage.tables import events, marks
from fuseboard_storage.tables.marks import Mark, Moment
from support.fake_engine import NOON, answered

SECOND = 1_000_000
DAY = 86_400 * SECOND
YEAR = 365 * DAY


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = schema.connect(tmp_path / "a.db")
    yield connection
    connection.close()


@pytest.mark.parametrize("jump", [YEAR, -YEAR, 0])
def test_a_jump_of_the_wall_clock_does_not_age_a_recording(file: sqlite3.Connection, jump: int) -> None:
    assert marks.advance(file, Moment(NOON, "boot", 5 * SECOND)) == 0
    assert marks.advance(file, Moment(NOON + jump, "boot", 105 * SECOND)) == 100 * SECOND


def test_between_two_boots_the_wall_clock_counts_up_to_a_day(file: sqlite3.Connection) -> None:
    marks.advance(file, Moment(NOON, "one", 9 * DAY))
    assert marks.advance(file, Moment(NOON + 3_600 * SECOND, "two", 5)) == 3_600 * SECOND
    assert marks.advance(file, Moment(NOON + YEAR, "three", 5)) == 3_600 * SECOND + DAY
    assert marks.advance(file, Moment(NOON - YEAR, "four", 5)) == 3_600 * SECOND + DAY + 1


def test_a_mark_covers_the_events_written_before_it(file: sqlite3.Connection) -> None:
    events.insert(file, 1, [answered(), answered()])
    marks.advance(file, Moment(NOON, "boot", 0))
    events.insert(file, 1, [answered()])
    marks.advance(file, Moment(NOON + 60 * SECOND, "boot", 60 * SECOND))
    assert marks.newest_until(file, -1) is None
    assert marks.newest_until(file, 59 * SECOND) == Mark(0, 2, NOON)
    assert marks.newest_until(file, 60 * SECOND) == Mark(60 * SECOND, 3, NOON + 60 * SECOND)


def test_a_mark_of_a_recording_without_events_covers_none(file: sqlite3.Connection) -> None:
    marks.advance(file, Moment(NOON, "boot", 0))
    assert marks.newest_until(file, 0) == Mark(0, 0, NOON)


def test_the_current_moment_has_the_microseconds_since_the_boot() -> None:
    before = time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000
    first = marks.moment(7)
    second = marks.moment(8)
    assert (first.at, second.at, first.boot) == (7, 8, boot_id())
    assert before <= first.since_boot <= second.since_boot <= before + 600 * SECOND


def test_a_mark_is_due_after_a_minute_and_at_a_new_boot(file: sqlite3.Connection) -> None:
    moments = [("one", 0), ("one", 59), ("one", 60), ("two", 0), ("two", 59)]
    counts = []
    for boot, second in moments:
        marks.advance(file, Moment(NOON, boot, second * SECOND))
        counts.append(file.execute("SELECT count(*) FROM marks").fetchone()[0])
    assert counts == [1, 1, 2, 3, 3]


def test_of_marks_older_than_two_hours_the_first_of_each_hour_stays(file: sqlite3.Connection) -> None:
    for minute in range(12 * 60 + 1):
        marks.advance(file, Moment(NOON, "boot", minute * 60 * SECOND))
    minutes = [written // (60 * SECOND) for (written,) in file.execute("SELECT written FROM marks ORDER BY written")]
    assert minutes == [*range(0, 600, 60), *range(600, 721)]


def test_old_marks_are_thinned_to_one_an_hour(file: sqlite3.Connection) -> None:
    for minute in range(48 * 60):
        marks.advance(file, Moment(NOON, "boot", minute * 60 * SECOND))
    (count,) = file.execute("SELECT count(*) FROM marks").fetchone()
    assert 46 <= count <= 46 + 3 * 60
    hours = file.execute("SELECT DISTINCT written / 3600000000 FROM marks").fetchall()
    assert len(hours) == 48


moments = st.builds(Moment, st.integers(0, 4 * YEAR), st.sampled_from(["", "one", "two"]), st.integers(0, YEAR))


@given(st.lists(moments, max_size=20))
def test_the_time_written_is_never_before_a_mark(found: list[Moment]) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection)
    newest = 0
    for each in sorted(found, key=lambda moment: moment.since_boot):
        assert marks.advance(connection, each) >= newest
        (newest,) = connection.execute("SELECT max(written) FROM marks").fetchone()
    connection.close()
