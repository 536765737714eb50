"""The figures of replays: shares, times to detect and to recover, latencies, and their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, sqrt
from typing import NamedTuple

from fuseboard_engine.policy_replay.estimates import CallHistory, Outage
from fuseboard_engine.policy_replay.outcome import AdapterOutcome, ReplayOutcome

Z = 1.959963984540054
"""The quantile of the normal distribution for an interval of 95 %."""


class Interval(NamedTuple):
    """A value between two bounds, each inclusive."""

    low: float
    high: float


class Mean(NamedTuple):
    """The mean of some times in seconds, the longest of them, and how many there are."""

    seconds: float
    longest: float
    number: int


@dataclass(frozen=True)
class AdapterFigures:
    """What came of one adapter. `undetected` counts outages in which its breaker did not open.

    Attributes:
        detect: seconds from the first bad call of an outage until the breaker refused calls; None without an outage
            that was detected.
        recover: seconds from the end of an outage until the breaker took calls without limit; None without an outage
            in which it had opened and that ended.
        outages: how many outages the recording shows.
        undetected: how many of them did not open the breaker.
        calls: calls made.
        failed: calls that failed by the service's fault.
        wasted: those of them that were made during an outage.
        rejections: calls that the breaker refused.
        lost: rejections of calls that would have succeeded.
        estimated: calls whose outcome was estimated.
        unknown: tasks that could not call it in the replay, because no call of it was recorded.
    """

    detect: Mean | None
    recover: Mean | None
    outages: int
    undetected: int
    calls: int
    failed: int
    wasted: int
    rejections: int
    lost: int
    estimated: int
    unknown: int


@dataclass(frozen=True)
class Figures:
    """What came of all tasks under one set of policies.

    Attributes:
        tasks: how many tasks arrived, without those that their callers cancelled.
        answered: how many of them an adapter answered.
        success: the interval of the success rate.
        p50: the median of the latency that callers saw, in seconds.
        p99: its 99th percentile.
        p50_interval, p99_interval: their intervals.
        adapters: the figures of each adapter.
    """

    tasks: int
    answered: int
    success: Interval
    p50: float
    p99: float
    p50_interval: Interval
    p99_interval: Interval
    adapters: Mapping[str, AdapterFigures]

    @property
    def success_rate(self) -> float:
        """The share of tasks that an adapter answered, 0..1; 1 without tasks."""
        return self.answered / self.tasks if self.tasks else 1.0

    def total(self, name: str) -> int:
        """Return a count of all adapters together, such as `wasted`."""
        return sum(getattr(adapter, name) for adapter in self.adapters.values())

    def mean(self, name: str) -> Mean | None:
        """Return `detect` or `recover` over the outages of all adapters."""
        return merge_means(getattr(adapter, name) for adapter in self.adapters.values())


def wilson(successes: int, trials: int, z: float = Z) -> Interval:
    """Return Wilson's score interval of a share.

    centre = (p + z²/2n) / (1 + z²/n), half width = z / (1 + z²/n) · sqrt(p (1 - p) / n + z²/4n²) (E. B. Wilson,
    "Probable inference", Journal of the American Statistical Association 22, 1927). It treats tasks as independent.
    """
    if trials == 0:
        return Interval(0.0, 1.0)
    share, extra = successes / trials, z * z / trials
    centre = (share + extra / 2) / (1 + extra)
    half = z / (1 + extra) * sqrt(share * (1 - share) / trials + extra / (4 * trials))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(low, high)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that a share (0..1) of sorted values does not exceed; 0.0 without values."""
    if not values:
        return 0.0
    return values[min(len(values) - 1, max(0, ceil(share * len(values) - 1e-9) - 1))]


def quantile_interval(values: Sequence[float], share: float, z: float = Z) -> Interval:
    """Return the interval of a quantile of sorted values, between two of them.

    Their ranks are n p ± z sqrt(n p (1 - p)); that assumes no distribution (Hahn and Meeker, "Statistical Intervals",
    1991, section 5.2).
    """
    number = len(values)
    if not number:
        return Interval(0.0, 0.0)
    spread = z * sqrt(number * share * (1 - share))
    low, high = floor(number * share - spread), ceil(number * share + spread)
    return Interval(values[min(max(low, 1), number) - 1], values[min(max(high, 1), number) - 1])


def merge_means(means: Iterable[Mean | None]) -> Mean | None:
    """Return the mean of all the times that several means are of; None without any."""
    found = [mean for mean in means if mean is not None]
    number = sum(mean.number for mean in found)
    if not number:
        return None
    seconds = sum(mean.seconds * mean.number for mean in found) / number
    return Mean(seconds, max(mean.longest for mean in found), number)


def figures_of(outcomes: Sequence[tuple[ReplayOutcome, Mapping[str, CallHistory], int, float]]) -> Figures:
    """Return the figures of the replays of one or more engines.

    Args:
        outcomes: of each engine what its replay came to, what its recorded calls show, the UTC microseconds of its
            second 0, and the second of its last event.
    """
    latencies = sorted(latency for outcome, *_ in outcomes for latency in outcome.latencies)
    tasks = sum(outcome.tasks for outcome, *_ in outcomes)
    answered = sum(outcome.answered for outcome, *_ in outcomes)
    parts: dict[str, list[AdapterFigures]] = {}
    for outcome, histories, origin, end in outcomes:
        for name, adapter in outcome.adapters.items():
            outages = histories[name].outages if name in histories else []
            parts.setdefault(name, []).append(_adapter_figures(adapter, outages, origin, end))
    return Figures(
        tasks,
        answered,
        wilson(answered, tasks),
        quantile(latencies, 0.5),
        quantile(latencies, 0.99),
        quantile_interval(latencies, 0.5),
        quantile_interval(latencies, 0.99),
        {name: _sum(found) for name, found in parts.items()},
    )


def _sum(parts: Sequence[AdapterFigures]) -> AdapterFigures:
    if len(parts) == 1:
        return parts[0]
    counts = {
        name: sum(getattr(part, name) for part in parts)
        for name in AdapterFigures.__dataclass_fields__
        if name not in ("detect", "recover")
    }
    detect, recover = (merge_means(getattr(part, name) for part in parts) for name in ("detect", "recover"))
    return AdapterFigures(detect=detect, recover=recover, **counts)


def _adapter_figures(outcome: AdapterOutcome, outages: Sequence[Outage], origin: int, end: float) -> AdapterFigures:
    refusing = _refusing_times(outcome, origin, end)
    detected, recovered, undetected = [], [], 0
    for outage in outages:
        until = end if outage.end is None else outage.end
        during = [(start, stop) for start, stop in refusing if start <= until and stop >= outage.start]
        if not during:
            undetected += 1
            continue
        detected.append(max(0.0, during[0][0] - outage.start))
        if outage.end is not None and during[-1][1] < end:
            recovered.append(max(0.0, during[-1][1] - outage.end))
    return AdapterFigures(
        _mean(detected),
        _mean(recovered),
        len(outages),
        undetected,
        outcome.calls,
        outcome.failed,
        outcome.wasted,
        outcome.rejections,
        outcome.lost,
        outcome.estimated,
        outcome.unknown,
    )


def _mean(times: Sequence[float]) -> Mean | None:
    return Mean(sum(times) / len(times), max(times), len(times)) if times else None


def _refusing_times(outcome: AdapterOutcome, origin: int, end: float) -> list[tuple[float, float]]:
    """Return from when to when a breaker was open or half-open, in seconds."""
    found: list[tuple[float, float]] = []
    since: float | None = None
    for change in outcome.states:
        at = (change.at - origin) / 1e6
        refuses = change.after in ("open", "half_open", "forced_open")
        if refuses and since is None:
            since = at
        elif not refuses and since is not None:
            found.append((since, at))
            since = None
    if since is not None:
        found.append((since, end))
    return found
