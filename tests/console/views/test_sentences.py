"""The sentences of events as the console shows them."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from fuseboard_console.text.formatting import stamp
from fuseboard_console.views.events.text import event_line, kind_of
from fuseboard_engine import events as e
from fuseboard_storage.board.board import Entry
from support.console_story import at
from support.hostile_texts import HOSTILE

A: dict[str, Any] = {"at": at(1)}
TASK: dict[str, Any] = {**A, "task": "nightly-4711:store", "task_type": "ai"}

SENTENCES: list[tuple[e.Event, str]] = [
    (e.EngineStarted(**A, name="checkout", host="web-1", pid=7), "Engine checkout started on web-1, process 7"),
    (e.EngineStopped(**A), "Engine ended: closed"),
    (e.EngineStopped(**A, reason="lost"), "Engine killed: its process ended without a shutdown"),
    (
        e.AdapterAdded(**A, adapter="eu", policy={"failure_threshold": 5, "success_threshold": 3}, tags=("search",)),
        "Adapter eu added (search): opens after 5 failures in a row; closes after 3 good probes",
    ),
    (e.AdapterRemoved(**A, adapter="eu"), "Adapter eu removed"),
    (e.PreferenceSet(**A, order=("eu", "us"), task_type="ai"), "Chain for ai: eu → us"),
    (e.PreferenceSet(**A, order=("eu",), adaptive=True), "Default chain: eu (adaptive)"),
    (e.RoutingPolicySet(**A, policy={"all_out": "wait", "load": 0.1}), "Routing policy: all_out wait, load 0.1"),
    (
        e.StateChanged(**A, adapter="eu", before="closed", after="open", reason="failures", detail="5 in a row"),
        "eu opens: 5 in a row",
    ),
    (
        e.TripSuppressed(
            **A, adapter="eu", reason="failures", detail="5 in a row; it stays closed", out=2, size=4, share=0.5
        ),
        "Circuit breaker of adapter eu was not opened: 5 in a row; it stays closed",
    ),
    (
        e.TripSuppressed(**A, adapter="eu", reason="failures", group="search", out=2, size=4, share=0.5),
        "Circuit breaker of adapter eu was not opened: failures; 2 of 4 adapters of search are out, at most 50.0 % may",
    ),
    (
        e.HealthChecked(**A, adapter="eu", status="unhealthy", detail="refused", duration=0.012),
        "Health of adapter eu: unhealthy (was unknown): refused; checked in 12 ms",
    ),
    (
        e.FailureRateAlert(**A, adapter="eu", high=True, rate=0.6, threshold=0.5, calls=40, seconds=60.0),
        "Failure rate alert for adapter eu: 60% of 40 calls in 60 s failed, the threshold is 50%",
    ),
    (
        e.FaultInjected(**A, adapter="eu", fault="slow", value=5.0, share=0.2, until=at(31), actor="ann"),
        "Fault slow 5 in 20% of the calls injected into adapter eu for 30 s by ann",
    ),
    (
        e.FaultEnded(**A, adapter="eu", fault="slow", reason="over"),
        "Injected fault slow of adapter eu ended: its time was over",
    ),
    (
        e.HealthAlert(**A, adapter="eu", failures=3, detail="refused"),
        "Health alert for adapter eu: 3 bad checks in a row: refused",
    ),
    (
        e.ProbeChanged(**A, adapter="eu", what="success", successes=1, needed=3),
        "Probe of adapter eu succeeded (1 of 3 good)",
    ),
    (
        e.GaugesSampled(**A, gauges={"eu": (2, 1), "us": (0, 10)}),
        "eu 2 in flight, 1 retry left; us 0 in flight, 10 retries left",
    ),
    (
        e.LateResult(**A, adapter="eu", outcome="success", generation=1, current=2),
        "Late success of adapter eu ignored: the call started before the last state change",
    ),
    (
        e.AttemptFailed(**TASK, attempt=e.Attempt(adapter="eu", outcome="failure", number=1, error="refused")),
        "eu  refused  (ai #nightly-4711:store, attempt 1, 0 µs; stop)",
    ),
    (
        e.RouteFinished(**TASK, success=True, attempts=(e.Attempt(adapter="eu", outcome="success"),), duration=0.5),
        "ai #nightly-4711:store: eu ok in 500 ms",
    ),
    (
        e.BatchFinished(**A, batch="b1", parts=10, succeeded=6, failed=4, needed=0.8, accepted=False, duration=2.0),
        "Batch b1 was not accepted (60% success, 80% needed): 6 of 10, 4 failed; took 2.0 s",
    ),
    (
        e.WorkflowStarted(**A, run="nightly-1", workflow="nightly", nodes=("fetch", "store")),
        "Run nightly-1 of workflow nightly started: fetch, store",
    ),
    (
        e.WorkflowStarted(
            **A, run="nightly-1", workflow="nightly", nodes=("fetch", "store"), resumed=True, finished=("fetch",)
        ),
        "Run nightly-1 of workflow nightly resumed: 1 of 2 nodes done before",
    ),
    (
        e.NodeChanged(
            **A, run="nightly-1", workflow="nightly", node="store", state="done", answered="eu", duration=0.2
        ),
        "Node store of run nightly-1 is done, answered by eu in 200 ms",
    ),
    (
        e.WorkflowFinished(**A, run="nightly-1", workflow="nightly", state="failed", duration=3.0, error="no disk"),
        "Run nightly-1 of workflow nightly failed after 3.0 s: no disk",
    ),
    (
        e.DeadLettered(
            **TASK, letter=141, category="network", error_type="ConnectError", error="refused", due_at=at(9)
        ),
        "Task nightly-4711:store (ai) became dead letter 141 (network): ConnectError: refused; "
        f"retried at {stamp(at(9))}",
    ),
    (
        e.DeadLettered(**TASK, letter=-1, category="permanent", in_memory=True),
        "Task nightly-4711:store (ai) became dead letter -1 (permanent); retried by hand only; kept in memory only",
    ),
    (
        e.DeadLetterRefused(**TASK, reason="the queue is full"),
        "Task nightly-4711:store (ai) could not be kept as a dead letter: the queue",
    ),
    (
        e.DeadLetterChanged(
            **A, letters=(141,), before="retrying", status="pending", detail="deferred", due_at=1_795_837_769_345_716
        ),
        f"Dead letter 141: retrying → pending: deferred; due at {stamp(1_795_837_769_345_716)}",
    ),
    (
        e.DeadLetterChanged(**A, letters=(1, 2), before="exhausted", status="archived", actor="ana@web-1"),
        "Dead letters 1, 2: exhausted → archived by ana@web-1",
    ),
    (e.DeadLettersCounted(**A, counts={"pending": 3, "archived": 0}), "Dead letters: 3 pending"),
    (
        e.ThreadsStuck(**A, adapter="eu", stuck=1, total=3, limit=8),
        "1 thread of adapter eu hangs; 3 in all, at most 8",
    ),
    (
        e.WaitExtended(**A, adapter="eu", wait=30.0, until=1_795_837_769_345_716),
        "Circuit breaker of adapter eu stays open: a call that began earlier was asked to wait 30 s",
    ),
    (
        e.WaitExtended(**A, adapter="eu", wait=42.5, until=1_795_837_769_345_716),
        "Circuit breaker of adapter eu stays open: a call that began earlier was asked to wait 42.5 s",
    ),
    (
        e.CallOverdue(**A, adapter="eu", overdue=2, total=3),
        "A call of eu does not end after its time limit: 2 overdue calls of it, 3 in all",
    ),
    (
        e.OverdueCallEnded(**A, adapter="eu", seconds=31.5, overdue=1, total=2, outcome="it was cancelled"),
        "An overdue call of eu ended 32 s after its time limit: it was cancelled; 2 left in all",
    ),
    (
        e.StreamRestarted(**TASK, adapter="us", items=1, error="cut"),
        "The stream of task nightly-4711:store (ai) starts over on us, 1 item is void: cut",
    ),
    (
        e.CommandDone(**A, command=3, verb="force_open", actor="ana", ok=True, adapter="eu", detail="held open"),
        "ana: hold open eu: done: held open",
    ),
    (
        e.ConfigReloaded(**A, ok=True, source="f.toml", changes=("threads: 4 -> 8",), restart=("recording",)),
        "Configuration from f.toml applied: threads: 4 -> 8; recording needs a restart",
    ),
    (
        e.ConfigReloaded(**A, ok=False, problem="f.toml:3: no"),
        "Configuration refused, the previous one stays in effect: f.toml:3: no",
    ),
    (
        e.ShutdownChanged(**A, what="began", reason="SIGTERM", in_flight=1, grace=10.0),
        "[GRACEFUL SHUTDOWN] SIGTERM: no new work is taken; 1 call in flight has 10 s to end",
    ),
    (
        e.ShutdownChanged(**A, what="finished", reason="SIGTERM", cancelled=2, instructions="go-on.txt"),
        "[GRACEFUL SHUTDOWN] finished; 2 calls were cancelled; how to resume: go-on.txt",
    ),
    (e.ListenerFailed(**A, listener="log", error="KeyError: 'x'"), "Listener log raised: KeyError: 'x'"),
    (
        e.RoutesCounted(**A, since=at(0), adapters={"eu": e.RouteCounts(calls=200), "us": e.RouteCounts(calls=3)}),
        "203 ordinary routes in 1 s: eu 200, us 3",
    ),
    (e.EventsDropped(**A, count=1, reason="the disk is full"), "1 event could not be recorded: the disk is full"),
    (
        e.RecordingRestarted(**A, why="is damaged: rows are missing", moved_to="/data/shop.db.damaged-1", letters=2),
        "New recording, because the previous one is damaged: rows are missing; it is now /data/shop.db.damaged-1; "
        "2 active dead letters stay in it",
    ),
    (
        e.RecordingRestarted(**A, why="was moved or deleted", letters=1),
        "New recording, because the previous one was moved or deleted; 1 active dead letter stays in it",
    ),
    (e.ClockChanged(**A, by=3600.0), "The wall clock was set forward by 60 min"),
    (
        e.ClockChanged(**A, by=-90.0, asleep=60.0),
        "The wall clock was set back by 90 s; the host was suspended for 60 s",
    ),
    (e.ScenarioStep(**A, scenario="demo", text="eu is out"), "eu is out"),
    (e.ScenarioPaced(**A, scenario="demo", pace=2.5, clock_at=1), "scenario demo plays at 2.5 times its speed"),
    (e.ScenarioPaced(**A, scenario="demo", pace=0, clock_at=1), "scenario demo is stopped"),
]


@pytest.mark.parametrize(("event", "expected"), SENTENCES, ids=[kind_of(event) for event, _ in SENTENCES])
def test_an_event_line_shows_time_kind_and_sentence(event: e.Event, expected: str) -> None:
    when, kind, text = event_line(Entry(1, 1, event)).split("  ", 2)
    assert (when, kind) == (stamp(at(1)), kind_of(event))
    assert text.strip().startswith(expected)


def test_the_sentences_of_all_kinds_of_events_begin_in_one_column() -> None:
    columns = {event_line(Entry(1, 1, event)).index(expected) for event, expected in SENTENCES}
    assert len(columns) == 1


def test_every_kind_of_event_has_an_example_here() -> None:
    assert {type(event) for event, _ in SENTENCES} == set(get_args(e.AnyEvent))


def test_only_the_first_of_very_many_letters_are_listed() -> None:
    moved = e.DeadLetterChanged(**A, letters=tuple(range(1, 5_001)), before="exhausted", status="purged")
    assert "Dead letters 1, 2, 3, " in (said := event_line(Entry(1, 1, moved)))
    assert "20 and 4,980 more: exhausted → purged" in said


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_on_one_line(text: str) -> None:
    for event in (
        e.HealthChecked(**A, adapter=text, status=text, before=text, detail=text),
        e.CommandDone(**A, command=1, verb=text, actor=text, ok=False, adapter=text, detail=text),
        e.DeadLettered(
            **{**TASK, "task": text}, letter=1, category=text, error_type=text, error=text, due_at=2**62, detail=text
        ),
        e.DeadLetterChanged(**A, letters=(1,), before=text, status=text, actor=text, detail=text),
        e.WorkflowStarted(**A, run=text, workflow=text, nodes=(text,)),
        e.PreferenceSet(**A, order=(text,), task_type=text),
    ):
        assert event_line(Entry(1, 1, event)).isprintable()
