"""Queries of recorded events by kind, adapter, task and time, each answered from an index."""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, NamedTuple, get_args

from fuseboard_engine.events import AnyEvent, Event
from fuseboard_storage.board.board import Entry
from fuseboard_storage.tables.event_templates import row_shapes
from fuseboard_storage.tables.events import EventTable, Query, templates_of
from fuseboard_storage.tables.storable import stored_name

Moment = int | datetime
"""A time: UTC microseconds, or a `datetime`, which is local time if it has no time zone."""

Kind = str | type[Event]
"""A kind of events: its name, such as `attempt_failed`, or its class, such as `AttemptFailed`."""

PAGE: Final = 5_000
"""The number of events that one query selects at most."""
OUT_OF_ORDER: Final = 300_000_000
"""Microseconds: events that several engines record at a time may be out of order by this much."""

_WINDOW: Final = 10  # rows looked at for each template before the index of templates is used
_SAMPLES: Final = 64
_ROUNDS: Final = 3  # of sampling: 64 ** 3 parts
_NARROW: Final = 2_048  # numbers between two samples that are not divided again
_END: Final = 2**63 - 1

ReadEntries = Callable[[str, Iterable[Any]], Awaitable[list[Entry]]]
"""Runs an SQL statement that begins with `EventTable.select`, and returns its entries."""


class EventFilter(NamedTuple):
    """Which events are wanted. None, or no kinds: any. Times are UTC microseconds; `until` is exclusive."""

    kinds: tuple[str, ...] = ()
    adapter: str | None = None
    task: str | None = None
    since: int | None = None
    until: int | None = None

    @property
    def times(self) -> str:
        """The SQL condition on the time of an event of the table `e`, to append to another; empty if there is none."""
        since = "" if self.since is None else f" AND e.at >= {self.since:d}"
        return since if self.until is None else f"{since} AND e.at < {self.until:d}"


class Numbers(NamedTuple):
    """The events numbered above `after` and below `before`."""

    after: int
    before: int


class _Sample(NamedTuple):
    """Number and time of one event."""

    seq: int
    at: int


_Pair = tuple[_Sample, _Sample]


def event_filter(
    kinds: Kind | Iterable[Kind], adapter: str | None, task: str | None, since: Moment | None, until: Moment | None
) -> EventFilter:
    """Return the filter of the arguments of `Recording.events`. Names become as they are stored.

    Raises:
        ValueError: There is no such kind.
        TypeError: A time is neither microseconds nor a `datetime`.
    """
    several: Iterable[Kind] = (kinds,) if isinstance(kinds, str | type) else kinds
    names = dict.fromkeys(_known(kind) if isinstance(kind, str) else row_shapes[kind][0] for kind in several)
    return EventFilter(
        tuple(names),
        None if adapter is None else stored_name(adapter),
        None if task is None else stored_name(task),
        None if since is None else microseconds(since),
        None if until is None else microseconds(until),
    )


@cache
def _kinds() -> tuple[str, ...]:
    return tuple(sorted(str(type_.__struct_config__.tag) for type_ in get_args(AnyEvent)))


def _known(kind: str) -> str:
    """Return the name of a kind; raise `ValueError` for a misspelled one, of which there would be no events."""
    if kind in _kinds():
        return kind
    close = get_close_matches(kind, _kinds(), 1, 0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"the kinds are {', '.join(_kinds())}."
    raise ValueError(f"There is no event kind {kind!r}; {hint}")


def microseconds(moment: Moment) -> int:
    """Return a time as UTC microseconds, within the numbers that SQLite has.

    Raises:
        TypeError: It is neither microseconds nor a `datetime`.
    """
    if not isinstance(moment, int | datetime):
        raise TypeError(f"A time is UTC microseconds (an int) or a datetime, not {moment!r}.")
    found = moment if isinstance(moment, int) else round(moment.timestamp() * 1_000_000)
    return max(-_END, min(_END, found))


class EventQuery:
    """One selection of events from one recording, read page by page."""

    def __init__(
        self, rows: Query, entries: ReadEntries, table: EventTable, wanted: EventFilter, newest_first: bool
    ) -> None:
        self._rows = rows
        self._entries = entries
        self._table = table
        self._wanted = wanted
        self._order = "DESC" if newest_first else "ASC"
        self._newest_first = newest_first

    async def ranges(self, numbers: Numbers) -> list[Numbers]:
        """Return the ranges of event numbers in which there may be events of the wanted time, in the order of reading.

        There is no index of times, which would be larger than any other. Instead the times of a few events are looked
        up, and the numbers between those that are too early and too late are left out. A clock that was set back or
        forward gives several ranges. Events may be out of order by `OUT_OF_ORDER`.
        """
        if (self._wanted.since is None and self._wanted.until is None) or self._wanted.task is not None:
            return [numbers]
        found = [pair for pair in _pairs(await self._samples([numbers])) if self._may_hold(pair)]
        for _ in range(_ROUNDS):
            wide = [pair for pair in found if self._is_worth_dividing(pair)]
            points = await self._samples([Numbers(first.seq - 1, last.seq + 1) for first, last in wide])
            for first, last in wide:
                found.remove((first, last))
                found += _pairs([point for point in points if first.seq <= point.seq <= last.seq])
            found = sorted(pair for pair in found if self._may_hold(pair))
        ranges: list[Numbers] = []
        for first, last in found:
            after, before = first.seq - 1, last.seq + 1
            if ranges and after <= ranges[-1].before:
                ranges[-1] = Numbers(ranges[-1].after, before)
            else:
                ranges.append(Numbers(after, before))
        return ranges[::-1] if self._newest_first else ranges

    async def page(self, numbers: Numbers, limit: int) -> list[Entry]:
        """Return the first matching entries of a range, at most `limit`, in the order of reading.

        An event that this version cannot decode is returned as an `Event` with its time only.
        """
        wanted = self._wanted
        matching, values = self._table.matching(wanted.kinds, wanted.adapter)
        if wanted.task is not None:
            # The plus keeps SQLite from using the index of templates: that of tasks has fewer rows.
            matching = f"e.task = ? AND {matching.replace('e.template IN', '+e.template IN')}"
            values = wanted.task, *values
        elif self._table.templates and values:
            chosen = await self._of_templates(numbers, limit)
            sql = f"{self._table.select} WHERE e.seq IN (SELECT value FROM json_each(?)) ORDER BY e.seq {self._order}"
            return await self._entries(sql, (json.dumps(chosen),)) if chosen else []
        sql = f"""{self._table.select} WHERE {matching}{wanted.times} AND e.seq > ? AND e.seq < ?
            ORDER BY e.seq {self._order} LIMIT ?"""
        return await self._entries(sql, (*values, *numbers, limit))

    async def _of_templates(self, numbers: Numbers, limit: int) -> list[int]:
        """Return the numbers of the first events of the wanted kinds and adapter, at most `limit`."""
        templates = [id_ for (id_,) in await self._rows(*templates_of(self._wanted.kinds, self._wanted.adapter))]
        if not templates:
            return []
        window = f"""SELECT e.seq FROM (SELECT seq, at, template FROM event_log WHERE seq > ? AND seq < ?
            ORDER BY seq {self._order} LIMIT ?) AS e
            WHERE e.template IN (SELECT value FROM json_each(?)){self._wanted.times}
            ORDER BY e.seq {self._order} LIMIT ?"""
        # If most events match, the first rows are enough, however many templates there are.
        size = _WINDOW * len(templates) + 2 * limit
        found = await self._rows(window, (*numbers, size, json.dumps(templates), limit))
        if len(found) == limit:
            return [seq for (seq,) in found]
        return await self._merged(templates, numbers, limit)

    async def _merged(self, templates: Sequence[int], numbers: Numbers, limit: int) -> list[int]:
        """Return the first numbers among the events of several templates, from the index of each.

        The index gives a few numbers of each template. If a template may have more numbers among the first `limit`,
        it is queried again for twice as many.
        """
        beyond = "<" if self._newest_first else ">"
        within = f" AND e.seq > {numbers.after}" if self._newest_first else f" AND e.seq < {numbers.before}"
        sql = f"""SELECT j.value ->> 0, s.seq FROM json_each(?) AS j CROSS JOIN event_log AS s WHERE s.seq IN (
            SELECT e.seq FROM event_log AS e
            WHERE e.template = (j.value ->> 0) AND e.seq {beyond} (j.value ->> 1){within}{self._wanted.times}
            ORDER BY e.seq {self._order} LIMIT ?)"""
        sign = -1 if self._newest_first else 1
        asked = dict.fromkeys(templates, numbers.before if self._newest_first else numbers.after)
        found: list[int] = []
        size = max(1, 2 * limit // len(templates))
        while asked:
            got: dict[int, list[int]] = {}
            for template, seq in await self._rows(sql, (json.dumps(list(asked.items())), size)):
                got.setdefault(template, []).append(seq)
            found = sorted(itertools.chain(found, *got.values()), key=lambda seq: sign * seq)[:limit]
            last = sign * found[-1] if len(found) == limit else _END
            ends = {template: max(seqs, key=lambda seq: sign * seq) for template, seqs in got.items()}
            asked = {
                template: end for template, end in ends.items() if len(got[template]) == size and sign * end < last
            }
            size *= 2
        return found

    async def _samples(self, ranges: Sequence[Numbers]) -> list[_Sample]:
        """Return number and time of a few events of each range, among them its first and its last."""
        targets: set[int] = set()
        for numbers in ranges:
            sql = f"""SELECT (SELECT min(seq) FROM {self._table.name} WHERE seq > ? AND seq < ?),
                (SELECT max(seq) FROM {self._table.name} WHERE seq > ? AND seq < ?)"""
            first, last = (await self._rows(sql, (*numbers, *numbers)))[0]
            if first is not None:
                targets.update(range(first, last, max(1, (last - first) // _SAMPLES)))
                targets.add(last)
        sql = f"""SELECT e.seq, e.at FROM json_each(?) AS j CROSS JOIN {self._table.name} AS e
            ON e.seq = (SELECT min(seq) FROM {self._table.name} WHERE seq >= j.value)"""
        return sorted({_Sample(seq, at) for seq, at in await self._rows(sql, (json.dumps(sorted(targets)),))})

    def _may_hold(self, pair: _Pair) -> bool:
        """Return whether events between two samples may be of the wanted time."""
        since, until = self._wanted.since, self._wanted.until
        times = pair[0].at, pair[1].at
        return (since is None or max(times) + OUT_OF_ORDER >= since) and (
            until is None or min(times) - OUT_OF_ORDER < until
        )

    def _is_worth_dividing(self, pair: _Pair) -> bool:
        """Return whether part of the events between two samples may be of another time."""
        (first, start), (last, end) = pair
        since, until = self._wanted.since, self._wanted.until
        early = since is not None and min(start, end) + OUT_OF_ORDER < since
        late = until is not None and max(start, end) - OUT_OF_ORDER >= until
        return last - first > _NARROW and (early or late)


def _pairs(points: Sequence[_Sample]) -> list[_Pair]:
    """Return each two neighbours; a single point as its own neighbour."""
    return list(itertools.pairwise(points)) or [(point, point) for point in points]
