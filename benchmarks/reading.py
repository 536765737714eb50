"""How long it takes to open a large recording, to seek in it, and to find events by kind, adapter, task and time.

The recordings have the same events, of which the smaller ones have fewer. Each query is answered from an index, and
each Board is folded from the nearest keyframe, so the largest one should hardly take longer.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from report import Report, Table, at_most, figure
from timing import Scale

from fuseboard_engine.events import Attempt, AttemptFailed, Event, RouteFinished, StateChanged
from fuseboard_storage import Recording
from fuseboard_storage.board import Board, Entry
from fuseboard_storage.sqlite.schema import connect
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import keyframes
from fuseboard_storage.tables.event_templates import Templates

START = 1_767_225_600_000_000
APART = 5_000  # microseconds between two events
LIMIT = 100.0  # milliseconds
ROUNDS = 7


def events(count: int) -> Iterator[Event]:
    """Yield the events of 200 adapters: routes, one failure in twenty events, and a few changes of state."""
    chance = random.Random(1)
    for number in range(count):
        at, adapter, draw = START + number * APART, f"adapter-{chance.randrange(200)}", chance.random()
        if number % (count // 10 or 1) == 0:
            yield StateChanged(at=at, adapter="rare", before="closed", after="open", reason="failures")
        elif draw < 0.05:
            error = f"error {chance.randrange(30)}"
            failed = Attempt(adapter=adapter, outcome="failure", number=1, duration=0.2, error_type="E", error=error)
            yield AttemptFailed(
                at=at, task=f"task-{number}", task_type="ai", attempt=failed, then="failover", threshold=5
            )
        else:
            attempt = Attempt(adapter=adapter, outcome="success", number=1, duration=0.01)
            yield RouteFinished(
                at=at, task=f"task-{number}", task_type="ai", success=True, adapter=adapter, attempts=(attempt,)
            )


def build(path: Path, count: int) -> None:
    """Write a recording with this many events, and as many keyframes as a recorder makes."""
    templates, board, part = Templates(), Board(), list[Event]()
    due = keyframes.EVERY
    with closing(connect(path)) as file:
        for number, event in enumerate(events(count), start=1):
            part.append(event)
            board.apply(Entry(number, 1, event))
            if len(part) == 5_000:
                _insert(file, part, templates)
                part = []
            if number >= due:
                data = keyframes.dump(board)
                due = number + min(max(keyframes.EVERY, len(data) // 64), keyframes.MOST_BETWEEN)
                sql = "INSERT INTO keyframes(seq, at, format, board) VALUES (?, ?, ?, ?)"
                file.execute(sql, (number, board.at, keyframes.FORMAT, data))
        _insert(file, part, templates)


def _insert(file: Any, part: list[Event], templates: Templates) -> None:
    file.execute("BEGIN")
    rows.insert(file, 1, part, templates)
    file.execute("COMMIT")


def queries(count: int) -> dict[str, dict[str, Any]]:
    """Return the queries by title, as arguments of `Recording.events`."""
    middle = START + count // 2 * APART
    return {
        "a rare kind": {"kinds": "state_changed"},
        "100 failures of one adapter": {"kinds": "attempt_failed", "adapter": "adapter-7", "limit": 100},
        "100 failures of all": {"kinds": "attempt_failed", "limit": 100},
        "100 events of one adapter": {"adapter": "adapter-9", "limit": 100},
        "one task": {"task": f"task-{count // 2}"},
        "100 events of a time": {"since": middle, "limit": 100},
        "failures of one adapter in a minute": {
            "kinds": "attempt_failed", "adapter": "adapter-7", "since": middle, "until": middle + 60_000_000,
        },
    }  # fmt: skip


async def measure(path: Path, count: int) -> dict[str, float]:
    """Return the milliseconds that each step takes: the median of several runs. Events are read newest first."""
    chance = random.Random(2)

    async def opened() -> None:
        async with Recording.open(path) as recording:
            await recording.board()

    found = {"open, with the current Board": await _median(opened)}
    async with Recording.open(path) as recording:
        last = await recording.last_seq()

        async def seek() -> None:
            await recording.board_at(at=START + chance.randrange(count) * APART)

        async def page() -> None:
            await recording.events(limit=100, before=chance.randrange(101, last + 1), newest_first=True)

        async def poll() -> None:
            recording.unchanged()
            await recording.head()
            await recording.slice(last, 250)

        found["seek to any time"] = await _median(seek)
        found["a page of 100 events"] = await _median(page)
        found["poll for new events"] = await _median(poll)
        for title, wanted in queries(count).items():

            async def query(wanted: dict[str, Any] = wanted) -> None:
                await recording.events(**wanted, newest_first=True)

            found[title] = await _median(query)
    return found


async def _median(step: Callable[[], Awaitable[None]]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = perf_counter()
        await step()
        times.append((perf_counter() - start) * 1e3)
    return median(times)


def run(scale: Scale) -> Report:
    """Measure recordings of three sizes."""
    large = scale.of(1_000_000, 5_000)
    sizes = [max(300, large // 100), max(500, large // 10), large]
    with tempfile.TemporaryDirectory() as folder:
        figures = []
        for count in sizes:
            path = Path(folder) / f"{count}.db"
            build(path, count)
            figures.append(asyncio.run(measure(path, count)))
            path.unlink()
    table = Table(
        "Reading",
        ("step", *(f"{count:,} events (ms)" for count in sizes)),
        tuple((title, *(figure(one[title]) for one in figures)) for title in figures[-1]),
    )
    more = max(figures[-1][title] - figures[0][title] for title in figures[-1])
    return Report(
        (table,), (at_most(f"slowest step among {large:,} events, ms more than among {sizes[0]:,}", more, LIMIT),)
    )
