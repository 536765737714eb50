"""The rules of health status, tested without an engine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine.events import Attempt, HealthChecked, RouteFinished, StateChanged
from fuseboard_engine.health.history import History
from fuseboard_engine.health.policy import HealthPolicy
from fuseboard_engine.health.status import (
    Health,
    HealthState,
    Verdict,
    apply_verdict,
    overall,
    verdict_of,
    verdict_of_error,
)

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (None, "healthy"),
        (True, "healthy"),
        (False, "unhealthy"),
        ("ok", "healthy"),
        (" Degraded ", "degraded"),
        ("down", "unhealthy"),
        ("no such word", "unhealthy"),
        ({}, "healthy"),
        ({"status": "degraded"}, "degraded"),
        ({"status": "gibberish"}, "unhealthy"),
        ({"healthy": False}, "unhealthy"),
        ({"ok": False, "message": "disk full"}, "unhealthy"),
        ({"status": "healthy", "success": False}, "unhealthy"),
        (42, "healthy"),
    ],
)
def test_the_return_value_of_a_check_is_converted_to_a_status(answer: Any, status: str) -> None:
    assert verdict_of(answer).status == status


def test_a_failed_check_states_the_reason() -> None:
    assert verdict_of({"ok": False, "message": "disk full"}).detail == "disk full"
    assert verdict_of_error(ConnectionError("refused")) == Verdict("unhealthy", "ConnectionError: refused")
    assert verdict_of_error(TimeoutError()).detail == "TimeoutError"


@given(st.lists(st.sampled_from(["healthy", "degraded", "unhealthy"])), st.integers(1, 4))
def test_each_long_enough_series_of_failed_checks_raises_one_alert(states: list[Health], alert_after: int) -> None:
    checked, alerts = HealthState(), 0
    for at, status in enumerate(states):
        change = apply_verdict(checked, Verdict(status), at=at, duration=0.1, alert_after=alert_after)
        assert change.changed == (status != checked.status)
        alerts += change.alert
        checked = change.now
    rows = "".join("x" if status == "unhealthy" else " " for status in states).split()
    assert alerts == sum(len(row) >= alert_after for row in rows)


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ([("unhealthy", True), ("healthy", True)], "unhealthy"),
        ([("degraded", True), ("healthy", True)], "degraded"),
        ([("healthy", True), ("healthy", False)], "healthy"),
        ([], "unknown"),
        ([("unknown", True)], "unknown"),
        ([("unhealthy", False), ("healthy", True)], "degraded"),
        ([("unknown", True), ("healthy", True)], "healthy"),
    ],
)
def test_HL04_the_overall_status_is_the_worst_of_the_critical_checks(
    checks: list[tuple[Health, bool]], expected: str
) -> None:
    assert overall(checks) == expected


def route(at: int, name: str = "a") -> RouteFinished:
    attempt = Attempt(adapter=name, outcome="success", number=1, duration=0.1)
    return RouteFinished(at=at, task=f"t{at}", task_type="", success=True, adapter=name, attempts=(attempt,))


def change(at: int) -> StateChanged:
    return StateChanged(at=at, adapter="a", before="closed", after="open", reason="failures")


def test_HL03_a_cap_of_five_keeps_the_last_five_calls_and_transitions_are_capped_separately() -> None:
    history = History(HealthPolicy(history_size=5, transition_size=3))
    for n in range(10):
        history.observe(route(n))
        history.observe(change(n))
    assert [call.at for call in history.calls("a")] == [5, 6, 7, 8, 9]
    assert [transition.at for transition in history.transitions("a")] == [7, 8, 9]


def test_HL03_pruning_removes_only_entries_older_than_the_retention() -> None:
    history = History(HealthPolicy(retention=60))
    for at in (0, 39 * SECOND, 40 * SECOND, 90 * SECOND):
        history.observe(route(at))
        history.observe(HealthChecked(at=at, adapter="a", status="healthy"))
    history.drop_expired(100 * SECOND)
    assert [call.at for call in history.calls("a")] == [40 * SECOND, 90 * SECOND]
    assert [transition.at for transition in history.transitions("a")] == [40 * SECOND, 90 * SECOND]


def test_an_adapter_without_calls_has_no_history() -> None:
    assert History(HealthPolicy()).calls("a") == []
