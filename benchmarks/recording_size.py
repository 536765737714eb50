"""How large a recording becomes: bytes per event and task, and a week and a month reckoned from an hour.

One hour at 200 tasks a second is written, as fast as it goes, with the times of that hour. Of the tasks some fail at
their first attempt and succeed at the second, so that each of them leaves two notable events. The hour is measured as
it is, and once its ordinary routes have become counts, which is what stays of it for 30 days.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from report import Report, Table, at_most, figure
from timing import Scale

from fuseboard_engine.events import AdapterAdded, Attempt, AttemptFailed, EngineStarted, Event, RouteFinished
from fuseboard_storage.recorder.retention import Retention, apply_retention
from fuseboard_storage.sqlite.schema import connect
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables.event_templates import Templates
from fuseboard_storage.tables.keyframes import KeyframeMaker
from fuseboard_storage.tables.marks import Moment

START = 1_767_225_600_000_000
PER_SECOND = 200
HOUR = 3_600 * PER_SECOND  # tasks
ADAPTERS = ("eu", "us", "ap")
SHARES = (0.001, 0.005, 0.01)
METRICS = {"week": 8.0, "month": 13.0}  # MB of metrics of three adapters, from the bytes per row in docs/recording.md


def tasks(count: int, share: float) -> Iterator[Event]:
    """Yield the events of tasks, of which a share fails at the first attempt."""
    chance = random.Random(1)
    yield EngineStarted(at=START, name="shop", host="web-1", pid=7)
    for adapter in ADAPTERS:
        yield AdapterAdded(at=START, adapter=adapter, policy={"failure_threshold": 5})
    for number in range(count):
        at, task = START + number * 1_000_000 // PER_SECOND, f"4218eef1c899e8b5-{0x1000 + number:x}"
        adapter, seconds = ADAPTERS[number % 3], chance.lognormvariate(-3, 0.5)
        good = Attempt(adapter=adapter, outcome="success", number=1, duration=seconds, limit=3)
        attempts: tuple[Attempt, ...] = (good,)
        if chance.random() < share:
            bad = Attempt(
                adapter=adapter, outcome="failure", number=1, duration=seconds, rule="connection", failures=1, limit=3,
                error_type="ConnectionError", error=f"connection refused by {adapter}:4200", why="attempt 2 of 3",
            )  # fmt: skip
            yield AttemptFailed(
                at=at, task=task, task_type="invoice", attempt=bad, then="retry", delay=chance.random(), threshold=5
            )
            good = Attempt(adapter=adapter, outcome="success", number=2, duration=seconds, wait=seconds, limit=3)
            attempts = (bad, good)
        yield RouteFinished(
            at=at, task=task, task_type="invoice", success=True, attempts=attempts, adapter=adapter,
            duration=seconds + 1e-4, left=tuple(name for name in ADAPTERS if name != adapter), why="order of this call",
        )  # fmt: skip


def used(file: sqlite3.Connection) -> int:
    """Return the bytes of a file without its free pages."""
    pages, free, size = (
        int(file.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def measure(path: Path, count: int, share: float) -> tuple[int, int, int]:
    """Return the number of events of so many tasks, their bytes, and the bytes that stay of them."""
    with closing(connect(path)) as file:
        empty = used(file)
        templates, maker, part = Templates(), KeyframeMaker(file), list[Event]()
        for event in tasks(count, share):
            part.append(event)
            if len(part) == 5_000:
                _insert(file, part, templates)
                part = []
                while maker.step():
                    pass
        _insert(file, part, templates)
        while maker.step():
            pass
        whole = used(file) - empty
        (events,) = file.execute("SELECT count(*) FROM event_log").fetchone()
        apply_retention(file, Retention(), Moment(START, "boot", 0))
        while apply_retention(file, Retention(), Moment(START, "boot", 3_601_000_000)):
            pass
        return events, whole, used(file) - empty


def _insert(file: sqlite3.Connection, part: list[Event], templates: Templates) -> None:
    file.execute("BEGIN")
    rows.insert(file, 1, part, templates)
    file.execute("COMMIT")


def run(scale: Scale) -> Report:
    """Measure an hour for each share of failing tasks."""
    count = scale.of(HOUR, 20_000)
    cells: list[tuple[str, ...]] = []
    targets = []
    for share in SHARES:
        with tempfile.TemporaryDirectory() as folder:
            events, whole, left = measure(Path(folder) / "a.db", count, share)
        whole_hour, left_hour = whole * HOUR / count, left * HOUR / count
        week, month = (
            (whole_hour + left_hour * 24 * days) / 1e6 + METRICS[name] for name, days in (("week", 7), ("month", 30))
        )
        title = f"{share:.1%} of the tasks fail once"
        cells.append(
            (title, figure(whole / events), figure(whole / count), figure(left / count), figure(week), figure(month))
        )
        targets += [
            at_most(f"a week, {title}, MB", week, 500.0),
            at_most(f"a month, {title}, MB", month, 1_000.0),
        ]
    table = Table(
        "Size of a recording at 200 tasks a second",
        ("", "bytes per event", "bytes per task", "bytes per task after an hour", "a week (MB)", "a month (MB)"),
        tuple(cells),
    )
    note = "A recording never uses more than `most_bytes`, by default 1 GB: beyond it the oldest notable events go."
    return Report((table,), tuple(targets), (note,))
