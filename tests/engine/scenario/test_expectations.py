"""Expectations: each is met or not by what happened, and says what happened instead, and when."""

from __future__ import annotations

import asyncio
from functools import cache

import pytest

from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.events import Attempt, DeadLetterChanged, DeadLettered, Event, RouteFinished, StateChanged
from fuseboard_engine.scenario.model import Scenario, schema
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.scenario_file.expectations import ExpectPart
from fuseboard_engine.scenario_outcome.judge import Failure, judge
from fuseboard_engine.scenario_outcome.outcome import Outcome
from fuseboard_engine.virtual_time import VirtualTimeLoop, run

SCENARIO = """\
scenario: mine
title: Gpt refuses calls from 5 to 10 s, and both adapters from 15 s
duration: 20
breaker: {recovery_timeout: 2, jitter: 0, failure_threshold: 3}
adapters: {gpt: {latency: 0.1, spread: 0}, claude: {latency: 0.2, spread: 0}}
preference: {default: [gpt, claude], chat: [claude, gpt]}
traffic: [{per_second: 10, arrivals: constant}, {type: chat, per_second: 5, arrivals: constant}]
timeline:
  - {at: 5, adapter: gpt, fault: refused, for: 5}
  - {at: 15, adapter: gpt, fault: error}
  - {at: 15, adapter: claude, fault: error}
"""


@cache
def played() -> Outcome:
    """What happens in the scenario."""

    async def main() -> Outcome:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        expects = parse(f"{SCENARIO}expect: {{never: {{event: fault_ended}}}}\n", Scenario, "mine.yaml")
        return (await Player(expects, wall=loop.wall).play()).outcome

    return run(main())


def failures(expect: str) -> list[str]:
    """The expectations of the scenario that fail."""
    scenario = parse(f"{SCENARIO}expect: {expect}\n", Scenario, "mine.yaml")
    return list(map(str, judge(scenario.expect, scenario.duration, played())))


@pytest.mark.parametrize(
    "expect",
    [
        "{between: [0, 15], success_rate: 1}",
        "{success_rate: {at_most: 0.8}}",
        "{between: [17, 20], success_rate: {at_most: 0}}",
        "{between: [0, 5], type: chat, route: [claude], answered: {claude: 24}}",
        "{between: [6, 7], type: task, route: [gpt, claude]}",
        "{between: [0, 5], states: {gpt: [closed]}, end: {gpt: closed}}",
        "{between: [6, 7], end: {gpt: open}}",
        "{between: [0, 4.9], calls: {gpt: {at_least: 48, at_most: 49}}, answered: {gpt: {at_most: 49}}}",
        "{between: [0, 14], failover_within: {gpt: 0.5}, recovered_within: {gpt: 2.5}}",
        "{degraded: {at_most: 0}, degraded_rate: {at_most: 0}, dead_letters: {at_most: 0}}",
        "{between: [0, 14], never: [{state: {claude: open}}, {slower_than: 2}, {success_rate_below: 1, over: 5}]}",
        "{never: {state: {claude: open, gpt: closed}}}",
        "{eventually: [{state: {gpt: open}}, {state: {gpt: open, claude: open}}, {called: gpt}]}",
        "{between: [15, 20], eventually: {success_rate_below: 0.5, over: 2}}",
        "{between: [9, 11], eventually: {event: fault_ended, where: {adapter: gpt, reason: healed}}}",
        "[{success_rate: 0.7}, {type: chat, between: [0, 14], success_rate: 1}]",
    ],
)
def test_it_is_met(expect: str) -> None:
    assert failures(expect) == []


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        (
            "{success_rate: 0.9}",
            "success_rate: 75.2% of 298 tasks, expected 90.0% or more; the first without an answer at 15.5 s",
        ),
        (
            "{between: [0, 5], success_rate: {at_most: 0.5}}",
            "success_rate (0 to 5 s): 100.0% of 73 tasks, expected 50.0% or less; the first with an answer at 0.2 s",
        ),
        ("{type: chat, between: [0, 0.1], success_rate: 0.9}", "success_rate (chat, 0 to 0.1 s): no task ended"),
        (
            "{between: [6, 7], route: [gpt]}",
            "route (6 to 7 s): 17 of 17 tasks went another way, expected gpt; the first at 6.0 s: claude",
        ),
        (
            "{between: [0, 14], states: {gpt: [forced_open]}}",
            "states.gpt (0 to 14 s): was closed → open → half_open → open → half_open → closed, expected forced_open "
            "within it; its last change at 10.6 s",
        ),
        ("{end: {claude: closed}}", "end.claude: open, expected closed; its last change at 17.7 s"),
        ("{end: {gpt: disabled}}", "end.gpt: open, expected disabled; its last change at 17.4 s"),
        (
            "{answered: {gpt: {at_most: 40}}}",
            "answered.gpt: 96 tasks, expected 40 or less; one more than that at 4.2 s",
        ),
        ("{answered: {gpt: 1000}}", "answered.gpt: 96 tasks, expected 1000 or more; the last one at 15.0 s"),
        ("{between: [1, 3], calls: {gpt: {at_most: 5}}}", "calls.gpt (1 to 3 s): 21 calls, expected 5 or less"),
        (
            "{failover_within: {claude: 2}}",
            "failover_within.claude: its fault began at 15.0 s; another adapter answered: never, expected within 2 s",
        ),
        (
            "{recovered_within: {gpt: 0.3}}",
            "recovered_within.gpt: its fault ended at 10.0 s; it answered again after 0.40 s, expected within 0.3 s",
        ),
        ("{between: [11, 14], failover_within: {gpt: 1}}", "failover_within.gpt (11 to 14 s): it had no fault"),
        ("{recovered_within: {claude: 1}}", "recovered_within.claude: no fault of it ended"),
        ("{dead_letters: 1}", "dead_letters: 0 dead letters, expected 1 or more"),
        ("{degraded: 1}", "degraded: 0 tasks, expected 1 or more"),
        ("{degraded_rate: 0.1}", "degraded_rate: 0.0% of 298 tasks, expected 10.0% or more; the first without a deg"),
        ("{never: {state: {gpt: open}}}", "never: gpt is open at 5."),
        ("{never: [{state: {gpt: disabled}}, {called: gpt}]}", "never.1: gpt is called at 0."),
        ("{never: {slower_than: 0.3}}", "never: a task takes longer than 0.3 s at "),
        ("{never: {success_rate_below: 0.5, over: 2}}", "never: less than 50.0% of the tasks of 2 s succeed at 16."),
        (
            "{never: {event: fault_ended, where: {reason: healed}}}",
            "never: an event fault_ended with reason: healed at 10.0 s",
        ),
        (
            "{between: [0, 4], eventually: {state: {gpt: open}}}",
            "eventually (0 to 4 s): at no moment gpt is open",
        ),
        ("[{}, {end: {gpt: closed}}]", "expect.1.end.gpt: open, expected closed"),
    ],
)
def test_it_says_what_happened_instead(expect: str, said: str) -> None:
    (failure,) = failures(expect)
    assert failure.startswith(said)


def test_a_failure_has_its_moment() -> None:
    scenario = parse(f"{SCENARIO}expect: {{never: {{state: {{gpt: open}}}}}}\n", Scenario, "mine.yaml")
    (failure,) = judge(scenario.expect, scenario.duration, played())
    assert isinstance(failure, Failure) and failure.at == pytest.approx(5.2, abs=0.2)


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("{route: [gpt, clude]}", "expect.route.1: there is no adapter 'clude' here; did you mean claude?"),
        ("{calls: {gtp: 1}}", "expect.calls.gtp: there is no adapter 'gtp' here; did you mean gpt?"),
        ("{never: {called: gtp}}", "expect.never.called: there is no adapter 'gtp' here; did you mean gpt?"),
        ("{never: [{state: {gtp: open}}]}", "expect.never.0.state.gtp: there is no adapter 'gtp' here"),
        ("{never: {state: {gpt: opn}}}", "expect.never.state.gpt: there is no 'opn' here; did you mean open?"),
        ("{nevr: {called: gpt}}", "expect.nevr: there is no such field; did you mean never?"),
        ("[{nevr: {called: gpt}}]", "expect.0.nevr: there is no such field; did you mean never?"),
        ("{never: {caled: gpt}}", "expect.never.caled: there is no such field; did you mean called?"),
        ("{never: {}}", "expect.never: write exactly one of state, called,"),
        ("{never: {called: gpt, state: {gpt: open}}}", "expect.never: write exactly one of state, called,"),
        ("{never: {success_rate_below: 0.5}}", "expect.never: success_rate_below and over belong together"),
        ("{never: {event: fault_end}}", "expect.never.event: there is no 'fault_end' here; did you mean fault_ended?"),
        (
            "{never: {event: fault_ended, where: {adaptr: gpt}}}",
            "expect.never.where.adaptr: fault_ended has no such field; did you mean adapter?",
        ),
        ("{never: {called: gpt, where: {a: 1}}}", "expect.never: only event uses where; remove it"),
        ("{between: [5, 5]}", "expect: between: 5 s is not before 5 s"),
        ("{between: [5, 50]}", "expect.between.1: 50 s is after the end at 20 s"),
        ("{between: [5, .inf]}", "expect.between.1: write a finite number"),
        ("{between: [-1, 5]}", "expect.between.0: must be 0 or more"),
        ("{type: chat, end: {gpt: open}}", "expect: end: a breaker is that of all types"),
        ("{type: chat, never: {state: {gpt: open}}}", "expect: state: a breaker is that of all types"),
        ("{success_rate: 2}", "expect.success_rate: must be 1 or less"),
        ("{success_rate: 2026-01-01}", "expect.success_rate: write a number"),
        ("{degraded: 0.5}", "expect.degraded: write a whole number"),
        ("{degraded: {}}", "expect.degraded: write a number, or at_least, at_most or both"),
        ("{degraded: {at_least: 5, at_most: 3}}", "expect.degraded: at_least: 5 is above at_most: 3"),
        ("{degraded: {atleast: 5}}", "expect.degraded.atleast: there is no such field; did you mean at_least?"),
        ("{failover_within: {gpt: 0}}", "expect.failover_within.gpt: must be above 0"),
        ("5", "expect: write fields with their values"),
    ],
)
def test_a_mistake_is_reported_with_its_line(expect: str, said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(f"{SCENARIO}expect: {expect}\n", Scenario, "mine.yaml")
    assert str(caught.value).startswith(f"mine.yaml:12: {said}")
    assert len(str(caught.value).splitlines()) == 1


def judged(expect: ExpectPart, *events: Event) -> list[str]:
    """The expectations that fail after some events."""
    outcome = Outcome()
    for event in events:
        outcome.observe(event)
    return list(map(str, judge([expect], 20, outcome)))


def route(at: float, adapter: str = "gpt", letter: int | None = None, **fields: bool) -> RouteFinished:
    attempt = Attempt(adapter=adapter, outcome="success", number=1)
    fields = {"success": True} | fields
    ended = round(at * 1e6)
    return RouteFinished(
        at=ended, task="t", task_type="chat", attempts=(attempt,), adapter=adapter, letter=letter, **fields
    )


def test_dead_letters_are_counted_when_made_and_as_long_as_they_need_action() -> None:
    made = [
        DeadLettered(at=second * 1_000_000, letter=second, task="t", task_type=kind, category="permanent")
        for second, kind in ((1, "chat"), (2, "chat"), (3, "rag"))
    ]
    resolved = DeadLetterChanged(at=4_000_000, letters=(1,), before="pending", status="succeeded")
    events = [route(0.5), *made, resolved]
    expect = ExpectPart.model_validate
    assert judged(expect({"dead_letters": {"at_most": 3}, "dead_letters_left": 2}), *events) == []
    assert judged(expect({"type": "chat", "dead_letters_left": {"at_most": 0}}), *events) == [
        "dead_letters_left (chat): 1 dead letter, expected 0 or less; one more than that at 2.0 s"
    ]
    assert judged(expect({"dead_letters": 4}), *events) == [
        "dead_letters: 3 dead letters, expected 4 or more; the last one at 3.0 s"
    ]


def test_the_retry_of_a_dead_letter_is_an_answer_but_not_a_task() -> None:
    events = [route(1), route(2, success=False), route(3, letter=1)]
    expect = ExpectPart.model_validate({"success_rate": {"at_most": 0.5}, "answered": {"gpt": 2}})
    assert judged(expect, *events) == []


def test_states_of_the_same_moment_are_all_seen() -> None:
    changes = [
        StateChanged(at=5, adapter="gpt", before="closed", after="open", reason="failures"),
        StateChanged(at=5, adapter="gpt", before="open", after="closed", reason="reset"),
    ]
    expect = ExpectPart.model_validate({"states": {"gpt": ("closed", "open", "closed")}})
    assert judged(expect, route(1), *changes) == []


def test_the_schema_lets_one_set_stand_for_the_list_and_a_number_for_its_limits() -> None:
    made = schema()
    assert [set(one) for one in made["properties"]["expect"]["anyOf"]] == [{"$ref"}, {"items", "type"}]
    rate = made["$defs"]["ShareLimits"]["anyOf"]
    assert rate[0] == {"type": "number", "minimum": 0}
