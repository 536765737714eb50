"""A mergeable latency histogram with a bounded relative error, in the buckets of Prometheus and OpenTelemetry.

Bucket i holds the durations d with 2^((i-1)/8) < d <= 2^(i/8) seconds: eight buckets for each doubling. i is the index
of a Prometheus native histogram of schema 3; an OpenTelemetry exponential histogram of scale 3 has the same buckets
with the index i-1. Indices of durations up to one second are zero or negative. A duration exactly on a bound, such as a
power of two, belongs to the bucket below the bound, as in both.

The lowest bucket, `MIN_BUCKET`, holds every duration up to `SMALLEST`, 2^-20 seconds (0.95 microseconds), so it is the
zero bucket of both with the threshold 2^-20. The highest, `MAX_BUCKET`, also holds everything above 2^50 seconds.

A histogram is a plain mapping `bucket -> count`. Histograms of any seconds, adapters and engines have the same buckets,
so merging is adding and loses nothing. A percentile is at most 4.4 % off (Masson, Rim and Lee, "DDSketch", VLDB 2019,
section 2).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from math import ceil, frexp, log2
from typing import Final

SCALE: Final = 3
"""The schema of the Prometheus native histogram, and the scale of the OpenTelemetry exponential histogram."""

PER_DOUBLING: Final = 2**SCALE
"""The number of buckets from a duration to its double."""

GROWTH: Final = 2 ** (1 / PER_DOUBLING)
"""The ratio of a bucket's upper bound to its lower bound."""

MIN_BUCKET: Final = -20 * PER_DOUBLING
"""The bucket of every duration up to `SMALLEST`."""

MAX_BUCKET: Final = 50 * PER_DOUBLING
"""The bucket of every duration above 2^49.875 seconds; a higher one in a recording is taken for it."""

SMALLEST: Final = 2.0**-20
"""Seconds. Shorter durations are not distinguished."""

_LARGEST: Final = 2.0**50  # seconds

# 2^(k/8 - 1) for k = 0..7, each rounded down: a double is above the bound exactly if it is above the rounded one.
_BOUNDS: Final = (
    0.5,
    0.5452538663326287,
    0.5946035575013605,
    0.6484197773255048,
    0.7071067811865475,
    0.7711054127039704,
    0.8408964152537145,
    0.9170040432046712,
)


def bucket_of(seconds: float) -> int:
    """Return the bucket of a duration in seconds."""
    if SMALLEST < seconds <= _LARGEST:
        place = 8 * log2(seconds)
        bucket = ceil(place)
        if 1e-9 < bucket - place < 1 - 1e-9:
            return bucket
        fraction, exponent = frexp(seconds)  # close to a bound, where the logarithm may be rounded to the wrong side
        return bisect_left(_BOUNDS, fraction) + 8 * exponent - 8
    return MAX_BUCKET if seconds > _LARGEST else MIN_BUCKET


def upper_bound(bucket: int) -> float:
    """Return the longest duration in seconds that a bucket holds."""
    doublings, rest = divmod(max(MIN_BUCKET, min(bucket, MAX_BUCKET)), PER_DOUBLING)
    return float(2 * _BOUNDS[rest] * 2.0**doublings)


def value_of(bucket: int) -> float:
    """Return the duration in seconds that represents a bucket, equally far in ratio from both of its bounds."""
    if bucket <= MIN_BUCKET:
        return SMALLEST
    return upper_bound(bucket) * 2 / (1 + GROWTH)


def merge(histograms: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Return the sum of several histograms."""
    total: dict[int, int] = {}
    for histogram in histograms:
        add_histogram(total, histogram)
    return total


def add_histogram(total: dict[int, int], histogram: Mapping[int, int]) -> None:
    """Add a histogram to another one."""
    for bucket, count in histogram.items():
        total[bucket] = total.get(bucket, 0) + count


def percentile(histogram: Mapping[int, int], share: float) -> float | None:
    """Return the duration in seconds that `share` (0..1) of the calls did not exceed; None when empty."""
    calls = sum(histogram.values())
    if not calls:
        return None
    rank = max(1, ceil(round(share * calls, 6)))  # 0.07 * 100 is a little above 7
    seen = 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= rank:
            return value_of(bucket)
    return None
