"""The cost of routing a task: the primary answers, one try fails, three tries fail; an adaptive order; a stream.

Each is timed in three ways. `engine`: without subscribers. `recording`: events are written to a file meanwhile, by a
thread that shares the interpreter. `to the last commit`: the same, until everything is on disk.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from report import Report, Table, at_most, figure
from timing import Batch, Comparison, Contender, Scale, compare

from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy, RoutingPolicy
from fuseboard_storage import Recorder, record

NEVER = 10**9

LIMITS = {"the primary answers": 60, "after one failing try": 120, "after three tries without delay": 400}
ADAPTIVE, STREAM = "the primary answers, adaptive order", "the primary streams one item"
CHAIN = ["prefect", "agno"]


class Boom(Exception):
    """The error that a failing adapter raises."""


async def answer(task: Any) -> int:
    """Answer at once."""
    return 1


async def fail(task: Any) -> int:
    """Fail at once."""
    raise Boom("the service is down")


async def items(task: Any) -> AsyncIterator[int]:
    """Yield one item at once."""
    yield 1


def engine_for(what: str) -> Engine:
    """Return an engine whose chain behaves as `what` says; breakers never open and retry budgets never run out."""
    tries = 3 if "three" in what else 1
    engine = Engine(
        "bench",
        breaker=BreakerPolicy(failure_threshold=NEVER),
        retry=RetryPolicy(max_attempts=tries, strategy="immediate", budget_minimum=NEVER),
        routing=RoutingPolicy(adaptive=what == ADAPTIVE),
    )
    engine.add_adapter("prefect", items if what == STREAM else answer if "primary" in what else fail)
    engine.add_adapter("agno", answer)
    engine.set_preference(CHAIN, adaptive=what == ADAPTIVE)
    return engine


async def bare(calls: int) -> int:
    """Return the nanoseconds that bare awaited calls take."""
    started = perf_counter_ns()
    for _ in range(calls):
        await answer(None)
    return perf_counter_ns() - started


def routed(engine: Engine) -> Batch:
    """Return a batch of routed tasks."""

    async def batch(calls: int) -> int:
        task = {"task_type": "invoice"}
        started = perf_counter_ns()
        for _ in range(calls):
            await engine.execute_with_fallback(task, preference_order=CHAIN)
        return perf_counter_ns() - started

    return batch


def routed_by_default_chain(engine: Engine, *, streams: bool) -> Batch:
    """Return a batch of tasks over the engine's default chain, the only one that can be adaptive, or of its streams."""

    async def batch(calls: int) -> int:
        task = {"task_type": "invoice"}
        started = perf_counter_ns()
        if streams:
            for _ in range(calls):
                async for _item in engine.stream_with_fallback(task):
                    pass
        else:
            for _ in range(calls):
                await engine.execute_with_fallback(task)
        return perf_counter_ns() - started

    return batch


def batch_of(what: str, engine: Engine) -> Batch:
    """Return the batch that `what` names."""
    return routed(engine) if what in LIMITS else routed_by_default_chain(engine, streams=what == STREAM)


def recorded(run: Batch, recorder: Recorder, *, committed: bool) -> Batch:
    """Return a batch whose events are recorded meanwhile; with `committed`, its time includes the last commit."""

    async def batch(calls: int) -> int:
        started = perf_counter_ns()
        took = await run(calls)
        await recorder.flushed()
        return perf_counter_ns() - started if committed else took

    return batch


@asynccontextmanager
async def contenders(folder: Path) -> AsyncIterator[list[Contender]]:
    """Prepare all contenders, each with an engine of its own."""
    found = []
    async with AsyncExitStack() as stack:
        for number, what in enumerate((*LIMITS, ADAPTIVE, STREAM)):
            found.append(Contender(f"{what}: engine", batch_of(what, engine_for(what)), ours=True))
            engine = engine_for(what)
            recorder = await stack.enter_async_context(record(engine, folder / f"{number}.db"))
            for way, committed in (("recording", False), ("to the last commit", True)):
                batch = recorded(batch_of(what, engine), recorder, committed=committed)
                found.append(Contender(f"{what}: {way}", batch, ours=True))
        yield found


async def measure(scale: Scale) -> Comparison:
    """Time all contenders in one run."""
    with tempfile.TemporaryDirectory() as folder:
        async with contenders(Path(folder)) as found:
            return await compare(bare, found, rounds=scale.of(40, 2), calls=max(10, min(3_000, scale.of(30_000))))


def run(scale: Scale) -> Report:
    """Measure everything and return the report."""
    compared = asyncio.run(measure(scale))
    ways = ("engine", "recording", "to the last commit")
    rows = []
    targets = []
    for what in (*LIMITS, ADAPTIVE, STREAM):
        times = {way: compared.named(f"{what}: {way}") for way in ways}
        rows.append(
            (what, *(f"{figure(t.best / compared.bare.best)} ({t.best / 1000:.1f} µs)" for t in times.values()))
        )
        multiple = times["recording"].best / compared.bare.best
        if what in LIMITS:
            limit = LIMITS[what]
            targets.append(at_most(f"{what}, recorded: under {limit} bare awaits", multiple, limit))
    return Report(
        (Table("One task, in bare `await fn()`", ("", *ways), tuple(rows)),),
        tuple(targets),
        (
            f"A bare `await fn(task)` takes {compared.bare.best:.0f} ns here.",
            "Every attempt has a time limit (30 s, the default), every outcome is one event, every failure another.",
            "The target is judged by what the caller waits while its events are written by a thread of the same "
            "process; the last column adds the wait for the disk, which a caller only has if it asks.",
        ),
    )
