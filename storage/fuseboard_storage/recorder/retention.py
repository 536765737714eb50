"""The retention policy of a recording: ordinary routes become counts, old events go, old metrics become coarser."""

from __future__ import annotations

import socket
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from fuseboard_engine.events import RouteFinished, RoutesCounted
from fuseboard_storage.board.board import Entry
from fuseboard_storage.board.metrics import SECOND
from fuseboard_storage.board.route_counts import BARRIERS, RouteCounter
from fuseboard_storage.sqlite.integrity import can_shrink, pragma, release_pages, used_bytes
from fuseboard_storage.sqlite.write_lock import LockingConnection, begin
from fuseboard_storage.tables import event_templates, events, instances, marks, metrics
from fuseboard_storage.tables.keyframes import EVERY, FORMAT, NEWEST
from fuseboard_storage.tables.storable import stored_name

HOUR: Final = 3_600.0
DAY: Final = 24 * HOUR

_SLICE: Final = 500  # rows at a time, so that events never wait long for retention
_SEGMENT: Final = EVERY  # events at most that are counted together
_RECENT: Final = 20_000  # newest events that only their age makes counts: consoles may be reading them
_FREE_PAGES: Final = 256  # that stay in the file for new rows
_PAGES: Final = 256  # given back to the disk at a time
_INSTANCES: Final = 100  # looked at in one slice


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a recording keeps its contents. Ages are in seconds; None keeps them for ever.

    Ordinary routes, which the first adapter answered at once, are counted together after `ordinary` seconds, or when
    there are more than `most_ordinary` newer events: the Board stays exact. All other events, which an operator asks
    about, are deleted after `events` seconds, or when there are more than `most_events`. If the file uses more than
    `most_bytes`, both happen earlier, ordinary routes first. Events are deleted up to a keyframe, so the rest still
    gives an exact Board. The newest keyframe and all later events always stay. Metrics are rolled up: from seconds
    into tens of seconds, minutes and hours. An ended instance is deleted when no event, metric or command of it is
    left and no process can restore it; totals per name stay.

    An age is the time for which a recording was written since, so a wrong clock does not shorten it.
    """

    ordinary: float | None = 1 * HOUR
    most_ordinary: int | None = 1_000_000
    events: float | None = 30 * DAY
    most_events: int | None = 10_000_000
    most_bytes: int | None = 1_000_000_000
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
    connection: sqlite3.Connection,
    policy: Retention,
    now: marks.Moment,
    pruner: InstancePruner | None = None,
    *,
    folded: int = NEWEST,
) -> bool:
    """Apply one slice of the policy, in a transaction of its own.

    Args:
        connection: A connection in autocommit mode.
        policy: The retention policy.
        now: The current moment.
        pruner: Prunes the instances once the rest is done, a slice in each call. With None all of them are pruned then.
        folded: The number of the last event that the maker of keyframes has folded. Later events stay as they are,
            because it would count those twice of which it has folded a part.

    Returns:
        Whether there is more to do.

    Raises:
        sqlite3.Error: The file could not be written; nothing was changed.
    """
    if isinstance(connection, LockingConnection):
        begin(connection)
    else:
        connection.execute("BEGIN IMMEDIATE")
    try:
        written = marks.advance(connection, now)
        more = _count_ordinary(connection, policy, written, folded) + _roll_up(connection, policy, written) > 0
        more = _prune(connection, policy, written) > 0 or more
        if not more:
            more = _prune_instances(connection, pruner)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return _shrink(connection) or more


def _prune_instances(connection: sqlite3.Connection, pruner: InstancePruner | None) -> bool:
    if pruner is not None:
        return pruner.step(connection)
    pruner = InstancePruner()
    while pruner.step(connection):
        pass
    return False


def _mark_before(connection: sqlite3.Connection, written: int, age: float | None) -> marks.Mark | None:
    """Return the newest mark that is older than an age in seconds; None if there is none."""
    return None if age is None else marks.newest_until(connection, written - int(age * SECOND))


def _bytes_too_many(connection: sqlite3.Connection, policy: Retention) -> bool:
    return policy.most_bytes is not None and used_bytes(connection) > policy.most_bytes


def _count_ordinary(connection: sqlite3.Connection, policy: Retention, written: int, folded: int) -> int:
    """Put counts in place of the oldest ordinary routes, up to a keyframe at most. Return how many routes went."""
    newest = events.newest(connection)
    mark = _mark_before(connection, written, policy.ordinary)
    limit = 0 if mark is None else mark.seq
    if policy.most_ordinary is not None:
        limit = max(limit, newest - max(policy.most_ordinary, _RECENT))
    if _bytes_too_many(connection, policy):
        limit = max(limit, newest - _RECENT)
    limit = min(limit, folded)
    first = events.first_ordinary(connection)
    if first is None or first > limit:
        return 0
    row = connection.execute("SELECT min(seq) FROM keyframes WHERE seq >= ?", (first,)).fetchone()
    last = min(limit, first + _SEGMENT - 1, row[0] or limit)
    gone = _count_together(connection, first, last, merge=False)
    _thin_keyframes(connection, last)
    return gone


def _count_together(connection: sqlite3.Connection, first: int, last: int, *, merge: bool) -> int:
    """Put counts in place of the ordinary routes between two events, or merge counts. Return how many events went."""
    gone: list[int] = []
    counted: list[Entry] = []
    counters: defaultdict[int, RouteCounter] = defaultdict(RouteCounter)
    ends: dict[int, int] = {}

    def end_counts() -> None:
        for instance, counter in counters.items():
            if counter:
                counted.append(Entry(ends[instance], instance, counter.take()))

    for ordinary, (seq, instance, event) in events.with_ordinary(connection, first, last):
        counter = counters[instance]
        if ordinary or (merge and type(event) is RoutesCounted):
            gone.append(seq)
            if type(event) is RouteFinished:
                counter.add(event)
            elif type(event) is RoutesCounted:
                counter.merge(event)
            ends[instance] = seq
        elif type(event) in BARRIERS:
            end_counts()
        else:
            counter.note(event)
    end_counts()
    if len(counted) < len(gone) or not merge:
        events.replace_by_counts(connection, gone, counted)
    return len(gone)


def _thin_keyframes(connection: sqlite3.Connection, last: int) -> None:
    """Delete the keyframe before the newest one up to `last` if few events are left between its neighbours."""
    rows = connection.execute("SELECT seq FROM keyframes WHERE seq <= ? ORDER BY seq DESC LIMIT 3", (last,)).fetchall()
    if len(rows) == 3:
        (end,), (middle,), (start,) = rows
        sql = "SELECT count(*) FROM event_log WHERE seq > ? AND seq <= ?"
        if connection.execute(sql, (start, end)).fetchone()[0] <= EVERY:
            connection.execute("DELETE FROM keyframes WHERE seq = ?", (middle,))
            _count_together(connection, start + 1, end, merge=True)


def _roll_up(connection: sqlite3.Connection, policy: Retention, written: int) -> int:
    done = 0
    for resolution, age in ((1, policy.seconds), (10, policy.tens), (60, policy.minutes)):
        mark = _mark_before(connection, written, age)
        if mark is not None:
            done += metrics.roll_up(connection, resolution, mark.at, _SLICE)
    mark = _mark_before(connection, written, policy.hours)
    if mark is not None:
        done += connection.execute("DELETE FROM metrics WHERE resolution = 3600 AND at < ?", (mark.at,)).rowcount
    return done


def _prune(connection: sqlite3.Connection, policy: Retention, written: int) -> int:
    first = _first_kept(connection, policy, written)
    done = connection.execute(
        "DELETE FROM event_log WHERE seq IN (SELECT seq FROM event_log WHERE seq <= ? ORDER BY seq LIMIT ?)",
        (first, _SLICE),
    ).rowcount
    connection.execute("DELETE FROM keyframes WHERE seq < ?", (first,))
    mark = _mark_before(connection, written, policy.commands)
    if mark is not None:
        done += connection.execute(
            "DELETE FROM commands WHERE status NOT IN ('pending', 'taken') AND requested_at < ?", (mark.at,)
        ).rowcount
    mark = _mark_before(connection, written, policy.runs)
    if mark is not None:
        deleted = connection.execute(
            "DELETE FROM workflow_runs WHERE state IN ('done', 'degraded') AND changed_at < ? RETURNING id", (mark.at,)
        ).fetchall()
        connection.executemany("DELETE FROM workflow_nodes WHERE run = ?", deleted)
        done += len(deleted)
    if done == 0 and first:
        event_templates.prune_templates(connection)
    return done


def _first_kept(connection: sqlite3.Connection, policy: Retention, written: int) -> int:
    """Return the number of the keyframe up to which events may be deleted; 0 if none may."""
    limit = 0
    mark = _mark_before(connection, written, policy.events)
    if mark is not None:
        limit = mark.seq
    if policy.most_events is not None:
        limit = max(limit, events.newest(connection) - policy.most_events)
    sql = f"SELECT max(seq) FROM keyframes WHERE seq <= ? AND format = {FORMAT}"
    first = int(connection.execute(sql, (limit,)).fetchone()[0] or 0)
    if _bytes_too_many(connection, policy) and not _has_ordinary_to_count(connection):
        oldest = connection.execute("SELECT min(seq) FROM event_log").fetchone()[0] or 0
        sql = f"SELECT min(seq) FROM keyframes WHERE seq >= ? AND format = {FORMAT}"
        row = connection.execute(sql, (oldest,)).fetchone()
        first = max(first, row[0] or 0)
    return first


def _has_ordinary_to_count(connection: sqlite3.Connection) -> bool:
    """Return whether there are ordinary routes that become counts before other events are deleted for want of space."""
    oldest = events.first_ordinary(connection)
    return oldest is not None and oldest <= events.newest(connection) - _RECENT


def _shrink(connection: sqlite3.Connection) -> bool:
    """Give some free pages back to the disk if there are many. Return whether there are more.

    In a file that an older version created, free pages are used for new rows only.
    """
    free = pragma(connection, "freelist_count")
    if free < _FREE_PAGES or free * 4 < pragma(connection, "page_count") or not can_shrink(connection):
        return False
    release_pages(connection, _PAGES)
    return True
