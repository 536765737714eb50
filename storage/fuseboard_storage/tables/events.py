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
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from fuseboard_engine.error_text.text_limits import MAX_NAME, name_within_limit, text_within_limit, within_limits
from fuseboard_engine.events import AnyEvent, Attempt, AttemptFailed, Event, Int64, RouteFinished, RoutesCounted
from fuseboard_storage.board.board import Entry
from fuseboard_storage.board.route_counts import is_ordinary
from fuseboard_storage.sqlite.damaged_rows import whole_number
from fuseboard_storage.sqlite.integrity import TEMPLATES_SINCE
from fuseboard_storage.tables.safe_errors import with_safe_errors

_encode = msgspec.json.Encoder(enc_hook=repr).encode
_decode = msgspec.json.Decoder(AnyEvent).decode

FieldGetter = Callable[[Any], tuple[int, str | None, str | None]]
"""Returns `at`, `adapter` and `task` of an event."""

Query = Callable[[str, Iterable[Any]], Awaitable[list[tuple[Any, ...]]]]
"""Runs an SQL statement with its values on a recording and returns the rows."""

_CHUNKS: Final = (1_000, 100, 10, 1)  # rows per statement
_MOST_TEMPLATES: Final = 4_096  # known to one writer at a time
_REMARK: Final = 100_000  # events after which a template that is used is marked again
_NANO: Final = 1e9  # nanoseconds in a second
_LONGEST: Final = 2e6  # seconds; nanoseconds of a longer time may have no exact float


# ---------------------------------------------------------------------- kinds


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
    if task:
        return lambda event: (event.at, None, event.task)
    return lambda event: (event.at, None, None)


row_shapes: Final = _RowShapes()


# ---------------------------------------------------------------------- what varies between events of one template


class _Rest(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    context: dict[str, str] | None = None
    dead_letter: Int64 | None = None
    letter: Int64 | None = None


_Detailed = tuple[int, int, int | None, int, int | None]
"""An attempt's duration, wait, first item (nanoseconds), number of items, and Retry-After (nanoseconds)."""

# Without limits: a union of limited integers and tuples crashes msgspec 0.22 at the next garbage collection.
_decode_values: Final[Callable[[bytes], list[Any]]] = msgspec.json.Decoder(list[int | _Detailed | _Rest]).decode

_route_key = attrgetter(
    "task_type", "success", "adapter", "degraded", "left", "why", "error", "strategy", "answered"
)  # fmt: skip
_attempt_key = attrgetter(
    "adapter", "outcome", "number", "rule", "error_type", "error", "why", "failures", "limit"
)  # fmt: skip
_failure_key = attrgetter("task_type", "then", "threshold")


def _key_of(event: Event) -> tuple[Any, ...] | None:
    """Return what an event shares with the others of its template; None if its type has no templates."""
    if type(event) is RouteFinished:
        key: tuple[Any, ...] = _route_key(event)
        for attempt in event.attempts:
            key += _attempt_key(attempt)
        return key
    if type(event) is AttemptFailed:
        return (*_failure_key(event), *_attempt_key(event.attempt))
    return None


def _values_of(event: Any) -> str:
    """Return what varies between the events of one template; durations are rounded to nanoseconds.

    Raises:
        ValueError: A duration is negative, not finite or longer than 31 years, so the event needs its own body.
    """
    if type(event) is RouteFinished:
        first, attempts = event.duration, event.attempts
        if event.context is None and event.dead_letter is None and event.letter is None:
            end = "]"
        else:
            end = f",{_encode(_Rest(event.context, event.dead_letter, event.letter)).decode()}]"
    else:
        first, attempts = event.delay, (event.attempt,)
        end = "]" if event.context is None else f",{_encode(_Rest(event.context)).decode()}]"
    if not 0.0 <= first < _LONGEST:
        raise ValueError(first)
    values = f"[{int(first * _NANO + 0.5)}"
    for attempt in attempts:
        duration = attempt.duration
        if attempt.wait or attempt.items or attempt.first_item is not None or attempt.retry_after is not None:
            values += f",{_detailed(attempt)}"
        elif 0.0 <= duration < _LONGEST:
            values += f",{int(duration * _NANO + 0.5)}"
        else:
            raise ValueError(duration)
    return values + end


def _detailed(attempt: Attempt) -> str:
    duration, wait = _nanoseconds(attempt.duration), _nanoseconds(attempt.wait)
    first_item, retry_after = _nanoseconds(attempt.first_item), _nanoseconds(attempt.retry_after)
    return f"[{duration},{wait},{first_item},{attempt.items},{retry_after}]"


def _nanoseconds(seconds: float | None) -> str:
    if seconds is None:
        return "null"
    if not 0.0 <= seconds < _LONGEST:
        raise ValueError(seconds)
    return str(int(seconds * _NANO + 0.5))


def _without_values(event: Any) -> Event:
    """Return an event with only what it shares with the others of its template."""
    if type(event) is RouteFinished:
        attempts = tuple(map(_attempt_without_values, event.attempts))
        shared: Event = replace(
            event, at=0, task="", duration=0.0, attempts=attempts, context=None, dead_letter=None, letter=None
        )
    else:
        attempt = _attempt_without_values(event.attempt)
        shared = replace(event, at=0, task="", delay=0.0, attempt=attempt, context=None)
    return shared


def _attempt_without_values(attempt: Attempt) -> Attempt:
    return replace(attempt, duration=0.0, wait=0.0, first_item=None, items=0, retry_after=None)


def _with_values(shared: Any, at: int, task: str, data: bytes) -> Event:
    """Return the event of a template and the values in a row.

    Raises:
        msgspec.DecodeError, ValueError, TypeError, AttributeError: The row does not fit the template.
    """
    first, *values = _decode_values(data)
    rest = values.pop() if values and type(values[-1]) is _Rest else _Rest()
    whole = type(shared) is RouteFinished
    attempts = tuple(map(_attempt_with_values, shared.attempts if whole else (shared.attempt,), values))
    if len(attempts) != len(values) or (whole and len(attempts) != len(shared.attempts)):
        raise ValueError("the row does not fit its template")
    if whole:
        found: Event = replace(
            shared, at=at, task=task, duration=first / _NANO, attempts=attempts,
            context=rest.context, dead_letter=rest.dead_letter, letter=rest.letter,
        )  # fmt: skip
    else:
        found = replace(shared, at=at, task=task, delay=first / _NANO, attempt=attempts[0], context=rest.context)
    return found


def _attempt_with_values(shared: Attempt, values: Any) -> Attempt:
    if type(values) is int:
        return replace(shared, duration=values / _NANO)
    duration, wait, first_item, items, retry_after = values
    if abs(items) >= 2**63:
        raise ValueError("the number of items is too large")
    return replace(
        shared,
        duration=duration / _NANO,
        wait=wait / _NANO,
        first_item=None if first_item is None else first_item / _NANO,
        items=items,
        retry_after=None if retry_after is None else retry_after / _NANO,
    )


# ---------------------------------------------------------------------- writing


class _Known(NamedTuple):
    id: int
    marked: int  # the number of an event about which it was used


def digest_of(body: str) -> int:
    """Return the number by which the body of a template is found."""
    return int.from_bytes(blake2b(body.encode(), digest_size=8).digest(), signed=True)


class Templates:
    """The templates that one writer knows in one file. After a transaction is rolled back, call `forget`."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], _Known] = {}
        self._seen: dict[int, None] = {}  # what was met once; a template is worth its row from the second time on
        self.newest = 0
        """The number of the newest event that was inserted."""

    def forget(self) -> None:
        """Forget all templates, because rows of them may have been rolled back. They are found again when needed."""
        self._known.clear()

    def row_of(
        self, connection: sqlite3.Connection, event: Event, *, keep: bool = False
    ) -> tuple[int, str | None, int, str]:
        """Return an event's time, task, template and body; store the template where needed.

        Args:
            connection: A connection to the recording.
            event: The event.
            keep: Whether the event is notable, whatever it is.

        Raises:
            sqlite3.Error: The file could not be read or written.
        """
        ordinary = not keep and (is_ordinary(event) or type(event) is RoutesCounted)
        if (shared := _key_of(event)) is not None:
            key = (*shared, ordinary)
            known = self._known.get(key)
            if known is None and self._is_repeated(key):
                known = self._insert(connection, key, *_encoded(_without_values(event)))
            if known is not None:
                try:
                    return self._short_row(connection, key, known, event)
                except ValueError:
                    pass  # a duration that is not one
        event, body = _encoded(event)
        kind, fields = row_shapes[type(event)]
        at, adapter, task = fields(event)
        key = (kind, adapter, ordinary)
        known = self._known.get(key) or self._insert(connection, key, event, None)
        if self.newest - known.marked >= _REMARK:
            known = self._mark(connection, key, known, event)
        return at, task, known.id, body

    def _short_row(
        self, connection: sqlite3.Connection, key: tuple[Any, ...], known: _Known, event: Any
    ) -> tuple[int, str, int, str]:
        """Return the row of an event that has a template.

        Raises:
            ValueError: One of its values needs a body of its own.
        """
        values, task = _values_of(event), event.task
        if len(values) > MAX_NAME:
            values = _values_of(within_limits(event))
        if len(task) > MAX_NAME or not task.isascii():
            task = stored_name(task)
        if self.newest - known.marked >= _REMARK:
            known = self._mark(connection, key, known, event)
        return event.at, task, known.id, values

    def _is_repeated(self, key: tuple[Any, ...]) -> bool:
        seen, mark = self._seen, hash(key)
        if mark in seen:
            return True
        if len(seen) >= _MOST_TEMPLATES:
            seen.clear()
        seen[mark] = None
        return False

    def _mark(self, connection: sqlite3.Connection, key: tuple[Any, ...], known: _Known, event: Event) -> _Known:
        """Mark a template as used, from time to time. One that was removed because nothing used it is stored again."""
        sql = "UPDATE event_templates SET used = ? WHERE id = ?"
        if connection.execute(sql, (self.newest, known.id)).rowcount:
            known = self._known[key] = _Known(known.id, self.newest)
            return known
        if len(key) == len(("kind", "adapter", "ordinary")):
            return self._insert(connection, key, event, None)
        return self._insert(connection, key, *_encoded(_without_values(event)))

    def _insert(self, connection: sqlite3.Connection, key: tuple[Any, ...], event: Event, body: str | None) -> _Known:
        """Store the template of an event, or find it. Without a body it names the kind and the adapter only."""
        kind, fields = row_shapes[type(event)]
        digest = 0 if body is None else digest_of(body)
        values = (kind, fields(event)[1] or "", not key[-1], digest)
        sql = """SELECT id FROM event_templates
            WHERE kind = ? AND adapter = ? AND notable = ? AND digest = ? AND body IS ?"""
        row = connection.execute(sql, (*values, body)).fetchone()
        if row is None:
            sql = "INSERT INTO event_templates(kind, adapter, notable, digest, body, used) VALUES (?, ?, ?, ?, ?, ?)"
            id_ = connection.execute(sql, (*values, body, self.newest)).lastrowid
            assert id_ is not None
        else:
            id_ = row[0]
            connection.execute("UPDATE event_templates SET used = max(used, ?) WHERE id = ?", (self.newest, id_))
        if len(self._known) >= _MOST_TEMPLATES:
            self._known.clear()
        known = self._known[key] = _Known(id_, self.newest)
        return known


def insert(
    connection: sqlite3.Connection, instance: int, events: Sequence[Event], templates: Templates | None = None
) -> None:
    """Append events to a recording, within the transaction that is open.

    One statement inserts up to a thousand rows. The driver releases the interpreter lock once per statement, and a busy
    thread of the application then keeps it for some milliseconds, in which the file stays locked for other processes.

    Args:
        connection: A connection to the recording.
        instance: The engine instance that the events are of.
        events: The events, in order.
        templates: The templates known so far; None: none.

    Raises:
        sqlite3.Error: Not all events were inserted; the caller has to roll back and to forget the templates.
    """
    if not events:
        return
    templates = templates or Templates()
    templates.newest = newest(connection)  # other processes insert events, too
    start = 0
    left = len(events)
    row_of = templates.row_of
    for size in _CHUNKS:
        if left < size:
            continue
        sql = _statement(size, instance)
        for _ in range(left // size):
            values: list[Any] = []
            extend = values.extend
            for event in events[start : start + size]:
                try:
                    extend(row_of(connection, event))
                except sqlite3.Error:
                    raise
                except Exception:
                    extend(row_of(connection, storable(event)))
            templates.newest = connection.execute(sql, values).lastrowid or 0
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


@lru_cache(_MOST_TEMPLATES)
def _template(body: bytes | str) -> Event:
    return with_safe_errors(_decode(body))


def entry_of(cursor: object, row: tuple[Any, ...]) -> Entry:
    """Return the entry in a row of `EventTable.select`. Usable as a `row_factory`.

    An event that cannot be decoded, because a newer version wrote it or it is damaged, becomes a bare `Event` with its
    time. Secrets in the error texts of older versions are hidden.
    """
    seq, instance, at, task, template, body = row
    try:
        if template is None:
            return Entry(seq, instance, with_safe_errors(_decode(body)))
        return Entry(seq, instance, _with_values(_template(template), whole_number(at), str(task), body))
    except (msgspec.DecodeError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        return Entry(seq, whole_number(instance), Event(at=whole_number(at)))


_SELECT_TOGETHER: Final = f"""SELECT json_group_array(json_array(seq, instance, at, task, shared, body)) FROM (
    SELECT e.seq, e.instance, e.at, e.task, t.body AS shared, e.body {_FROM}
    WHERE e.seq > ? ORDER BY e.seq LIMIT ?)"""

_Row = tuple[int, int, int, str | None, str | None, str]
_decode_rows: Final[Callable[[str], list[_Row]]] = msgspec.json.Decoder(list[_Row]).decode


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


def prune_templates(connection: sqlite3.Connection) -> None:
    """Delete the templates that no event refers to any more, and that no writer has marked as used for long."""
    sql = """DELETE FROM event_templates WHERE used < (SELECT min(seq) FROM event_log) - ?
        AND NOT EXISTS (SELECT 1 FROM event_log WHERE template = event_templates.id)"""
    connection.execute(sql, (2 * _REMARK,))


def body_field(name: str) -> str:
    """Return the SQL of a field of an event's own body; NULL where it is damaged, which SQLite's functions refuse."""
    return f"CASE WHEN json_valid(e.body) THEN json_extract(e.body, '$.{name}') END"


def readable(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries whose events this version can decode."""
    return [entry for entry in entries if type(entry.event) is not Event]
