"""Intervals, quantiles, estimates and outages."""

from __future__ import annotations

from math import inf

import pytest

from fuseboard_engine.policy_replay.estimates import CallHistory, Outage
from fuseboard_engine.policy_replay.figures import Interval, Mean, merge_means, quantile, quantile_interval, wilson
from fuseboard_engine.policy_replay.workload import RecordedCall


def calls(marks: str, apart: float = 1.0, duration: float = 0.1) -> list[RecordedCall]:
    """Return a call a second: `+` good, `x` failed, `i` ignored, `w` asked to wait."""
    outcomes = {"+": "success", "x": "failure", "w": "failure", "i": "ignored"}
    return [
        RecordedCall(place * apart, duration, outcomes[mark], retry_after=2.0 if mark == "w" else None)  # type: ignore[arg-type]
        for place, mark in enumerate(marks)
    ]


def test_wilsons_interval_is_the_published_one() -> None:
    low, high = wilson(81, 263)  # Newcombe, Statistics in Medicine 17, 1998, table I
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 0) == Interval(0.0, 1.0)
    assert wilson(5, 5).high == 1.0
    assert wilson(0, 5).low == 0.0


def test_a_quantile_is_a_value_that_was_seen() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [quantile(values, share) for share in (0.01, 0.5, 0.99, 1.0)] == [1.0, 50.0, 99.0, 100.0]
    assert quantile([], 0.5) == 0.0
    assert quantile_interval(values, 0.5) == Interval(40.0, 60.0)
    assert quantile_interval([], 0.5) == Interval(0.0, 0.0)


def test_means_are_merged_by_their_numbers() -> None:
    assert merge_means([Mean(1.0, 2.0, 1), None, Mean(4.0, 5.0, 2)]) == Mean(3.0, 5.0, 3)
    assert merge_means([None]) is None


@pytest.mark.parametrize(
    ("marks", "outages"),
    [
        ("++++", []),
        ("+xx+", []),
        ("+xxx+", [Outage(1.0, 3.5)]),
        ("+xxx", [Outage(1.0, None)]),
        ("+w+", [Outage(1.0, 1.5)]),
        ("xxix+", [Outage(0.0, 3.5)]),
        ("xxx+xxx+", [Outage(0.0, 2.5), Outage(4.0, 6.5)]),
    ],
)
def test_an_outage_is_three_bad_calls_in_a_row_or_one_that_asked_to_wait(marks: str, outages: list[Outage]) -> None:
    assert CallHistory(calls(marks), inf).outages == outages


def test_calls_that_are_slow_by_the_recorded_policy_are_bad() -> None:
    history = CallHistory(calls("+++", duration=2.0), 1.0)
    assert history.outages == [Outage(0.0, None)]
    assert history.is_down(5.0)


def test_a_call_that_was_never_made_has_the_outcome_of_the_nearest() -> None:
    history = CallHistory(calls("xxx+", apart=10.0), inf)
    outcomes = [history.estimate(at) for at in (-5.0, 14.0, 24.0, 26.0, 99.0)]
    assert [(found.outcome, ambiguous) for found, ambiguous in outcomes if found is not None] == [
        ("failure", False), ("failure", False), ("failure", True), ("success", True), ("success", False),
    ]  # fmt: skip
    assert [found.outcome for found in (history.estimate(21.0, "success")[0],) if found] == ["success"]
    assert [found.outcome for found in (history.estimate(29.0, "failure")[0],) if found] == ["failure"]
    assert CallHistory([], inf).estimate(1.0) == (None, False)
