"""Comparison with the five systems that Fuseboard grew from, in bare calls.

Their code is not run here. Their microseconds were taken on one machine where a bare `await fn()` took 151 ns, so both
sides are given as multiples of a bare call on their own machine.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from breaker_cost import answer, fail, ours, raising, succeeding, tripped
from dead_letters import engine_with, enqueued
from parallel import fanned_out, one_fails
from report import Report, Table, Target, figure
from routing import NEVER, bare, engine_for, routed
from timing import Contender, Scale, compare

from fuseboard_engine import CircuitOpen
from fuseboard_storage import SqliteDeadLetters

THEIR_BARE = 0.151  # microseconds of a bare call on their machine

ONE = "after one failing try"
THREE = "after three tries without delay"
PRIMARY = "the primary answers"

THEIRS: dict[str, tuple[float, float]] = {
    "closed breaker, success": (1.8, 7.2),
    "the whole executor, success": (84, 186),
    "open breaker, rejection": (2.8, 6.8),
    "failover after one failed try": (14, 66),
    "failover after three tries without delay": (61, 102),
    "a fan-out of three, one of them failing": (288, 333),
    "a dead letter, to its commit": (104, 123),
}
"""Microseconds of the fastest and the slowest of them."""


ON_DISK = "a dead letter, to its commit"
"""Compared in microseconds: it waits for the disk, whose speed does not depend on the interpreter."""


async def contenders(store: SqliteDeadLetters) -> list[Contender]:
    """Return Fuseboard's contenders, under the names in THEIRS."""
    batches = (
        succeeding(ours(NEVER)(answer)),
        routed(engine_for(PRIMARY)),
        raising(await tripped(ours, fail, asynchronous=True), CircuitOpen),
        routed(engine_for(ONE)),
        routed(engine_for(THREE)),
        fanned_out(one_fails()),
        enqueued(engine_with(store)),
    )
    return [Contender(name, batch, ours=True) for name, batch in zip(THEIRS, batches, strict=True)]


async def measure(scale: Scale) -> Report:
    """Time Fuseboard and compare it with the recorded figures."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteDeadLetters(Path(folder) / "bench.db")
        compared = await compare(bare, await contenders(store), rounds=scale.of(60, 2), calls=scale.of(500, 10))
        await store.close()
    rows = []
    targets = []
    for name, (low, high) in THEIRS.items():
        best = compared.named(name).best
        multiple, fastest = best / compared.bare.best, low / THEIR_BARE
        theirs = f"{fastest:,.0f} to {high / THEIR_BARE:,.0f} ({low:g} to {high:g} µs)"
        rows.append((name, theirs, f"{figure(multiple)} ({best / 1000:.1f} µs)"))
        share = best / 1000 / low if name == ON_DISK else multiple / fastest
        targets.append(Target(f"{name}: less than the fastest of them", f"{share:.2f} of it", share < 1))
    return Report(
        (
            Table(
                "In bare `await fn()`, each on its own machine", ("", "theirs, fastest to slowest", "ours"), tuple(rows)
            ),
        ),
        tuple(targets),
        (
            f"A bare `await fn()` took {THEIR_BARE * 1000:.0f} ns there and takes {compared.bare.best:.0f} ns here.",
            "The dead letter is judged in microseconds, since it waits for the disk: `enqueue`, one after another, "
            "with a store in SQLite that nothing else writes to.",
        ),
    )


def run(scale: Scale) -> Report:
    """Measure everything and return the report."""
    return asyncio.run(measure(scale))
