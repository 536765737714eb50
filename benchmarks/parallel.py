"""Three adapters at once: the cost that a fan-out adds to a bare gather of three 50 ms calls, and its own cost."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any

from report import Report, Table, Target, at_most
from routing import NEVER, answer, bare, fail
from timing import Batch, Comparison, Contender, Scale, compare, quiet_collector

from fuseboard_engine import BreakerPolicy, Engine
from fuseboard_storage import Recorder, record

NAMES = ("prefect", "agno", "llamaindex")
SECONDS = 0.05
LIMIT = 0.3  # milliseconds
THEIRS = (288.0, 333.0)  # microseconds for a fan-out of three with one failure, in the systems that Fuseboard grew from


async def call(task: Any) -> int:
    """Take 50 ms."""
    await asyncio.sleep(SECONDS)
    return 1


async def measure(rounds: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each round of the bare gather and of `execute_parallel`."""
    engine = Engine("bench")
    for name in NAMES:
        engine.add_adapter(name, call)
    plain: list[float] = []
    ours: list[float] = []

    async def bare() -> None:
        await asyncio.gather(*(call(None) for _ in NAMES))

    async def routed() -> None:
        await engine.execute_parallel({}, NAMES, strategy="all")

    with tempfile.TemporaryDirectory() as folder:
        async with record(engine, Path(folder) / "bench.db"):
            with quiet_collector():
                for number in range(rounds):
                    pairs = [(bare, plain), (routed, ours)]
                    for way, times in pairs if number % 2 else reversed(pairs):
                        started = perf_counter()
                        await way()
                        times.append((perf_counter() - started) * 1000)
    return plain, ours


def one_fails() -> Engine:
    """Return an engine with three adapters, the first of which always fails; its breaker never opens."""
    engine = Engine("bench", breaker=BreakerPolicy(failure_threshold=NEVER))
    for name, calls in zip(NAMES, (fail, answer, answer), strict=True):
        engine.add_adapter(name, calls)
    return engine


def fanned_out(engine: Engine, recorder: Recorder | None = None) -> Batch:
    """Return a batch of fan-outs; with a recorder, all is on disk before the next batch starts."""

    async def batch(calls: int) -> int:
        started = perf_counter_ns()
        for _ in range(calls):
            await engine.execute_parallel({}, NAMES, strategy="all")
        took = perf_counter_ns() - started
        if recorder is not None:
            await recorder.flushed()
        return took

    return batch


async def measure_cost(scale: Scale) -> Comparison:
    """Time the fan-out itself, with one failing adapter."""
    engine = one_fails()
    with tempfile.TemporaryDirectory() as folder:
        async with record(engine, Path(folder) / "bench.db") as recorder:
            found = [
                Contender("engine", fanned_out(one_fails()), ours=True),
                Contender("recording", fanned_out(engine, recorder), ours=True),
            ]
            return await compare(bare, found, rounds=scale.of(40, 2), calls=scale.of(500, 10))


def run(scale: Scale) -> Report:
    """Measure everything and return the report."""
    cost = asyncio.run(measure_cost(scale))
    plain, ours = asyncio.run(measure(scale.of(100, 2)))
    added = statistics.median(ours) - statistics.median(plain)
    rows = tuple(
        (name, f"{min(times):.2f}", f"{statistics.median(times):.2f}")
        for name, times in (("bare gather", plain), ("execute_parallel, recorded", ours))
    )
    low, high = THEIRS
    costs = [(f"fan-out, {way}", f"{cost.named(way).best / 1000:.1f}") for way in ("engine", "recording")]
    recorded = cost.named("recording").best / 1000
    return Report(
        (
            Table("Three adapters of 50 ms, milliseconds", ("", "best", "median"), rows),
            Table(
                "Three adapters that end at once, one of them failing, microseconds",
                ("", "best"),
                (*costs, ("the systems it grew from", f"{low:.0f} to {high:.0f}")),
            ),
        ),
        (
            at_most("added to the median of a bare gather: at most 0.3 ms", added, LIMIT, " ms"),
            Target("fan-out, recorded: less than the fastest of them", f"{recorded / low:.2f} of it", recorded < low),
        ),
    )
