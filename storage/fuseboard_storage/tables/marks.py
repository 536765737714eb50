"""The `marks` table: for how long a recording has been written, whatever the wall clock said.

Each mark holds the number of the newest event at a moment, and the time for which the recording had been written by
then. What a mark covers is as old as the time since. While the host runs, that time is the one since its boot, which
no change of the wall clock affects. From one boot or host to the next it is the wall clock's, but at most `MAX_GAP`.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Final, NamedTuple

from fuseboard_storage.sqlite.process_identity import boot_id
from fuseboard_storage.tables import events

EVERY: Final = 60_000_000
"""Microseconds between two marks."""

MAX_GAP: Final = 86_400_000_000
"""Microseconds at most for which a recording counts as written between two boots. More may be an error of a clock."""

_HOUR: Final = 3_600_000_000
_FINE: Final = 2 * _HOUR  # of the newest marks, all are kept; of the older ones the first of each hour


class Moment(NamedTuple):
    """A moment on three clocks: UTC microseconds, the id of the boot, and the microseconds since it."""

    at: int
    boot: str
    since_boot: int


class Mark(NamedTuple):
    """The newest event at a moment: its number and that time in UTC microseconds, and the time written by then."""

    written: int
    seq: int
    at: int


def moment(at: int) -> Moment:
    """Return the current moment; `at` is the wall clock's time in UTC microseconds."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return Moment(at, boot_id(), time.clock_gettime_ns(clock) // 1_000)


def advance(connection: sqlite3.Connection, now: Moment) -> int:
    """Return for how long the recording has been written, in microseconds, and store a mark if one is due.

    Args:
        connection: A connection with an open transaction.
        now: The current moment.
    """
    sql = "SELECT written, at, boot, since_boot FROM marks ORDER BY written DESC LIMIT 1"
    last = connection.execute(sql).fetchone()
    written = 0
    if last is not None:
        marked: int
        marked, at, boot, since_boot = last
        same_boot = boot == now.boot != ""
        written = marked + max(0, now.since_boot - since_boot if same_boot else min(now.at - at, MAX_GAP))
        if written < marked + EVERY and same_boot:
            return int(written)
        written = max(written, marked + 1)
    seq = events.newest(connection)
    connection.execute(
        "INSERT INTO marks(written, seq, at, boot, since_boot) VALUES (?, ?, ?, ?, ?)",
        (written, seq, now.at, now.boot, now.since_boot),
    )
    _thin(connection, written)
    return written


def _thin(connection: sqlite3.Connection, written: int) -> None:
    start, end = written - _FINE - 2 * _HOUR, written - _FINE
    connection.execute(
        """DELETE FROM marks WHERE written > ? AND written < ? AND written NOT IN
            (SELECT min(written) FROM marks WHERE written > ? AND written < ? GROUP BY written / ?)""",
        (start, end, start - _HOUR, end, _HOUR),
    )


def newest_until(connection: sqlite3.Connection, written: int) -> Mark | None:
    """Return the newest mark of a time written, in microseconds, or before; None if there is none."""
    sql = "SELECT written, seq, at FROM marks WHERE written <= ? ORDER BY written DESC LIMIT 1"
    row = connection.execute(sql, (written,)).fetchone()
    return None if row is None else Mark(*row)
