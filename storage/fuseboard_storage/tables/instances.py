"""The `instances` table: the engine processes that write to a recording, from registration to end."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from fuseboard_engine.events import LOST, EngineStopped
from fuseboard_storage.board.presence import SILENT_AFTER
from fuseboard_storage.sqlite.process_identity import ProcessIdentity, is_alive

if TYPE_CHECKING:
    from fuseboard_storage.board.rows import InstanceRow

# Microseconds since the last heartbeat after which
_OVERDUE_AFTER: Final = 1_500_000  # the next heartbeat is overdue
_DEAD_AFTER: Final = 60_000_000  # an engine on another host counts as dead
_OWN_PID_AFTER: Final = 5_000_000  # an engine with our own pid counts as dead: a restarted container reuses pids


def register(connection: sqlite3.Connection, name: str, host: str, now: int) -> int:
    """Register an engine of this process and return its instance id."""
    cursor = connection.execute(
        "INSERT INTO instances(name, host, pid, started_at, heartbeat_at) VALUES (?, ?, ?, ?, ?)",
        (name, host, os.getpid(), now, now),
    )
    return int(cursor.lastrowid or 0)


def is_registered(connection: sqlite3.Connection, instance: int | None, started_at: int) -> bool:
    """Return whether this file has this instance of this process. A new file that replaced the old one does not."""
    sql = "SELECT 1 FROM instances WHERE id = ? AND started_at = ? AND pid = ?"
    return connection.execute(sql, (instance, started_at, os.getpid())).fetchone() is not None


def heartbeat(connection: sqlite3.Connection, instance: int, now: int, dropped: int) -> None:
    """Record that an engine is alive, and how many events its recorder has dropped so far."""
    connection.execute(
        "UPDATE instances SET heartbeat_at = ?, dropped = ?, ended_at = NULL WHERE id = ?",
        (now, dropped, instance),
    )


def mark_ended(connection: sqlite3.Connection, instance: int, now: int, dropped: int) -> None:
    """Record that an engine ended in an orderly way."""
    connection.execute(
        "UPDATE instances SET heartbeat_at = ?, dropped = ?, ended_at = ? WHERE id = ?",
        (now, dropped, now, instance),
    )


def record_dead(connection: sqlite3.Connection, host: str, now: int) -> list[tuple[int, EngineStopped]]:
    """Mark engines as ended that died without recording their end.

    An engine on this host is dead when its process is, one on another host after a minute without a heartbeat.

    Returns:
        The instance id of each and the event to record, dated at its last heartbeat.
    """
    found = []
    rows = connection.execute(
        """SELECT id, host, pid, heartbeat_at FROM instances WHERE ended_at IS NULL
        AND typeof(pid) = 'integer' AND typeof(heartbeat_at) = 'integer'"""  # a damaged file may contain anything
    ).fetchall()
    for instance, its_host, pid, heartbeat_at in rows:
        silent = now - heartbeat_at
        gone = its_host == host and (silent > _OWN_PID_AFTER if pid == os.getpid() else not _alive(pid))
        if gone or silent > _DEAD_AFTER:
            connection.execute("UPDATE instances SET ended_at = ? WHERE id = ?", (heartbeat_at, instance))
            found.append((instance, EngineStopped(at=heartbeat_at, reason=LOST)))
    return found


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def mark_dead(engines: Iterable[InstanceRow], now: int) -> bool:
    """Set `gone` of the engines of this host whose process has ended. Return whether any of them changed.

    An engine whose heartbeat is not overdue is alive even if its pid is not found: containers that share a host name
    need not share its processes.
    """
    host, changed = socket.gethostname(), False
    for row in engines:
        gone = (
            row.ended_at is None
            and row.host == host
            and now - row.heartbeat_at > _OVERDUE_AFTER
            and not is_alive(ProcessIdentity(host, row.pid, ""))
        )
        changed = changed or gone != row.gone
        row.gone = gone
    return changed


def first_alive(connection: sqlite3.Connection, now: int) -> int | None:
    """Return the first living instance, which maintains the recording for all. None if none is alive."""
    row = connection.execute(
        "SELECT min(id) FROM instances WHERE ended_at IS NULL AND heartbeat_at > ?", (now - SILENT_AFTER,)
    ).fetchone()
    return None if row[0] is None else int(row[0])
