"""What recording adds to one call: the median and the 99th percentile of the time that a caller waits.

A task whose primary answers at once is routed again and again, and each call is timed by itself. The ways take turns in
short batches: without a recording; recorded; recorded with `events="notable"`; and recorded while the disk does not
answer, so that the recorder's thread waits in a commit and events collect in memory. Between two batches of a recorded
engine everything is written, except with the stalled disk, which answers at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from report import Report, Table, at_most, figure
from routing import CHAIN, engine_for
from timing import Scale, percentile, quiet_collector

from fuseboard_engine import Engine
from fuseboard_storage import record
from fuseboard_storage.sqlite.write_lock import LockingConnection

OFF, ON, NOTABLE, STALLED = "off", "on", 'events="notable"', "a stalled disk"
CALLS = 200  # in a batch
LIMIT = 10.0  # microseconds that recording may add to the median

Flush = Callable[[], Awaitable[None]]


@contextlib.contextmanager
def stalled(path: Path) -> Iterator[None]:
    """Let each commit to a file wait, without the interpreter lock, until the block ends."""
    answers, execute = threading.Event(), LockingConnection.execute

    def execute_or_wait(self: LockingConnection, sql: str, *rest: Any) -> Any:
        if sql == "COMMIT" and self.path == str(path):
            answers.wait()
        return execute(self, sql, *rest)

    LockingConnection.execute = execute_or_wait  # type: ignore[method-assign]
    try:
        yield
    finally:
        answers.set()
        LockingConnection.execute = execute  # type: ignore[method-assign]


@contextlib.asynccontextmanager
async def ways(folder: Path, calls: int) -> AsyncIterator[dict[str, tuple[Engine, Flush]]]:
    """Return an engine for each way, and how its events are written."""

    async def nothing() -> None:
        """Do nothing."""

    async with contextlib.AsyncExitStack() as stack:
        found: dict[str, tuple[Engine, Flush]] = {OFF: (engine_for("the primary answers"), nothing)}
        paths = {way: folder / f"{number}.db" for number, way in enumerate((ON, NOTABLE, STALLED))}
        for way, path in paths.items():
            engine = engine_for("the primary answers")
            events: Any = "notable" if way == NOTABLE else "all"
            recorder = record(engine, path, buffer_size=2 * calls + 1_000, events=events)
            recorder.start()
            stack.callback(recorder.close)
            await recorder.flushed()
            found[way] = engine, nothing if way == STALLED else recorder.flushed
        stack.enter_context(stalled(paths[STALLED]))  # ends before the recorders close
        yield found


async def measure(folder: Path, batches: int) -> dict[str, list[int]]:
    """Return the nanoseconds of each call, by way."""
    times: dict[str, list[int]] = {way: [] for way in (OFF, ON, NOTABLE, STALLED)}
    task = {"task_type": "invoice"}
    async with ways(folder, batches * CALLS) as found:
        for number in range(batches + 1):
            for way, (engine, flush) in found.items():
                took = []
                for _ in range(CALLS):
                    began = perf_counter_ns()
                    await engine.execute_with_fallback(task, preference_order=CHAIN)
                    took.append(perf_counter_ns() - began)
                await flush()
                if number:
                    times[way] += took
    return times


def run(scale: Scale) -> Report:
    """Time calls in all ways and return the report."""
    with tempfile.TemporaryDirectory() as folder, quiet_collector():
        times = asyncio.run(measure(Path(folder), scale.of(200, 2)))
    found = {way: (percentile(took, 0.5) / 1e3, percentile(took, 0.99) / 1e3) for way, took in times.items()}
    median, high = found[OFF]
    rows = tuple(
        (way, figure(half), figure(half - median), figure(most), figure(most - high))
        for way, (half, most) in found.items()
    )
    heads = ("recording", "median", "added", "99th percentile", "added")
    return Report(
        (Table("One call whose primary answers at once, microseconds", heads, rows),),
        tuple(
            at_most(f"added to the median, recording {way}", found[way][0] - median, LIMIT, " µs")
            for way in (ON, NOTABLE, STALLED)
        ),
        (
            f"{len(times[OFF]):,} calls each, in turns of {CALLS}; the time of each call includes that of reading the "
            "clock.",
            "With a stalled disk the recorder's thread waits in its first commit, and all events stay in memory.",
        ),
    )
