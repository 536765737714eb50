"""How long it takes to find events in a large recording, by kind, adapter, task and time.

Two recordings have the same events, one a hundredth of the other. Each query is answered from an index, so the large
one should hardly take longer.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from report import Report, Table, at_most, figure
from timing import Scale

from fuseboard_engine.events import Attempt, AttemptFailed, Event, RouteFinished, StateChanged
from fuseboard_storage import Recording
from fuseboard_storage.sqlite.schema import connect
from fuseboard_storage.tables import events as rows
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
    """Write a recording with this many events."""
    templates, part = Templates(), []
    with closing(connect(path)) as file:
        for event in events(count):
            part.append(event)
            if len(part) == 5_000:
                _insert(file, part, templates)
                part = []
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
    """Return the milliseconds that each query takes: the median of several runs, newest first."""
    found = {}
    async with Recording.open(path) as recording:
        for title, wanted in queries(count).items():
            times = []
            for _ in range(ROUNDS):
                start = perf_counter()
                await recording.events(**wanted, newest_first=True)
                times.append((perf_counter() - start) * 1e3)
            found[title] = median(times)
    return found


def run(scale: Scale) -> Report:
    """Measure the queries in a small and in a large recording."""
    large = scale.of(1_000_000, 5_000)
    small = max(500, large // 100)
    with tempfile.TemporaryDirectory() as folder:
        figures = []
        for count in (small, large):
            path = Path(folder) / f"{count}.db"
            build(path, count)
            figures.append(asyncio.run(measure(path, count)))
    table = Table(
        "Finding events",
        ("query", f"{small:,} events (ms)", f"{large:,} events (ms)"),
        tuple((title, figure(figures[0][title]), figure(figures[1][title])) for title in figures[1]),
    )
    slowest = max(figures[1].values())
    return Report((table,), (at_most(f"slowest query among {large:,} events, ms", slowest, LIMIT),))
