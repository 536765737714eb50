"""Reads the recorded work of engines for a replay under other policies."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from fuseboard_engine.events import StateChanged
from fuseboard_engine.policy_replay.reader import EARLIER_KINDS, KINDS, WorkloadReader
from fuseboard_engine.policy_replay.workload import Workload
from fuseboard_storage.board.histogram import value_of
from fuseboard_storage.board.rows import AdapterRow
from fuseboard_storage.recording.recording import Recording

EVERY = 10_000
"""Events between two reports of progress."""


async def read_workloads(
    recording: Recording,
    since: int | None = None,
    until: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Workload]:
    """Return the work of each engine of a recording that had an attempt.

    Args:
        recording: the recording.
        since: only from this time on, UTC microseconds; policies and states of breakers are those at this time.
        until: only before this time.
        progress: called with the number of events that were read, every now and then.

    Raises:
        TooManyAttempts: the recording holds more attempts than are read.
    """
    reader = WorkloadReader(value_of, since)
    if since is not None:
        for entry in await recording.events(kinds=EARLIER_KINDS, until=since, limit=None):
            reader.add_earlier(entry.seq, entry.instance, entry.event)
        for row in (await recording.board_at(at=since - 1)).rows():
            reader.begin_with(row.key.instance, row.policy, _state_of(row, since))
    else:
        extent = await recording.extent()
        if extent.pruned:  # retention deleted the registrations; the Board still has them
            board = await recording.board_at(seq=extent.pruned)
            for row in board.rows():
                reader.begin_with(row.key.instance, row.policy, _state_of(row, board.at))
    number = 0
    async with aclosing(recording.stream_events(kinds=KINDS, since=since, until=until)) as entries:
        async for entry in entries:
            reader.add(entry.seq, entry.instance, entry.event)
            number += 1
            if progress is not None and number % EVERY == 0:
                progress(number)
    return reader.finish()


def _state_of(row: AdapterRow, now: int) -> StateChanged:
    """Return the state of an adapter's breaker as a restored one."""
    left = None if row.until is None else max(0.0, (row.until - now) / 1e6)
    return StateChanged(
        at=now, adapter=row.name, before=row.state, after=row.state, reason="restored", openings=row.openings,
        failures=row.failures, wait=left,
    )  # fmt: skip
