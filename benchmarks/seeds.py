"""Beside the five systems Fuseboard grew from: their own figures, in bare calls, and ours.

Their code is not run here. Their microseconds were taken on one machine where a bare `await fn()` took 151 ns, so both
sides are given as multiples of a bare call on their own machine.
"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns

from breaker_cost import answer, fail, ours, raising, succeeding, tripped
from parallel import NAMES
from report import Report, Table, Target, figure
from routing import NEVER, bare, engine_for, routed
from timing import Batch, Contender, Scale, compare

from fuseboard_engine import CircuitOpen, Engine

THEIR_BARE = 0.151  # microseconds

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
}
"""Microseconds, the fastest and the slowest of them."""


def fanned_out(engine: Engine) -> Batch:
    """Return a batch of fan-outs: three routes of one adapter each, gathered."""

    async def batch(calls: int) -> int:
        begun = perf_counter_ns()
        for _ in range(calls):
            await asyncio.gather(*(engine.execute_with_fallback({}, preference_order=[name]) for name in NAMES))
        return perf_counter_ns() - begun

    return batch


async def contenders() -> list[Contender]:
    """Return ours, named as theirs are."""
    three = engine_for(ONE)
    three.add_adapter("llamaindex", three.registry["agno"].call)
    batches = (
        succeeding(ours(NEVER)(answer)),
        routed(engine_for(PRIMARY)),
        raising(await tripped(ours, fail, asynchronous=True), CircuitOpen),
        routed(engine_for(ONE)),
        routed(engine_for(THREE)),
        fanned_out(three),
    )
    return [Contender(name, batch, ours=True) for name, batch in zip(THEIRS, batches, strict=True)]


async def measure(scale: Scale) -> Report:
    """Time ours and set them beside theirs."""
    compared = await compare(bare, await contenders(), rounds=scale.of(60, 2), calls=scale.of(500, 10))
    rows = []
    targets = []
    for name, (low, high) in THEIRS.items():
        best = compared.named(name).best
        multiple, fastest = best / compared.bare.best, low / THEIR_BARE
        theirs = f"{fastest:,.0f} to {high / THEIR_BARE:,.0f} ({low:g} to {high:g} µs)"
        rows.append((name, theirs, f"{figure(multiple)} ({best / 1000:.1f} µs)"))
        share = multiple / fastest
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
            "The fan-out is three routes of one adapter each, gathered by the caller.",
        ),
    )


def run(scale: Scale) -> Report:
    """Run it all."""
    return asyncio.run(measure(scale))
