"""A scenario says what an engine's configuration says, and names no code."""

from __future__ import annotations

import pytest

from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.events import DeadLettered, Event, HealthChecked, RouteFinished
from fuseboard_engine.scenario.model import Scenario, schema
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.scenario_outcome.verdict import Verdict
from fuseboard_engine.virtual_time import run

BASE = """\
scenario: mine
title: Two adapters
duration: 20
retry: {attempt_timeout: 1, max_attempts: 1}
adapters: {gpt: {tags: [eu]}, claude: {}}
traffic: [{per_second: 10, type: chat}]
"""
ALL_OUT = "timeline: [{at: 2, adapter: gpt, fault: refused}, {at: 2, adapter: claude, fault: refused}]\n"


def made(more: str, base: str = BASE) -> Scenario:
    return parse(base + more, Scenario, "mine.yaml")


def play(scenario: Scenario) -> tuple[Verdict, list[Event], Player]:
    events: list[Event] = []
    players: list[Player] = []

    async def main() -> Verdict:
        players.append(Player(scenario, on_event=events.append))
        return await players[0].play()

    return run(main()), events, players[0]


def mistakes(more: str, base: str = BASE) -> str:
    with pytest.raises(DocumentError) as caught:
        made(more, base)
    return str(caught.value)


def test_degraded_answers_come_when_a_chain_is_exhausted() -> None:
    _, events, _ = play(made(ALL_OUT + "degraded: {chat: {answer: degraded}}\n"))
    routes = [event for event in events if isinstance(event, RouteFinished)]
    assert sum(route.degraded for route in routes) > 100
    assert all(route.success or route.degraded for route in routes)


def test_presets_are_changed_by_the_fields_of_the_file() -> None:
    own = BASE.replace("claude: {}", "claude: {preset: conservative, breaker: {failure_threshold: 7}}")
    scenario = made("preset: aggressive\nbreaker: {failure_threshold: 4}\n", own)
    assert (scenario.breaker.failure_threshold, scenario.breaker.recovery_timeout) == (4, 0.5)
    assert (scenario.retry.base_delay, scenario.retry.max_attempts) == (0.05, 1)
    breaker = scenario.adapters["claude"].breaker
    assert breaker is not None
    assert (breaker.failure_threshold, breaker.failure_rate) == (7, 0.5)
    assert "preset: there is no 'agressive' here; did you mean aggressive?" in mistakes("preset: agressive\n")


def test_degradation_takes_options() -> None:
    _, events, _ = play(made(ALL_OUT + "degradation: {default: {answer: {text: later}, name: sorry}}\n"))
    assert any(isinstance(event, RouteFinished) and event.degraded for event in events)


def test_tasks_become_dead_letters() -> None:
    _, events, player = play(made(ALL_OUT + "dead_letters: {automatic_retry: false, capacity: 50}\n"))
    assert sum(isinstance(event, DeadLettered) for event in events) == 50
    assert player.engine.dead_letters is not None


def test_dead_letters_off_keeps_none() -> None:
    assert made("dead_letters: off\n").dead_letters is None
    assert {"const": "off"} in schema()["properties"]["dead_letters"]["anyOf"]


def test_routing_orders_limits_and_caps() -> None:
    scenario = made("routing: {adaptive: true, all_out: last_resort, max_out_share: 0.5, max_out_by_tag: {eu: 0.5}}\n")
    assert play(scenario)[2].engine.routing.policy == scenario.routing


def test_the_cap_keeps_an_adapter_in() -> None:
    verdict, _, _ = play(made(ALL_OUT + "routing: {max_out_share: 0.5}\n"))
    assert [name for name, states in verdict.states.items() if "open" in states] == ["gpt"]


def test_a_chain_may_be_adaptive() -> None:
    engine = play(made("preference: {chat: {order: [claude, gpt], adaptive: true}}\n"))[2].engine
    assert engine.settings is not None
    assert engine.settings.preferences["chat"].as_tuple() == (("claude", "gpt"), True, False)


def test_an_attribution_row_decides_what_counts() -> None:
    row = "attribution: [{name: maintenance, statuses: [503], counts: false, retry: false}]\n"
    verdict, _, _ = play(made(row + "timeline: [{at: 2, adapter: gpt, fault: error}]\n"))
    assert "gpt" not in verdict.states


def test_health_checks_find_an_outage() -> None:
    _, events, _ = play(made("health_monitoring: {enabled: true, check_interval: 1, timeout: 0.5}\n" + ALL_OUT, BASE))
    assert {event.adapter for event in events if isinstance(event, HealthChecked)} == {"gpt", "claude"}


def test_an_adapter_has_health_checks_of_its_own() -> None:
    base = BASE.replace("claude: {}", "claude: {health_monitoring: {check_interval: 2, timeout: 1}}")
    _, events, _ = play(made(ALL_OUT, base))
    assert {event.adapter for event in events if isinstance(event, HealthChecked)} == {"claude"}


def test_fault_tolerance_off_leaves_breakers_closed() -> None:
    assert play(made(ALL_OUT + "fault_tolerance: {enabled: false}\n"))[0].states == {}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("degradation: {chat: {call: 'os:getcwd'}}\n", "7: degradation.chat.call: a scenario imports no code"),
        ("attribution: [{name: a, when: 'os:getcwd'}]\n", "7: attribution.0.when: a scenario imports no code"),
        ("attribution: [{name: a, errors: [httpx.ConnectError]}]\n", "7: attribution.0.errors.0: httpx.ConnectError:"),
        ("attribution: [{name: a, errors: [print]}]\n", "7: attribution.0.errors.0: print is not an exception type"),
        ("degraded: {chat: {success: true}}\n", "7: degraded.chat:"),
        ("preference: {chat: {order: [gtp]}}\n", "7: preference.chat.order.0: there is no adapter 'gtp' here"),
        ("routing: {max_out_by_tag: {us: 0.5}}\n", "7: routing.max_out_by_tag.us: no adapter here has the tag 'us'"),
        ("dead_letters: {categories: {tiemout: network}}\n", "7: dead_letters.categories.tiemout:"),
        ("routing: {adaptiv: true}\n", "7: routing.adaptiv: there is no such field; did you mean adaptive?"),
        ("recording: {path: a.db}\n", "7: recording: there is no such field"),
        ("shutdown: {hook: 'os:abort'}\n", "7: shutdown: there is no such field"),
        ("execution: {timeout: .inf}\n", "7: execution.timeout:"),
    ],
)
def test_mistakes_are_reported_with_their_line(more: str, message: str) -> None:
    assert f"mine.yaml:{message}" in mistakes(more)


@pytest.mark.parametrize(
    "target", ["call: 'os:getcwd'", "url: 'http://127.0.0.1'", "program: [ls]", "failed: 'os:getcwd'"]
)
def test_an_adapter_of_the_real_world_is_refused(target: str) -> None:
    assert f"mine.yaml:5: adapters.claude.{target.split(':')[0]}" in mistakes(
        "", BASE.replace("claude: {}", f"claude: {{{target}}}")
    )


def test_an_unknown_row_is_reported_where_it_is_named() -> None:
    base = BASE.replace("claude: {}", "claude: {handles: [context]}")
    assert "mine.yaml:5: adapters.claude.handles.0: " in mistakes("", base)
