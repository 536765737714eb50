"""The retention policy of a recording: old events are deleted, old metrics become coarser."""

from __future__ import annotations

import socket
import sqlite3
from dataclasses import dataclass
from typing import Final

from fuseboard_storage.board.metrics import SECOND
from fuseboard_storage.tables import instances, metrics
from fuseboard_storage.tables.events import stored_name

HOUR: Final = 3_600.0
DAY: Final = 24 * HOUR

_SLICE: Final = 500  # rows at a time, so that events never wait long for retention

_INSTANCES: Final = 100  # looked at in one slice


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a recording keeps its contents. Ages are in seconds; None keeps them for ever.

    Events are deleted up to a keyframe, so the rest still gives an exact Board. The newest keyframe and all later
    events always stay. Metrics are rolled up: from seconds into tens of seconds, minutes and hours. An ended instance
    is deleted when no event, metric or command of it is left and no process can restore it; totals per name stay.
    """

    events: float | None = 7 * DAY
    most_events: int | None = 5_000_000
    seconds: float | None = 1 * HOUR
    tens: float | None = 24 * HOUR
    minutes: float | None = 14 * DAY
    hours: float | None = 400 * DAY
    commands: float | None = 90 * DAY
    runs: float | None = 90 * DAY  # of workflows that are done; those that can be resumed stay


class InstancePruner:
    """Deletes the instances of a recording that nothing refers to any more, some at a time."""

    def __init__(self) -> None:
        self._host = stored_name(socket.gethostname())
        self._after = 0

    def step(self, connection: sqlite3.Connection) -> bool:
        """Check the next instances, within the open transaction. Return whether there are more."""
        found, self._after = instances.prunable(connection, self._host, self._after, _INSTANCES)
        instances.delete(connection, found)
        return self._after > 0


def apply_retention(
    connection: sqlite3.Connection, policy: Retention, now: int, pruner: InstancePruner | None = None
) -> bool:
    """Apply one slice of the policy, in a transaction of its own.

    Args:
        connection: A connection in autocommit mode.
        policy: The retention policy.
        now: UTC microseconds.
        pruner: Prunes the instances once the rest is done, a slice in each call. With None all of them are pruned then.

    Returns:
        Whether there is more to do.

    Raises:
        sqlite3.Error: The file could not be written; nothing was changed.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        more = _roll_up(connection, policy, now) + _prune(connection, policy, now) > 0
        if not more:
            more = _prune_instances(connection, pruner)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return more


def _prune_instances(connection: sqlite3.Connection, pruner: InstancePruner | None) -> bool:
    if pruner is not None:
        return pruner.step(connection)
    pruner = InstancePruner()
    while pruner.step(connection):
        pass
    return False


def _before(now: int, age: float | None) -> int | None:
    return None if age is None else now - int(age * SECOND)


def _roll_up(connection: sqlite3.Connection, policy: Retention, now: int) -> int:
    done = 0
    for resolution, age in ((1, policy.seconds), (10, policy.tens), (60, policy.minutes)):
        before = _before(now, age)
        if before is not None:
            done += metrics.roll_up(connection, resolution, before, _SLICE)
    before = _before(now, policy.hours)
    if before is not None:
        done += connection.execute("DELETE FROM metrics WHERE resolution = 3600 AND at < ?", (before,)).rowcount
    return done


def _prune(connection: sqlite3.Connection, policy: Retention, now: int) -> int:
    first = _first_kept(connection, policy, now)
    done = connection.execute(
        "DELETE FROM event_log WHERE seq IN (SELECT seq FROM event_log WHERE seq <= ? ORDER BY seq LIMIT ?)",
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
        deleted = connection.execute(
            "DELETE FROM workflow_runs WHERE state IN ('done', 'degraded') AND changed_at < ? RETURNING id", (before,)
        ).fetchall()
        connection.executemany("DELETE FROM workflow_nodes WHERE run = ?", deleted)
        done += len(deleted)
    return done


def _first_kept(connection: sqlite3.Connection, policy: Retention, now: int) -> int:
    """Return the number of the keyframe up to which events may be deleted; 0 if none may."""
    limit = 0
    before = _before(now, policy.events)
    if before is not None:
        row = connection.execute("SELECT max(seq) FROM keyframes WHERE at < ?", (before,)).fetchone()
        limit = row[0] or 0
    if policy.most_events is not None:
        newest = connection.execute("SELECT max(seq) FROM event_log").fetchone()[0] or 0
        row = connection.execute(
            "SELECT max(seq) FROM keyframes WHERE seq <= ?", (newest - policy.most_events,)
        ).fetchone()
        limit = max(limit, row[0] or 0)
    return limit
