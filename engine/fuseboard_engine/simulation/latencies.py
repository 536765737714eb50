"""How long the calls of a simulated adapter take."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuseboard_engine.scenario_file.adapter import AdapterPart


def latency_of(part: AdapterPart, rng: Random) -> Callable[[], float]:
    """Return a function that returns the seconds of the next call.

    A number is the median of a log-normal distribution, which is never negative and has a long tail to the right, as
    latencies have; `spread` is its standard deviation as a share of the median. Percentiles are joined by straight
    lines; calls below the first take as long as that, calls above the last too. Of a list each call takes one.

    Args:
        part: the adapter.
        rng: the source of chance.
    """
    latency = part.latency
    if isinstance(latency, tuple):
        return lambda: rng.choice(latency)
    if isinstance(latency, Mapping):
        points = sorted((float(name[1:]) / 100, seconds) for name, seconds in latency.items())
        return lambda: _quantile(points, rng.random())
    if not part.spread:
        return lambda: latency
    sigma = math.sqrt(math.log1p(part.spread**2))
    return lambda: latency * rng.lognormvariate(0.0, sigma)


def _quantile(points: list[tuple[float, float]], share: float) -> float:
    """Return the seconds below which a share of the calls stays; `points` are shares and seconds, in order."""
    if share <= points[0][0]:
        return points[0][1]
    for (low, fewer), (high, more) in pairwise(points):
        if share <= high:
            return fewer + (more - fewer) * (share - low) / (high - low)
    return points[-1][1]
