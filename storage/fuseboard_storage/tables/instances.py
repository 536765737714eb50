"""The engines that write to a recording: how each is entered, kept alive and, when it died, taken off."""

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

_MISSED_AFTER: Final = 1_500_000  # microseconds: a beat is overdue
_DEAD_AFTER: Final = 60_000_000  # microseconds without a heartbeat after which one elsewhere is given up
_OWN_PID_AFTER: Final = 5_000_000  # the same process, or a container started anew under the same number


def register(connection: sqlite3.Connection, name: str, host: str, now: int) -> int:
    """Enter an engine of this process and return the number of its instance."""
    cursor = connection.execute(
        "INSERT INTO instances(name, host, pid, started_at, heartbeat_at) VALUES (?, ?, ?, ?, ?)",
        (name, host, os.getpid(), now, now),
    )
    return int(cursor.lastrowid or 0)


def is_registered(connection: sqlite3.Connection, instance: int | None, started_at: int) -> bool:
    """Say whether this very instance stands in this file: a new file may have taken the place of the old one."""
    sql = "SELECT 1 FROM instances WHERE id = ? AND started_at = ? AND pid = ?"
    return connection.execute(sql, (instance, started_at, os.getpid())).fetchone() is not None


def heartbeat(connection: sqlite3.Connection, instance: int, now: int, dropped: int) -> None:
    """Note that an engine is alive, and how many events its recorder let go so far."""
    connection.execute(
        "UPDATE instances SET heartbeat_at = ?, dropped = ?, ended_at = NULL WHERE id = ?",
        (now, dropped, instance),
    )


def mark_ended(connection: sqlite3.Connection, instance: int, now: int, dropped: int) -> None:
    """Note that an engine ended in an orderly way."""
    connection.execute(
        "UPDATE instances SET heartbeat_at = ?, dropped = ?, ended_at = ? WHERE id = ?",
        (now, dropped, now, instance),
    )


def record_dead(connection: sqlite3.Connection, host: str, now: int) -> list[tuple[int, EngineStopped]]:
    """Take engines off that died without a word.

    One of this host is dead when its process is; one of another when it was silent for a minute.

    Returns:
        For each, its instance and the event that tells it; dated at its last heartbeat.
    """
    buried = []
    rows = connection.execute("SELECT id, host, pid, heartbeat_at FROM instances WHERE ended_at IS NULL").fetchall()
    for instance, where, pid, heartbeat_at in rows:
        silent = now - heartbeat_at
        if where == host and (silent > _OWN_PID_AFTER if pid == os.getpid() else not _alive(pid)):
            dead = True
        else:
            dead = silent > _DEAD_AFTER
        if dead:
            connection.execute("UPDATE instances SET ended_at = ? WHERE id = ?", (heartbeat_at, instance))
            buried.append((instance, EngineStopped(at=heartbeat_at, reason=LOST)))
    return buried


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def mark_dead(engines: Iterable[InstanceRow], now: int) -> bool:
    """Mark the engines of this host whose process is no more; return whether that changes what is known.

    One whose last heartbeat is not overdue is alive whatever its number says: containers that share a host's name need
    not share its processes.
    """
    host, changed = socket.gethostname(), False
    for row in engines:
        gone = (
            row.ended_at is None
            and row.host == host
            and now - row.heartbeat_at > _MISSED_AFTER
            and not is_alive(ProcessIdentity(host, row.pid, ""))
        )
        changed = changed or gone != row.gone
        row.gone = gone
    return changed


def first_alive(connection: sqlite3.Connection, now: int) -> int | None:
    """Return the instance that does for all what only one need do: the first that is alive."""
    row = connection.execute(
        "SELECT min(id) FROM instances WHERE ended_at IS NULL AND heartbeat_at > ?", (now - SILENT_AFTER,)
    ).fetchone()
    return None if row[0] is None else int(row[0])
