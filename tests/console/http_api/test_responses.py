"""The answers of the HTTP API as values: the text that Prometheus scrapes."""

from __future__ import annotations

import re
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_console.http_api import responses
from fuseboard_engine.events import AdapterAdded, EngineStarted
from fuseboard_storage.board.board import Board, Entry
from support.fake_engine import NOON, answered

SERIES = re.compile(r'fuseboard_attempt_duration_seconds_(\w+)\{engine="app",adapter="agno"(?:,le="(.+)")?\} (.+)')


def scraped(durations: list[float]) -> tuple[dict[float, int], float, int]:
    """Return the cumulative counts by bound, the sum and the count of the histogram in `/metrics`."""
    board = Board()
    board.apply(Entry(1, 1, EngineStarted(at=NOON, name="app", host="h", pid=1)))
    for seq, seconds in enumerate(durations, 2):
        board.apply(Entry(seq, 1, answered(duration=seconds)))
    found = [match.groups() for line in responses.metrics(board).splitlines() if (match := SERIES.fullmatch(line))]
    *buckets, (_, _, total), (_, _, count) = found
    assert [kind for kind, _, _ in found] == ["bucket"] * len(buckets) + ["sum", "count"]
    return {float(bound): int(number) for _, bound, number in buckets}, float(total), int(count)


@given(st.lists(st.one_of(st.floats(0, 1_000), st.sampled_from([2.0**n for n in range(-22, 12)])), min_size=1))
def test_the_histogram_counts_exactly_the_calls_up_to_each_bound(durations: list[float]) -> None:
    buckets, total, count = scraped(durations)
    assert list(buckets) == [*(2.0**n for n in range(-10, 9)), inf]
    assert buckets == {bound: sum(seconds <= bound for seconds in durations) for bound in buckets}
    assert (total, count) == (pytest.approx(sum(durations)), len(durations))


def test_names_that_differ_only_in_what_is_hidden_get_series_of_their_own() -> None:
    board = Board()
    board.apply(Entry(1, 1, EngineStarted(at=NOON, name="app", host="h", pid=1)))
    names = [f"https://app:{password}@db" for password in ("Zq7RtY88", "pLmN3vKx")]
    names += ["a\x1b", "a\\x1b", "a\\e", f"{'x' * 1_000}1", f"{'x' * 1_000}2"]
    for seq, name in enumerate(names, 2):
        board.apply(Entry(seq, 1, AdapterAdded(at=NOON, adapter=name, policy={})))
    series = [line.rpartition(" ")[0] for line in responses.metrics(board).splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series))
    assert sum(line.startswith("fuseboard_breaker_open{") for line in series) == len(names)
    assert not any("Zq7R" in line or "pLmN" in line or len(line) > 1_000 for line in series)
