"""Steps of the timeline that change traffic and settings, and commands on dead letters, runs and by operators."""

from __future__ import annotations

import asyncio

import pytest

from fuseboard_engine.commands import Command
from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.events import (
    CommandDone,
    ConfigReloaded,
    DeadLetterChanged,
    Event,
    RouteFinished,
    ScenarioStep,
    StateChanged,
    WorkflowFinished,
)
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario.played_engine import OPERATOR
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.virtual_time import run

BASE = """\
scenario: mine
title: Two adapters
duration: 20
breaker: {jitter: 0}
retry: {attempt_timeout: 1, max_attempts: 1}
adapters: {gpt: {}, "eu.claude": {tags: [eu]}}
"""
SEARCH = "traffic: [{name: search, per_second: 10, arrivals: constant}]\n"


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


def arrivals(events: list[Event]) -> list[float]:
    """Return when tasks arrived, in seconds."""
    start = 1_767_225_600.0
    return [event.at / 1e6 - event.duration - start for event in events if isinstance(event, RouteFinished)]


def between(times: list[float], since: float, until: float) -> int:
    return sum(since < at <= until for at in times)


def test_the_rate_of_traffic_changes() -> None:
    times = arrivals(play(SEARCH + "timeline: [{at: 5, traffic: search, per_second: 50}]\n"))
    assert 48 <= between(times, 0, 5) <= 50
    assert 498 <= between(times, 10, 20) <= 501


def test_traffic_stops_and_goes_on() -> None:
    steps = "timeline: [{at: 5, traffic: search, paused: true}, {at: 15, traffic: search, paused: false}]\n"
    times = arrivals(play(SEARCH + steps))
    assert between(times, 5.1, 15) == 0
    assert 48 <= between(times, 15, 20) <= 51


def test_a_ramp_goes_on_where_it_would_be() -> None:
    ramp = "traffic: [{name: search, per_second: 10, ramp_to: 50, arrivals: constant}]\n"
    steps = "timeline: [{at: 5, traffic: search, paused: true}, {at: 15, traffic: search, paused: false}]\n"
    assert between(arrivals(play(ramp + steps)), 15, 20) == pytest.approx(225, abs=2)


def test_tasks_with_times_are_left_out_while_it_stops() -> None:
    times = arrivals(
        play(
            "traffic: [{name: some, times: [1, 6, 11]}]\n"
            "timeline: [{at: 5, traffic: some, paused: true}, {at: 10, traffic: some, paused: false}]\n"
        )
    )
    assert [round(at) for at in times] == [1, 11]


def test_settings_change_through_the_engine() -> None:
    events = play(
        SEARCH + "timeline:\n  - {at: 4, set: {gpt.breaker.failure_threshold: 2, eu.claude.retry.max_attempts: 3}}\n"
        "  - {at: 5, set: {routing.max_attempts: 4}}\n  - {at: 6, adapter: gpt, fault: refused}\n"
    )
    changes = [change for event in events if isinstance(event, ConfigReloaded) and event.ok for change in event.changes]
    assert changes[0].startswith("breaker of gpt: failure_threshold 5 -> 2")
    assert "retry of eu.claude: max_attempts 1 -> 3" in changes
    assert any(change.startswith("routing: max_attempts None -> 4") for change in changes)
    failed = [event for event in events if isinstance(event, RouteFinished) and event.attempts[0].outcome == "failed"]
    opened = next(event for event in events if isinstance(event, StateChanged) and event.after == "open")
    assert sum(event.at <= opened.at for event in failed) <= 2


def test_a_common_setting_changes_adapters_without_their_own() -> None:
    events = play(SEARCH + "timeline: [{at: 4, set: {breaker.failure_threshold: 3}}]\n")
    changes = next(event.changes for event in events if isinstance(event, ConfigReloaded))
    assert [change.split(":")[0] for change in changes] == ["breaker of gpt", "breaker of eu.claude"]


def test_dead_letters_are_retried_by_command() -> None:
    events = play(
        "dead_letters: {automatic_retry: false}\ntraffic: [{times: [2, 3]}]\n"
        "timeline:\n  - {at: 1, adapter: gpt, fault: refused, for: 5}\n"
        "  - {at: 1, adapter: eu.claude, fault: refused, for: 5}\n  - {at: 8, command: dlq_retry, args: {all: true}}\n"
    )
    done = [event for event in events if isinstance(event, CommandDone)]
    assert [(event.verb, event.ok) for event in done] == [("dlq_retry", True)]
    assert any(isinstance(event, DeadLetterChanged) for event in events)


def test_dead_letters_are_discarded_by_command() -> None:
    events = play(
        "dead_letters: {automatic_retry: false}\ntraffic: [{type: mail, times: [2, 3]}, {type: fax, times: [2]}]\n"
        "timeline:\n  - {at: 1, adapter: gpt, fault: refused}\n  - {at: 1, adapter: eu.claude, fault: refused}\n"
        "  - {at: 8, command: dlq_archive, args: {task_type: fax}}\n"
        "  - {at: 9, command: dlq_discard, args: {task_type: mail}}\n"
        "  - {at: 10, command: dlq_purge, args: {}}\n"
    )
    done = [event for event in events if isinstance(event, CommandDone)]
    assert [(event.verb, event.ok, event.detail) for event in done] == [
        ("dlq_archive", True, "1 dead letter archived"),
        ("dlq_discard", True, "2 dead letters discarded"),
        ("dlq_purge", False, "this does not say which dead letters; name some, or all"),
    ]


@pytest.mark.parametrize("args", ["", ", args: {run: publish-8f00}"])
def test_failed_runs_are_resumed_by_command(args: str) -> None:
    events = play(
        "workflows: {publish: {draft: {type: chat}, check: {adapter: gpt, after: [draft]}}}\n"
        "preference: {chat: [eu.claude]}\ntraffic: [{times: [2], workflow: publish}]\n"
        f"timeline: [{{at: 1, adapter: gpt, fault: refused, for: 5}}, {{at: 8, command: resume{args}}}]\n"
    )
    assert [event.state for event in events if isinstance(event, WorkflowFinished)] == ["failed", "done"]
    assert [event.ok for event in events if isinstance(event, CommandDone)] == [True]


RESCUE = SEARCH + "timeline: [{at: 5, operator: true, command: force_open, adapter: gpt, for: 4, say: Press f}]\n"


def test_a_virtual_operator_gives_the_command_at_the_end_of_its_time() -> None:
    events = play(RESCUE)
    done = next(event for event in events if isinstance(event, CommandDone))
    asked = next(event for event in events if isinstance(event, ScenarioStep))
    assert (done.verb, done.adapter, done.actor, asked.text) == ("force_open", "gpt", OPERATOR, "Press f")
    assert done.at - asked.at == 4_000_000


def test_an_operator_who_is_in_time_is_not_repeated() -> None:
    events: list[Event] = []

    async def main() -> None:
        player = Player(made(RESCUE), on_event=events.append)
        press = Command(id=1, verb="force_open", actor="ann", adapter="gpt")
        asyncio.get_running_loop().call_later(7, player.engine.execute_command, press)
        await player.play()

    run(main())
    assert [event.actor for event in events if isinstance(event, CommandDone)] == ["ann"]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("{at: 1, traffic: searhc, paused: true}", "traffic: no traffic here is called 'searhc'; did you mean search?"),
        ("{at: 1, traffic: search}", " set what changes: per_second or paused"),
        ("{at: 1, traffic: search, per_second: -1}", "per_second: "),
        ("{at: 1, traffic: search, per_second: .inf}", "per_second: "),
        ("{at: 1, per_second: 3}", "per_second: only a step with `traffic` uses this"),
        (
            "{at: 1, set: {gtp.breaker.failure_threshold: 3}}",
            "set.gtp.breaker.failure_threshold: no adapter or se",
        ),
        ("{at: 1, set: {gpt.tags: [eu]}}", "set.gpt.tags: this is not a policy of an adapter"),
        ("{at: 1, set: {gpt.latency: 3}}", "set.gpt.latency: this is not a policy of an adapter"),
        ("{at: 1, set: {gpt.breaker.failure_treshold: 3}}", "set.gpt.breaker.failure_treshold: there is no field"),
        ("{at: 1, set: {gpt.breaker.failure_threshold: -3}}", "set.gpt.breaker.failure_threshold: "),
        ("{at: 1, set: {gpt.breaker.failure_threshold: 2026-01-01}}", "set.gpt.breaker.failure_threshold: "),
        ("{at: 1, set: {breaker.recovery_timeout: .inf}}", "set.breaker.recovery_timeout: "),
        ("{at: 1, set: {dead_letters.capacity: 5}}", "set.dead_letters.capacity: an engine keeps dead letters from"),
        ("{at: 1, set: {name: x}}", "set.name: no adapter or section is called 'name'"),
        ("{at: 1, set: {routing.max_attempts.x: 3}}", "set.routing.max_attempts.x: there is no field 'x'"),
        ("{at: 1, command: dlq_retry, adapter: gpt}", "adapter: dlq_retry does not apply to an adapter"),
        ("{at: 1, say: x, args: {a: 1}}", "args: only a command uses this"),
        ("{at: 1, operator: true}", " an operator needs a command to give"),
    ],
)
def test_mistakes_are_reported_with_their_line(step: str, message: str) -> None:
    text = mistakes(SEARCH + f"timeline: [{step}]\n")
    assert text.startswith(f"mine.yaml:8: timeline.0{':' if message.startswith(' ') else '.'}{message}")


def test_two_streams_have_two_names() -> None:
    text = mistakes("traffic: [{name: a, per_second: 1}, {name: a, per_second: 1}]\n")
    assert "traffic.1.name: another stream of tasks is called 'a' too" in text
