"""Scenarios played in virtual time: reproducible and done in milliseconds."""

from __future__ import annotations

import asyncio

import pytest

from fuseboard_engine.documents.loader import parse
from fuseboard_engine.events import AttemptFailed, CommandDone, Event, RouteFinished, ScenarioStep, StateChanged
from fuseboard_engine.scenario.model import Scenario, load
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.scenario_outcome.verdict import Verdict
from fuseboard_engine.virtual_time import VirtualTimeLoop, run
from fuseboard_scenarios import shipped


def play(scenario: Scenario) -> tuple[Verdict, list[Event]]:
    events: list[Event] = []

    async def main() -> Verdict:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        return await Player(scenario, wall=loop.wall, on_event=events.append).play()

    return run(main()), events


def scenario(timeline: str = "", *, expect: str = "", more: str = "") -> Scenario:
    return parse(
        f"""
scenario: mine
title: Two adapters
duration: 20
breaker: {{recovery_timeout: 2, jitter: 0}}
retry: {{attempt_timeout: 1}}
adapters: {{gpt: {{}}, claude: {{}}}}
preference: {{default: [gpt, claude]}}
traffic: [{{per_second: 10}}]
timeline: [{timeline}]
expect: {{{expect}}}
{more}
""",
        Scenario,
        "mine.yaml",
    )


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_meets_its_expectations(name: str) -> None:
    verdict, _ = play(load(shipped()[name]))
    assert verdict.broken == []


def test_a_scenario_is_reproducible() -> None:
    assert play(load(shipped()["primary-outage"]))[1] == play(load(shipped()["primary-outage"]))[1]


def test_another_seed_gives_another_result() -> None:
    one = scenario()
    assert play(one)[1] != play(one.model_copy(update={"seed": 2}))[1]


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("fault: refused", "connection"),
        ("fault: error", "server"),
        ("fault: hang", "timeout"),
        ("fault: slow, factor: 50", "timeout"),
        ("fault: flaky, rate: 1", "server"),
        ("fault: rate_limited", "rate_limited"),
        ("fault: soft_failure", "soft_failure"),
        ("fault: credentials", "credentials"),
    ],
)
def test_each_fault_trips_the_breaker_and_others_take_over(fault: str, rule: str) -> None:
    verdict, events = play(scenario(f"{{at: 5, adapter: gpt, {fault}}}"))
    failures = [event.attempt for event in events if isinstance(event, AttemptFailed)]
    assert {failure.rule for failure in failures} == {rule}
    assert verdict.states["gpt"][:2] == ["closed", "open"]
    assert verdict.success_rate == 1
    assert verdict.answered["claude"] > 50


def test_a_healed_adapter_recovers() -> None:
    verdict, _ = play(scenario("{at: 2, adapter: gpt, fault: refused}, {at: 6, adapter: gpt, heal: true}"))
    assert verdict.states["gpt"][-2:] == ["half_open", "closed"]


def test_an_operators_command_is_executed_and_reported() -> None:
    _, events = play(
        scenario("{at: 2, command: force_open, adapter: gpt}, {at: 4, command: open_for, seconds: 3, adapter: claude}")
    )
    done = [event for event in events if isinstance(event, CommandDone)]
    assert [(event.verb, event.adapter, event.ok, event.actor) for event in done] == [
        ("force_open", "gpt", True, "scenario"),
        ("open_for", "claude", True, "scenario"),
    ]
    opened = [e for e in events if isinstance(e, StateChanged) and e.adapter == "claude" and e.after == "open"]
    assert [event.wait for event in opened] == [3.0]


def test_each_step_is_reported_with_its_text() -> None:
    _, events = play(scenario("{at: 2, say: Watch closely}, {at: 3, adapter: gpt, fault: hang}"))
    assert [event.text for event in events if isinstance(event, ScenarioStep)] == ["Watch closely", "gpt: hang"]


def test_unmet_expectations_are_reported() -> None:
    verdict, _ = play(
        scenario(
            "{at: 2, adapter: gpt, fault: refused}, {at: 2, adapter: claude, fault: refused}",
            expect="success_rate: 0.9, states: {gpt: [forced_open]}, end: {gpt: closed}, answered: {claude: 1000}",
        )
    )
    reported = [line.split(":")[0] for line in verdict.broken]
    assert reported == ["success_rate", "states.gpt", "end.gpt", "answered.claude"]


def test_a_scenario_without_tasks_does_not_pass() -> None:
    verdict, _ = play(scenario(expect="success_rate: 0.9").model_copy(update={"duration": 0.01}))
    assert verdict.success_rate is None
    assert verdict.broken == ["traffic: no task ran; raise per_second or duration"]


def test_traffic_has_its_own_start_end_and_deadline() -> None:
    _, events = play(
        scenario(
            "{at: 0, adapter: gpt, fault: hang}, {at: 0, adapter: claude, fault: hang}",
            more="",
        ).model_copy(
            update={
                "traffic": parse(
                    "scenario: t\ntitle: t\nduration: 20\nadapters: {a: {}}\n"
                    "traffic: [{per_second: 5, start: 4, until: 6, deadline: 0.5, type: chat}]",
                    Scenario,
                    "t",
                ).traffic
            }
        )
    )
    routes = [event for event in events if isinstance(event, RouteFinished)]
    assert {route.task_type for route in routes} == {"chat"}
    assert 5 <= len(routes) <= 12
    assert all(route.duration <= 0.51 for route in routes)


def test_a_repeated_scenario_restarts_until_cancelled() -> None:
    async def main() -> list[Event]:
        events: list[Event] = []
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        player = Player(scenario("{at: 1, say: Once more}"), wall=loop.wall, on_event=events.append)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(50):
                await player.play(repeat=True)
        return events

    assert [type(event) for event in run(main())].count(ScenarioStep) == 3
