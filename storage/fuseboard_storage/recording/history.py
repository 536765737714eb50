"""The history of a recording: its bounds, its breakers' changes of state, and the past of one adapter."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple, cast, get_args

from fuseboard_engine.events import State
from fuseboard_storage.board.metrics import AdapterSecond
from fuseboard_storage.board.presence import known_until
from fuseboard_storage.board.rows import AdapterKey
from fuseboard_storage.recording.recording import Recording

_STATES = frozenset(get_args(State))


class Bounds(NamedTuple):
    """Number and time (UTC microseconds) of a recording's first and last event; zeros if it has no events."""

    first: int
    start: int
    last: int
    end: int


class BreakerChange(NamedTuple):
    """A breaker's change of state: the event's number, its time (UTC microseconds), and the new state."""

    seq: int
    at: int
    state: State


class AdapterPast(NamedTuple):
    """One adapter's metrics and breaker states over some time, in UTC microseconds.

    `changes` are in order. The first may be older than the time: it gives the breaker's state at the beginning.
    `lives` are the start and the last sign of life of each run of its engine; empty: the engine ran all the time.
    """

    spans: Sequence[AdapterSecond] = ()
    changes: Sequence[tuple[int, State]] = ()
    lives: Sequence[tuple[int, int]] = ()


async def past_of(recording: Recording, key: AdapterKey, since: int, until: int) -> AdapterPast:
    """Return an adapter's past from `since` until `until`, in this run of its engine and in earlier ones."""
    rows = await recording.instances()
    name = next((row.name for row in rows if row.id == key.instance), None)
    of_name = [
        row
        for row in rows
        if row.name == name and row.id <= key.instance and (row.ended_at is None or row.ended_at >= since)
    ]
    runs = [row.id for row in of_name]
    lives = [(row.started_at, min(until, known_until(row, until))) for row in of_name]
    spans = await recording.spans(since, until, key.adapter, runs)
    found = await recording.changes_of(key.adapter, runs, since, until)
    return AdapterPast(spans, [(at, cast(State, state)) for at, state in found if state in _STATES], lives)


async def bounds(recording: Recording) -> Bounds:
    """Return the bounds of a recording."""
    found = await recording.ends()
    return Bounds(*found) if found is not None else Bounds(0, 0, 0, 0)


async def changes(recording: Recording, after: int = 0) -> list[BreakerChange]:
    """Return the changes of state numbered above `after`, in order, without states unknown to this version."""
    return [
        BreakerChange(seq, at, cast(State, state))
        for seq, at, state in await recording.changes(after)
        if state in _STATES
    ]


def next_change(known: Sequence[BreakerChange], seq: int) -> BreakerChange | None:
    """Return the first change after the event `seq`, or None."""
    index = bisect_right(known, seq, key=_seq)
    return known[index] if index < len(known) else None


def previous_change(known: Sequence[BreakerChange], seq: int) -> BreakerChange | None:
    """Return the last change before the event `seq`, or None."""
    index = bisect_left(known, seq, key=_seq)
    return known[index - 1] if index else None


def _seq(change: BreakerChange) -> int:
    return change.seq
