"""Kills of the engine: its memory is gone, another one of its name goes on, and runs are resumed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.events import (
    CommandDone,
    DeadLetterChanged,
    Event,
    NodeChanged,
    RouteFinished,
    ScenarioStep,
    StateChanged,
    WorkflowFinished,
)
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.virtual_time import run

BASE = """\
scenario: mine
title: An engine that is killed
duration: 20
retry: {attempt_timeout: 1, max_attempts: 1}
adapters: {gpt: {latency: 0.5}, claude: {}}
"""
STEADY = "traffic: [{per_second: 10, arrivals: constant}]\n"
KILL = "timeline: [{at: 1, adapter: gpt, fault: refused}, {at: 10, kill: true, down: 3}]\n"
START = 1_767_225_600_000_000


def made(more: str, base: str = BASE) -> Scenario:
    return parse(base + more, Scenario, "mine.yaml")


def play(more: str, base: str = BASE) -> list[Event]:
    events: list[Event] = []

    async def main() -> None:
        await Player(made(more, base), on_event=events.append).play()

    run(main())
    return events


def test_nothing_happens_while_no_engine_runs() -> None:
    routes = [(event.at - START) / 1e6 for event in play(STEADY + KILL) if isinstance(event, RouteFinished)]
    assert not [at for at in routes if 10 < at <= 13]
    assert len([at for at in routes if at > 13]) > 60


def test_the_memory_is_gone() -> None:
    changes = [event for event in play(STEADY + KILL) if isinstance(event, StateChanged) and event.adapter == "gpt"]
    at_restart = [event for event in changes if round((event.at - START) / 1e6, 3) == 13]
    assert [event.after for event in at_restart] == ["closed"]
    opened_again = [event for event in changes if event.after == "open" and event.at > at_restart[0].at]
    assert opened_again[0].at - at_restart[0].at < 2_000_000


def test_it_is_announced() -> None:
    said = [event.text for event in play(STEADY + KILL) if isinstance(event, ScenarioStep)]
    assert said[-2:] == ["the engine is killed", "The engine runs again"]


WORKFLOW = (
    "workflows: {publish: {draft: {adapter: claude}, check: {adapter: gpt, after: [draft]}}}\n"
    "traffic: [{times: [9.7], workflow: publish}]\ntimeline: [{at: 10, kill: true, down: 3}]\n"
)


def test_an_interrupted_run_is_resumed_where_it_was() -> None:
    events = play(WORKFLOW)
    assert [event.state for event in events if isinstance(event, WorkflowFinished)] == ["done"]
    done = [event.node for event in events if isinstance(event, NodeChanged) and event.state == "done"]
    assert done == ["draft", "check"]


def test_dead_letters_outlive_the_engine() -> None:
    outage = "{at: 1, tag: all, fault: refused, for: 12}, {at: 10, kill: true}"
    steps = f"timeline: [{outage}, {{at: 15, command: dlq_retry, args: {{all: true}}}}]\n"
    more = f"traffic: [{{times: [5]}}]\ndead_letters: {{automatic_retry: false}}\n{steps}"
    both = "gpt: {tags: [all]}, claude: {tags: [all]}"
    events = play(more, BASE.replace("gpt: {latency: 0.5}, claude: {}", both))
    assert [event.letters for event in events if isinstance(event, DeadLetterChanged)][-1] == (1,)
    assert [event.ok for event in events if isinstance(event, CommandDone)] == [True]


def test_kills_are_reproducible() -> None:
    more = STEADY + "timeline: [{at: 3, kill: true, every: 4}, {at: 1, adapter: gpt, fault: flaky}]\n"
    assert msgspec.json.encode(play(more)) == msgspec.json.encode(play(more))


def test_a_kill_shortly_before_the_end_ends_too() -> None:
    assert play(STEADY + "timeline: [{at: 19.9, kill: true}]\n")


def test_a_recording_goes_on_over_a_kill(tmp_path: Path) -> None:
    from fuseboard_storage import record

    events: list[Event] = []

    async def main() -> None:
        player = Player(made(STEADY + KILL), on_event=events.append)
        with record(player.engine, tmp_path / "mine.db"):
            await player.play()

    run(main())
    assert max(event.at for event in events if isinstance(event, RouteFinished)) > START + 19_000_000


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("{at: 1, say: x, down: 3}", "down: only a step with `kill` uses this"),
        ("{at: 1, kill: true, down: -1}", "down: "),
        ("{at: 1, kill: true, adapter: gpt}", "adapter: a kill ends the whole engine"),
    ],
)
def test_mistakes_are_reported_with_their_line(step: str, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        made(STEADY + f"timeline: [{step}]\n")
    assert str(caught.value).startswith(f"mine.yaml:7: timeline.0.{message}")
