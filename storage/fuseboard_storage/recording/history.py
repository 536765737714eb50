"""The history of a recording: its bounds, its breakers' changes of state, and the past of one adapter."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, cast, get_args

from fuseboard_engine.events import State
from fuseboard_storage.board.clock_move import within_int64
from fuseboard_storage.board.metrics import AdapterSecond
from fuseboard_storage.board.presence import SILENT_AFTER, known_until
from fuseboard_storage.board.rows import AdapterKey, InstanceRow
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
    `openings` is how often the breaker opened.
    """

    spans: Sequence[AdapterSecond] = ()
    changes: Sequence[tuple[int, State]] = ()
    lives: Sequence[tuple[int, int]] = ()
    openings: int = 0


class Lanes(NamedTuple):
    """The states of several adapters over one time, and how many tasks were answered in each slice of it."""

    pasts: Mapping[AdapterKey, AdapterPast]
    answered: Sequence[tuple[int, int] | None]
    """For each slice the tasks that an adapter answered, and all tasks; None: not known."""


async def past_of(recording: Recording, key: AdapterKey, since: int, until: int) -> AdapterPast:
    """Return an adapter's past from `since` until `until`, in this run of its engine and in earlier ones."""
    since, until = within_int64(since), within_int64(until)
    of_name = _runs_of(await recording.instances(), key, since)
    runs = [row.id for row in of_name]
    spans = await recording.spans(since, until, key.adapter, runs)
    found = await recording.changes_of(key.adapter, runs, since, until)
    openings = sum(state == "open" and at >= since for at, state in found)
    return AdapterPast(spans, _known(found), _lives(of_name, until), openings)


async def lanes_of(recording: Recording, keys: Collection[AdapterKey], since: int, until: int, each: int) -> Lanes:
    """Return the states of adapters from `since` until `until`, in this run of their engines and in earlier ones.

    Args:
        recording: The recording.
        keys: The adapters. Each of them costs a query.
        since: UTC microseconds.
        until: The end of the time, exclusive.
        each: The length of a slice, in microseconds.
    """
    since, until = within_int64(since), within_int64(until)  # a damaged file may have events at the end of time
    rows = await recording.instances()
    pasts = {}
    for key in keys:
        runs = _runs_of(rows, key, since)
        found = await recording.state_slices(key.adapter, [row.id for row in runs], since, until, each)
        openings = sum(count for at, state, count in found if state == "open" and at >= since)
        pasts[key] = AdapterPast((), _known((at, state) for at, state, _ in found), _lives(runs, until), openings)
    return Lanes(pasts, await recording.answered_slices(since, until, each))


def _runs_of(rows: Sequence[InstanceRow], key: AdapterKey, since: int) -> list[InstanceRow]:
    """Return the instances of an adapter's engine that ran after `since`: its own and those of its name before it,
    without siblings that run beside it until now.
    """
    own = next((row for row in rows if row.id == key.instance), None)
    return [
        row
        for row in rows
        if own is not None
        and row.name == own.name
        and row.id <= own.id
        and (row.ended_at is None or row.ended_at >= since)
        and (row is own or row.heartbeat_at <= own.heartbeat_at - SILENT_AFTER or row.ended_at is not None)
    ]


def _lives(runs: Sequence[InstanceRow], until: int) -> list[tuple[int, int]]:
    return [(row.started_at, min(until, known_until(row, until))) for row in runs]


def _known(changes: Iterable[tuple[int, str]]) -> list[tuple[int, State]]:
    return [(at, cast(State, state)) for at, state in changes if state in _STATES]


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
