"""The stored form of histograms in the `metrics` table, and the reading of those of earlier versions.

A histogram is stored as a JSON array: the number of its lowest bucket, then the counts of this and the following
buckets. -n stands for n empty buckets. `[-35,4,9,-20,1]` has 4 calls in bucket -35, 9 in -34 and 1 in -13. That is
less than half the size of an object `{"-35":4,...}`, and not far from that of packed bytes, which no query can read.

Rows of earlier versions hold such objects, with the buckets of that time: bucket i up to 1.1^i microseconds. Each of
these is read as the bucket of its middle, so counts stay exact and a percentile is at most 9.3 % off.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec

from fuseboard_storage.board.histogram import MAX_BUCKET, MIN_BUCKET, bucket_of, merge
from fuseboard_storage.sqlite.damaged_rows import decoded

_OLD_GROWTH: Final = 1.1
_OLD_SMALLEST: Final = 1e-6  # seconds
_OLD_LARGEST: Final = 1_000

_MOST: Final = 2**53
"""The largest count that is stored. A value with a larger number is damaged."""

_Number = Annotated[int, msgspec.Meta(ge=-_MOST, le=_MOST)]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[_Number] | dict[int, _Number]).decode


def encode(histogram: Mapping[int, int]) -> str:
    """Return a histogram in its stored form."""
    if not histogram:
        return "[]"
    buckets = sorted(histogram)
    next_ = buckets[0]
    numbers = [next_]
    for bucket in buckets:
        if bucket != next_:
            numbers.append(next_ - bucket)
        numbers.append(min(histogram[bucket], _MOST))
        next_ = bucket + 1
    return _encode(numbers).decode()


def decode(stored: Any) -> dict[int, int]:
    """Return the histogram of a stored value; an empty one if the value is damaged."""
    if stored == "[]":
        return {}
    numbers = decoded(_decode, stored, default={})
    if isinstance(numbers, dict):
        return converted(numbers)
    histogram: dict[int, int] = {}
    counts = iter(numbers)
    bucket = first = next(counts, 0)
    for number in counts:
        if number > 0:
            histogram[bucket] = number
            bucket += 1
        else:
            bucket -= number or -1
    if first < MIN_BUCKET or bucket > MAX_BUCKET + 1:
        return merge({max(MIN_BUCKET, min(b, MAX_BUCKET)): count} for b, count in histogram.items())
    return histogram


def converted(old: Mapping[int, int]) -> dict[int, int]:
    """Return a histogram with the buckets of earlier versions in the current buckets."""
    histogram: dict[int, int] = {}
    for old_bucket, count in old.items():
        if count > 0:
            bucket = _bucket_of_old(old_bucket)
            histogram[bucket] = histogram.get(bucket, 0) + count
    return histogram


@lru_cache(2 * _OLD_LARGEST)
def _bucket_of_old(bucket: int) -> int:
    if bucket <= 0:
        return MIN_BUCKET  # both hold what is too short to be distinguished
    return bucket_of(_OLD_SMALLEST * _OLD_GROWTH ** min(bucket, _OLD_LARGEST) * 2 / (1 + _OLD_GROWTH))
