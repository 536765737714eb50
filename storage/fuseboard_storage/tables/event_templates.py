"""Templates: what many events share is stored once, and their rows hold what varies, as a JSON array."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from fuseboard_engine.error_text.text_limits import MAX_NAME, within_limits
from fuseboard_engine.events import Attempt, AttemptFailed, Event, Int64, RouteFinished, RoutesCounted
from fuseboard_storage.backend.unknown_event import UnknownEvent
from fuseboard_storage.board.route_counts import is_ordinary
from fuseboard_storage.tables.storable import encoded, stored_name

_encode: Final = msgspec.json.Encoder().encode

FieldGetter = Callable[[Any], tuple[int, str | None, str | None]]
"""Returns `at`, `adapter` and `task` of an event."""

MOST_TEMPLATES: Final = 4_096
"""The number of templates known to one writer, or reader, at a time."""

REMARK: Final = 100_000
"""The number of events after which a template that is used is marked again."""

NANO: Final = 1e9
"""Nanoseconds in a second."""

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


def shape_of(event: Event) -> tuple[str, FieldGetter]:
    """Return an event's kind, and the getter of its `at`, `adapter` and `task`."""
    kind, fields = row_shapes[type(event)]
    return (stored_name(event.kind), fields) if type(event) is UnknownEvent else (kind, fields)


# ---------------------------------------------------------------------- what varies between events of one template


class _Rest(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    context: dict[str, str] | None = None
    dead_letter: Int64 | None = None
    letter: Int64 | None = None
    deadline: float | None = None


_Detailed = tuple[int, int, int | None, int, int | None]
"""An attempt's duration, wait, first item (nanoseconds), number of items, and Retry-After (nanoseconds)."""

# Without limits: a union of limited integers and tuples crashes msgspec 0.22 at the next garbage collection.
_decode_values: Final[Callable[[bytes], list[Any]]] = msgspec.json.Decoder(list[int | _Detailed | _Rest]).decode

ROUTE_KEY: Final = (
    "task_type", "success", "adapter", "degraded", "left", "why", "error", "strategy", "answered",
)  # fmt: skip
ATTEMPT_KEY: Final = (
    "adapter", "outcome", "number", "rule", "error_type", "error", "why", "failures", "limit",
)  # fmt: skip
FAILURE_KEY: Final = ("task_type", "then", "threshold")
_route_key, _attempt_key, _failure_key = (attrgetter(*names) for names in (ROUTE_KEY, ATTEMPT_KEY, FAILURE_KEY))


def key_of(event: Event) -> tuple[Any, ...] | None:
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
        if event.context is None and event.dead_letter is None and event.letter is None and event.deadline is None:
            end = "]"
        else:
            rest = _Rest(event.context, event.dead_letter, event.letter, event.deadline)
            end = f",{_encode(rest).decode()}]"
    else:
        first, attempts = event.delay, (event.attempt,)
        end = "]" if event.context is None else f",{_encode(_Rest(event.context)).decode()}]"
    if not 0.0 <= first < _LONGEST:
        raise ValueError(first)
    values = f"[{int(first * NANO + 0.5)}"
    for attempt in attempts:
        duration = attempt.duration
        if attempt.wait or attempt.items or attempt.first_item is not None or attempt.retry_after is not None:
            values += f",{_detailed(attempt)}"
        elif 0.0 <= duration < _LONGEST:
            values += f",{int(duration * NANO + 0.5)}"
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
    return str(int(seconds * NANO + 0.5))


def without_values(event: Any) -> Event:
    """Return an event with only what it shares with the others of its template."""
    if type(event) is RouteFinished:
        attempts = tuple(map(_attempt_without_values, event.attempts))
        shared: Event = replace(
            event, at=0, task="", duration=0.0, attempts=attempts, context=None, dead_letter=None, letter=None,
            deadline=None,
        )  # fmt: skip
    else:
        attempt = _attempt_without_values(event.attempt)
        shared = replace(event, at=0, task="", delay=0.0, attempt=attempt, context=None)
    return shared


def _attempt_without_values(attempt: Attempt) -> Attempt:
    return replace(attempt, duration=0.0, wait=0.0, first_item=None, items=0, retry_after=None)


_ONLY_DEADLINE: Final = re.compile(r',\{"deadline":[^,{}"]+\}\]$')
_decode_two: Final[Callable[[str], tuple[int, int]]] = msgspec.json.Decoder(tuple[int, int]).decode


def duration_of(data: str) -> float | None:
    """Return the seconds of the attempt of a plain route in the values of its row; None if the route is not plain."""
    try:
        first, duration = _decode_two(data if data[-2:] != "}]" else _ONLY_DEADLINE.sub("]", data))
    except msgspec.MsgspecError:
        return None
    return duration / NANO if first >= 0 <= duration else None


def with_values(shared: Any, at: int, task: str, data: bytes) -> Event:
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
            shared, at=at, task=task, duration=first / NANO, attempts=attempts,
            context=rest.context, dead_letter=rest.dead_letter, letter=rest.letter, deadline=rest.deadline,
        )  # fmt: skip
    else:
        found = replace(shared, at=at, task=task, delay=first / NANO, attempt=attempts[0], context=rest.context)
    return found


def _attempt_with_values(shared: Attempt, values: Any) -> Attempt:
    if type(values) is int:
        return replace(shared, duration=values / NANO)
    duration, wait, first_item, items, retry_after = values
    if not -(2**63) <= items < 2**63:
        raise ValueError("the number of items is too large")
    return replace(
        shared,
        duration=duration / NANO,
        wait=wait / NANO,
        first_item=None if first_item is None else first_item / NANO,
        items=items,
        retry_after=None if retry_after is None else retry_after / NANO,
    )


# ---------------------------------------------------------------------- templates


def digest_of(body: str) -> int:
    """Return the number by which the body of a template is found."""
    return int.from_bytes(blake2b(body.encode(), digest_size=8).digest(), signed=True)


_SAME: Final = "kind = ? AND adapter = ? AND notable = ? AND digest = ? AND body IS ?"


class Template:
    """A template that one writer knows. It names the kind and the adapter only if it has no body."""

    __slots__ = ("_columns", "attempt", "id", "marked")

    def __init__(self, event: Event, body: str | None, *, notable: bool) -> None:
        kind, fields = shape_of(event)
        self._columns = (kind, fields(event)[1] or "", notable, 0 if body is None else digest_of(body), body)
        self.id = 0
        """Its number in the file; 0 until it is stored."""
        self.marked = 0
        """The number of an event about which it was used."""
        self.attempt: Attempt | None = None
        """What its plain events count for the metrics; None: nothing."""

    @property
    def is_shared(self) -> bool:
        """Whether it holds what its events share."""
        return self._columns[-1] is not None

    def store(self, connection: sqlite3.Connection, newest: int) -> None:
        """Store the template, or find it, and mark it as used about the event `newest`."""
        row = connection.execute(f"SELECT id FROM event_templates WHERE {_SAME}", self._columns).fetchone()
        if row is None:
            sql = "INSERT INTO event_templates(kind, adapter, notable, digest, body, used) VALUES (?, ?, ?, ?, ?, ?)"
            id_ = connection.execute(sql, (*self._columns, newest)).lastrowid
            assert id_ is not None
        else:
            id_ = row[0]
            connection.execute("UPDATE event_templates SET used = max(used, ?) WHERE id = ?", (newest, id_))
        self.id, self.marked = id_, newest

    def mark(self, connection: sqlite3.Connection, newest: int) -> None:
        """Mark the template as used. One that was removed because nothing used it is stored again."""
        # The number of one that was removed may be that of another template by now.
        sql = f"UPDATE event_templates SET used = ? WHERE id = ? AND {_SAME}"
        if connection.execute(sql, (newest, self.id, *self._columns)).rowcount:
            self.marked = newest
        else:
            self.store(connection, newest)


Row = tuple[int, str | None, Template, str]
"""An event's time, task, template and body."""


class Templates:
    """The templates that one writer knows in one file. After a transaction is rolled back, call `forget`."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Template] = {}
        self._seen: dict[int, None] = {}  # what was met once; a template is worth its row from the second time on
        self.plain: dict[tuple[Any, ...], Template] = {}
        """The templates of plain events (see `event_batches`), by what such events share."""
        self.newest = 0
        """The number of the newest event before the last insertion."""

    def forget(self) -> None:
        """Forget all templates, because rows of them may have been rolled back. They are found again when needed."""
        self._known.clear()
        self.plain.clear()

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
        at, task, template, body = self.prepare(event, keep=keep)
        self.store(connection, template)
        return at, task, template.id, body

    def store(self, connection: sqlite3.Connection, template: Template) -> None:
        """Store a template, and mark it as used from time to time, within the transaction that is open."""
        if not template.id:
            template.store(connection, self.newest)
        elif self.newest - template.marked >= REMARK:
            template.mark(connection, self.newest)

    def prepare(self, event: Event, *, keep: bool = False) -> Row:
        """Return an event's row. Its template may have to be stored before the row is inserted; see `store`."""
        ordinary = not keep and (is_ordinary(event) or type(event) is RoutesCounted)
        if (shared := key_of(event)) is not None:
            key = (*shared, ordinary)
            known = self._known.get(key)
            if known is None and self._is_repeated(key):
                known = self._add(key, *encoded(without_values(event)))
            if known is not None:
                try:
                    return _short_row(known, event)
                except ValueError:
                    pass  # a duration that is not one
        event, body = encoded(event)
        kind, fields = shape_of(event)
        at, adapter, task = fields(event)
        key = (kind, adapter, ordinary)
        return at, task, self._known.get(key) or self._add(key, event, None), body

    def _is_repeated(self, key: tuple[Any, ...]) -> bool:
        seen, mark = self._seen, hash(key)
        if mark in seen:
            return True
        if len(seen) >= MOST_TEMPLATES:
            seen.clear()
        seen[mark] = None
        return False

    def _add(self, key: tuple[Any, ...], event: Event, body: str | None) -> Template:
        if len(self._known) >= MOST_TEMPLATES:
            self.forget()
        known = self._known[key] = Template(event, body, notable=not key[-1])
        return known


def _short_row(template: Template, event: Any) -> Row:
    """Return the row of an event that has a template.

    Raises:
        ValueError: One of its values needs a body of its own.
    """
    values, task = _values_of(event), event.task
    if len(values) > MAX_NAME:
        values = _values_of(within_limits(event))
    if len(task) > MAX_NAME or not task.isascii():
        task = stored_name(task)
    return event.at, task, template, values


def prune_templates(connection: sqlite3.Connection) -> None:
    """Delete the templates that no event refers to any more, and that no writer has marked as used for long."""
    sql = """DELETE FROM event_templates WHERE used < (SELECT min(seq) FROM event_log) - ?
        AND NOT EXISTS (SELECT 1 FROM event_log WHERE template = event_templates.id)"""
    connection.execute(sql, (2 * REMARK,))
