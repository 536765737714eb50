"""The `metrics` table: written along with the events, read back, and rolled up with age."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from fuseboard_storage.board.metrics import SECOND, AdapterSecond, Spans
from fuseboard_storage.sqlite.damaged_rows import whole_number
from fuseboard_storage.tables import histograms
from fuseboard_storage.tables.events import Query
from fuseboard_storage.tables.storable import stored_name

RESOLUTIONS: Final = (1, 10, 60, 3600)
"""The seconds that a row may cover, finest first."""

COLUMNS: Final = "at, adapter, calls, successes, failures, timeouts, rejections, latency, first_item"
OLDER_COLUMNS: Final = COLUMNS.replace("first_item", "'{}'")
"""The same for a recording with a version below `FIRST_ITEM_SINCE`."""
FIRST_ITEM_SINCE: Final = 4
"""The schema version that added `first_item`."""
_MOST: Final = 2**63 - 1

# To read one adapter among a thousand, step from each existing moment to the next, then look up the adapter's row in
# each. That takes a twentieth of the time of scanning all rows. An index that begins with the adapter is not faster,
# and would make the recorder's writes five times as expensive.
_MOMENTS: Final = f"""WITH RECURSIVE moments(length, start) AS (
    SELECT value, (SELECT min(at) FROM metrics WHERE resolution = value AND at >= ? AND at < ?)
        FROM json_each('{list(RESOLUTIONS)}')
    UNION ALL SELECT length, (SELECT min(at) FROM metrics WHERE resolution = length AND at > start AND at < ?)
        FROM moments WHERE start IS NOT NULL)"""


def span_of(row: tuple[Any, ...]) -> AdapterSecond:
    """Return the span in a row of `COLUMNS`."""
    span = AdapterSecond(whole_number(row[0]), str(row[1]))
    span.calls, span.successes, span.failures, span.timeouts, span.rejections = map(whole_number, row[2:7])
    span.latency = histograms.decode(row[7])
    span.first_item = histograms.decode(row[8])
    return span


async def read(
    query: Query, since: int, until: int, adapter: str | None, instances: Sequence[int]
) -> list[AdapterSecond]:
    """Return metrics, oldest first; see `Recording.spans`. `query` runs SQL on the recording."""
    version = (await query("PRAGMA user_version", ()))[0][0]
    columns = OLDER_COLUMNS if version < FIRST_ITEM_SINCE else COLUMNS
    of_them = f"AND instance IN ({', '.join(map(str, instances))})"
    if adapter is None:
        # The primary key begins with the resolution, so naming each of them allows a range scan.
        sql = f"""SELECT {columns} FROM metrics WHERE resolution IN ({", ".join(map(str, RESOLUTIONS))})
            AND at >= ? AND at < ? {of_them if instances else ""} ORDER BY at"""
        return [span_of(row) for row in await query(sql, (since, until))]
    sql = f"""{_MOMENTS} SELECT {columns} FROM moments CROSS JOIN metrics
        ON resolution = length AND at = start AND adapter = ?
        {of_them if instances else "AND instance IN (SELECT id FROM instances)"} WHERE start IS NOT NULL ORDER BY at"""
    return [span_of(row) for row in await query(sql, (since, until, until, adapter))]


_CHUNK: Final = 1_000  # rows per statement at most
_WIDTH: Final = 2 + len(COLUMNS.split(","))

_STORED: Final = f"""SELECT json_group_array(json_array({COLUMNS})) FROM metrics
    WHERE resolution = ? AND at = ? AND instance = ? AND adapter IN (SELECT value FROM json_each(?))"""


def add(connection: sqlite3.Connection, instance: int, spans: Spans, resolution: int = 1) -> None:
    """Add spans to an instance's rows, within the transaction that is open.

    Few statements that each return one row at most do it. The driver releases the interpreter lock for each row, and a
    busy thread of the application then keeps it for some milliseconds, in which the file stays locked for others.
    """
    by_start: dict[int, dict[str, AdapterSecond]] = {}
    for span in spans.values():
        by_start.setdefault(span.at, {})[stored_name(span.adapter)] = span
    values: list[Any] = []
    for at, by_adapter in by_start.items():
        for stored in _stored(connection, resolution, at, instance, list(by_adapter)):
            stored.merge(by_adapter[stored.adapter])
            by_adapter[stored.adapter] = stored
        for adapter, span in by_adapter.items():
            counts = map(_limited, (span.calls, span.successes, span.failures, span.timeouts, span.rejections))
            texts = histograms.encode(span.latency), histograms.encode(span.first_item)
            values += (resolution, instance, at, adapter, *counts, *texts)
    for start in range(0, len(values), _CHUNK * _WIDTH):
        part = values[start : start + _CHUNK * _WIDTH]
        connection.execute(_upsert(len(part) // _WIDTH), part)


def _stored(
    connection: sqlite3.Connection, resolution: int, at: int, instance: int, adapters: list[str]
) -> list[AdapterSecond]:
    """Return the stored spans of some adapters that start at one time."""
    names = msgspec.json.encode(adapters).decode()
    try:
        text = connection.execute(_STORED, (resolution, at, instance, names)).fetchone()[0]
        return [span_of(tuple(row)) for row in msgspec.json.decode(text)]
    except (sqlite3.OperationalError, msgspec.MsgspecError):  # of a damaged row
        sql = _STORED.replace(f"json_group_array(json_array({COLUMNS}))", COLUMNS)
        return [span_of(row) for row in connection.execute(sql, (resolution, at, instance, names)).fetchall()]


@lru_cache(64)
def _upsert(rows: int) -> str:
    marks = ", ".join([f"({', '.join('?' * _WIDTH)})"] * rows)
    return f"INSERT OR REPLACE INTO metrics(resolution, instance, {COLUMNS}) VALUES {marks}"


def _limited(count: int) -> int:
    """Return a count that a column can hold: the sum with a damaged row may be larger."""
    return max(-_MOST, min(count, _MOST))


def roll_up(connection: sqlite3.Connection, resolution: int, before: int, most: int) -> int:
    """Merge rows of one resolution that are older than `before` into the next coarser resolution.

    Args:
        connection: A connection with an open transaction.
        resolution: Seconds, one of `RESOLUTIONS` except the last.
        before: UTC microseconds.
        most: The maximum number of rows to merge.

    Returns:
        The number of rows merged.
    """
    coarser = RESOLUTIONS[RESOLUTIONS.index(resolution) + 1]
    rows = connection.execute(
        f"""SELECT {COLUMNS}, instance FROM metrics
        WHERE resolution = ? AND at < ? ORDER BY at LIMIT ?""",
        (resolution, before, most),
    ).fetchall()
    merged: dict[int, Spans] = {}
    for row in rows:
        span = span_of(row)
        start = span.at - span.at % (coarser * SECOND)
        spans = merged.setdefault(row[9], {})
        target = spans.get((start, span.adapter))
        if target is None:
            target = spans[start, span.adapter] = AdapterSecond(start, span.adapter)
        target.merge(span)
    for instance, spans in merged.items():
        add(connection, instance, spans, coarser)
    for row in rows:
        connection.execute(
            "DELETE FROM metrics WHERE resolution = ? AND at = ? AND instance = ? AND adapter = ?",
            (resolution, row[0], row[9], row[1]),
        )
    return len(rows)
