"""A mergeable latency histogram with a bounded relative error.

Buckets grow by `GROWTH`, so a percentile read from one is at most 5 % off whatever the scale: the log-bucket
histogram of Masson, Rim and Lee, "DDSketch" (VLDB 2019), section 2. A histogram is a plain mapping
`bucket -> count`, so merging is adding and storing is JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil, log

GROWTH = 1.1
_LOG_GROWTH = log(GROWTH)
_SMALLEST = 1e-6  # seconds; shorter durations count as one microsecond
_LARGEST = 1e15  # seconds
MAX_BUCKET = 1_000
"""A bucket beyond every duration; a larger one in a recording is taken for it."""


def bucket_of(seconds: float) -> int:
    """Return the bucket of a duration in seconds; never negative."""
    if not seconds > _SMALLEST:
        return 0
    if seconds > _LARGEST:
        return MAX_BUCKET
    return ceil(log(seconds / _SMALLEST) / _LOG_GROWTH)


def value_of(bucket: int) -> float:
    """Return the duration in seconds that represents a bucket, equally far in ratio from both of its bounds."""
    if bucket <= 0:
        return _SMALLEST
    return float(_SMALLEST * GROWTH ** min(bucket, MAX_BUCKET) * 2 / (1 + GROWTH))


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
