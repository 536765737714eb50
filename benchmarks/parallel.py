"""Three adapters of 50 ms at once: what the engine adds to a bare gather of the three calls.

Each adapter is routed on its own and the three routes are gathered, recorded as they go.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from report import Report, Table, at_most
from timing import Scale, quiet_collector

from fuseboard_engine import Engine
from fuseboard_storage import record

NAMES = ("prefect", "agno", "llamaindex")
SECONDS = 0.05
LIMIT = 0.3  # milliseconds


async def call(task: Any) -> int:
    """Take 50 ms."""
    await asyncio.sleep(SECONDS)
    return 1


async def measure(rounds: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each round, of the bare gather and of ours."""
    engine = Engine("bench")
    for name in NAMES:
        engine.add_adapter(name, call)
    plain: list[float] = []
    ours: list[float] = []

    async def bare() -> None:
        await asyncio.gather(*(call(None) for _ in NAMES))

    async def routed() -> None:
        await asyncio.gather(*(engine.execute_with_fallback({}, preference_order=[name]) for name in NAMES))

    with tempfile.TemporaryDirectory() as folder:
        async with record(engine, Path(folder) / "bench.db"):
            with quiet_collector():
                for number in range(rounds):
                    pairs = [(bare, plain), (routed, ours)]
                    for way, times in pairs if number % 2 else reversed(pairs):
                        begun = perf_counter()
                        await way()
                        times.append((perf_counter() - begun) * 1000)
    return plain, ours


def run(scale: Scale) -> Report:
    """Run it all."""
    plain, ours = asyncio.run(measure(scale.of(100, 2)))
    added = statistics.median(ours) - statistics.median(plain)
    rows = tuple(
        (name, f"{min(times):.2f}", f"{statistics.median(times):.2f}")
        for name, times in (("bare gather", plain), ("three routes, recorded", ours))
    )
    return Report(
        (Table("Three adapters of 50 ms, milliseconds", ("", "best", "median"), rows),),
        (at_most("added to the median of a bare gather: at most 0.3 ms", added, LIMIT, " ms"),),
        ("The three adapters are three routes of one adapter each, gathered by the caller.",),
    )
