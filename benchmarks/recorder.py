"""From event object to committed row, compared with `executemany` of prepared rows.

All variants write the same events to a new recording, through the same kind of connection: WAL, synchronous NORMAL, the
same table with its two indexes (by template and by task), 4,096 rows per transaction, as many as the recorder commits
at most. Raw `executemany` gets finished tuples and only inserts them. The recorder gets events from the engine one by
one, keeps them in its buffer, turns each into a row, counts the metrics per adapter and second, folds some of them for
keyframes, and is done when its barrier reports that all are committed.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import msgspec
from report import Report, Table, Target
from timing import Scale, quiet_collector

from fuseboard_engine import Engine
from fuseboard_engine.events import Attempt, AttemptFailed, Event, RouteFinished
from fuseboard_storage import record
from fuseboard_storage.sqlite.schema import connect, migrate
from fuseboard_storage.tables.event_batches import Prepared
from fuseboard_storage.tables.event_templates import Templates, row_shapes
from fuseboard_storage.tables.events import insert

LIMIT = 0.8
COMMIT = 4_096
RAW = "executemany of ready rows"
INSERT = "INSERT INTO event_log(instance, at, task, template, body) VALUES (?, ?, ?, ?, ?)"

JSON_ROWS = "executemany of JSON rows, as without templates"
JSON_TABLE = """CREATE TABLE json_events(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, instance INTEGER NOT NULL, kind TEXT NOT NULL,
    adapter TEXT, task TEXT, body TEXT NOT NULL) STRICT"""
JSON_INDEXES = (
    "CREATE INDEX json_events_kind ON json_events(kind)",
    "CREATE INDEX json_events_task ON json_events(task) WHERE task IS NOT NULL",
)
INSERT_JSON = "INSERT INTO json_events(at, instance, kind, adapter, task, body) VALUES (?, 1, ?, ?, ?, ?)"

Row = tuple[int, int, str | None, int, str]


def events(count: int) -> list[Event]:
    """Return the events of an engine: a finished route per task, and a failed attempt for every twentieth task."""
    found: list[Event] = []
    chance = random.Random(1)
    for number in range(count):
        at = 1_767_225_600_000_000 + number * 200
        task = f"4218eef1c899e8b5-{0x1000 + number:x}"  # as an engine names its tasks
        seconds = chance.lognormvariate(-3, 0.5)
        attempt = Attempt(adapter="prefect", outcome="success", number=1, duration=seconds)
        if number % 20 == 0:
            failed = Attempt(
                adapter="prefect",
                outcome="failure",
                number=1,
                duration=chance.lognormvariate(-1, 0.5),
                rule="connection",
                error_type="ConnectionError",
                error="connection refused by prefect.internal:4200",
                why="attempt 2 of 3",
                failures=1,
            )
            found.append(
                AttemptFailed(at=at, task=task, task_type="invoice", attempt=failed, then="retry", threshold=5)
            )
        found.append(
            RouteFinished(
                at=at,
                task=task,
                task_type="invoice",
                success=True,
                attempts=(attempt,),
                adapter="prefect",
                duration=seconds + 1e-4,
                left=("agno",),
                why="order of this call",
            )
        )
    return found


def rows_of(events: list[Event]) -> list[Row]:
    """Return events as finished rows, as the recorder would insert them; their templates are not inserted."""
    templates, connection = Templates(), sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    rows = [(1, *templates.row_of(connection, event)) for event in events]
    connection.close()
    return rows


def raw(rows: list[Row], size: int) -> Callable[[Path], float]:
    """Return a function that inserts rows, `size` per commit, and returns the seconds that took."""

    def write(path: Path) -> float:
        connection = connect(path)
        started = perf_counter()
        for start in range(0, len(rows), size):
            connection.execute("BEGIN")
            connection.executemany(INSERT, rows[start : start + size])
            connection.execute("COMMIT")
        took = perf_counter() - started
        connection.close()
        return took

    return write


def json_rows(events: list[Event]) -> Callable[[Path], float]:
    """Return a function that inserts each event as a row with its JSON, as a program that uses `sqlite3` would."""
    rows = []
    for event in events:
        kind, fields = row_shapes[type(event)]
        at, adapter, task = fields(event)
        rows.append((at, kind, adapter, task, msgspec.json.encode(event).decode()))

    def write(path: Path) -> float:
        connection = connect(path)
        for sql in (JSON_TABLE, *JSON_INDEXES):
            connection.execute(sql)
        started = perf_counter()
        for start in range(0, len(rows), COMMIT):
            connection.execute("BEGIN")
            connection.executemany(INSERT_JSON, rows[start : start + COMMIT])
            connection.execute("COMMIT")
        took = perf_counter() - started
        connection.close()
        return took

    return write


def prepared(events: list[Event]) -> Callable[[Path], float]:
    """Return a function that turns events into rows and inserts these, as the recorder does, and nothing else."""

    def write(path: Path) -> float:
        connection, templates = connect(path), Templates()
        started = perf_counter()
        for start in range(0, len(events), COMMIT):
            part = events[start : start + COMMIT]
            batch = Prepared(part, templates)
            connection.execute("BEGIN")
            insert(connection, 1, part, templates, batch)
            connection.execute("COMMIT")
        took = perf_counter() - started
        connection.close()
        return took

    return write


def recorded(events: list[Event]) -> Callable[[Path], float]:
    """Return a function that emits events to a recorder and returns the seconds until the last is committed."""

    async def write(path: Path) -> float:
        engine = Engine("bench")
        async with record(engine, path, buffer_size=2 * len(events) + 1000) as recorder:
            await recorder.flushed()
            started = perf_counter()
            emit = engine.emit
            for event in events:
                emit(event)
            await recorder.flushed()
            took = perf_counter() - started
            if recorder.dropped:
                raise RuntimeError(f"{recorder.dropped} events were dropped; this run measures nothing")
        return took

    return lambda path: asyncio.run(write(path))


def run(scale: Scale) -> Report:
    """Measure everything and return the report."""
    emitted = events(scale.of(40_000, 50))
    rows = rows_of(emitted)
    ways = {
        RAW: raw(rows, COMMIT),
        "executemany of ready rows, 100 a commit": raw(rows, 100),
        JSON_ROWS: json_rows(emitted),
        "fuseboard, rows only": prepared(emitted),
        "fuseboard, from event objects": recorded(emitted),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder, quiet_collector():
        for number in range(scale.of(12, 2)):
            for place, (name, write) in enumerate(ways.items()):
                path = Path(folder) / f"{number}-{place}.db"
                seconds[name].append(write(path))
                path.unlink()
    best = {name: min(times) for name, times in seconds.items()}
    shares = [r / o for r, o in zip(seconds[RAW], seconds["fuseboard, from event objects"], strict=True)]
    share = best[RAW] / best["fuseboard, from event objects"]
    bytes_per_row = sum(len(row[-1]) for row in rows) / len(rows)
    table = Table(
        f"{len(rows):,} events of {bytes_per_row:.0f} bytes",
        ("", "rows a second", "of the first"),
        tuple((name, f"{len(rows) / took:,.0f}", f"{best[RAW] / took:.2f}") for name, took in best.items()),
    )
    return Report(
        (table,),
        (Target("at least 0.8 of executemany of ready rows", f"{share:.2f}", share >= LIMIT),),
        (
            f"Of {JSON_ROWS}: {best[JSON_ROWS] / best['fuseboard, from event objects']:.2f}.",
            f"Best of {len(shares)} rounds; the median of the rounds' own shares is {statistics.median(shares):.2f}.",
            "The raw rows lie ready; ours are encoded, and counted into metrics, while the clock runs.",
            "Rows only: events are turned into rows and inserted, without an engine, a buffer, metrics and keyframes.",
        ),
    )
