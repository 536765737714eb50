"""The past of many adapters in slices of equal length: queries by index, with a bound on the rows that each reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

from fuseboard_engine.events import State
from fuseboard_storage.sqlite.damaged_rows import whole_number
from fuseboard_storage.tables.events import EventTable, Query, body_field
from fuseboard_storage.tables.metrics import RESOLUTIONS

MOST_ROWS: Final = 300_000
"""Rows that one query reads at most. Slices for which they do not suffice are unknown."""

_STATES: Final = frozenset(get_args(State))

Answered = tuple[int, int]
"""The number of tasks that an adapter answered, and of all tasks."""


async def state_slices(
    query: Query, table: EventTable, adapter: str, instances: Sequence[int], since: int, until: int, each: int
) -> list[tuple[int, str, int]]:
    """Return time, state and number of an adapter's changes of state; see `Recording.state_slices`."""
    changed, values = table.matching(("state_changed",), adapter)
    of_it = f"{changed} AND instance IN ({', '.join(map(str, instances))})"
    sql = f"""SELECT max(at), after, count(*) FROM (
            SELECT seq, at, iif(at < ?, -1, (at - ?) / ?) AS place, {body_field("after")} AS after
            FROM {table.name} AS e WHERE {of_it} AND at < ? AND seq >= coalesce(
                (SELECT seq FROM {table.name} AS e WHERE {of_it} AND at < ? ORDER BY seq DESC LIMIT 1), 0)
            ORDER BY seq DESC LIMIT {MOST_ROWS})
        GROUP BY place, after ORDER BY max(seq)"""
    found = await query(sql, (since, since, each, *values, until, *values, since))
    return [(whole_number(at), state, whole_number(count)) for at, state, count in found if state in _STATES]


async def answered_slices(query: Query, table: EventTable, since: int, until: int, each: int) -> list[Answered | None]:
    """Return how many tasks were answered, and how many there were; see `Recording.answered_slices`."""
    count = -(-(until - since) // each)
    unknown: list[Answered | None] = [None] * count
    if not table.templates:
        return unknown
    unanswered = await query(_UNANSWERED, (since, each, since, until, since))
    if sum(whole_number(rows) for _, rows in unanswered) >= MOST_ROWS:
        return unknown
    tasks = dict.fromkeys(range(count), 0)
    for place, rows in unanswered:
        tasks[place] += whole_number(rows)
    answered = dict.fromkeys(range(count), 0)
    known_from = 0
    for resolution in RESOLUTIONS:
        found = await query(_ANSWERED, (since, each, resolution, since, until))
        for place, successes, _ in found:
            answered[place] += max(0, whole_number(successes))
        if sum(whole_number(rows) for _, _, rows in found) >= MOST_ROWS:
            known_from = max(known_from, 1 + min(place for place, _, _ in found))
    return [None if place < known_from else (answered[place], answered[place] + tasks[place]) for place in range(count)]


# Of each answered task one attempt succeeded, so the metrics count them. The others are routes that are kept longest.
_ANSWERED: Final = f"""SELECT place, sum(successes), count(*) FROM (
        SELECT (at - ?) / ? AS place, successes FROM metrics
        WHERE resolution = ? AND at >= ? AND at < ? ORDER BY at DESC LIMIT {MOST_ROWS})
    GROUP BY place"""
_SUCCESS: Final = "iif(json_valid({0}), coalesce({0} ->> 'success', 0) AND NOT coalesce({0} ->> 'degraded', 0), 0)"
_UNANSWERED: Final = f"""SELECT place, count(*) FROM (
        SELECT (e.at - ?) / ? AS place
        FROM event_log AS e JOIN event_templates AS t ON t.id = e.template
        WHERE e.template IN (SELECT id FROM event_templates WHERE kind = 'route_finished' AND notable
                AND (body IS NULL OR NOT {_SUCCESS.format("body")}))
            AND e.at >= ? AND e.at < ? AND e.seq > coalesce((SELECT max(seq) FROM keyframes WHERE at < ?), 0)
            AND NOT {_SUCCESS.format("iif(t.body IS NULL, e.body, t.body)")}
        LIMIT {MOST_ROWS})
    GROUP BY place"""
