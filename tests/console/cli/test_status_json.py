"""`fuseboard status --json` contains what an operator needs to know about an engine."""

from __future__ import annotations

import json

from fuseboard_console.http_api.responses import metrics
from fuseboard_console.views.lists.status import status_json, status_text
from fuseboard_engine.events import (
    AdapterAdded,
    Attempt,
    BatchFinished,
    CallOverdue,
    DeadLetterChanged,
    DeadLettersCounted,
    EngineStarted,
    EngineStopped,
    Event,
    HealthAlert,
    HealthChecked,
    NodeChanged,
    OverdueCallEnded,
    RouteFinished,
    ShutdownChanged,
    State,
    StateChanged,
    ThreadsStuck,
    TripSuppressed,
    WaitExtended,
    WorkflowFinished,
    WorkflowStarted,
)
from fuseboard_storage.board.board import AdapterKey, Board, Entry
from fuseboard_storage.tables import keyframes
from support.fake_engine import answered

NOON = 1_800_000_000_000_000


def shown(*events: Event) -> dict[str, object]:
    board = Board()
    for seq, event in enumerate(events, 1):
        board.apply(Entry(seq, 1, event))
    made: dict[str, object] = json.loads(json.dumps(status_json(board, "a.db", NOON)))
    assert made["schema"] == "fuseboard.status/1"
    return made


BEGUN = (
    EngineStarted(at=NOON, name="checkout", host="h", pid=1),
    AdapterAdded(at=NOON, adapter="agno", policy={}, tags=("cheap",)),
)


def test_an_adapters_health_stuck_threads_and_suppressed_trip_are_included() -> None:
    status = shown(
        *BEGUN,
        HealthChecked(at=NOON + 1, adapter="agno", status="unhealthy", detail="refused"),
        HealthAlert(at=NOON + 2, adapter="agno", failures=3, detail="refused"),
        TripSuppressed(at=NOON + 3, adapter="agno", reason="failures", detail="half of all are out"),
        ThreadsStuck(at=NOON + 4, adapter="agno", stuck=2, total=2, limit=8),
    )
    (adapter,) = status["adapters"]  # type: ignore[misc]
    assert adapter["health"] == {
        "status": "unhealthy",
        "detail": "refused",
        "since": NOON + 1,
        "bad_checks_alerted": 3,
    }
    assert (adapter["tags"], adapter["threads_stuck"], adapter["trip_held"]) == (["cheap"], 2, "half of all are out")


def test_the_last_minute_of_an_ended_engine_includes_its_last_second() -> None:
    second = 1_000_000

    def answered(at: int) -> Event:
        answer = Attempt(adapter="agno", outcome="success", number=1, duration=0.1)
        return RouteFinished(at=at, task="t1", task_type="ai", success=True, attempts=(answer,), adapter="agno")

    began = NOON - 3_600 * second
    ended = (
        EngineStarted(at=began, name="checkout", host="h", pid=1),
        AdapterAdded(at=began, adapter="agno", policy={}),
        answered(began),
        EngineStopped(at=began + 10, reason="closed"),
    )
    (adapter,) = shown(*ended)["adapters"]  # type: ignore[misc]
    assert (adapter["last_minute"]["calls"], adapter["last_minute"]["success_rate"]) == (1, 1.0)
    assert (adapter["calls"], adapter["calls_per_second"]) == (1, 1.0)
    (adapter,) = shown(*ended[:2], answered(NOON - second), EngineStopped(at=NOON, reason="closed"))["adapters"]  # type: ignore[misc]
    assert adapter["last_minute"]["calls"] == 1
    (adapter,) = shown(*ended[:3])["adapters"]  # type: ignore[misc]  # no end was recorded: it may call on
    assert adapter["last_minute"]["calls"] == 0


def test_an_adapter_without_health_checks_has_no_health() -> None:
    (adapter,) = shown(*BEGUN)["adapters"]  # type: ignore[misc]
    assert adapter["health"]["status"] in (None, "unknown")
    assert adapter["trip_held"] is None


def test_workflows_batches_and_dead_letters_are_included() -> None:
    status = shown(
        *BEGUN,
        WorkflowStarted(at=NOON, run="r1", workflow="w", nodes=("a", "b"), edges=(("a", "b"),), resumed=True),
        NodeChanged(at=NOON + 1, run="r1", workflow="w", node="a", state="done"),
        WorkflowFinished(at=NOON + 2, run="r1", workflow="w", state="interrupted", error="shutting down"),
        BatchFinished(at=NOON + 3, batch="b", parts=4, succeeded=3, degraded=0, failed=1, needed=0.5, accepted=True),
        DeadLettersCounted(at=NOON, counts={"pending": 2, "archived": 1}),
        DeadLetterChanged(at=NOON + 4, letters=(1, 2), before="pending", status="resolved"),
    )
    (run,) = status["workflows"]  # type: ignore[misc]
    assert (run["run"], run["state"], run["resumed"], run["nodes"]) == (
        "r1",
        "interrupted",
        1,
        {"done": 1, "pending": 1},
    )
    assert run["error"] == "shutting down"
    (batch,) = status["batches"]  # type: ignore[misc]
    assert (batch["parts"], batch["succeeded"], batch["accepted"], batch["error"]) == (4, 3, True, None)
    assert status["dead_letters"] == {"archived": 1, "resolved": 2}


def test_the_reason_of_a_shutdown_is_included() -> None:
    status = shown(*BEGUN, ShutdownChanged(at=NOON + 1, what="began", reason="SIGTERM received"))
    (engine,) = status["engines"]  # type: ignore[misc]
    assert engine["reason"] == "shutting down: SIGTERM received"


def test_totals_per_name_include_workers_that_have_ended() -> None:
    board = Board()
    events: list[tuple[int, Event]] = [
        (1, EngineStarted(at=NOON, name="checkout", host="h", pid=1)),
        (1, answered()),
        (2, EngineStarted(at=NOON, name="checkout", host="h", pid=2)),
        (2, answered()),
        (1, EngineStopped(at=NOON, reason="closed")),
        (3, EngineStarted(at=NOON + 1, name="checkout", host="h", pid=3)),
        (3, answered()),
    ]
    for seq, (instance, event) in enumerate(events, 1):
        board.apply(Entry(seq, instance, event))
    (totals,) = status_json(board, "a.db", NOON + 1)["totals"]
    assert (totals["engine"], totals["processes_started"], totals["processes_running"]) == ("checkout", 3, 2)
    assert totals["tasks"]["answered"] == 3
    assert [(one["adapter"], one["calls"]) for one in totals["adapters"]] == [("agno", 3)]
    assert "checkout in total: 2 of 3 processes running; 3 tasks, 3 answered; 3 calls, 0 failed" in status_text(
        board, "a.db", NOON + 1, colour=False
    )
    assert 'fuseboard_calls_total{engine="checkout",adapter="agno",outcome="success"} 3\n' in metrics(board)


def test_a_wait_that_was_extended_is_counted_from_the_opening() -> None:
    status = shown(
        *BEGUN,
        StateChanged(
            at=NOON + 1,
            adapter="agno",
            before="closed",
            after="open",
            reason="quota",
            wait=10.0,
            until=NOON + 10_000_001,
        ),
        WaitExtended(at=NOON + 4_000_001, adapter="agno", wait=30.0, until=NOON + 34_000_001),
    )
    (adapter,) = status["adapters"]  # type: ignore[misc]
    assert (adapter["state"], adapter["until"], adapter["since"]) == ("open", NOON + 34_000_001, NOON + 1)
    assert adapter["opens"] == 1


def test_overdue_calls_are_shown_until_they_end_and_counted_for_good() -> None:
    events: list[Event] = [
        *BEGUN,
        CallOverdue(at=NOON + 1, adapter="agno", overdue=1, total=1),
        CallOverdue(at=NOON + 2, adapter="agno", overdue=2, total=2),
        OverdueCallEnded(at=NOON + 3, adapter="agno", seconds=4.0, overdue=1, total=1),
        CallOverdue(at=NOON + 4, adapter="a hook", overdue=1, total=2),
    ]
    status = shown(*events)
    (adapter,) = status["adapters"]  # type: ignore[misc]
    assert (status["overdue_calls"], adapter["overdue_calls"], adapter["overdue_calls_total"]) == (1, 1, 2)
    board = Board()
    for seq, event in enumerate(events, 1):
        board.apply(Entry(seq, 1, event))
    kept = keyframes.load(keyframes.dump(board)).adapters[AdapterKey(1, "agno")]
    assert (kept.overdue, kept.overdue_total, list(board.adapters)) == (1, 2, [kept.key])
    assert "; 1 overdue call" in status_text(board, "a.db", NOON, colour=False)
    assert 'fuseboard_overdue_calls_total{engine="checkout",adapter="agno"} 2\n' in metrics(board)
    assert 'fuseboard_overdue_calls{engine="checkout",adapter="agno",instance="1"} 1\n' in metrics(board)
    board.apply(Entry(9, 1, EngineStopped(at=NOON + 9)))
    assert (board.adapters[kept.key].overdue, board.adapters[kept.key].overdue_total) == (0, 2)


def test_a_recording_that_begins_while_calls_are_overdue_counts_them() -> None:
    status = shown(*BEGUN, CallOverdue(at=NOON + 1, adapter="agno", overdue=3, total=3))
    (adapter,) = status["adapters"]  # type: ignore[misc]
    assert (adapter["overdue_calls"], adapter["overdue_calls_total"]) == (3, 3)


def test_openings_and_batches_accepted_in_part_are_counted() -> None:
    def opened(at: int, before: State, reason: str = "failures") -> Event:
        return StateChanged(at=at, adapter="agno", before=before, after="open", reason=reason)

    batch = {"batch": "night", "parts": 3, "failed": 1, "needed": 0.5}
    events = (
        *BEGUN,
        opened(NOON + 1, "closed"),
        opened(NOON + 2, "half_open", "probe_failed"),
        opened(NOON + 3, "open", "restored"),
        BatchFinished(at=NOON + 4, succeeded=2, **batch),  # type: ignore[arg-type]
        BatchFinished(at=NOON + 5, succeeded=0, accepted=False, **batch),  # type: ignore[arg-type]
    )
    status = shown(*events)
    board = Board()
    for seq, event in enumerate(events, 1):
        board.apply(Entry(seq, 1, event))

    assert status["breaker_opens"] == status["adapters"][0]["opens"] == 2  # type: ignore[index]
    assert status["batch_totals"] == {"ended": 2, "accepted_in_part": 1}
    assert keyframes.load(keyframes.dump(board)).adapters[AdapterKey(1, "agno")].opens == 2
    assert "; breakers opened 2 times; 1 of 2 batches accepted in part" in status_text(
        board, "a.db", NOON, colour=False
    )
    text = metrics(board)
    assert 'fuseboard_breaker_opens_total{engine="checkout",adapter="agno"} 2\n' in text
    assert "fuseboard_batches_total 2\n" in text and "fuseboard_partial_batches_total 1\n" in text
