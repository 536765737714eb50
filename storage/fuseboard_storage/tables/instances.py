"""The `instances` table: the engine processes that write to a recording, from registration to end."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from fuseboard_engine.events import LOST, EngineStopped
from fuseboard_storage.board.presence import SILENT_AFTER
from fuseboard_storage.sqlite.process_identity import ProcessIdentity, is_alive, pid_space, this_process

if TYPE_CHECKING:
    from fuseboard_storage.board.rows import InstanceRow

# Microseconds since the last heartbeat after which
_OVERDUE_AFTER: Final = 1_500_000  # the next heartbeat is overdue
_DEAD_AFTER: Final = 60_000_000  # an engine on another host counts as dead
_UNSEEN_AFTER: Final = 5_000_000  # an engine of this host counts as dead whose process cannot be checked from here

_FAR_AHEAD: Final = 86_400_000_000
"""Microseconds by which a heartbeat may lie in the future; one further ahead is of before the clock was set back."""

_COLUMNS: Final = "name, host, pid, started_at, heartbeat_at, process, pid_space"
_NOT_TAKEN: Final = """SELECT id, started_at, taken_by FROM instances
WHERE name = ? AND ended_at IS NOT NULL AND continued_by IS NULL ORDER BY ended_at DESC, id DESC"""

KEPT_FOR_RESTORE: Final = 64
"""The ended instances of a name that are kept because a later process may take their state."""

# The last event of an instance says that it stopped. An instance that was not taken is shown, or may be restored.
_UNREFERENCED: Final = f"""WITH waiting AS (
    SELECT id, row_number() OVER (PARTITION BY name ORDER BY id DESC) AS place FROM instances
    WHERE continued_by IS NULL AND ended_at IS NOT NULL
), stopped AS (
    SELECT e.instance AS id FROM event_templates AS t JOIN event_log AS e ON e.template = t.id
    WHERE t.kind = 'engine_stopped'
), asked AS (SELECT taken_by AS id FROM commands UNION SELECT instance FROM commands)
SELECT id, host, started_at, ended_at, process FROM instances
WHERE id > ? AND typeof(started_at) = 'integer' AND typeof(ended_at) = 'integer'
    AND id NOT IN (SELECT id FROM waiting WHERE place <= {KEPT_FOR_RESTORE})
    AND id NOT IN (SELECT id FROM stopped)
    AND id NOT IN (SELECT id FROM asked WHERE id IS NOT NULL)
ORDER BY id LIMIT ?"""
_COARSEST_FIRST: Final = (3600, 60, 10, 1)  # the resolutions of metrics
_COARSEST: Final = 3_600_000_000


class InstanceRef(NamedTuple):
    """An instance; its start (UTC microseconds) distinguishes it from one with the same id in another file."""

    id: int
    started_at: int


def register(connection: sqlite3.Connection, name: str, host: str, now: int) -> int:
    """Register an engine of this process and return its instance id."""
    cursor = connection.execute(
        f"INSERT INTO instances({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (name, host, os.getpid(), now, now, this_process(host), pid_space()),
    )
    return int(cursor.lastrowid or 0)


def is_registered(connection: sqlite3.Connection, instance: int | None, started_at: int) -> bool:
    """Return whether this file has this instance of this process. A new file that replaced the old one does not."""
    sql = "SELECT 1 FROM instances WHERE id = ? AND started_at = ? AND pid = ?"
    return connection.execute(sql, (instance, started_at, os.getpid())).fetchone() is not None


def take(connection: sqlite3.Connection, name: str, host: str) -> InstanceRef | None:
    """Take the newest ended instance of a name that was not taken yet, within the transaction that is open.

    No other process can take it while this one lives. Call `replace` once this process is registered.
    """
    for id, started_at, taken_by in connection.execute(_NOT_TAKEN, (name,)).fetchall():
        taker = ProcessIdentity.parse(taken_by)
        if taker is not None and taker.host == host and is_alive(taker):
            continue
        connection.execute("UPDATE instances SET taken_by = ? WHERE id = ?", (this_process(host), id))
        return InstanceRef(id, started_at)
    return None


def exists(connection: sqlite3.Connection, instance: InstanceRef) -> bool:
    """Return whether an instance is in this file."""
    sql = "SELECT 1 FROM instances WHERE id = ? AND started_at = ?"
    return connection.execute(sql, instance).fetchone() is not None


def replace(connection: sqlite3.Connection, replaced: int, by: int) -> None:
    """Record that an instance took the place of an ended one, which can no longer be taken."""
    connection.execute("UPDATE instances SET continued_by = ? WHERE id = ?", (by, replaced))


def heartbeat(connection: sqlite3.Connection, instance: int, now: int, dropped: int) -> None:
    """Record that an engine is alive, and how many events its recorder has dropped so far."""
    connection.execute(
        "UPDATE instances SET heartbeat_at = ?, dropped = ?, ended_at = NULL WHERE id = ?",
        (now, dropped, instance),
    )


def advance_batch(connection: sqlite3.Connection, instance: int, number: int) -> bool:
    """Note the number of the batch that an instance writes. Return False if it has written that batch already."""
    sql = "UPDATE instances SET batch = ? WHERE id = ? AND batch < ?"
    return connection.execute(sql, (number, instance, number)).rowcount == 1


def mark_ended(connection: sqlite3.Connection, instance: int, now: int, dropped: int) -> None:
    """Record that an engine ended in an orderly way."""
    connection.execute(
        "UPDATE instances SET heartbeat_at = ?, dropped = ?, ended_at = ? WHERE id = ?",
        (now, dropped, now, instance),
    )


def record_dead(connection: sqlite3.Connection, host: str, now: int) -> list[tuple[int, EngineStopped]]:
    """Mark engines as ended that died without recording their end.

    An engine on this host is dead when its process is, whatever the wall clock says. Without a heartbeat, one whose
    process cannot be checked from here (it is of another container) is dead after five seconds, one on another host
    after a minute. A heartbeat that lies more than a day in the future is left from before the clock was set back.

    Returns:
        The instance id of each and the event to record, dated at its last heartbeat.
    """
    found = []
    rows = connection.execute(
        """SELECT id, host, pid, heartbeat_at, process, pid_space FROM instances WHERE ended_at IS NULL
        AND typeof(pid) = 'integer' AND typeof(heartbeat_at) = 'integer'"""  # a damaged file may contain anything
    ).fetchall()
    for instance, its_host, pid, heartbeat_at, process, space in rows:
        silent = now - heartbeat_at
        ahead = silent < -_FAR_AHEAD
        gone = _is_gone(pid, process, space, silent, ahead=ahead) if its_host == host else silent > _DEAD_AFTER or ahead
        if gone:
            connection.execute("UPDATE instances SET ended_at = ? WHERE id = ?", (heartbeat_at, instance))
            found.append((instance, EngineStopped(at=heartbeat_at, reason=LOST)))
    return found


def _is_gone(pid: int, process: str, space: str, silent: int, *, ahead: bool) -> bool:
    """Return whether an engine of this host has ended, after `silent` microseconds without a heartbeat."""
    found = ProcessIdentity.parse(process)
    if pid == os.getpid() and (found is None or is_alive(found)):
        return (
            silent > _UNSEEN_AFTER or ahead
        )  # another engine of this process; without an identity, perhaps of an earlier one
    if found is None:  # recorded by an older version
        return not is_alive(ProcessIdentity("", pid, ""))
    return silent > _UNSEEN_AFTER or ahead if space != pid_space() else not is_alive(found)


def prunable(connection: sqlite3.Connection, host: str, after: int, most: int) -> tuple[list[int], int]:
    """Return ended instances that nothing refers to: no event, metric or command, no process, and no later restore.

    Args:
        connection: The recording.
        host: This host, whose processes can be checked.
        after: Instances up to this id are left out.
        most: The number of instances to look at.

    Returns:
        Their ids, and the id to continue after; 0 if all have been looked at.
    """
    rows = connection.execute(_UNREFERENCED, (after, most)).fetchall()
    found = []
    for id, its_host, started_at, ended_at, process in rows:
        identity = ProcessIdentity.parse(process)
        lives = identity is not None and its_host == host and is_alive(identity)  # its engine may be recorded again
        if not lives and not _has_metrics(connection, id, started_at, ended_at):
            found.append(id)
    return found, rows[-1][0] if len(rows) == most else 0


def _has_metrics(connection: sqlite3.Connection, instance: int, started_at: int, ended_at: int) -> bool:
    """Return whether an instance has metrics, which lie between its start and its end."""
    sql = "SELECT 1 FROM metrics WHERE resolution = ? AND at BETWEEN ? AND ? AND instance = ? LIMIT 1"
    since, until = started_at - _COARSEST, ended_at + _COARSEST
    return any(connection.execute(sql, (each, since, until, instance)).fetchone() for each in _COARSEST_FIRST)


def delete(connection: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Delete instances, within the transaction that is open."""
    connection.executemany("DELETE FROM instances WHERE id = ?", [(id,) for id in ids])


def mark_dead(engines: Iterable[InstanceRow], now: int) -> bool:
    """Set `gone` of the engines of this host whose process has ended. Return whether any of them changed.

    An engine whose heartbeat is not overdue is alive even if its pid is not found: containers that share a host name
    need not share its processes. A heartbeat that is far ahead is one of a scenario played faster than real time, or of
    before the clock was set back, and says nothing.
    """
    host, changed = socket.gethostname(), False
    for row in engines:
        gone = (
            row.ended_at is None
            and row.host == host
            and abs(now - row.heartbeat_at) > _OVERDUE_AFTER
            and not is_alive(ProcessIdentity(host, row.pid, ""))
        )
        changed = changed or gone != row.gone
        row.gone = gone
    return changed


def first_alive(connection: sqlite3.Connection, now: int) -> int | None:
    """Return the first living instance, which maintains the recording for all. None if none is alive."""
    row = connection.execute(
        "SELECT min(id) FROM instances WHERE ended_at IS NULL AND heartbeat_at > ? AND heartbeat_at <= ?",
        (now - SILENT_AFTER, now + SILENT_AFTER),
    ).fetchone()
    return None if row[0] is None else int(row[0])


def others_alive(connection: sqlite3.Connection, instance: int, now: int) -> bool:
    """Return whether another instance than this one is alive."""
    sql = "SELECT 1 FROM instances WHERE ended_at IS NULL AND heartbeat_at > ? AND id != ? LIMIT 1"
    return connection.execute(sql, (now - SILENT_AFTER, instance)).fetchone() is not None
