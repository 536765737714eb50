"""A scenario made from the events of an engine repeats what that engine did."""

from __future__ import annotations

import asyncio
from array import array
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.events import Event, PreferenceSet
from fuseboard_engine.scenario.model import Scenario, load
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.scenario_derivation.calls import LONGEST_RUN, SAMPLE, exact_parts, spans
from fuseboard_engine.scenario_derivation.document import MOST_EXACT, scenario_text, slug
from fuseboard_engine.scenario_derivation.observation import ANSWERED, Failure, Observation, ObservedCalls
from fuseboard_engine.virtual_time import VirtualTimeLoop
from fuseboard_scenarios import shipped
from support.any_events import events

PREFECT = frozenset({"prefect"})


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


def changes(played: Played) -> dict[str, list[tuple[str, float]]]:
    found: dict[str, list[tuple[str, float]]] = {}
    for change in played.observation.changes:
        found.setdefault(change.adapter, []).append((change.after, change.at))
    return found


NOT_REPEATED = {
    "broken-stream": "a stream comes as a plain call, which fails over",
    "poison-task": "the retries of dead letters come as tasks, beside the retries that they then cause",
}
"""Scenarios that a derived one does not repeat, and why; docs/scenarios.md says so."""


@pytest.mark.parametrize(
    "file", [file for name, file in shipped().items() if name not in NOT_REPEATED], ids=lambda file: file.stem
)
def test_a_derived_scenario_repeats_the_changes_of_state_at_their_times(file: Path) -> None:
    first = play(load(file))
    again = play(derived(first.observation))
    assert again.broken == []
    assert abs(again.success_rate - first.success_rate) <= 0.01
    before, after = changes(first), changes(again)
    assert before.keys() == after.keys()
    for adapter, was in before.items():
        assert [state for state, _ in after[adapter]] == [state for state, _ in was], adapter
        for (_, at), (_, then) in zip(was, after[adapter], strict=True):
            assert abs(then - at) <= max(1.0, at / 10), adapter


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
