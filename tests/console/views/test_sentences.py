"""Events in words: times as times, durations as durations, and never the names of fields."""

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

SAID: list[tuple[e.Event, str]] = [
    (e.EngineStarted(**A, name="checkout", host="web-1", pid=7), "checkout on web-1, process 7"),
    (e.EngineStopped(**A), "ended: closed"),
    (e.EngineStopped(**A, reason="lost"), "killed: its process ended without a word"),
    (
        e.AdapterAdded(**A, adapter="eu", policy={"failure_threshold": 5, "success_threshold": 3}, tags=("search",)),
        "eu (search): opens after 5 failures in a row; closes after 3 good probes",
    ),
    (e.AdapterRemoved(**A, adapter="eu"), "eu is gone"),
    (e.PreferenceSet(**A, order=("eu", "us"), task_type="ai"), "chain for ai: eu → us"),
    (e.PreferenceSet(**A, order=("eu",), adaptive=True), "chain for every other type: eu (adaptive)"),
    (
        e.StateChanged(**A, adapter="eu", before="closed", after="open", reason="failures", detail="5 in a row"),
        "eu opens: 5 in a row",
    ),
    (
        e.TripHeld(**A, adapter="eu", reason="failures", detail="5 in a row", group="search", out=2, size=4, share=0.5),
        "eu stays closed: 2 of 4 adapters of search are out, and at most 50.0 % may be; 5 in a row",
    ),
    (
        e.HealthChecked(**A, adapter="eu", status="unhealthy", detail="refused", duration=0.012),
        "eu is unhealthy, was unknown: refused; checked in 12 ms",
    ),
    (e.HealthAlert(**A, adapter="eu", failures=3, detail="refused"), "eu: 3 bad checks in a row: refused"),
    (
        e.ProbeChanged(**A, adapter="eu", what="success", successes=1, needed=3),
        "eu: a probe went well; 1 of 3 good",
    ),
    (
        e.AdaptersGauged(**A, gauges={"eu": (2, 1), "us": (0, 10)}),
        "eu 2 in flight, 1 retry left; us 0 in flight, 10 retries left",
    ),
    (
        e.LateResult(**A, adapter="eu", outcome="success", generation=1, current=2),
        "eu: a call from before the last change ended in success; it changes nothing",
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
        "batch b1: 6 of 10 parts succeeded, 4 failed; not accepted, 80.0 % needed in 2.0 s",
    ),
    (
        e.WorkflowStarted(**A, run="nightly-1", workflow="nightly", nodes=("fetch", "store")),
        "run nightly-1 of nightly begins: fetch, store",
    ),
    (
        e.WorkflowStarted(
            **A, run="nightly-1", workflow="nightly", nodes=("fetch", "store"), resumed=True, finished=("fetch",)
        ),
        "run nightly-1 of nightly goes on: 1 of 2 nodes done before",
    ),
    (
        e.NodeChanged(
            **A, run="nightly-1", workflow="nightly", node="store", state="done", answered="eu", duration=0.2
        ),
        "node store of run nightly-1: done, answered by eu in 200 ms",
    ),
    (
        e.WorkflowFinished(**A, run="nightly-1", workflow="nightly", state="failed", duration=3.0, error="no disk"),
        "run nightly-1 of nightly: failed in 3.0 s: no disk",
    ),
    (
        e.DeadLettered(
            **TASK, letter=141, category="network", error_type="ConnectError", error="refused", due_at=at(9)
        ),
        f"letter 141: ai #nightly-4711:store, network: ConnectError: refused; retried at {stamp(at(9))}",
    ),
    (
        e.DeadLettered(**TASK, letter=-1, category="permanent", in_memory=True),
        "letter -1: ai #nightly-4711:store, permanent; retried by hand only; kept in memory only",
    ),
    (e.DeadLetterRefused(**TASK, reason="the queue is full"), "ai #nightly-4711:store could not be kept: the queue"),
    (
        e.DeadLetterChanged(
            **A, letters=(141,), before="retrying", status="pending", detail="put off", due_at=1_795_837_769_345_716
        ),
        f"letter 141: retrying → pending: put off; due at {stamp(1_795_837_769_345_716)}",
    ),
    (
        e.DeadLetterChanged(**A, letters=(1, 2), before="exhausted", status="archived", actor="ana@web-1"),
        "letters 1, 2: exhausted → archived by ana@web-1",
    ),
    (e.DeadLettersCounted(**A, counts={"pending": 3, "archived": 0}), "dead letters: 3 pending"),
    (
        e.ThreadsStuck(**A, adapter="eu", stuck=1, total=3, limit=8),
        "1 thread of eu hangs; 3 in all, at most 8",
    ),
    (
        e.StreamRestarted(**TASK, adapter="us", items=1, error="cut"),
        "ai #nightly-4711:store starts over on us; 1 item is void: cut",
    ),
    (
        e.CommandDone(**A, command=3, verb="force_open", actor="ana", ok=True, adapter="eu", detail="held open"),
        "ana: hold open eu: done: held open",
    ),
    (
        e.ConfigReloaded(**A, ok=True, source="f.toml", changes=("threads: 4 -> 8",), restart=("recording",)),
        "configuration from f.toml applied: threads: 4 -> 8; recording needs a restart",
    ),
    (e.ConfigReloaded(**A, ok=False, problem="f.toml:3: no"), "configuration refused: f.toml:3: no"),
    (
        e.ShutdownChanged(**A, what="began", reason="SIGTERM", in_flight=1, grace=10.0),
        "shutdown begins: SIGTERM; 1 call in flight has 10 s to end",
    ),
    (
        e.ShutdownChanged(**A, what="finished", reason="SIGTERM", cancelled=2, instructions="go-on.txt"),
        "shutdown finished; 2 calls cancelled; how to go on: go-on.txt",
    ),
    (e.ListenerFailed(**A, listener="log", error="KeyError: 'x'"), "listener log raised: KeyError: 'x'"),
    (e.EventsDropped(**A, count=1, reason="the disk is full"), "1 event could not be recorded: the disk is full"),
    (e.ScenarioStep(**A, scenario="demo", text="eu is out"), "eu is out"),
]


@pytest.mark.parametrize(("event", "said"), SAID, ids=[kind_of(event) for event, _ in SAID])
def test_an_event_is_told_in_words(event: e.Event, said: str) -> None:
    when, kind, told = event_line(Entry(1, 1, event)).split("  ", 2)
    assert (when, kind) == (stamp(at(1)), kind_of(event))
    assert told.strip().startswith(said)


def test_every_kind_of_event_has_words() -> None:
    assert {type(event) for event, _ in SAID} == set(get_args(e.AnyEvent))


def test_of_very_many_letters_the_first_are_named() -> None:
    moved = e.DeadLetterChanged(**A, letters=tuple(range(1, 5_001)), before="exhausted", status="purged")
    assert "letters 1, 2, 3, " in (said := event_line(Entry(1, 1, moved)))
    assert "20 and 4,980 more: exhausted → purged" in said


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_on_their_line(text: str) -> None:
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
