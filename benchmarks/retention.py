"""What retention costs while an engine writes at full speed.

A recording with many ordinary routes is opened by an engine, which emits events as fast as it can. In one way retention
keeps everything; in the other it puts counts in place of nearly all of the older routes meanwhile. The time ends when
the last event is on disk, whatever retention has done by then; how many routes it has left is in the table.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from recorder import events
from report import Report, Table, Target
from timing import Scale, quiet_collector

from fuseboard_engine import Engine
from fuseboard_engine.events import Event
from fuseboard_storage import Retention, record
from fuseboard_storage.sqlite.schema import connect
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables.event_templates import Templates

KEEP = Retention(
    ordinary=None, most_ordinary=None, events=None, most_events=None, most_bytes=None, seconds=None, tens=None,
    minutes=None, hours=None,
)  # fmt: skip
COUNT = Retention(most_ordinary=1)
LEAST = 0.5  # of the speed without retention


class Written(NamedTuple):
    """How long writing took, and how many of the older routes retention had not counted by then."""

    seconds: float
    left: int


def prepare(path: Path, older: list[Event]) -> None:
    """Write a recording with older routes."""
    with closing(connect(path)) as file:
        templates = Templates()
        for start in range(0, len(older), 5_000):
            file.execute("BEGIN")
            rows.insert(file, 1, older[start : start + 5_000], templates)
            file.execute("COMMIT")


async def write(path: Path, older: int, emitted: list[Event], retention: Retention) -> Written:
    """Emit events to a recorder and return the seconds until the last is committed."""
    engine = Engine("bench")
    async with record(engine, path, buffer_size=2 * len(emitted) + 1_000, retention=retention) as recorder:
        await recorder.flushed()
        began = perf_counter()
        for event in emitted:
            engine.emit(event)
        await recorder.flushed()
        took = perf_counter() - began
        if recorder.dropped:
            raise RuntimeError(f"{recorder.dropped} events were dropped; this run measures nothing")
        with closing(connect(path)) as file:
            sql = "SELECT count(*) FROM event_log AS e JOIN event_templates AS t ON t.id = e.template WHERE e.seq <= ?"
            (left,) = file.execute(f"{sql} AND NOT t.notable AND t.kind = 'route_finished'", (older,)).fetchone()
    return Written(took, left)


def run(scale: Scale) -> Report:
    """Write with and without retention, in turns, and return the report."""
    older, emitted = events(scale.of(400_000, 2_000)), events(scale.of(100_000, 200))
    found: dict[str, list[Written]] = {"keeps everything": [], "counts the older routes": []}
    with tempfile.TemporaryDirectory() as folder, quiet_collector():
        full = Path(folder) / "full.db"
        prepare(full, older)
        for number in range(scale.of(6, 2)):
            for way, retention in zip(found, (KEEP, COUNT), strict=True):
                path = Path(folder) / f"{number}.db"
                shutil.copy(full, path)
                found[way].append(asyncio.run(write(path, len(older), emitted, retention)))
                path.unlink()
    best = {way: min(runs, key=lambda one: one.seconds) for way, runs in found.items()}
    keeping, counting = found.values()
    share = statistics.median(a.seconds / b.seconds for a, b in zip(keeping, counting, strict=True))
    table = Table(
        f"{len(emitted):,} events at full speed into a recording of {len(older):,}",
        ("retention", "events a second", "older routes left"),
        tuple((way, f"{len(emitted) / one.seconds:,.0f}", f"{one.left:,}") for way, one in best.items()),
    )
    return Report(
        (table,),
        (Target(f"speed with retention, of that without: at least {LEAST}", f"{share:.2f}", share >= LEAST),),
        (f"Best of {len(keeping)} rounds each; the share is the median of the rounds' own.",),
    )
