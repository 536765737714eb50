"""The fields of an adapter's row that each event changes, and no others."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from fuseboard_engine.events import (
    AdapterAdded,
    AdapterRemoved,
    Attempt,
    AttemptFailed,
    CallOverdue,
    ConfigReloaded,
    EngineStarted,
    EngineStopped,
    Event,
    FaultEnded,
    FaultInjected,
    GaugesSampled,
    HealthAlert,
    HealthChecked,
    OverdueCallEnded,
    ProbeChanged,
    RouteFinished,
    ShutdownChanged,
    StateChanged,
    ThreadsStuck,
    TripSuppressed,
    WaitExtended,
)
from fuseboard_storage.board.board import AdapterKey, AdapterRow, Board, Entry
from support.fake_engine import NOON

SECOND = 1_000_000
AT = NOON + 9 * SECOND
POLICY = {"failure_threshold": 3, "jitter": 0.5}


def board_of(*events: Event) -> Board:
    board = Board()
    for seq, event in enumerate(events, 1):
        board.apply(Entry(seq, 1, event))
    return board


def fields(row: AdapterRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in AdapterRow.__slots__ if name not in ("key", "seconds", "latency")}


def changed(before: list[Event], event: Event) -> dict[str, Any]:
    """Return the fields of the row of `agno` that an event changes."""
    known = [EngineStarted(at=NOON, name="e", host="h", pid=1), AdapterAdded(at=NOON, adapter="agno", policy={})]
    key = AdapterKey(1, "agno")
    earlier = fields(board_of(*known, *before).adapters[key])
    later = fields(board_of(*known, *before, event).adapters[key])
    assert fields(board_of(*known, *before).adapters[key]) == earlier
    for name in ("changes", "policy", "inherited"):
        earlier[name], later[name] = repr(earlier[name]), repr(later[name])
    return {name: value for name, value in later.items() if value != earlier[name]}


OPENED = StateChanged(
    at=AT, adapter="agno", before="closed", after="open", reason="failures", detail="3 failures in a row", actor="ann",
    generation=4, openings=2, wait=5.0, until=AT + 5 * SECOND, failures=3, threshold=3, needed=2,
)  # fmt: skip
IS_OPEN = {
    "state": "open", "since": AT, "down_since": AT, "reason": "failures", "detail": "3 failures in a row",
    "actor": "ann", "generation": 4, "openings": 2, "opens": 1, "wait": 5.0, "until": AT + 5 * SECOND, "failures": 3,
    "threshold": 3, "needed": 2, "changes": f"deque([({AT}, 'open')], maxlen=200)",
}  # fmt: skip
FAULT = FaultInjected(at=AT, adapter="agno", fault="slow", until=AT + SECOND, share=0.5, value=2.0, actor="ann")
HELD = TripSuppressed(at=AT, adapter="agno", reason="failures", detail="it stays closed")
ALERT = HealthAlert(at=AT, adapter="agno", failures=3, detail="no answer")


@pytest.mark.parametrize(
    ("before", "event", "expected"),
    [
        (
            [],
            AdapterAdded(at=AT, adapter="agno", policy=POLICY, tags=("llm",)),
            {"policy": repr(POLICY), "tags": ("llm",), "threshold": 3},
        ),
        (
            [],
            ConfigReloaded(at=AT, ok=True, policies={"agno": POLICY}),
            {"policy": repr(POLICY), "threshold": 3},
        ),
        ([], HELD, {"held": "it stays closed"}),
        (
            [OPENED],
            WaitExtended(at=AT + 4 * SECOND, adapter="agno", wait=8.0, until=AT + 12 * SECOND),
            {"wait": 12.0, "until": AT + 12 * SECOND},
        ),
        (
            [],
            FAULT,
            {
                "fault": "slow",
                "fault_value": 2.0,
                "fault_share": 0.5,
                "fault_until": AT + SECOND,
                "fault_actor": "ann",
            },
        ),
        (
            [FAULT],
            FaultEnded(at=AT, adapter="agno", fault="slow", reason="over"),
            {"fault": "", "fault_value": None, "fault_share": 1.0, "fault_until": None, "fault_actor": ""},
        ),
        (
            [],
            HealthChecked(at=AT, adapter="agno", status="unhealthy", detail="no answer"),
            {"health": "unhealthy", "health_detail": "no answer", "health_at": AT},
        ),
        ([], ALERT, {"health_alert": 3, "health_detail": "no answer"}),
        (
            [ALERT],
            HealthChecked(at=AT, adapter="agno", status="healthy", detail="fine"),
            {"health": "healthy", "health_detail": "fine", "health_at": AT, "health_alert": 0},
        ),
        (
            [ALERT],
            HealthChecked(at=AT, adapter="agno", status="unhealthy", detail="no answer"),
            {"health": "unhealthy", "health_at": AT},
        ),
        (
            [],
            ProbeChanged(at=AT, adapter="agno", what="admitted", in_flight=2, successes=1, needed=3),
            {"probes_in_flight": 2, "probe_successes": 1, "needed": 3},
        ),
        ([], GaugesSampled(at=AT, gauges={"agno": (4, 10), "other": (1, 1)}), {"in_flight": 4, "budget": 10}),
        ([], ThreadsStuck(at=AT, adapter="agno", stuck=2, total=5, limit=9), {"stuck": 2}),
        ([], CallOverdue(at=AT, adapter="agno", overdue=3, total=7), {"overdue": 3, "overdue_total": 3}),
        (
            [CallOverdue(at=AT, adapter="agno", overdue=3, total=7)],
            CallOverdue(at=AT, adapter="agno", overdue=2, total=7),  # some ended, and one began
            {"overdue": 2, "overdue_total": 4},
        ),
        (
            [CallOverdue(at=AT, adapter="agno", overdue=3, total=7)],
            OverdueCallEnded(at=AT, adapter="agno", seconds=2.0, overdue=2, total=6),
            {"overdue": 2},
        ),
        (
            [CallOverdue(at=AT, adapter="agno", overdue=3, total=7)],
            EngineStopped(at=AT, reason="closed"),
            {"overdue": 0},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else None,
)
def test_an_event_changes_the_fields_that_it_is_about_and_no_others(
    before: list[Event], event: Event, expected: dict[str, Any]
) -> None:
    assert changed(before, event) == expected


def test_a_change_of_state_replaces_all_that_is_known_of_the_breaker() -> None:
    assert changed([], OPENED) | {"changes": ""} == IS_OPEN | {"changes": ""}
    probing = ProbeChanged(at=AT, adapter="agno", what="admitted", in_flight=2, successes=1, needed=2)
    closed = StateChanged(
        at=AT + SECOND, adapter="agno", before="half_open", after="closed", reason="reset", detail="reset by hand",
        actor="ben", generation=6,
    )  # fmt: skip
    found = changed([OPENED, HELD, probing], closed)
    assert found.pop("changes").count("closed") == 1
    assert found == {
        "state": "closed", "since": AT + SECOND, "down_since": None, "reason": "reset", "detail": "reset by hand",
        "actor": "ben", "generation": 6, "openings": 0, "wait": None, "until": None, "failures": 0, "threshold": None,
        "needed": 0, "probe_successes": 0, "probes_in_flight": 0, "held": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "reason", "opens", "down"),
    [
        ("closed", "open", "failures", 1, True),
        ("half_open", "open", "probe_failed", 1, True),
        ("closed", "open", "restored", 0, True),
        ("open", "open", "by_hand", 0, True),
        ("closed", "half_open", "by_hand", 0, False),
        ("closed", "forced_open", "by_hand", 0, False),
        ("closed", "disabled", "by_hand", 0, False),
    ],
)
def test_an_opening_is_counted_unless_it_was_open_or_was_restored(
    before: Any, after: Any, reason: str, opens: int, down: bool
) -> None:
    event = StateChanged(at=AT, adapter="agno", before=before, after=after, reason=reason)
    found = changed([], event)
    assert (found.get("opens", 0), found.get("down_since")) == (opens, AT if down else None)


@pytest.mark.parametrize(
    ("after", "still"), [("half_open", True), ("forced_open", True), ("closed", False), ("disabled", False)]
)
def test_an_outage_lasts_over_probes_and_while_it_is_held_open(after: Any, still: bool) -> None:
    event = StateChanged(at=AT + SECOND, adapter="agno", before="open", after=after, reason="x")
    assert ("down_since" in changed([OPENED], event)) is not still


def attempt(outcome: Any, number: int = 1, **more: Any) -> Attempt:
    return Attempt(adapter="agno", outcome=outcome, number=number, duration=2.0, **more)


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([attempt("success")], {"calls": 1, "successes": 1, "busy": 2.0, "duration": 2.0}),
        ([attempt("success", 2)], {"calls": 1, "successes": 1, "busy": 2.0, "duration": 2.0, "retries": 1}),
        ([attempt("cancelled")], {"calls": 1, "duration": 2.0}),
        ([Attempt(adapter="agno", outcome="rejected")], {"rejections": 1}),
    ],
)
def test_a_finished_route_counts_its_attempts(attempts: list[Attempt], expected: dict[str, Any]) -> None:
    event = RouteFinished(at=AT, task="t", task_type="", success=True, attempts=tuple(attempts), adapter="agno")
    assert changed([], event) == expected


@pytest.mark.parametrize(
    ("failure", "then", "expected"),
    [
        (
            attempt("failure", rule="timeout", error_type="AttemptTimeout", error="late", failures=2),
            "failover",
            {"failed": 1, "timeouts": 1, "tasks_failed": 1, "failures": 2, "last_error": "AttemptTimeout: late"},
        ),
        (
            attempt("failure", 2, rule="server", error_type="E", failures=1),
            "retry",
            {"failed": 1, "retries": 1, "failures": 1, "last_error": "E"},
        ),
        (attempt("ignored", rule="caller", error_type="E", error="bad"), "stop", {"last_error": "E: bad"}),
    ],
)
def test_a_failed_attempt_counts_and_is_the_last_error(failure: Attempt, then: Any, expected: dict[str, Any]) -> None:
    event = AttemptFailed(at=AT, task="t", task_type="", attempt=failure, then=then, threshold=5)
    always = {"calls": 1, "duration": 2.0, "threshold": 5, "last_failure": AT}
    assert changed([], event) == always | expected


def test_a_success_ends_what_was_said_of_a_suppressed_trip() -> None:
    event = RouteFinished(at=AT, task="t", task_type="", success=True, attempts=(attempt("success"),), adapter="agno")
    assert changed([HELD], event)["held"] == ""


def test_only_the_adapter_that_is_removed_goes() -> None:
    others = [AdapterAdded(at=NOON, adapter=name, policy={}) for name in ("agno", "prefect")]
    board = board_of(EngineStarted(at=NOON, name="e", host="h", pid=1), *others, AdapterRemoved(at=AT, adapter="agno"))
    assert [row.name for row in board.rows()] == ["prefect"]


@pytest.mark.parametrize(("what", "reason"), [("began", "shutting down: SIGTERM"), ("finished", "SIGTERM")])
def test_an_instance_says_that_it_shuts_down_and_why(what: Any, reason: str) -> None:
    board = board_of(
        EngineStarted(at=NOON, name="e", host="h", pid=1), ShutdownChanged(at=AT, what=what, reason="SIGTERM")
    )
    assert board.instances[1].reason == reason


@pytest.mark.parametrize(("threshold", "known"), [(7, 7), (None, None), ("7", None), (True, None), (2**63, None)])
def test_a_threshold_that_is_not_a_number_of_the_file_is_unknown(threshold: object, known: int | None) -> None:
    board = board_of(AdapterAdded(at=AT, adapter="agno", policy={"failure_threshold": threshold}))
    assert next(board.rows()).threshold == known


def test_a_new_board_and_a_new_row_count_nothing() -> None:
    counts = {name: value for name, value in vars(Board()).items() if isinstance(value, int)}
    assert len(counts) > 9
    assert set(counts.values()) == {0}
    row = fields(AdapterRow(AdapterKey(1, "agno"), AT))
    assert (row.pop("added_at"), row.pop("since"), row.pop("fault_share")) == (AT, AT, 1.0)
    assert row.pop("state") == "closed"
    assert not any(row.values())
    assert {type(value) for value in row.values()} <= {int, float, str, tuple, dict, deque, type(None)}
