"""The trip rules and the rule for probes, as pure functions of a policy and counts."""

from __future__ import annotations

from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy
from fuseboard_engine.breaker.sliding_window import CountWindow
from fuseboard_engine.breaker.trip_rules import (
    TRIP_RULES,
    Counts,
    ProbeVerdict,
    TripRule,
    active_rules,
    describe_rules,
    judge_probes,
    minimum_calls,
    probes_per_round,
)
from fuseboard_engine.runtime.formatting import slow_probe_text

RULES = {rule.field: rule for rule in TRIP_RULES}


def outcomes(good: int, failed: int = 0, slow: int = 0) -> CountWindow:
    window = CountWindow(100)
    for number in range(good + failed):
        window.record(0.0, number < failed, number < slow)
    return window


def evaluate(field: str, policy: BreakerPolicy, window: CountWindow, failures: int = 0, overdue: int = 0) -> str:
    return RULES[field].evaluate(policy, Counts(window, failures, overdue, minimum_calls(policy)))


def test_every_trip_rule_is_a_policy_field_with_a_description() -> None:
    assert set(RULES) <= set(BreakerPolicy.model_fields)
    fields = {"failure_threshold": 3, "failure_rate": 0.5, "slow_call_rate": 0.5, "slow_call_seconds": 2.0}
    assert len(describe_rules(fields)) == len(TRIP_RULES)


def test_a_policy_turns_on_the_rules_of_its_fields() -> None:
    def named(policy: BreakerPolicy) -> list[str]:
        return [rule.field for rule in active_rules(policy)]

    assert named(BreakerPolicy()) == ["failure_threshold"]
    assert named(BreakerPolicy(failure_threshold=None)) == []
    assert named(BreakerPolicy(failure_rate=0.5)) == ["failure_threshold", "failure_rate"]


def test_breakers_with_equal_rules_share_them() -> None:
    assert active_rules(BreakerPolicy()) is active_rules(BreakerPolicy(failure_threshold=9))


def test_failures_in_a_row_are_compared_with_the_threshold() -> None:
    policy = BreakerPolicy(failure_threshold=3)
    assert evaluate("failure_threshold", policy, outcomes(0), failures=2) == ""
    assert evaluate("failure_threshold", policy, outcomes(0), failures=3) == "3 failures in a row"


@pytest.mark.parametrize(("failed", "detail"), [(10, ""), (11, "11 of 20 calls failed")])
def test_a_failure_rate_is_met_exactly_at_its_limit(failed: int, detail: str) -> None:
    policy = BreakerPolicy(failure_rate=0.55, minimum_calls=20)
    assert evaluate("failure_rate", policy, outcomes(20 - failed, failed)) == detail


def test_a_rate_waits_for_the_minimum_of_calls() -> None:
    policy = BreakerPolicy(failure_rate=0.1, minimum_calls=20)
    assert evaluate("failure_rate", policy, outcomes(0, 19)) == ""


def test_calls_in_flight_that_are_overdue_count_as_slow() -> None:
    policy = BreakerPolicy(slow_call_rate=0.5, slow_call_seconds=2, minimum_calls=4)
    assert evaluate("slow_call_rate", policy, outcomes(2), overdue=1) == ""
    assert evaluate("slow_call_rate", policy, outcomes(2), overdue=2) == "2 of 4 calls were slower than 2.0 s"


@pytest.mark.parametrize(
    ("good", "failed", "verdict"),
    [
        (1, 0, None),
        (2, 0, ProbeVerdict(True, "2 good probes")),
        (0, 1, None),
        (0, 2, ProbeVerdict(False, "2 of at most 3 probes failed")),
    ],
)
def test_a_round_of_probes_is_decided_as_soon_as_it_is_certain(
    good: int, failed: int, verdict: ProbeVerdict | None
) -> None:
    policy = BreakerPolicy(success_threshold=2, half_open_calls=3)
    assert judge_probes(policy, outcomes(good, failed), good) == verdict


def test_without_a_success_threshold_the_rates_decide_a_round() -> None:
    policy = BreakerPolicy(success_threshold=None, half_open_calls=4, failure_rate=0.5)
    assert judge_probes(policy, outcomes(2), 2) is None
    assert judge_probes(policy, outcomes(3), 3) == ProbeVerdict(True, "3 good probes")
    assert judge_probes(policy, outcomes(1, 2), 1) == ProbeVerdict(False, "2 of 4 probes failed")


def test_a_new_rule_does_not_take_the_fast_path_by_default() -> None:
    assert TripRule("x", "x", lambda policy, counts: "", lambda fields: "").consecutive_only is False


@pytest.mark.parametrize(
    ("fields", "phrases"),
    [
        ({"failure_threshold": 1}, ["after 1 failure in a row"]),
        ({"failure_threshold": 3, "window_size": 20}, ["after 3 failures within 20 calls"]),
        ({"failure_threshold": 3, "window_seconds": 7.5}, ["after 3 failures within 7.5 s"]),
        ({"failure_rate": 0.5}, ["when 50.0 % fail"]),
        (
            {"failure_rate": 0.5, "minimum_calls": 10, "window_seconds": 60.0},
            ["when 50.0 % of 10 calls or more fail within 60 s"],
        ),
        (
            {"slow_call_rate": 0.25, "slow_call_seconds": 2.0, "window_size": 1},
            ["when 25.0 % take longer than 2 s within 1 call"],
        ),
        ({"slow_call_rate": 0.25}, ["when 25.0 % take longer than 0 s"]),
        ({"failure_threshold": 3, "failure_rate": 1.0}, ["after 3 failures in a row", "when 100 % fail"]),
        ({"failure_threshold": None}, []),
        ({}, []),
    ],
)
def test_a_recorded_policy_is_described_in_words(fields: dict[str, Any], phrases: list[str]) -> None:
    assert describe_rules(fields) == phrases


def test_a_count_window_asks_for_no_more_calls_than_it_holds() -> None:
    assert minimum_calls(BreakerPolicy(minimum_calls=10, window_size=5, failure_threshold=None)) == 5
    assert minimum_calls(BreakerPolicy(minimum_calls=10, window_size=50)) == 10
    assert minimum_calls(BreakerPolicy(minimum_calls=10, window_seconds=5)) == 10


def test_failures_in_a_window_are_not_described_as_in_a_row() -> None:
    policy = BreakerPolicy(failure_threshold=3, window_size=10)
    assert evaluate("failure_threshold", policy, outcomes(0), failures=4) == "4 failures"


@pytest.mark.parametrize(("slow", "overdue", "detail"), [(1, 0, ""), (2, 0, "2 of 4"), (1, 2, "3 of 6"), (0, 1, "")])
def test_a_slow_call_rate_is_met_exactly_at_its_limit(slow: int, overdue: int, detail: str) -> None:
    policy = BreakerPolicy(slow_call_rate=0.5, slow_call_seconds=2, minimum_calls=4)
    found = evaluate("slow_call_rate", policy, outcomes(4, 0, slow), overdue=overdue)
    assert found == (f"{detail} calls were slower than 2.0 s" if detail else "")


@pytest.mark.parametrize("field", ["failure_rate", "slow_call_rate"])
def test_a_rate_is_judged_from_its_minimum_of_calls_on(field: str) -> None:
    policy = BreakerPolicy(failure_rate=0.1, slow_call_rate=0.1, slow_call_seconds=2, minimum_calls=4)
    assert evaluate(field, policy, outcomes(0, 3, 3)) == ""
    assert evaluate(field, policy, outcomes(0, 4, 4)) != ""


@pytest.mark.parametrize("field", RULES)
def test_a_rule_that_is_turned_off_is_never_met(field: str) -> None:
    off = BreakerPolicy(failure_threshold=None)
    assert evaluate(field, off, outcomes(0, 50, 50), failures=50, overdue=50) == ""


RATES = BreakerPolicy(
    failure_rate=0.5, slow_call_rate=0.5, slow_call_seconds=2, success_threshold=None, half_open_calls=4
)


@pytest.mark.parametrize(
    ("good", "failed", "slow", "verdict"),
    [
        (0, 1, 0, None),
        (0, 2, 0, ProbeVerdict(False, "2 of 4 probes failed")),
        (2, 0, 2, ProbeVerdict(False, "2 of 4 probes were slow")),
        (2, 0, 0, None),  # two more could still fail
        (3, 0, 0, ProbeVerdict(True, "3 good probes")),
        (3, 1, 0, ProbeVerdict(True, "4 good probes")),
        (2, 1, 1, None),
        (3, 1, 1, ProbeVerdict(True, "4 good probes")),
    ],
)
def test_rates_decide_a_round_of_probes_as_soon_as_it_is_certain(
    good: int, failed: int, slow: int, verdict: ProbeVerdict | None
) -> None:
    assert judge_probes(RATES, outcomes(good, failed, slow), good) == verdict


def test_a_round_has_the_probes_that_the_policy_sets_or_needs_or_one() -> None:
    assert probes_per_round(BreakerPolicy(half_open_calls=5, success_threshold=2)) == 5
    assert probes_per_round(BreakerPolicy(success_threshold=2)) == 2
    assert probes_per_round(RATES) == 4


@pytest.mark.parametrize(
    ("slow", "last", "detail"),
    [
        (1, 1.4, "probe took 1.4 s, limit 0.5 s"),
        (1, None, "1 of at most 1 probe was slow"),
        (2, 1.4, "2 of at most 2 probes were slow; the last probe took 1.4 s, limit 0.5 s"),
        (2, None, "2 of at most 2 probes were slow"),
    ],
)
def test_a_round_decided_by_slow_probes_says_how_long_the_last_took(slow: int, last: float | None, detail: str) -> None:
    policy = BreakerPolicy(slow_call_rate=0.5, slow_call_seconds=0.5, success_threshold=1, half_open_calls=slow)
    assert judge_probes(policy, outcomes(slow, 0, slow), 0, last) == ProbeVerdict(False, detail)


@pytest.mark.parametrize(
    ("seconds", "limit", "text"),
    [
        (1.44, 0.5, "probe took 1.4 s, limit 0.5 s"),
        (0.5004, 0.5, "probe took 0.5004 s, limit 0.5 s"),
        (0.500000001, 0.5, "probe took 0.500000001 s, limit 0.5 s"),
        (123.4, 30, "probe took 123 s, limit 30 s"),
        (0.0314, 0.02, "probe took 31 ms, limit 20 ms"),
        (2.0, 0.02, "probe took 2000 ms, limit 20 ms"),
    ],
)
def test_a_slow_probe_never_seems_to_take_as_long_as_it_may(seconds: float, limit: float, text: str) -> None:
    assert slow_probe_text(seconds, limit) == text
