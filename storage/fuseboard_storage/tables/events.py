"""The `event_log` and `event_templates` tables: encode events as rows, and decode rows as entries.

Most events of a recording differ only in their time, task and durations: routes that succeeded at the first attempt,
failures with the same error. What such events share is stored once, as a template. Their rows hold what varies, as a
JSON array: 110 bytes per event with its indexes, instead of 350. An event without a template has its whole body in its
row; its template names only its kind and adapter, so that one index finds every kind and every adapter.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec

from fuseboard_engine.events import AnyEvent, Event
from fuseboard_storage.backend.unknown_event import is_readable, unknown_event
from fuseboard_storage.board.board import Entry
from fuseboard_storage.sqlite.damaged_rows import whole_number
from fuseboard_storage.sqlite.integrity import TEMPLATES_SINCE
from fuseboard_storage.tables.event_batches import Prepared
from fuseboard_storage.tables.event_templates import MOST_TEMPLATES, Templates, with_values
from fuseboard_storage.tables.safe_texts import with_safe_texts

_decode = msgspec.json.Decoder(AnyEvent).decode

Query = Callable[[str, Iterable[Any]], Awaitable[list[tuple[Any, ...]]]]
"""Runs an SQL statement with its values on a recording and returns the rows."""


# ---------------------------------------------------------------------- writing


def insert(
    connection: sqlite3.Connection,
    instance: int,
    events: Sequence[Event],
    templates: Templates | None = None,
    prepared: Prepared | None = None,
) -> None:
    """Append events to a recording, within the transaction that is open.

    One statement inserts up to two thousand rows. The driver releases the interpreter lock once for each, and a busy
    thread of the application then keeps it for some milliseconds, in which the file stays locked for other processes.

    Args:
        connection: A connection to the recording.
        instance: The engine instance that the events are of.
        events: The events, in order.
        templates: The templates known so far; None: none.
        prepared: The rows of the events, if they were made before the transaction began, with the same templates.
    """
    if not events:
        return
    templates = templates or Templates()
    prepared = prepared or Prepared(events, templates)
    templates.newest = newest(connection)  # other processes insert events, too
    for template in prepared.templates:
        templates.store(connection, template)
    for rows in prepared.chunks:
        start, left = 0, len(rows)
        while left:
            size = 1 << left.bit_length() - 1
            values = [(at, task, template.id, body) for at, task, template, body in rows[start : start + size]]
            connection.execute(_statement(size, instance), list(chain.from_iterable(values)))
            start, left = start + size, left - size


def replace_by_counts(connection: sqlite3.Connection, gone: Sequence[int], counted: Sequence[Entry]) -> None:
    """Delete ordinary routes, and store their counts for as long as other events, within the transaction that is open.

    Args:
        connection: A connection to the recording.
        gone: The numbers of the routes.
        counted: `RoutesCounted` events, each with the number of the last route that it counts.
    """
    connection.executemany("DELETE FROM event_log WHERE seq = ?", [(seq,) for seq in gone])
    templates = Templates()
    for seq, instance, event in counted:
        at, task, template, body = templates.row_of(connection, event, keep=True)
        sql = "INSERT INTO event_log(seq, instance, at, task, template, body) VALUES (?, ?, ?, ?, ?, ?)"
        connection.execute(sql, (seq, instance, at, task, template, body))


_statements: dict[tuple[int, int], str] = {}


def _statement(size: int, instance: int) -> str:
    sql = _statements.get((size, instance))
    if sql is None:
        row = f"({int(instance)},?,?,?,?)"
        sql = f"INSERT INTO event_log(instance,at,task,template,body) VALUES {','.join([row] * size)}"
        _statements[size, instance] = sql
    return sql


# ---------------------------------------------------------------------- reading


class EventTable(NamedTuple):
    """The SQL that reads the events of one version of the schema. Its table has the alias `e`."""

    name: str
    select: str
    """The columns for `entry_of`; append a WHERE clause. Bytes are decoded here, so SQLite need not check them."""
    templates: bool

    def matching(self, kinds: Sequence[str], adapter: str | None = None) -> tuple[str, tuple[Any, ...]]:
        """Return the condition that selects events of some kinds (empty: all) and of one adapter (None: all)."""
        condition, values = _condition(kinds, adapter)
        if self.templates and values:
            query, values = templates_of(kinds, adapter)
            condition = f"e.template IN ({query})"
        return condition, values


def templates_of(kinds: Sequence[str], adapter: str | None = None) -> tuple[str, tuple[Any, ...]]:
    """Return the query of the ids of templates of some kinds (empty: all) and of one adapter (None: all)."""
    condition, values = _condition(kinds, adapter)
    return f"SELECT id FROM event_templates WHERE {condition}", values


def _condition(kinds: Sequence[str], adapter: str | None) -> tuple[str, tuple[Any, ...]]:
    terms = [f"kind IN ({', '.join('?' * len(kinds))})"] * bool(kinds) + ["adapter = ?"] * (adapter is not None)
    return " AND ".join(terms) or "1", (*kinds, *([] if adapter is None else [adapter]))


_COLUMNS: Final = "e.seq, e.instance, e.at, e.task, CAST(t.body AS BLOB), CAST(e.body AS BLOB)"
_FROM: Final = "FROM event_log AS e LEFT JOIN event_templates AS t ON t.id = e.template"

CURRENT: Final = EventTable("event_log", f"SELECT {_COLUMNS} {_FROM}", True)
WITHOUT_TEMPLATES: Final = EventTable(
    "events", "SELECT e.seq, e.instance, e.at, NULL, NULL, CAST(e.body AS BLOB) FROM events AS e", False
)
SELECT: Final = CURRENT.select


def table_of(version: int) -> EventTable:
    """Return the SQL for a version of the schema."""
    return CURRENT if version >= TEMPLATES_SINCE else WITHOUT_TEMPLATES


@lru_cache(MOST_TEMPLATES)
def _template(body: bytes | str) -> Event:
    event: Event = _decode(body)
    return with_safe_texts(event)


def entry_of(cursor: object, row: tuple[Any, ...]) -> Entry:
    """Return the entry in a row of `EventTable.select`. Usable as a `row_factory`.

    An event of a kind that only a newer version knows is an `UnknownEvent`, a damaged one a bare `Event` with its time.
    Secrets in the free texts of older versions are hidden.
    """
    seq, instance, at, task, template, body = row
    if type(instance) is not int:  # of a damaged row: instances are compared with each other
        instance = 0
    try:
        if template is None:
            return Entry(seq, instance, with_safe_texts(_decode(body)))
        return Entry(seq, instance, with_values(_template(template), whole_number(at), str(task), body))
    except (msgspec.DecodeError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        unknown = unknown_event(body) if template is None else None
        return Entry(seq, instance, unknown or Event(at=whole_number(at)))


_SELECT_TOGETHER: Final = f"""SELECT json_group_array(json_array(seq, instance, at, task, shared, body)) FROM (
    SELECT e.seq, e.instance, e.at, e.task, t.body AS shared, e.body {_FROM}
    WHERE e.seq > ? ORDER BY e.seq LIMIT ?)"""

_Read = tuple[int, int, int, str | None, str | None, str]
_decode_rows: Final[Callable[[str], list[_Read]]] = msgspec.json.Decoder(list[_Read]).decode


UndecodedRow = tuple[int, int, int, str | None, int, int | None, str]
"""The number, instance, time, task, template, digest of the template, and body of an event."""

_SELECT_UNDECODED: Final = """SELECT json_group_array(json_array(seq, instance, at, task, template, digest, body))
    FROM (SELECT e.seq, e.instance, e.at, e.task, e.template, t.digest, e.body
    FROM event_log AS e LEFT JOIN event_templates AS t ON t.id = e.template
    WHERE e.seq > ? ORDER BY e.seq LIMIT ?)"""
_decode_rows_only: Final[Callable[[str], list[UndecodedRow]]] = msgspec.json.Decoder(list[UndecodedRow]).decode


def undecoded_after(connection: sqlite3.Connection, seq: int, limit: int) -> list[UndecodedRow] | None:
    """Return the first rows numbered above `seq`, in order, without decoding their events; None if one is damaged.

    They are read as one row; see `after`.
    """
    try:
        return sorted(_decode_rows_only(connection.execute(_SELECT_UNDECODED, (seq, limit)).fetchone()[0]))
    except (sqlite3.OperationalError, msgspec.MsgspecError, UnicodeError):
        return None


def after(connection: sqlite3.Connection, seq: int, limit: int) -> list[Entry]:
    """Return the first entries numbered above `seq`, in order.

    They are read as one row. The driver releases the interpreter lock for each row, and a busy thread of the
    application then keeps it for some milliseconds: as long as it takes to decode hundreds of events.
    """
    try:
        text = connection.execute(_SELECT_TOGETHER, (seq, limit)).fetchone()[0]
        rows: Iterable[tuple[Any, ...]] = sorted(_decode_rows(text))
    except (sqlite3.OperationalError, msgspec.MsgspecError, UnicodeError):  # of a damaged row
        rows = connection.execute(f"{SELECT} WHERE e.seq > ? ORDER BY e.seq LIMIT ?", (seq, limit)).fetchall()
    return [entry_of(None, row) for row in rows]


def newest(connection: sqlite3.Connection) -> int:
    """Return the number of the newest event; 0 if there is none."""
    return int(connection.execute("SELECT max(seq) FROM event_log").fetchone()[0] or 0)


def first_ordinary(connection: sqlite3.Connection) -> int | None:
    """Return the number of the oldest ordinary route, or of counts that may still be merged; None if there is none."""
    sql = """SELECT min(oldest) FROM (SELECT (SELECT min(seq) FROM event_log WHERE template = t.id) AS oldest
        FROM event_templates AS t WHERE NOT notable)"""
    found: int | None = connection.execute(sql).fetchone()[0]
    return found


def with_ordinary(connection: sqlite3.Connection, first: int, last: int) -> list[tuple[bool, Entry]]:
    """Return the entries from one number to another in order, each with whether it is ordinary."""
    sql = f"SELECT t.notable, {_COLUMNS} {_FROM} WHERE e.seq BETWEEN ? AND ? ORDER BY e.seq"
    return [(row[0] == 0, entry_of(None, row[1:])) for row in connection.execute(sql, (first, last))]


def body_field(name: str) -> str:
    """Return the SQL of a field of an event's own body; NULL where it is damaged, which SQLite's functions refuse."""
    return f"CASE WHEN json_valid(e.body) THEN json_extract(e.body, '$.{name}') END"


def readable(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries whose events this version can decode."""
    return [entry for entry in entries if is_readable(entry.event)]
