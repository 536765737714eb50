"""Timing of contenders in many short rounds, each compared with a bare call in the same round.

The machine may be shared and its speed may drift, so no contender is timed alone. In every round, each runs a short
batch, in rotating order, and a bare call runs first and last. The result is the smallest time per call (noise only adds
time) and, as a check, the median ratio to the bare call of the same round. The garbage collector is emptied, frozen and
off while a batch runs; it runs between rounds.
"""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

Batch = Callable[[int], Awaitable[int]]
"""Makes so many calls and returns the nanoseconds they took."""


class Scale(NamedTuple):
    """The thoroughness of a run: a share of the full number of repetitions."""

    name: str
    share: float

    def of(self, full: int, least: int = 1) -> int:
        """Return the share of `full` repetitions, at least `least`."""
        return max(least, round(full * self.share))


FULL = Scale("full", 1.0)
QUICK = Scale("quick", 0.1)
SMOKE = Scale("smoke", 0.001)


class Contender(NamedTuple):
    """One way to do something. `ours` marks Fuseboard's own, in contrast to a peer's."""

    name: str
    batch: Batch
    ours: bool = False


class Timed(NamedTuple):
    """A contender's times: `best` nanoseconds per call, and `ratio`, the median multiple of the bare call."""

    name: str
    best: float
    ratio: float
    ours: bool

    def added(self, bare: Timed) -> float:
        """Return the nanoseconds that it adds to a bare call."""
        return self.best - bare.best


class Comparison(NamedTuple):
    """All contenders of one run, and the bare call they are measured against."""

    bare: Timed
    timed: tuple[Timed, ...]

    @property
    def fastest_peer(self) -> Timed | None:
        """The fastest peer; None when no peer is installed."""
        return min((one for one in self.timed if not one.ours), key=lambda one: one.best, default=None)

    def named(self, name: str) -> Timed:
        """Return the times of the contender with this name."""
        return next(one for one in self.timed if one.name == name)


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Collect garbage, freeze the surviving objects, and keep the collector off inside the block."""
    gc.collect()
    gc.freeze()
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
        gc.unfreeze()


async def compare(bare: Batch, contenders: Sequence[Contender], *, rounds: int, calls: int) -> Comparison:
    """Time contenders against a bare call.

    Args:
        bare: The call without anything around it.
        contenders: What is compared; each runs once per round.
        rounds: The number of rounds after an uncounted one that warms up.
        calls: The number of calls in a batch.
    """
    plain: list[float] = []
    times: dict[str, list[float]] = {one.name: [] for one in contenders}
    order = list(contenders)
    with quiet_collector():
        for number in range(rounds + 1):
            gc.collect()
            before = await bare(calls) / calls
            took = {one.name: await one.batch(calls) / calls for one in order}
            after = await bare(calls) / calls
            order.append(order.pop(0))
            if number == 0:
                continue
            plain.append(min(before, after))
            for name, nanoseconds in took.items():
                times[name].append(nanoseconds)
    timed = tuple(
        Timed(
            one.name,
            min(times[one.name]),
            statistics.median(t / b for t, b in zip(times[one.name], plain, strict=True)),
            one.ours,
        )
        for one in contenders
    )
    return Comparison(Timed("bare", min(plain), 1.0, ours=False), timed)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the values that a `share` (0..1) of all do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
