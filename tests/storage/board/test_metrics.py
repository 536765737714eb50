"""One adapter's calls in a second: what each outcome counts, and how spans are merged."""

from __future__ import annotations

import pytest

from fuseboard_engine.events import Attempt, AttemptFailed, RouteFinished
from fuseboard_storage.board.histogram import MAX_BUCKET, bucket_of, value_of
from fuseboard_storage.board.metrics import SECOND, AdapterSecond, attempts_of, count, merge_spans
from support.fake_engine import NOON, answered, failed

COUNTS = ("calls", "successes", "failures", "timeouts", "rejections")


def attempt(outcome: str, rule: str = "", first_item: float | None = None, duration: float = 0.1) -> Attempt:
    return Attempt(
        adapter="agno",
        outcome=outcome,
        number=1,
        duration=duration,
        rule=rule,
        first_item=first_item,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("one", "counts"),
    [
        (attempt("success"), (1, 1, 0, 0, 0)),
        (attempt("failure", "server"), (1, 0, 1, 0, 0)),
        (attempt("failure", "timeout"), (1, 0, 1, 1, 0)),
        (attempt("ignored", "timeout"), (1, 0, 0, 0, 0)),
        (attempt("cancelled"), (1, 0, 0, 0, 0)),
        (attempt("rejected"), (0, 0, 0, 0, 1)),
    ],
)
def test_an_attempt_is_counted_by_its_outcome(one: Attempt, counts: tuple[int, ...]) -> None:
    span = AdapterSecond(0, "agno")
    span.add(one)
    assert tuple(getattr(span, name) for name in COUNTS) == counts
    assert span.latency == ({} if one.outcome == "rejected" else {bucket_of(0.1): 1})
    assert span.first_item == {}


def test_durations_and_first_items_are_counted_in_their_buckets() -> None:
    span = AdapterSecond(0, "agno")
    for duration, first in ((0.1, None), (0.1, 0.02), (5.0, 0.02), (5.0, 1.0)):
        span.add(attempt("success", duration=duration, first_item=first))
    assert span.latency == {bucket_of(0.1): 2, bucket_of(5.0): 2}
    assert span.first_item == {bucket_of(0.02): 2, bucket_of(1.0): 1}


def test_merging_adds_every_field() -> None:
    numbers = dict(zip(COUNTS, (1, 2, 3, 4, 5), strict=True))
    span = AdapterSecond(7, "agno", **numbers, latency={1: 1, 2: 2}, first_item={3: 3})
    other = AdapterSecond(
        8, "agno", **{name: 10 * n for name, n in numbers.items()}, latency={2: 5, 9: 1}, first_item={3: 1, 4: 2}
    )
    span.merge(other)
    assert {name: getattr(span, name) for name in COUNTS} == {name: 11 * n for name, n in numbers.items()}
    assert span.latency == {1: 1, 2: 7, 9: 1}
    assert span.first_item == {3: 4, 4: 2}
    assert (span.at, span.adapter) == (7, "agno")
    assert other.latency == {2: 5, 9: 1}


def test_merged_spans_are_new_ones_so_that_the_others_stay() -> None:
    mine = {(0, "a"): AdapterSecond(0, "a", calls=1)}
    theirs = {(0, "a"): AdapterSecond(0, "a", calls=2), (0, "b"): AdapterSecond(0, "b", calls=4)}
    merge_spans(mine, theirs)
    merge_spans(mine, theirs)
    assert {key: span.calls for key, span in mine.items()} == {(0, "a"): 5, (0, "b"): 8}
    assert [span.calls for span in theirs.values()] == [2, 4]


def test_attempts_are_counted_in_the_second_of_their_event() -> None:
    spans: dict = {}
    for at in (NOON, NOON + SECOND - 1, NOON + SECOND):
        count(spans, answered(at=at))
    assert {key: span.calls for key, span in spans.items()} == {(NOON, "agno"): 2, (NOON + SECOND, "agno"): 1}


@pytest.mark.parametrize(
    ("outcome", "rule", "reported"),
    [("failure", "server", True), ("failure", "", True), ("ignored", "caller", True), ("ignored", "", False)],
)
def test_an_attempt_is_counted_at_its_first_report_only(outcome: str, rule: str, reported: bool) -> None:
    first, last = attempt(outcome, rule), attempt("success")
    route = RouteFinished(at=NOON, task="t", task_type="ai", success=True, adapter="agno", attempts=(first, last))
    assert attempts_of(route) == ((last,) if reported else (first, last))
    early = AttemptFailed(at=NOON, task="t", task_type="ai", attempt=first, then="retry")
    assert attempts_of(early) == (first,)
    assert attempts_of(failed()) == (failed().attempt,)


@pytest.mark.parametrize("seconds", [1e308, 1.1e15, float("inf")])
def test_an_impossible_duration_counts_in_the_last_bucket(seconds: float) -> None:
    assert bucket_of(seconds) == MAX_BUCKET
    assert value_of(10**9) == value_of(MAX_BUCKET)
