"""Traffic of batches, fan-outs, streams and workflows."""

from __future__ import annotations

import msgspec
import pytest

from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.events import BatchFinished, Event, RouteFinished, WorkflowFinished
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.virtual_time import run

BASE = """\
scenario: mine
title: Two adapters
duration: 10
retry: {attempt_timeout: 1, max_attempts: 1}
adapters: {gpt: {}, claude: {}}
"""
NODES = "workflows: {publish: {draft: {type: chat}, check: {adapter: claude, after: [draft]}}}\n"


def made(more: str) -> Scenario:
    return parse(BASE + more, Scenario, "mine.yaml")


def play(more: str) -> list[Event]:
    events: list[Event] = []

    async def main() -> None:
        await Player(made(more), on_event=events.append).play()

    run(main())
    return events


def mistakes(more: str) -> str:
    with pytest.raises(DocumentError) as caught:
        made(more)
    return str(caught.value)


def test_a_batch_arrives_in_place_of_each_task() -> None:
    events = play("traffic: [{per_second: 1, arrivals: constant, batch: {tasks: 20, min_success_rate: 0.9}}]\n")
    batches = [event for event in events if isinstance(event, BatchFinished)]
    assert len(batches) == 9
    assert sum(isinstance(event, RouteFinished) for event in events) == 180


def test_a_batch_is_rolled_back_when_too_few_succeed() -> None:
    events = play(
        "traffic: [{times: [1], batch: {tasks: 5, min_success_rate: 1, rollback: true}}]\n"
        "timeline: [{at: 0, adapter: gpt, fault: refused}, {at: 0, adapter: claude, fault: refused}]\n"
    )
    assert [event.rolled_back for event in events if isinstance(event, BatchFinished)] == [2]


def test_a_fan_out_calls_several_adapters() -> None:
    events = play("traffic: [{times: [1, 2], fan_out: {strategy: first_success}}]\n")
    routes = [event for event in events if isinstance(event, RouteFinished)]
    assert [(route.strategy, len(route.attempts)) for route in routes] == [("first_success", 2)] * 2


def test_streams_are_read_to_their_end_or_their_failure() -> None:
    events = play(
        "traffic: [{times: [1, 5], stream: true}]\n"
        "timeline: [{at: 4, adapter: gpt, fault: refused}, {at: 4, adapter: claude, fault: refused}]\n"
    )
    assert [event.success for event in events if isinstance(event, RouteFinished)] == [True, False]


def test_a_workflow_runs_its_nodes() -> None:
    events = play(NODES + "traffic: [{per_second: 1, workflow: publish}]\n")
    runs = [event for event in events if isinstance(event, WorkflowFinished)]
    assert len(runs) >= 8
    assert {event.state for event in runs} == {"done"}
    assert runs[0].run == "publish-8f00"


def test_a_node_has_a_fallback() -> None:
    nodes = "workflows: {publish: {draft: {adapter: gpt, fallback: [short]}, short: {adapter: claude}}}\n"
    events = play(
        nodes + "traffic: [{times: [1], workflow: publish}]\ntimeline: [{at: 0, adapter: gpt, fault: refused}]\n"
    )
    assert [event.state for event in events if isinstance(event, WorkflowFinished)] == ["done"]


def test_a_payload_fills_degraded_answers() -> None:
    engine_events = play(
        "degraded: {default: {text: 'no answer to {question}'}}\n"
        "traffic: [{times: [1], payload: {question: why}}]\n"
        "timeline: [{at: 0, adapter: gpt, fault: refused}, {at: 0, adapter: claude, fault: refused}]\n"
    )
    assert [event.degraded for event in engine_events if isinstance(event, RouteFinished)] == [True]


@pytest.mark.parametrize(
    "traffic",
    [
        "traffic: [{per_second: 2, batch: {tasks: 3}}]\n",
        "traffic: [{per_second: 2, fan_out: {strategy: hedged, hedge_delay: 0.01}}]\n",
        "traffic: [{per_second: 2, stream: true}]\n",
        NODES + "traffic: [{per_second: 2, workflow: publish}]\n",
    ],
)
def test_every_kind_is_reproducible(traffic: str) -> None:
    faults = "timeline: [{at: 3, adapter: gpt, fault: flaky}]\ndead_letters: {}\n"
    assert msgspec.json.encode(play(traffic + faults)) == msgspec.json.encode(play(traffic + faults))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("traffic: [{per_second: 1, batch: {tasks: 0}}]", "6: traffic.0.batch.tasks: "),
        ("traffic: [{per_second: 1, batch: {tasks: 2}, stream: true}]", "6: traffic.0: a stream has only one of batch"),
        ("traffic: [{per_second: 1, workflow: publish}]", "6: traffic.0.workflow: there is no workflow 'publish' here"),
        ("traffic: [{per_second: 1, fan_out: {adapters: [gtp]}}]", "6: traffic.0.fan_out.adapters.0: there is no adap"),
        ("traffic: [{per_second: 1, fan_out: {strategy: some}}]", "6: traffic.0.fan_out.strategy: "),
        ("traffic: [{per_second: 1, payload: 2026-01-01}]", "6: traffic.0.payload"),
        (
            "workflows: {a: {x: {type: t, after: [y]}, y: {type: t, after: [x]}}}\ntraffic: [{per_second: 1}]",
            "6: workflows.a.x.after.0: this closes a cycle: x -> y -> x",
        ),
        (
            "workflows: {a: {x: {type: t, after: [x]}}}\ntraffic: [{per_second: 1}]",
            "6: workflows.a.x.after.0: this closes a cycle: x -> x",
        ),
        ("workflows: {a: {x: {}}}\ntraffic: [{per_second: 1}]", "6: workflows.a.x: set one of type and adapter"),
        ("workflows: {'': {x: {type: t}}}\ntraffic: [{per_second: 1}]", "6: workflows.: a workflow needs a name"),
        ("workflows: {a: {'': {type: t}}}\ntraffic: [{per_second: 1}]", "6: workflows.a.: a node needs a name"),
        ("workflows: {a: {}}\ntraffic: [{per_second: 1}]", "6: workflows.a: a workflow needs a node"),
        (
            "workflows: {a: {x: {adapter: gtp, fallback: [z]}}}\ntraffic: [{per_second: 1}]",
            "6: workflows.a.x.adapter: there is no adapter 'gtp' here; did you mean gpt?",
        ),
        (
            "workflows: {a: {x: {type: t, fallback: [y]}, y: {type: t, after: [x]}}}\ntraffic: [{per_second: 1}]",
            "6: workflows.a.y.after.0: y is a fallback",
        ),
    ],
)
def test_mistakes_are_reported_with_their_line(more: str, message: str) -> None:
    assert f"mine.yaml:{message}" in mistakes(more + "\n")
