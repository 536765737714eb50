"""Ten thousand adapters and a million tasks: checks that memory stays constant after the warm-up.

`python benchmarks/soak.py [--quick] [--record]` runs an engine whose adapters answer, fail, open, probe and recover,
and prints the memory of the process meanwhile; `--record` records to a temporary file. The exit code is 1 if memory
grew after the warm-up by more than 5 %.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy
from fuseboard_storage import record

ALLOWED = 1.05  # times the memory after the warm-up
SHARE_OF_WARM_UP = 0.5  # of the tasks
LINES = 20  # measurements
CALLERS = 50  # tasks in flight at once


def resident() -> float:
    """Return the resident memory of this process in megabytes (Linux only)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def build(adapters: int, seed: int = 6) -> Engine:
    """Return an engine whose adapters fail occasionally, one in fifty always."""
    dice = random.Random(seed)
    policy = BreakerPolicy(failure_threshold=3, recovery_timeout=0.05, max_recovery_timeout=0.5, success_threshold=1)
    engine = Engine("soak", breaker=policy, retry=RetryPolicy(strategy="immediate"))

    def adapter(share: float) -> Any:
        async def call(task: Any) -> dict[str, Any]:
            await asyncio.sleep(0)
            if dice.random() < share:
                raise ConnectionError(f"refused task {task['id']}")
            return {"success": True}

        return call

    for number in range(adapters):
        engine.add_adapter(f"adapter-{number}", adapter(1.0 if number % 50 == 0 else 0.05))
    return engine


async def nothing() -> None:
    """Return at once."""


async def soak(
    engine: Engine, tasks: int, settled: Callable[[], Awaitable[None]] = nothing, seed: int = 7
) -> list[float]:
    """Run tasks over chains of three adapters picked at random.

    Args:
        engine: The engine to run.
        tasks: The number of tasks.
        settled: Awaited before each measurement.
        seed: The seed of the chains.

    Returns:
        Megabytes over time, without the warm-up.
    """
    dice = random.Random(seed)
    names = [adapter.name for adapter in engine.registry]
    started = perf_counter()
    done = 0
    measured: list[float] = []
    print(f"{len(names):,} adapters, {tasks:,} tasks\n\n      tasks   seconds   MB resident   healthy", flush=True)

    async def caller(count: int) -> None:
        nonlocal done
        for _ in range(count):
            done += 1
            await engine.execute_with_fallback({"id": f"task-{done}"}, preference_order=dice.choices(names, k=3))

    for line in range(LINES):
        count = tasks * (line + 1) // LINES - tasks * line // LINES
        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(caller(count // CALLERS + (number < count % CALLERS)))
        await settled()
        gc.collect()
        megabytes = resident()
        healthy = engine.get_health_status()["healthy_share"]
        print(f"{done:11,}  {perf_counter() - started:8.1f}  {megabytes:12.1f}  {healthy:8.1%}", flush=True)
        if line >= LINES * SHARE_OF_WARM_UP:
            measured.append(megabytes)
    return measured


async def recorded(engine: Engine, tasks: int) -> list[float]:
    """Run `soak` with a recorder."""
    with tempfile.TemporaryDirectory() as folder:
        async with record(engine, Path(folder) / "soak.db") as recorder:
            measured = await soak(engine, tasks, recorder.flushed)
        print(f"{recorder.written:,} events were recorded, {recorder.dropped:,} dropped")
    return measured


def main(arguments: list[str]) -> int:
    """Run the soak test; return 0 if memory stayed constant."""
    parser = argparse.ArgumentParser(prog="benchmarks/soak.py", description="Check that memory stays constant.")
    parser.add_argument("--quick", action="store_true", help="1,000 adapters and 50,000 tasks")
    parser.add_argument("--adapters", type=int, metavar="N", help="how many adapters")
    parser.add_argument("--tasks", type=int, metavar="N", help="how many tasks")
    parser.add_argument("--record", action="store_true", help="record all events")
    options = parser.parse_args(arguments)
    adapters = options.adapters or (1_000 if options.quick else 10_000)
    tasks = options.tasks or (50_000 if options.quick else 1_000_000)
    engine = build(adapters)
    measured = asyncio.run(recorded(engine, tasks) if options.record else soak(engine, tasks))
    growth = max(measured) / measured[0]
    flat = growth <= ALLOWED
    print(f"\nafter the warm-up, memory grew to {growth:.3f} times its size: {'constant' if flat else 'NOT CONSTANT'}")
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
