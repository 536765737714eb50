"""A mergeable latency histogram with a bounded relative error.

Buckets grow by `GROWTH`, so a percentile read from one is at most 5 % off whatever the scale: the log-bucket
histogram of Masson, Rim and Lee, "DDSketch" (VLDB 2019), section 2. A histogram is a plain mapping
`bucket -> count`, so merging is adding and storing is JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil, isfinite, log

GROWTH = 1.1
_LOG_GROWTH = log(GROWTH)
_SMALLEST = 1e-6  # seconds; shorter durations count as one microsecond
_LARGEST = 3.2e9  # seconds, a hundred years; longer durations, which only a damaged recording has, count as that


def bucket_of(seconds: float) -> int:
    """Return the bucket of a duration in seconds; never negative."""
    if seconds <= _SMALLEST:
        return 0
    if seconds > _LARGEST or not isfinite(seconds):
        seconds = _LARGEST
    return ceil(log(seconds / _SMALLEST) / _LOG_GROWTH)


def value_of(bucket: int) -> float:
    """Return the duration in seconds that represents a bucket, equally far in ratio from both of its bounds."""
    if bucket <= 0:
        return _SMALLEST
    return float(_SMALLEST * GROWTH ** min(bucket, _LAST) * 2 / (1 + GROWTH))


_LAST = bucket_of(_LARGEST)


def merge(histograms: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Return the sum of several histograms."""
    total: dict[int, int] = {}
    for histogram in histograms:
        for bucket, count in histogram.items():
            total[bucket] = total.get(bucket, 0) + count
    return total


def percentile(histogram: Mapping[int, int], share: float) -> float | None:
    """Return the duration in seconds that `share` (0..1) of the calls did not exceed; None when empty."""
    calls = sum(histogram.values())
    if not calls:
        return None
    rank = max(1, ceil(share * calls))
    seen = 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= rank:
            return value_of(bucket)
    return None
