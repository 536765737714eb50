"""Batches of events as rows, prepared without the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, compress
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import astuple

from fuseboard_engine.error_text.text_limits import MAX_NAME
from fuseboard_engine.events import Attempt, AttemptFailed, Event, RouteFinished
from fuseboard_storage.board.histogram import bucket_of
from fuseboard_storage.board.metrics import SECOND, Spans, attempts_of, count, span_at
from fuseboard_storage.board.route_counts import SLOW
from fuseboard_storage.tables.event_templates import (
    ATTEMPT_KEY,
    FAILURE_KEY,
    NANO,
    ROUTE_KEY,
    Row,
    Template,
    Templates,
    key_of,
    without_values,
)
from fuseboard_storage.tables.storable import storable, stored_name

_encode: Final = msgspec.json.Encoder().encode

CHUNK: Final = 2_048
"""Rows per statement at most; a power of two, as all its parts are."""

_PLAIN: Final = 1e6  # seconds; an event with a longer time is not plain


class _PlainShape:
    """Turns many plain events of one type into columns.

    A plain event has one attempt, and nothing varies between it and the others of its template but its time, task and
    two durations. By far the most events are plain. Python's loops would cost more than SQLite does, so each step here
    is one call for all events.
    """

    def __init__(self, type_: type[Event], first: str, longest: float, key: tuple[str, ...], rest: tuple[str, ...]):
        fields, of_attempt = type_.__struct_fields__.index, Attempt.__struct_fields__.index
        self._at, self._task, self._first, self._longest = fields("at"), fields("task"), fields(first), longest
        self._varying = attrgetter(first, *rest)
        self._rest = [fields(name) for name in rest]
        self._key = [fields(name) for name in key]
        self._several = "attempts" in type_.__struct_fields__
        self._attempts = fields("attempts" if self._several else "attempt")
        self._attempt_key = [of_attempt(name) for name in ATTEMPT_KEY]
        self._duration = of_attempt("duration")
        self._zero = [of_attempt(name) for name in ("wait", "items")]
        self._none = [of_attempt(name) for name in ("first_item", "retry_after")]

    def is_plain(self, event: Any) -> bool:
        """Return whether an event is plain."""
        if self._several and len(event.attempts) != 1:
            return False
        first, *rest = self._varying(event)
        attempt = event.attempts[0] if self._several else event.attempt
        return bool(
            0.0 <= first <= self._longest
            and 0.0 <= attempt.duration <= _PLAIN
            and rest.count(None) == len(rest)
            and attempt.first_item is attempt.retry_after is None
            and not (attempt.wait or attempt.items)
        )

    def columns(self, events: Sequence[Event]) -> _Columns | None:
        """Return events as columns; None if one of them is not plain."""
        if not events:
            return None
        count = len(events)
        own = list(zip(*map(astuple, events), strict=True))
        attempts = own[self._attempts]
        if self._several:
            if set(map(len, attempts)) != {1}:
                return None
            attempts = tuple(chain.from_iterable(attempts))
        tried = list(zip(*map(astuple, attempts), strict=True))
        firsts, durations = own[self._first], tried[self._duration]
        if not (
            min(firsts) >= 0.0
            and max(firsts) <= self._longest
            and min(durations) >= 0.0
            and max(durations) <= _PLAIN
            and all(own[place].count(None) == count for place in self._rest)
            and all(tried[place].count(None) == count for place in self._none)
            and not any(any(tried[place]) for place in self._zero)
        ):
            return None
        tasks: Sequence[str] = own[self._task]
        if not "".join(tasks).isascii() or max(map(len, tasks)) > MAX_NAME:
            tasks = list(map(stored_name, tasks))
        keys = zip(*[own[place] for place in self._key], *[tried[place] for place in self._attempt_key], strict=True)
        pairs = zip(_whole(firsts), _whole(durations), strict=True)
        bodies = _encode(list(pairs)).decode()[1:-1].replace("],[", "]\n[").split("\n")
        return _Columns(own[self._at], tasks, keys, bodies, durations)


def _whole(seconds: Sequence[float]) -> Iterable[int]:
    """Return durations in nanoseconds."""
    return map(int, [duration * NANO + 0.5 for duration in seconds])


class _Columns(NamedTuple):
    at: Sequence[int]
    task: Sequence[str]
    key: Iterable[tuple[Any, ...]]
    body: Sequence[str]
    duration: Sequence[float]


_plain_shapes: Final[dict[type[Event], _PlainShape]] = {
    RouteFinished: _PlainShape(
        RouteFinished, "duration", SLOW, ROUTE_KEY, ("context", "dead_letter", "letter", "deadline")
    ),
    AttemptFailed: _PlainShape(AttemptFailed, "delay", _PLAIN, FAILURE_KEY, ("context",)),
}


class Prepared:
    """The rows of a batch of events, made without the file, so that it is locked for the inserts only."""

    def __init__(self, events: Sequence[Event], templates: Templates) -> None:
        self.chunks: list[list[Row]] = []
        """The rows, in order; each chunk has as many as one statement inserts at most."""
        self.templates: dict[Template, None] = {}
        self._alike: Counter[tuple[int, Template, int]] = Counter()  # plain events by second, template and bucket
        self._others: list[Event] = []
        for start in range(0, len(events), CHUNK):
            self.chunks.append(self._rows(events[start : start + CHUNK], templates))
            self.templates.update(dict.fromkeys([row[2] for row in self.chunks[-1]]))

    def count(self, spans: Spans) -> None:
        """Count the attempts that the events report first; see `fuseboard_storage.board.metrics.count`."""
        for (second, template, bucket), number in self._alike.items():
            if template.attempt is not None:
                span_at(spans, second * SECOND, template.attempt.adapter).add(template.attempt, number, bucket)
        for event in self._others:
            count(spans, event)

    def _rows(self, events: Sequence[Event], templates: Templates) -> list[Row]:
        rows: list[Any] = [None] * len(events)
        for type_, shape in _plain_shapes.items():
            places = [place for place, event in enumerate(events) if type(event) is type_]
            if not places:
                continue
            try:
                places, plain = self._plain_rows(events, places, shape, templates)
            except Exception:
                continue  # an event with odd values; each is prepared by itself
            for place, row in zip(places, plain, strict=True):
                rows[place] = row
        for place, event in enumerate(events):
            if rows[place] is None:
                self._others.append(event)
                try:
                    rows[place] = row = templates.prepare(event)
                    self._learn(event, row[2], templates)
                except Exception:
                    rows[place] = templates.prepare(storable(event))
        return rows

    def _plain_rows(
        self, events: Sequence[Event], places: list[int], shape: _PlainShape, templates: Templates
    ) -> tuple[list[int], list[Row]]:
        """Return the rows of the plain events among those at some places whose templates are known, and their places.

        Raises:
            Exception: A value of an event is not what its type says.
        """
        columns = shape.columns([events[place] for place in places])
        if columns is None:
            places = [place for place in places if shape.is_plain(events[place])]
            columns = shape.columns([events[place] for place in places])
            if columns is None:
                return [], []
        found = list(map(templates.plain.get, columns.key))
        seconds = [at // SECOND for at in columns.at]
        rows = list(zip(columns.at, columns.task, found, columns.body, strict=True))
        alike: Iterable[Any] = zip(seconds, found, map(bucket_of, columns.duration), strict=True)
        if None in found:
            known = [template is not None for template in found]
            places, rows = list(compress(places, known)), list(compress(rows, known))
            alike = compress(alike, known)
        self._alike.update(alike)
        return places, rows  # type: ignore[return-value]

    @staticmethod
    def _learn(event: Event, template: Template, templates: Templates) -> None:
        """Remember the template of a plain event, so that the next one of it is found together with others."""
        shape = _plain_shapes.get(type(event))
        if shape is not None and template.is_shared and shape.is_plain(event):
            (template.attempt,) = attempts_of(without_values(event)) or (None,)
            templates.plain[key_of(event) or ()] = template
