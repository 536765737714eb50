"""How long a recording keeps what: old events go, old metrics become coarser."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from fuseboard_storage.board.metrics import SECOND
from fuseboard_storage.tables import metrics as metric_rows

HOUR: Final = 3_600.0
DAY: Final = 24 * HOUR

_SLICE: Final = 500  # rows at a time, so that events never wait long behind retention


@dataclass(frozen=True, slots=True)
class Retention:
    """What a recording keeps. Ages are in seconds; None keeps for ever.

    Events go in whole stretches that end at a keyframe, so what is left still makes an exact Board; the newest
    keyframe and all behind it always stay. Metrics are rolled up: seconds into tens, minutes, hours.
    """

    events: float | None = 7 * DAY
    most_events: int | None = 5_000_000
    seconds: float | None = 1 * HOUR
    tens: float | None = 24 * HOUR
    minutes: float | None = 14 * DAY
    hours: float | None = 400 * DAY
    commands: float | None = 90 * DAY
    runs: float | None = 90 * DAY  # of workflows, once they are done; what can be resumed stays


def apply_retention(connection: sqlite3.Connection, policy: Retention, now: int) -> bool:
    """Do one slice of what the policy asks, in a transaction of its own.

    Args:
        connection: In autocommit mode.
        policy: What to keep.
        now: UTC microseconds.

    Returns:
        True when there is more to do.

    Raises:
        sqlite3.Error: It could not be done now; nothing was changed.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = _roll_up(connection, policy, now) + _prune(connection, policy, now)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return done > 0


def _before(now: int, age: float | None) -> int | None:
    return None if age is None else now - int(age * SECOND)


def _roll_up(connection: sqlite3.Connection, policy: Retention, now: int) -> int:
    done = 0
    for resolution, age in ((1, policy.seconds), (10, policy.tens), (60, policy.minutes)):
        before = _before(now, age)
        if before is not None:
            done += metric_rows.roll_up(connection, resolution, before, _SLICE)
    before = _before(now, policy.hours)
    if before is not None:
        done += connection.execute("DELETE FROM metrics WHERE resolution = 3600 AND at < ?", (before,)).rowcount
    return done


def _prune(connection: sqlite3.Connection, policy: Retention, now: int) -> int:
    first = _first_kept(connection, policy, now)
    done = connection.execute(
        "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE seq <= ? ORDER BY seq LIMIT ?)",
        (first, _SLICE),
    ).rowcount
    connection.execute("DELETE FROM keyframes WHERE seq < ?", (first,))
    before = _before(now, policy.commands)
    if before is not None:
        done += connection.execute(
            "DELETE FROM commands WHERE status NOT IN ('pending', 'taken') AND requested_at < ?", (before,)
        ).rowcount
    before = _before(now, policy.runs)
    if before is not None:
        gone = connection.execute(
            "DELETE FROM workflow_runs WHERE state IN ('done', 'degraded') AND changed_at < ? RETURNING id", (before,)
        ).fetchall()
        connection.executemany("DELETE FROM workflow_nodes WHERE run = ?", gone)
        done += len(gone)
    return done


def _first_kept(connection: sqlite3.Connection, policy: Retention, now: int) -> int:
    """Return the number of the keyframe up to which events may go; 0: none may."""
    limit = 0
    before = _before(now, policy.events)
    if before is not None:
        row = connection.execute("SELECT max(seq) FROM keyframes WHERE at < ?", (before,)).fetchone()
        limit = row[0] or 0
    if policy.most_events is not None:
        newest = connection.execute("SELECT max(seq) FROM events").fetchone()[0] or 0
        row = connection.execute(
            "SELECT max(seq) FROM keyframes WHERE seq <= ?", (newest - policy.most_events,)
        ).fetchone()
        limit = max(limit, row[0] or 0)
    return limit
