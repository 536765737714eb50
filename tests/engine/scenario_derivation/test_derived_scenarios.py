"""A scenario made from the events of an engine repeats what that engine did."""

from __future__ import annotations

import asyncio
from array import array
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.events import (
    AdapterAdded,
    Attempt,
    EngineStarted,
    Event,
    PreferenceSet,
    RouteFinished,
    StateChanged,
)
from fuseboard_engine.routing.route import OF_THIS_CALL
from fuseboard_engine.scenario.model import Scenario, load
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.scenario_derivation.document import MOST_EXACT, scenario_text, slug
from fuseboard_engine.scenario_derivation.observation import Observation
from fuseboard_engine.scenario_derivation.observed_calls import ANSWERED, Failure, ObservedCalls
from fuseboard_engine.scenario_derivation.recorded_parts import LONGEST_RUN, SAMPLE, exact_parts, spans
from fuseboard_engine.scenario_derivation.repetition import can_be_repeated, compare
from fuseboard_engine.scenario_file.step import StepPart
from fuseboard_engine.virtual_time import VirtualTimeLoop
from fuseboard_scenarios import shipped
from support.any_events import events

PREFECT = frozenset({"prefect"})

FAN_OUTS = """
scenario: fan-outs
title: Two fan-outs
duration: 20
adapters:
  a: {latency: 0.1}
  b: {latency: 1.0}
traffic:
  - {type: vote, per_second: 1, fan_out: {adapters: [a, b], strategy: all, timeout: 3}}
  - {type: race, per_second: 1, fan_out: {adapters: [b, a], strategy: hedged, hedge_delay: 0.2}}
"""


class Played(NamedTuple):
    """What a scenario did: what its events say, and the expectations that failed."""

    observation: Observation
    success_rate: float
    broken: list[str]


def play(scenario: Scenario, only: frozenset[str] = frozenset()) -> Played:
    """Play a scenario in virtual time and observe it."""
    loop = VirtualTimeLoop()
    observation = Observation(loop.wall(), only)

    async def main() -> Played:
        player = Player(scenario, wall=loop.wall, on_event=observation.add)
        for event in player.engine.describe():
            observation.add(event)
        verdict = await player.play()
        return Played(observation, verdict.success_rate or 0.0, verdict.broken)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main())


def derived(observation: Observation) -> Scenario:
    return parse(scenario_text(observation, "derived", "What was recorded"), Scenario, "derived.yaml")


@pytest.mark.parametrize(
    "file",
    [file for file in shipped().values() if can_be_repeated(load(file)) and not load(file).engines],
    ids=lambda file: file.stem,
)
def test_a_derived_scenario_repeats_the_changes_of_state_at_their_times(file: Path) -> None:
    first = play(load(file))
    again = play(derived(first.observation))
    found = compare(first.observation, again.observation)
    assert again.broken == []
    assert found.same
    assert found.close
    assert abs(found.repeated_success - found.success) <= 0.01


@pytest.mark.parametrize(
    ("story", "field", "value"),
    [
        ("broken-stream", "stream", True),
        ("crash-and-resume", "workflow", "nightly"),
        ("partial-batch", "batch.tasks", 10),
        ("partial-batch", "batch.min_success_rate", 0.8),
        ("partial-batch", "batch.rollback", True),
        ("partial-batch", "batch.retries", 1),
    ],
)
def test_traffic_comes_as_what_it_was(story: str, field: str, value: object) -> None:
    traffic = derived(play(load(shipped()[story])).observation).traffic
    assert value in [attrgetter(field)(stream) for stream in traffic if getattr(stream, field.partition(".")[0])]


def test_only_the_tasks_of_the_adapters_that_matter_are_in_it() -> None:
    whole, part = (play(load(shipped()["primary-outage"]), only).observation for only in (frozenset[str](), PREFECT))
    found = derived(part)
    assert list(found.adapters) == ["prefect"]
    assert {name for chain in found.preference.values() for name in chain.order} == {"prefect"}
    assert 0 < part.tasks < whole.tasks


def test_a_long_recording_becomes_spans_of_time_with_about_the_same_success() -> None:
    scenario = load(shipped()["primary-outage"])
    busy = [stream.model_copy(update={"per_second": 10 * stream.per_second}) for stream in scenario.traffic]
    first = play(scenario.model_copy(update={"traffic": tuple(busy), "duration": 150.0}))
    assert first.observation.tasks > MOST_EXACT
    text = scenario_text(first.observation, "busy", "Busy")
    assert len(text) < 500_000
    again = play(parse(text, Scenario, "busy.yaml"))
    assert abs(again.success_rate - first.success_rate) < 0.03
    assert abs(again.observation.tasks - first.observation.tasks) < first.observation.tasks * 0.02


def test_a_chain_that_names_an_adapter_that_was_never_there_keeps_the_others() -> None:
    observation = play(load(shipped()["all-out"])).observation
    observation.add(PreferenceSet(at=observation.began_at, task_type="chat", order=("gpt", "added later")))
    observation.add(PreferenceSet(at=observation.began_at, task_type="rag", order=("added later",)))
    made = derived(observation)
    assert made.preference["chat"].order == ("gpt",)
    assert "rag" not in made.preference


def test_a_workflow_has_its_nodes_and_what_they_wait_for() -> None:
    made = derived(play(load(shipped()["crash-and-resume"])).observation)
    assert {name: (node.adapter, node.after) for name, node in made.workflows["nightly"].items()} == {
        "fetch": ("crawler", ()),
        "clean": ("cleaner", ("fetch",)),
        "store": ("store", ("clean",)),
    }


def test_the_end_of_an_engine_is_a_kill() -> None:
    made = derived(play(load(shipped()["crash-and-resume"])).observation)
    (kill,) = [step for step in made.timeline if step.kill]
    assert 17 < kill.at < 18.1
    assert kill.at + kill.down == pytest.approx(20, abs=0.01)


def test_dead_letters_are_retried_by_the_operator_and_not_as_tasks() -> None:
    first = play(load(shipped()["poison-task"])).observation
    made = derived(first)
    assert [(step.at, step.args) for step in made.timeline if step.command == "dlq_retry"] == [(34.0, {"all": True})]
    assert made.dead_letters is not None
    assert not made.dead_letters.automatic_retry
    assert sum(len(stream.times) for stream in made.traffic) == first.tasks


def test_a_fan_out_stays_one_with_its_adapters_strategy_and_timeout() -> None:
    scenario = parse(FAN_OUTS, Scenario, "fan-outs.yaml")
    first = play(scenario)
    made = derived(first.observation)
    found = {stream.type: stream.fan_out for stream in made.traffic}
    assert found["vote"] is not None
    assert (found["vote"].adapters, found["vote"].strategy, found["vote"].timeout) == (("a", "b"), "all", 3.0)
    assert found["race"] is not None
    assert (found["race"].adapters, found["race"].strategy) == (("b", "a"), "hedged")
    again = play(made)
    assert again.success_rate == first.success_rate
    assert again.observation.tasks == first.observation.tasks


def test_the_chain_that_calls_name_is_that_of_their_type() -> None:
    observation = Observation(0)
    for number in range(3):
        route = RouteFinished(
            at=number * 1_000_000, task=str(number), task_type="chat", success=True, adapter="b", why=OF_THIS_CALL,
            attempts=(Attempt(adapter="b", outcome="success", number=1, duration=0.1),), left=("a",), deadline=2.5,
        )  # fmt: skip
        observation.add(route)
    made = derived(observation)
    assert made.preference["chat"].order == ("b",)  # nothing says that there is an `a`
    assert [stream.deadline for stream in made.traffic] == [2.5]


def test_a_breaker_that_a_restarted_engine_restored_is_opened_again() -> None:
    observation = Observation(0)
    answered = RouteFinished(
        at=1_000_000, task="1", task_type="chat", success=True, adapter="a", duration=0.1,
        attempts=(Attempt(adapter="a", outcome="success", number=1, duration=0.1),),
    )  # fmt: skip
    opened = StateChanged(at=2_000_000, adapter="a", before="closed", after="open", reason="failures", wait=60.0)
    observation.add(AdapterAdded(at=0, adapter="a", policy={}))
    observation.add(answered)
    observation.add(opened)
    observation.end_process(3_000_000)
    observation.add(EngineStarted(at=5_000_000, name="shop", host="web-1", pid=2, replaces=1, restored=True))
    observation.add(AdapterAdded(at=5_000_000, adapter="a", policy={}))
    restored = StateChanged(at=5_000_000, adapter="a", before="closed", after="open", reason="restored", wait=57.0)
    observation.add(restored)
    observation.add(replace(answered, at=9_000_000))
    made = derived(observation)
    steps = [step for step in made.timeline if step.kill or step.command]
    assert [(round(step.at), step.kill, step.command, step.seconds) for step in steps] == [
        (3, True, None, None),
        (5, False, "open_for", 57.0),
    ]
    assert steps[0].at + steps[0].down <= steps[1].at
    assert [change.after for change in observation.changes] == ["open", "closed", "open"]


def test_a_policy_that_changed_later_is_set_at_its_time() -> None:
    scenario = load(shipped()["primary-outage"])
    step = StepPart.model_validate({"at": 20.0, "set": {"prefect.retry.max_attempts": 1}})
    first = play(scenario.model_copy(update={"timeline": (*scenario.timeline, step)}))
    (found,) = [step for step in derived(first.observation).timeline if step.set]
    assert (found.at, found.set["prefect.retry"]["max_attempts"]) == (20.0, 1)


def test_an_observation_without_tasks_cannot_be_repeated() -> None:
    with pytest.raises(ValueError, match="no tasks"):
        scenario_text(Observation(0), "empty", "Empty")


@pytest.mark.parametrize(("name", "made"), [("Check Out!", "check-out"), ("…", "recorded"), ("a" * 99, "a" * 60)])
def test_any_name_becomes_a_scenarios_name(name: str, made: str) -> None:
    assert slug(name) == made


seconds = st.floats(0, 100, allow_nan=False)
failures = st.sampled_from([ANSWERED, Failure("server", "HttpError", "500"), Failure("timeout", "AttemptTimeout")])
some_calls = st.lists(st.tuples(seconds, seconds, failures), min_size=1, max_size=300)


def calls_of(rows: list[tuple[float, float, Failure]]) -> ObservedCalls:
    calls = ObservedCalls()
    for began, lasted, failure in rows:
        calls.add(began, lasted, failure)
    return calls


@given(some_calls)
def test_exact_parts_hold_every_call_in_the_order_of_time(rows: list[tuple[float, float, Failure]]) -> None:
    parts = exact_parts(calls_of(rows))
    assert sum(len(part["seconds"]) for part in parts) == len(rows)
    assert all(len(part["seconds"]) <= LONGEST_RUN for part in parts)
    assert [part["at"] for part in parts] == sorted(part["at"] for part in parts)
    failed = sum(len(part["seconds"]) for part in parts if "rule" in part)
    assert failed == sum(failure != ANSWERED for _, _, failure in rows)


@given(some_calls, st.integers(1, 20))
def test_spans_are_few_and_stand_for_every_call(rows: list[tuple[float, float, Failure]], most: int) -> None:
    parts = spans(calls_of(rows), most)
    assert len(parts) <= most
    assert sum(part.get("calls", len(part["seconds"])) for part in parts) == len(rows)
    assert all(1 <= len(part["seconds"]) <= SAMPLE for part in parts)


def test_failures_beyond_a_thousand_different_ones_are_taken_for_the_first_of_their_row() -> None:
    calls = ObservedCalls()
    for number in range(2_000):
        calls.add(number, 1.0, Failure("server", "HttpError", f"500 of call {number}"))
    assert len(calls.failures) == 1_000
    assert calls.outcomes[1_999] == 1
    assert calls.began == array("d", range(2_000))


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(events(st.text(max_size=20)), min_size=1, max_size=8))
def test_events_with_any_texts_and_numbers_give_a_scenario_or_a_sentence(found: list[Event]) -> None:
    observation = Observation(0)
    for event in found:
        observation.add(event)
    if not observation.tasks:
        return
    with suppress(DocumentError):
        derived(observation)
