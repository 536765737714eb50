"""The cost of a dead letter from `enqueue` to its commit: one after another, and a thousand at once.

`store`: the store alone, with a finished letter. `engine`: all of `enqueue`, with such a store and no subscriber.
`recorded`: the same, while a recorder writes the events to the same file. No letter is retried meanwhile.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from report import Report, Table, Target, figure
from routing import fail
from timing import Batch, Scale, quiet_collector

from fuseboard_engine import DeadLetterPolicy, Engine
from fuseboard_engine.dead_letters.intake import new_letter
from fuseboard_storage import SqliteDeadLetters, record

POLICY = DeadLetterPolicy(capacity=10_000_000, automatic_retry=False)
TASK = {"task_type": "invoice", "customer": 4711, "text": "x" * 100}
THEIRS = (104.0, 123.0)  # microseconds, fastest and slowest of the systems that Fuseboard grew from
TOGETHER = 1_000  # letters that are enqueued at once
WAYS = ("store", "engine", "recorded")

Enqueue = Callable[[], Awaitable[Any]]


def engine_with(store: SqliteDeadLetters) -> Engine:
    """Return an engine that keeps its dead letters in this store."""
    engine = Engine("bench", dead_letters=POLICY)
    engine.add_adapter("prefect", fail)
    assert engine.dead_letters is not None
    engine.dead_letters.attach_store(store)
    return engine


def enqueue_in(engine: Engine) -> Enqueue:
    """Return a function that enqueues one task as a dead letter of this engine."""
    letters = engine.dead_letters
    assert letters is not None
    return lambda: letters.enqueue(TASK, error="the service is down")


def enqueued(engine: Engine) -> Batch:
    """Return a batch of letters, one after another."""
    enqueue = enqueue_in(engine)

    async def batch(calls: int) -> int:
        started = perf_counter_ns()
        for _ in range(calls):
            await enqueue()
        return perf_counter_ns() - started

    return batch


async def timed(enqueue: Enqueue, rounds: int, each: int) -> tuple[list[float], float]:
    """Return the microseconds of each letter enqueued alone, and the best time per letter of many at once."""
    single: list[float] = []
    together: list[float] = []
    with quiet_collector():
        for _ in range(rounds):
            for _ in range(each):
                started = perf_counter_ns()
                await enqueue()
                single.append((perf_counter_ns() - started) / 1000)
            started = perf_counter_ns()
            await asyncio.gather(*(enqueue() for _ in range(TOGETHER)))
            together.append((perf_counter_ns() - started) / 1000 / TOGETHER)
    return single, min(together)


async def measure(scale: Scale) -> dict[str, tuple[list[float], float]]:
    """Time all three variants."""
    rounds, each, found = scale.of(10, 1), scale.of(300, 10), {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = SqliteDeadLetters(folder / "store.db")
        letter = new_letter(
            TASK, POLICY, "bench", 0, category="transient", rule="", error_type="", error="the service is down",
            adapter="prefect", attempts=3, order=(), deadline=None,
        )  # fmt: skip
        found["store"] = await timed(lambda: store.add(letter, POLICY.room), rounds, each)
        await store.close()
        store = SqliteDeadLetters(folder / "engine.db")
        engine = engine_with(store)
        found["engine"] = await timed(enqueue_in(engine), rounds, each)
        assert engine.dead_letters is not None
        await engine.dead_letters.stop()
        await store.close()
        engine = Engine("bench", dead_letters=POLICY)
        engine.add_adapter("prefect", fail)
        async with record(engine, folder / "recorded.db"):
            found["recorded"] = await timed(enqueue_in(engine), rounds, each)
    return found


def run(scale: Scale) -> Report:
    """Measure everything and return the report."""
    found = asyncio.run(measure(scale))
    rows, targets = [], []
    for way in WAYS:
        single, together = found[way]
        best = min(single)
        rows.append((way, figure(best), figure(statistics.median(single)), figure(together)))
        text = f"{way}: less than the fastest of theirs, {THEIRS[0]:.0f} µs"
        targets.append(Target(text, f"{figure(best)} µs", best < THEIRS[0]))
    low, high = THEIRS
    rows.append(("the systems it grew from", f"{low:.0f}", f"to {high:.0f}", "-"))
    heads = ("", "one after another: best", "median", "a thousand at once, each")
    return Report(
        (Table("A dead letter to its commit, microseconds", heads, tuple(rows)),),
        tuple(targets),
        (
            "store: the store alone, the dead letter created beforehand; engine: all of `enqueue`; recorded: the same, "
            "with a recorder that writes to the same file.",
        ),
    )
