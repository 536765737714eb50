"""The `events` table: encodes events as rows and decodes rows as entries."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from fuseboard_engine.error_text.text_limits import MAX_NAME, name_within_limit, text_within_limit, within_limits
from fuseboard_engine.events import AnyEvent, Event
from fuseboard_storage.board.board import Entry
from fuseboard_storage.sqlite.damaged_rows import whole_number
from fuseboard_storage.tables.safe_errors import with_safe_errors

_encode = msgspec.json.Encoder(enc_hook=repr).encode
_decode = msgspec.json.Decoder(AnyEvent).decode

FieldGetter = Callable[[Any], tuple[int, str | None, str | None]]
"""Returns `at`, `adapter` and `task` of an event."""

Query = Callable[[str, Iterable[Any]], Awaitable[list[tuple[Any, ...]]]]
"""Runs an SQL statement with its values on a recording and returns the rows."""

_CHUNKS: Final = (100, 10, 1)  # rows per statement


class _RowShapes(dict[type[Event], tuple[str, FieldGetter]]):
    """Maps an event type to its kind and the getter of its `at`, `adapter` and `task`. Filled on first use."""

    def __missing__(self, type_: type[Event]) -> tuple[str, FieldGetter]:
        fields = type_.__struct_fields__
        adapter = "adapter" if "adapter" in fields else "attempt.adapter" if "attempt" in fields else ""
        shape = str(type_.__struct_config__.tag), _field_getter(adapter, "task" if "task" in fields else "")
        self[type_] = shape
        return shape


def _field_getter(adapter: str, task: str) -> FieldGetter:
    if adapter and task:
        return attrgetter("at", adapter, task)
    if adapter:
        both = attrgetter("at", adapter)
        return lambda event: (*both(event), None)
    return lambda event: (event.at, None, None)


row_shapes: Final = _RowShapes()


def insert(connection: sqlite3.Connection, instance: int, events: Sequence[Event]) -> None:
    """Append events to a recording, within the transaction that is open.

    One statement inserts up to a hundred rows. The driver releases the interpreter lock once per statement, so a busy
    event loop and the writer exchange it a hundred times less often than with one row per statement.

    Raises:
        sqlite3.Error: Not all events were inserted; the caller has to roll back.
    """
    start = 0
    left = len(events)
    for size in _CHUNKS:
        if left < size:
            continue
        sql = _statement(size, instance)
        for _ in range(left // size):
            values: list[Any] = []
            extend = values.extend
            for event in events[start : start + size]:
                event, body = _encoded(event)
                kind, fields = row_shapes[type(event)]
                extend(fields(event))
                extend((kind, body))
            connection.execute(sql, values)
            start += size
        left %= size


def _encoded(event: Event) -> tuple[Event, str]:
    """Return an event as it can be stored, and its body: with storable values, and texts within their limits."""
    try:
        body = _encode(event).decode()
    except Exception:
        event = storable(event)
        body = _encode(event).decode()
    if len(body) > MAX_NAME:  # no text in a shorter body exceeds a limit
        limited = within_limits(event)
        if limited is not event:
            return limited, _encode(limited).decode()
    return event, body


_statements: dict[tuple[int, int], str] = {}


def _statement(size: int, instance: int) -> str:
    sql = _statements.get((size, instance))
    if sql is None:
        row = f"({int(instance)},?,?,?,?,?)"
        sql = f"INSERT INTO events(instance,at,adapter,task,kind,body) VALUES {','.join([row] * size)}"
        _statements[size, instance] = sql
    return sql


def storable(event: Event) -> Event:
    """Return an event without unstorable values: lone surrogates become `\\udcff`, foreign objects their repr."""
    values = {name: _storable(getattr(event, name)) for name in event.__struct_fields__}
    return type(event)(**values)


def escape_surrogates(text: str) -> str:
    """Return a text with lone surrogates, which SQLite does not accept, escaped as `\\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode()


def stored_name(name: str) -> str:
    """Return a name as events, metrics, commands and instances hold it: storable and within its limit."""
    return name_within_limit(escape_surrogates(name))


def stored_text(text: str) -> str:
    """Return a text that is not a name as a recording holds it: storable and within its limit."""
    return text_within_limit(escape_surrogates(text))


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return escape_surrogates(value)
    if isinstance(value, dict):
        return {_storable(key if isinstance(key, str) else repr(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return tuple(_storable(item) for item in value)
    if isinstance(value, msgspec.Struct):
        return type(value)(**{name: _storable(getattr(value, name)) for name in value.__struct_fields__})
    if isinstance(value, bool | float | None):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else repr(value)
    return _storable(repr(value))


SELECT: Final = "SELECT seq, instance, at, CAST(body AS BLOB) FROM events"
"""The columns for `entry_of`; append a WHERE clause. Bytes are decoded here, so that SQLite need not check them."""


def entry_of(cursor: object, row: tuple[Any, ...]) -> Entry:
    """Return the entry in a row of `SELECT`. Usable as a `row_factory`.

    An event that cannot be decoded, because a newer version wrote it or it is damaged, becomes a bare `Event` with its
    time. Secrets in the error texts of older versions are hidden.
    """
    try:
        return Entry(row[0], row[1], with_safe_errors(_decode(row[3])))
    except (msgspec.DecodeError, TypeError, UnicodeError, RecursionError):
        return Entry(row[0], whole_number(row[1]), Event(at=whole_number(row[2])))


def body_field(name: str) -> str:
    """Return the SQL of a field of an event's body; NULL where the body is damaged, which SQLite's functions refuse."""
    return f"CASE WHEN json_valid(body) THEN json_extract(body, '$.{name}') END"


def readable(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries whose events this version can decode."""
    return [entry for entry in entries if type(entry.event) is not Event]
