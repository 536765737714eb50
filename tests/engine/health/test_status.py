"""The rules of health status, tested without an engine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine.events import (
    AdapterRemoved,
    Attempt,
    AttemptFailed,
    HealthChecked,
    Outcome,
    RouteFinished,
    StateChanged,
)
from fuseboard_engine.health.history import Call, History, Transition
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


@pytest.mark.parametrize(
    ("words", "status"),
    [("healthy ok up pass", "healthy"), ("degraded warn", "degraded"), ("unhealthy down fail other", "unhealthy")],
)
def test_a_status_is_one_of_the_usual_words(words: str, status: str) -> None:
    for word in words.split():
        assert verdict_of(word).status == verdict_of({"status": word.upper()}).status == status


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
    assert History(HealthPolicy()).transitions("a") == []


def test_calls_are_recorded_once_with_their_outcome_duration_task_and_error() -> None:
    def attempt(outcome: Outcome, **fields: Any) -> Attempt:
        return Attempt(adapter="a", outcome=outcome, number=1, duration=0.2, **fields)

    history = History(HealthPolicy())
    failed = attempt("failure", error="refused", error_type="ConnectError")
    ignored = attempt("ignored", error_type="TimeoutError")
    for number, one in enumerate((failed, ignored)):
        history.observe(AttemptFailed(at=number, task="t1", task_type="", attempt=one))
    attempts = (failed, ignored, attempt("rejected"), attempt("cancelled"), attempt("success"))
    history.observe(RouteFinished(at=5, task="t2", task_type="", success=True, adapter="a", attempts=attempts))
    assert history.calls("a") == [
        Call(0, "failure", 0.2, "t1", "ConnectError: refused"),
        Call(1, "ignored", 0.2, "t1", "TimeoutError"),
        Call(5, "cancelled", 0.2, "t2"),
        Call(5, "success", 0.2, "t2"),
    ]


def test_a_transition_has_both_states_and_the_reason() -> None:
    history = History(HealthPolicy())
    history.observe(change(1))
    history.observe(
        StateChanged(at=2, adapter="a", before="open", after="half_open", reason="probe_due", detail="the wait is over")
    )
    history.observe(HealthChecked(at=3, adapter="a", before="unknown", status="unhealthy", detail="disk full"))
    assert history.transitions("a") == [
        Transition(1, "breaker", "closed", "open", "failures"),
        Transition(2, "breaker", "open", "half_open", "the wait is over"),
        Transition(3, "health", "unknown", "unhealthy", "disk full"),
    ]


@pytest.mark.parametrize(("limit", "kept"), [(None, [0, 1, 2]), (2, [1, 2]), (3, [0, 1, 2]), (9, [0, 1, 2]), (0, [])])
def test_a_limit_keeps_the_last(limit: int | None, kept: list[int]) -> None:
    history = History(HealthPolicy())
    for n in range(3):
        history.observe(route(n))
        history.observe(change(n))
    assert [call.at for call in history.calls("a", limit)] == kept
    assert [transition.at for transition in history.transitions("a", limit)] == kept


def test_a_new_history_policy_drops_the_oldest_above_its_limits() -> None:
    history = History(HealthPolicy(history_size=5, transition_size=5))
    for n in range(4):
        history.observe(route(n))
        history.observe(change(n))
    history.update_policy(HealthPolicy(history_size=3, transition_size=2))
    assert [call.at for call in history.calls("a")] == [1, 2, 3]
    assert [transition.at for transition in history.transitions("a")] == [2, 3]
    history.observe(route(4))
    history.observe(route(4, "b"))
    assert [call.at for call in history.calls("a")] == [2, 3, 4]
    assert [call.at for call in history.calls("b")] == [4]


def test_a_removed_adapter_has_no_history_and_others_keep_theirs() -> None:
    history = History(HealthPolicy())
    for name in "ab":
        history.observe(route(1, name))
    history.observe(AdapterRemoved(at=2, adapter="a"))
    history.observe(AdapterRemoved(at=2, adapter="never called"))
    assert (len(history.calls("a")), len(history.calls("b"))) == (0, 1)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (None, ""),
        ("ok", ""),
        ("gibberish", "it answered 'gibberish'"),
        ("x" * 500, f"it answered '{'x' * 200}'"),
        (False, "it reports that it is not healthy"),
        ({"ok": False}, "it reports ok: false"),
        ({"status": "degraded"}, "degraded"),
        ({"status": "degraded", "error": "e"}, "e"),
        ({"status": "degraded", "message": "m", "error": "e"}, "m"),
        ({"status": "degraded", "detail": "d", "message": "m"}, "d"),
        ({"status": "degraded", "detail": ""}, "degraded"),
        ({"message": "fine"}, "fine"),
        ({"status": 200, "message": "fine"}, "fine"),
        ({"status": "fail", "detail": "token=abcdefghijklmnop"}, "token=[hidden]"),
    ],
)
def test_the_detail_of_a_check_explains_its_status(answer: Any, detail: str) -> None:
    assert verdict_of(answer).detail == detail


def test_a_change_of_status_has_a_time_and_checks_without_one_keep_it() -> None:
    checked = HealthState()
    seen = []
    for at, status in [(5, "unhealthy"), (6, "unhealthy"), (7, "degraded"), (8, "unhealthy")]:
        verdict = Verdict(status, f"check {at}")  # type: ignore[arg-type]
        checked = apply_verdict(checked, verdict, at=at, duration=at / 10, alert_after=9).now
        seen.append((checked.since, checked.at, checked.failures, checked.duration, checked.detail))
    assert seen == [
        (5, 5, 1, 0.5, "check 5"),
        (5, 6, 2, 0.6, "check 6"),
        (7, 7, 0, 0.7, "check 7"),
        (8, 8, 1, 0.8, "check 8"),
    ]
