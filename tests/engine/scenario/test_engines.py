"""Several engines in one scenario: they share the traffic, and steps and expectations can name one of them."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.events import Event, FaultInjected, RouteFinished, ScenarioStep, StateChanged
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.scenario.timeline import timeline_of
from fuseboard_engine.scenario_outcome.verdict import Verdict
from fuseboard_engine.virtual_time import run

BASE = """\
scenario: mine
title: Two engines
duration: 20
engines: [north, south]
breaker: {failure_threshold: 3, recovery_timeout: 60}
retry: {max_attempts: 1}
adapters: {gpt: {latency: 0.1}, claude: {latency: 0.1}}
"""
STEADY = "traffic: [{per_second: 10, arrivals: constant}]\n"


def made(more: str) -> Scenario:
    return parse(BASE + more, Scenario, "mine.yaml")


class Play:
    """A scenario that was played: its verdict, all events, and those of each engine."""

    def __init__(self, more: str) -> None:
        self.events: list[Event] = []
        self.of: dict[str, list[Event]] = {}

        async def main() -> Verdict:
            player = Player(made(more), on_event=self.events.append)
            for engine in player.engines:
                engine.subscribe(self.of.setdefault(engine.name, []).append)
            return await player.play()

        self.verdict = run(main())

    def tasks(self) -> dict[str, int]:
        return {name: sum(isinstance(event, RouteFinished) for event in events) for name, events in self.of.items()}

    def states(self) -> dict[str, list[str]]:
        return {
            name: [f"{event.adapter} {event.after}" for event in events if isinstance(event, StateChanged)]
            for name, events in self.of.items()
        }


def test_engines_take_the_tasks_in_turn() -> None:
    tasks = Play(STEADY).tasks()
    assert tasks.keys() == {"north", "south"}
    assert abs(tasks["north"] - tasks["south"]) <= 1
    assert sum(tasks.values()) > 190


def test_a_stream_of_tasks_can_have_an_engine_of_its_own() -> None:
    tasks = Play("traffic: [{per_second: 10, engine: south}, {per_second: 2}]\n").tasks()
    assert tasks["south"] > 5 * tasks["north"] > 0


def test_an_engine_that_is_killed_leaves_its_tasks_to_the_other_one() -> None:
    tasks = Play(STEADY + "timeline: [{at: 5, kill: true, engine: north, down: 10}]\n").tasks()
    assert tasks["south"] > 2 * tasks["north"] > 0
    assert sum(tasks.values()) > 190


def test_a_fault_in_one_engine_opens_no_breaker_of_the_other_one() -> None:
    played = Play(STEADY + "timeline: [{at: 5, adapter: gpt, fault: refused, engine: south}]\n")
    assert played.states() == {"north": [], "south": ["gpt open"]}


def test_a_fault_without_an_engine_is_one_in_all() -> None:
    played = Play(STEADY + "timeline: [{at: 5, adapter: gpt, fault: refused, for: 2}]\n")
    assert played.states() == {"north": ["gpt open"], "south": ["gpt open"]}
    assert Counter(event.text for event in played.events if isinstance(event, ScenarioStep)) == {
        "gpt: refused": 1,
        "gpt has recovered": 1,
    }


def test_each_engine_knows_how_long_its_own_fault_lasts() -> None:
    step = "{{at: {}, adapter: gpt, fault: hang, engine: {}, for: {}}}"
    played = Play(STEADY + f"timeline: [{step.format(2, 'north', 10)}, {step.format(3, 'south', 1)}]\n")
    lasts = {
        name: [round((event.until - event.at) / 1e6) for event in events if isinstance(event, FaultInjected)]
        for name, events in played.of.items()
    }
    assert lasts == {"north": [10], "south": [1]}


def test_settings_and_commands_can_be_those_of_one_engine() -> None:
    played = Play(
        STEADY + "timeline: [{at: 2, set: {breaker.failure_threshold: 100}, engine: north}, "
        "{at: 3, adapter: gpt, fault: refused}, {at: 8, command: force_open, adapter: claude, engine: south}]\n"
    )
    assert played.states() == {"north": [], "south": ["gpt open", "claude forced_open"]}


def test_what_happens_in_one_engine_is_told_with_its_name() -> None:
    scenario = made(
        STEADY + "timeline: [{at: 1, adapter: gpt, fault: refused, engine: south, for: 2}, "
        "{at: 4, kill: true, engine: north}, {at: 6, command: reset_all}]\n"
    )
    assert [(step.at, step.engine, step.say) for step in timeline_of(scenario)] == [
        (1, "south", "south: gpt: refused"),
        (3, "south", "south: gpt has recovered"),
        (4, "north", "north is killed"),
        (6, "north", "an operator: reset_all"),
        (6, "south", "an operator: reset_all"),
    ]


FAULT = "timeline: [{at: 5, adapter: gpt, fault: refused, engine: south, for: 10}]\n"


@pytest.mark.parametrize(
    "expect",
    [
        "{engine: south, states: {gpt: [closed, open]}, answered: {claude: 70}}",
        "{engine: north, states: {gpt: [closed]}, answered: {claude: {at_most: 0}}, route: [gpt]}",
        "{engine: north, never: {state: {gpt: open}}}",
        "{eventually: {state: {gpt: open}}}",
        "{engine: south, failover_within: {gpt: 1}, eventually: {event: fault_injected}}",
        "{engine: south, success_rate: 0.9, calls: {gpt: {at_least: 20, at_most: 40}}}",
        "{failover_within: {gpt: 1}}",
    ],
)
def test_expectations_of_one_engine_are_met(expect: str) -> None:
    assert not Play(f"{STEADY}{FAULT}expect: {expect}\n").verdict.broken


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("{states: {gpt: [closed, open]}}", "states.gpt: in north: was closed, expected closed → open within it; its"),
        ("{end: {gpt: closed}}", "end.gpt: in south: open, expected closed; its last change at 5."),
        ("{engine: north, end: {gpt: open}}", "end.gpt (north): closed, expected open; its state never changed"),
        ("{engine: south, never: {state: {gpt: open}}}", "never (south): gpt is open at 5."),
        ("{engine: north, eventually: {event: fault_injected}}", "eventually (north): at no moment an event fault_i"),
        ("{engine: north, failover_within: {gpt: 1}}", "failover_within.gpt (north): it had no fault"),
    ],
)
def test_expectations_that_fail_name_the_engine(expect: str, said: str) -> None:
    (broken,) = Play(f"{STEADY}{FAULT}expect: {expect}\n").verdict.broken
    assert broken.startswith(said)


def test_the_same_seed_gives_the_same_events() -> None:
    more = "traffic: [{per_second: 10, arrivals: poisson}, {per_second: 3, engine: north}]\n" + FAULT
    assert msgspec.json.encode(Play(more).events) == msgspec.json.encode(Play(more).events)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("timeline: [{at: 1, kill: true, engine: nroth}]", "timeline.0.engine: there is no engine 'nroth' here; did y"),
        ("expect: {engine: sout, success_rate: 1}", "expect.engine: there is no engine 'sout' here; did you mean sou"),
        ("expect: [{engine: 5}]", "expect.0.engine: write a text"),
        (
            "timeline: [{at: 1, traffic: all, paused: true, engine: north}]",
            "timeline.0.engine: traffic changes for all engines; remove this, or name the engine in the stream",
        ),
        (
            "timeline: [{at: 1, set: {breaker.failure_treshold: 3}, engine: north}]",
            "timeline.0.set.breaker.failure_treshold: there is no field 'failure_treshold'; did you mean failure",
        ),
    ],
)
def test_mistakes_are_reported_with_their_line(more: str, said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        made("traffic: [{per_second: 10, name: all}]\n" + more + "\n")
    assert str(caught.value).startswith(f"mine.yaml:9: {said}")


def test_engines_have_names_of_their_own() -> None:
    with pytest.raises(DocumentError) as caught:
        parse(BASE.replace("north, south", "north, north") + STEADY, Scenario, "mine.yaml")
    assert str(caught.value) == "mine.yaml:4: engines.1: another engine is called 'north' too"
