"""Events as rows of a recording, and rows as entries again."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from fuseboard_engine.events import AnyEvent, Event
from fuseboard_storage.board.board import Entry

_encode = msgspec.json.Encoder(enc_hook=repr).encode
_decode = msgspec.json.Decoder(AnyEvent).decode

Fields = Callable[[Any], tuple[int, str | None, str | None]]

Query = Callable[[str, Iterable[Any]], Awaitable[list[tuple[Any, ...]]]]
"""Asks a recording by an SQL statement and its values; returns the rows."""

_CHUNKS: Final = (100, 10, 1)


class _Shapes(dict[type[Event], tuple[str, Fields]]):
    """For each type of event: its kind, and what gives its `at`, `adapter` and `task`."""

    def __missing__(self, type_: type[Event]) -> tuple[str, Fields]:
        fields = type_.__struct_fields__
        adapter = "adapter" if "adapter" in fields else "attempt.adapter" if "attempt" in fields else ""
        shape = str(type_.__struct_config__.tag), _getter(adapter, "task" if "task" in fields else "")
        self[type_] = shape
        return shape


def _getter(adapter: str, task: str) -> Fields:
    if adapter and task:
        return attrgetter("at", adapter, task)
    if adapter:
        both = attrgetter("at", adapter)
        return lambda event: (*both(event), None)
    return lambda event: (event.at, None, None)


shapes: Final = _Shapes()


def insert(connection: sqlite3.Connection, instance: int, events: Sequence[Event]) -> None:
    """Append events to a recording, within the transaction that is open.

    One statement carries up to a hundred rows. The driver lets go of the interpreter once a statement, not once a
    row, so a busy event loop and the writer hand it to each other a hundred times less often.

    Raises:
        sqlite3.Error: The file took none, or not all; the caller rolls back.
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
                try:
                    body = _encode(event).decode()
                except Exception:
                    event = plain(event)
                    body = _encode(event).decode()
                kind, fields = shapes[type(event)]
                extend(fields(event))
                extend((kind, body))
            connection.execute(sql, values)
            start += size
        left %= size


_statements: dict[tuple[int, int], str] = {}


def _statement(size: int, instance: int) -> str:
    sql = _statements.get((size, instance))
    if sql is None:
        row = f"({int(instance)},?,?,?,?,?)"
        sql = f"INSERT INTO events(instance,at,adapter,task,kind,body) VALUES {','.join([row] * size)}"
        _statements[size, instance] = sql
    return sql


def plain(event: Event) -> Event:
    """Return an event with what cannot be stored replaced: half characters by `\\udcff`, odd values by their repr."""
    values = {name: _plain(getattr(event, name)) for name in event.__struct_fields__}
    return type(event)(**values)


def escape_surrogates(text: str) -> str:
    """Return a text with half characters, which SQLite does not take, written out: `\\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode()


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return escape_surrogates(value)
    if isinstance(value, dict):
        return {_plain(key if isinstance(key, str) else repr(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return tuple(_plain(item) for item in value)
    if isinstance(value, msgspec.Struct):
        return type(value)(**{name: _plain(getattr(value, name)) for name in value.__struct_fields__})
    if isinstance(value, bool | float | None):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else repr(value)
    return _plain(repr(value))


READ: Final = "SELECT seq, instance, at, body FROM events"
"""What `entry_of` takes; put a WHERE behind it."""


def entry_of(cursor: object, row: tuple[Any, ...]) -> Entry:
    """Make an entry of a row of `READ`; serves as a `row_factory`.

    What this version cannot read (a newer one wrote it) becomes a bare `Event`: it keeps its place, and says nothing.
    """
    try:
        return Entry(row[0], row[1], _decode(row[3]))
    except (msgspec.DecodeError, UnicodeError):
        return Entry(row[0], row[1], Event(at=row[2]))


def readable(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries whose events this version knows."""
    return [entry for entry in entries if type(entry.event) is not Event]
