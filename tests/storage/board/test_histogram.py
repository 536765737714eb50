"""The buckets of latency histograms: those of Prometheus and OpenTelemetry, and how far off a percentile may be."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, inf, ldexp, nan, nextafter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuseboard_storage.board.histogram import (
    MAX_BUCKET,
    MIN_BUCKET,
    PER_DOUBLING,
    SMALLEST,
    bucket_of,
    merge,
    percentile,
    upper_bound,
    value_of,
)

durations = st.floats(SMALLEST, 2.0**50, exclude_min=True)


near_bounds = st.builds(
    lambda bucket, error: upper_bound(bucket) * (1 + error),
    st.integers(MIN_BUCKET + 1, MAX_BUCKET - 1),
    st.floats(-1e-8, 1e-8),
)


@given(st.one_of(durations, near_bounds))
@example(1.0)
@example(nextafter(1.0, inf))
@example(nextafter(SMALLEST, inf))
def test_a_bucket_holds_the_durations_of_its_definition(seconds: float) -> None:
    bucket = bucket_of(seconds)
    eighth_power = Fraction(seconds) ** PER_DOUBLING  # exact: 2^(i-1) < seconds^8 <= 2^i
    assert Fraction(2) ** (bucket - 1) < eighth_power <= Fraction(2) ** bucket


@pytest.mark.parametrize("exponent", range(-19, 51))
def test_a_power_of_two_is_the_last_duration_of_its_bucket(exponent: int) -> None:
    bound = ldexp(1.0, exponent)
    assert bucket_of(bound) == PER_DOUBLING * exponent
    assert bucket_of(nextafter(bound, 0.0)) == PER_DOUBLING * exponent
    assert bucket_of(nextafter(bound, inf)) == min(PER_DOUBLING * exponent + 1, MAX_BUCKET)


@pytest.mark.parametrize("bucket", range(MIN_BUCKET, MAX_BUCKET))
def test_the_bounds_of_a_bucket_are_exact(bucket: int) -> None:
    above = below = upper_bound(bucket)
    for _ in range(10):
        above = nextafter(above, inf)
        assert (bucket_of(below), bucket_of(above)) == (bucket, bucket + 1)
        below = nextafter(below, 0.0)
    assert bucket_of(value_of(bucket)) == bucket


@pytest.mark.parametrize("seconds", [SMALLEST, nextafter(SMALLEST, 0.0), 1e-9, 5e-324, 0.0, -0.0, -1.0, -inf, nan])
def test_the_lowest_bucket_holds_what_is_too_short_to_be_distinguished(seconds: float) -> None:
    assert bucket_of(seconds) == MIN_BUCKET == -160
    assert value_of(MIN_BUCKET) == value_of(-(10**9)) == SMALLEST == 2**-20


@pytest.mark.parametrize("seconds", [2.0**50, nextafter(2.0**50, inf), 1e308, inf])
def test_the_highest_bucket_holds_everything_longer(seconds: float) -> None:
    assert bucket_of(seconds) == MAX_BUCKET
    assert value_of(10**9) == value_of(MAX_BUCKET)


# ceil(8 * log2(seconds)): the keys of a native histogram of schema 3.
@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.001, -79), (0.01, -53), (0.05, -34), (0.1, -26), (0.5, -8), (1.0, 0), (1.05, 1), (1.1, 2), (2.0, 8), (10, 27)],
)
def test_buckets_have_the_indices_of_prometheus(seconds: float, bucket: int) -> None:
    assert bucket_of(seconds) == bucket


@given(st.lists(durations, min_size=1, max_size=300), st.sampled_from([50, 95, 99]))
def test_a_percentile_is_at_most_4_4_percent_off(found: list[float], percent: int) -> None:
    histogram: dict[int, int] = {}
    for seconds in found:
        histogram[bucket_of(seconds)] = histogram.get(bucket_of(seconds), 0) + 1
    exact = sorted(found)[ceil(Fraction(percent, 100) * len(found)) - 1]
    estimate = percentile(histogram, percent / 100)
    assert estimate is not None
    assert abs(estimate - exact) <= 0.044 * exact


@given(st.lists(st.lists(durations, max_size=20), max_size=5))
def test_the_merged_histogram_equals_that_of_all_durations(parts: list[list[float]]) -> None:
    def histogram(found: list[float]) -> dict[int, int]:
        return {bucket: sum(bucket_of(s) == bucket for s in found) for bucket in map(bucket_of, found)}

    assert merge(map(histogram, parts)) == histogram([seconds for part in parts for seconds in part])


def test_a_percentile_of_many_equal_shares_takes_the_exact_rank() -> None:
    assert percentile(dict.fromkeys(range(100), 1), 0.07) == value_of(6)
    assert percentile({}, 0.5) is None
