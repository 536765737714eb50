"""What is in the file of a recording: its size, its events by kind, and how fast it grows."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.metrics import SECOND
from fuseboard_storage.maintenance.access import live_engines, reading, size_of, version_of
from fuseboard_storage.sqlite.damaged_rows import whole_number
from fuseboard_storage.sqlite.integrity import TEMPLATES_SINCE, can_shrink, pragma, used_bytes
from fuseboard_storage.tables.events import table_of

DAY: Final = 86_400 * SECOND
_HOUR: Final = 3_600 * SECOND
_SHORTEST: Final = 10 * SECOND  # of which a rate is told
_MOST_WEIGHED: Final = 2**30  # bytes of a file whose pages are counted table by table

_TABLES: Final = {
    "events": ("events", "event_log", "event_templates"),
    "metrics": ("metrics",),
    "keyframes": ("keyframes",),
    "commands": ("commands",),
    "dead letters": ("dead_letters", "dead_letter_totals"),
    "workflow runs": ("workflow_runs", "workflow_nodes"),
    "instances": ("instances",),
}


@dataclass(frozen=True, slots=True)
class Tier:
    """Some rows of a recording. Times are UTC microseconds, None without rows."""

    name: str
    rows: int
    oldest: int | None = None
    newest: int | None = None


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What `file_info` found out about a recording. Sizes are bytes, times UTC microseconds."""

    file: str
    version: int
    """The version of its schema."""
    size: int
    """The bytes of the file and its WAL."""
    wal: int
    """The bytes of the WAL alone."""
    free: int
    """The bytes of free pages, which new rows take first."""
    shrinks: bool
    """Whether free pages can be removed while an engine runs; `fuseboard db compact` makes it so."""
    bytes: dict[str, int] = field(default_factory=dict)
    """The bytes of each part with its indexes; empty if the file is large or SQLite cannot tell."""
    events: int = 0
    bytes_per_event: float | None = None
    kinds: list[Tier] = field(default_factory=list)
    """The events by kind, most first."""
    tiers: list[Tier] = field(default_factory=list)
    """Ordinary and notable events, metrics by resolution, and everything else, each with its oldest and newest row."""
    instances: int = 0
    live: int = 0
    """The engines that write it now."""
    bytes_per_day: float | None = None
    """The bytes of the events of a day, at the rate of the last recorded hour; None if that is not known."""
    notable_bytes_per_day: float | None = None
    """Those of them that are of notable events: failures, changes of state, commands, and routes that were not
    answered at the first attempt."""


def file_info(path: str | os.PathLike[str], now: int | None = None) -> FileInfo:
    """Return what is in the file of a recording. The file is not changed.

    Args:
        path: The recording.
        now: UTC microseconds; None: the current time.

    Raises:
        RecordingError: The file is missing, is not a recording, is damaged, or cannot be read.
    """
    where = Path(path)
    with reading(path) as connection:
        connection.execute("BEGIN")  # all figures are of one moment
        version = version_of(connection)
        wal = Path(f"{where}-wal")
        values: dict[str, Any] = {
            "file": where.name,
            "version": version,
            "size": size_of(where),
            "wal": wal.stat().st_size if wal.exists() else 0,
            "free": pragma(connection, "freelist_count") * pragma(connection, "page_size"),
            "shrinks": can_shrink(connection),
        }
        if not version:
            return FileInfo(**values)
        used = used_bytes(connection)
        parts = _bytes_by_part(connection) if used <= _MOST_WEIGHED else {}
        kinds, tiers = _event_tiers(connection, version)
        events = sum(kind.rows for kind in kinds)
        each = (parts.get("events", used) / events) if events else None
        written, notable = _written_per_day(connection, version)
        return FileInfo(
            **values,
            bytes=parts,
            events=events,
            bytes_per_event=each,
            kinds=kinds,
            tiers=[*tiers, *_other_tiers(connection)],
            instances=_number(connection, "SELECT count(*) FROM instances"),
            live=len(live_engines(connection, wall_clock() if now is None else now)),
            bytes_per_day=None if written is None or each is None else written * each,
            notable_bytes_per_day=None if notable is None or each is None else notable * each,
        )


def _event_tiers(connection: sqlite3.Connection, version: int) -> tuple[list[Tier], list[Tier]]:
    """Return the events by kind, most first, and those that are ordinary and notable."""
    name = table_of(version).name
    if version >= TEMPLATES_SINCE:
        sql = """SELECT coalesce(t.kind, '?'), coalesce(t.notable, 1), e.rows, e.first, e.last FROM (
            SELECT template, count(*) AS rows, min(seq) AS first, max(seq) AS last FROM event_log GROUP BY template
            ) AS e LEFT JOIN event_templates AS t ON t.id = e.template"""
    else:
        sql = "SELECT kind, NULL, count(*), min(seq), max(seq) FROM events GROUP BY kind"
    by_kind: dict[str, list[int]] = {}
    by_tier: dict[str, list[int]] = {}
    for kind, notable, rows, first, last in connection.execute(sql):
        targets = [by_kind.setdefault(str(kind), [0, first, last])]
        if notable is not None:
            targets.append(by_tier.setdefault("notable events" if notable else "ordinary events", [0, first, last]))
        for target in targets:
            target[:] = target[0] + rows, min(target[1], first), max(target[2], last)

    def tier(of: str, found: list[int]) -> Tier:
        at = [_number(connection, f"SELECT at FROM {name} WHERE seq = ?", (seq,)) for seq in found[1:]]
        return Tier(of, found[0], *at)

    kinds = [tier(kind, found) for kind, found in sorted(by_kind.items(), key=lambda item: (-item[1][0], item[0]))]
    return kinds, [tier(of, by_tier[of]) for of in sorted(by_tier, reverse=True)]


def _other_tiers(connection: sqlite3.Connection) -> list[Tier]:
    sql = "SELECT resolution, count(*), min(at), max(at) FROM metrics GROUP BY resolution ORDER BY resolution"
    names = {1: "1 s", 10: "10 s", 60: "1 min", 3600: "1 h"}
    found = [
        Tier(f"metrics of {names.get(resolution, f'{resolution} s')}", rows, _time(first), _time(last))
        for resolution, rows, first, last in connection.execute(sql)
    ]
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for name, table, at in (
        ("commands", "commands", "requested_at"),
        ("dead letters", "dead_letters", "created_at"),
        ("workflow runs", "workflow_runs", "started_at"),
        ("keyframes", "keyframes", "at"),
    ):
        if table in there:
            sql = f"SELECT count(*), min({at}), max({at}) FROM {table}"
            rows, first, last = connection.execute(sql).fetchone()
            if rows:
                found.append(Tier(name, rows, _time(first), _time(last)))
    return found


def _written_per_day(connection: sqlite3.Connection, version: int) -> tuple[float | None, float | None]:
    """Return how many events and how many notable ones are written in a day, at the rate of the last recorded hour."""
    name = table_of(version).name
    last = connection.execute(f"SELECT seq, at FROM {name} ORDER BY seq DESC LIMIT 1").fetchone()
    if last is None or _time(last[1]) is None:
        return None, None
    sql = "SELECT seq, at FROM keyframes WHERE at <= ? ORDER BY at DESC, seq DESC LIMIT 1"
    first = connection.execute(sql, (max(last[1] - _HOUR, -(2**63)),)).fetchone()
    first = first or connection.execute(f"SELECT seq, at FROM {name} ORDER BY seq LIMIT 1").fetchone()
    elapsed = last[1] - whole_number(first[1])
    if elapsed < _SHORTEST:
        return None, None
    written = (last[0] - first[0]) * DAY / elapsed
    if version < TEMPLATES_SINCE:
        return written, None
    sql = """SELECT count(*) FROM event_log
        WHERE template IN (SELECT id FROM event_templates WHERE notable) AND seq > ?"""
    return written, _number(connection, sql, (first[0],)) * DAY / elapsed


def _bytes_by_part(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the bytes of each part of a recording; empty if this SQLite cannot tell."""
    sql = """SELECT m.tbl_name, sum(d.pgsize) FROM (SELECT name, pgsize FROM dbstat WHERE aggregate = 1) AS d
        JOIN sqlite_master AS m ON m.name = d.name GROUP BY 1"""
    try:
        by_table = dict(connection.execute(sql).fetchall())
    except sqlite3.OperationalError:
        return {}
    found = {part: sum(by_table.get(table, 0) for table in tables) for part, tables in _TABLES.items()}
    return {part: size for part, size in found.items() if size}


def _number(connection: sqlite3.Connection, sql: str, values: tuple[Any, ...] = ()) -> int:
    row = connection.execute(sql, values).fetchone()
    return 0 if row is None else whole_number(row[0])


def _time(value: Any) -> int | None:
    """Return a time in a column; None if there is none, or it is damaged."""
    return value if type(value) is int else None
