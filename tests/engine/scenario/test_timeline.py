"""The steps of a scenario one by one, and when its tasks arrive."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.events import Event, ScenarioStep, StateChanged
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.scenario.timeline import arrivals, timeline_of
from fuseboard_engine.scenario_file.traffic import TrafficPart
from fuseboard_engine.virtual_time import run


def scenario(timeline: str, traffic: str = "{per_second: 10}") -> Scenario:
    return parse(
        f"""
scenario: mine
title: Three adapters, two of them in Europe
duration: 20
breaker: {{failure_threshold: 3, recovery_timeout: 60}}
retry: {{max_attempts: 1}}
adapters: {{paris: {{tags: [eu]}}, berlin: {{tags: [eu, slow]}}, boston: {{}}}}
traffic: [{traffic}]
timeline: [{timeline}]
""",
        Scenario,
        "mine.yaml",
    )


def steps(timeline: str) -> list[str]:
    """Return what happens: the time, the adapter, and its fault, command or recovery."""
    return [
        f"{step.at:g} {step.adapter} {step.fault or step.command or ('heals' if step.heal else step.say)}"
        for step in timeline_of(scenario(timeline))
    ]


def mistake(timeline: str) -> str:
    with pytest.raises(DocumentError) as raised:
        scenario(timeline)
    return str(raised.value)


def test_a_fault_that_lasts_ends_by_itself() -> None:
    assert steps("{at: 3, adapter: paris, fault: hang, for: 4.5}") == ["3 paris hang", "7.5 paris heals"]


def test_a_fault_that_lasts_beyond_the_end_does_not_end() -> None:
    assert steps("{at: 3, adapter: paris, fault: hang, for: 18}") == ["3 paris hang"]


def test_another_step_for_the_adapter_takes_the_place_of_the_end() -> None:
    first = "{at: 3, adapter: paris, fault: hang, for: 4}"
    assert steps(f"{first}, {{at: 5, adapter: paris, fault: error}}") == ["3 paris hang", "5 paris error"]
    assert steps(f"{first}, {{at: 5, adapter: paris, heal: true}}") == ["3 paris hang", "5 paris heals"]
    assert steps(f"{first}, {{at: 5, adapter: paris, command: reset}}")[-1] == "7 paris heals"
    assert steps(f"{first}, {{at: 5, adapter: boston, fault: error}}")[-1] == "7 paris heals"


def test_a_step_that_repeats_happens_until_its_last_time_or_the_end() -> None:
    assert steps("{at: 1, every: 8, adapter: paris, command: reset}") == [f"{at} paris reset" for at in (1, 9, 17)]
    assert steps("{at: 1, every: 8, until: 9, adapter: paris, command: reset}") == [
        f"{at} paris reset" for at in (1, 9)
    ]


def test_an_adapter_that_flaps_is_two_fields() -> None:
    assert steps("{at: 2, every: 6, until: 8, for: 2, adapter: paris, fault: refused}") == [
        "2 paris refused",
        "4 paris heals",
        "8 paris refused",
        "10 paris heals",
    ]


def test_a_step_for_a_tag_happens_to_every_adapter_that_has_it() -> None:
    assert steps("{at: 2, tag: eu, fault: refused, for: 3}") == [
        "2 paris refused",
        "2 berlin refused",
        "5 paris heals",
        "5 berlin heals",
    ]


def test_an_outage_of_a_tag_is_told_once_and_opens_each_breaker() -> None:
    events: list[Event] = []

    async def main() -> None:
        played = scenario("{at: 2, tag: eu, fault: refused, for: 9, say: Europe is down}")
        await Player(played, on_event=events.append).play()

    run(main())
    assert [event.text for event in events if isinstance(event, ScenarioStep)] == [
        "Europe is down",
        "paris has recovered",
        "berlin has recovered",
    ]
    assert {event.adapter for event in events if isinstance(event, StateChanged)} == {"paris", "berlin"}


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{at: 1, adapter: paris, tag: eu, fault: hang}", "a step has only one of adapter and tag"),
        ("{at: 1, tag: asia, fault: hang}", "no adapter here has the tag 'asia'; there are eu, slow"),
        ("{at: 1, tag: eus, fault: hang}", "no adapter here has the tag 'eus'; did you mean eu?"),
        ("{at: 1, tag: eu, command: reset_all}", "reset_all applies to every adapter"),
        ("{at: 1, adapter: paris, heal: true, for: 3}", "only a fault uses this; remove it"),
        ("{at: 1, adapter: paris, fault: hang, for: 0}", "timeline.0.for"),
        ("{at: 1, adapter: paris, fault: hang, for: .inf}", "timeline.0.for"),
        ("{at: 1, adapter: paris, fault: hang, until: 3}", "only a step with `every` uses this"),
        ("{at: 1, adapter: paris, fault: hang, every: 30}", "it happens only once before 20 s"),
        ("{at: 9, adapter: paris, fault: hang, every: 3, until: 5}", "it happens only once before 5 s"),
        ("{at: 1, adapter: paris, fault: hang, every: 0.001}", "it happens more than 10,000 times"),
    ],
)
def test_a_step_that_contradicts_itself_is_refused(step: str, said: str) -> None:
    assert said in mistake(step)
    assert "mine.yaml:9" in mistake(step)


# ---------------------------------------------------------------- traffic


def times(seed: int = 1, duration: float = 100.0, **fields: object) -> list[float]:
    traffic = TrafficPart.model_validate({"per_second": 10, **fields})
    return list(arrivals(traffic, duration, Random(seed)))


def test_constant_traffic_has_equal_gaps() -> None:
    assert times(duration=1.0, arrivals="constant") == pytest.approx([n / 10 for n in range(1, 10)])


def test_even_traffic_varies_by_two_fifths_of_the_gap() -> None:
    gaps = [after - before for before, after in pairwise(times())]
    assert all(0.06 - 1e-9 <= gap <= 0.14 + 1e-9 for gap in gaps)
    assert len({round(gap, 6) for gap in gaps}) > 100


def test_random_traffic_has_gaps_of_any_length_and_the_average_that_was_asked_for() -> None:
    made = times(arrivals="poisson", duration=1_000.0)
    gaps = [after - before for before, after in pairwise(made)]
    assert 9_500 < len(made) < 10_500
    assert min(gaps) < 0.001 and max(gaps) > 0.5


def test_a_burst_arrives_at_once_and_the_average_stays() -> None:
    made = times(arrivals="constant", burst=20)
    assert {made.count(at) for at in made} == {20}
    assert len(made) == pytest.approx(1_000, abs=20)


def test_a_ramp_changes_the_rate_evenly() -> None:
    made = times(arrivals="constant", ramp_to=30)
    tenths = [sum(10 * n <= at < 10 * n + 10 for at in made) for n in range(10)]
    assert tenths == [pytest.approx(10 * (11 + 2 * n), abs=2) for n in range(10)]


def test_a_ramp_down_to_nothing_ends_quietly() -> None:
    made = times(arrivals="constant", ramp_to=0)
    assert len(made) == pytest.approx(500, abs=2)
    assert sum(at > 90 for at in made) == pytest.approx(5, abs=1)


@given(
    per_second=st.floats(0.01, 200),
    ramp_to=st.none() | st.floats(0, 200),
    arrives=st.sampled_from(["even", "constant", "poisson"]),
    burst=st.integers(1, 50),
    start=st.floats(0, 5),
    until=st.none() | st.floats(6, 20),
    seed=st.integers(0, 1_000),
)
def test_traffic_of_any_shape_stays_in_order_and_within_its_time(
    per_second: float, ramp_to: float | None, arrives: str, burst: int, start: float, until: float | None, seed: int
) -> None:
    fields = {"per_second": per_second, "ramp_to": ramp_to, "arrivals": arrives, "burst": burst, "start": start}
    made = times(seed, 10.0, **fields, until=until)
    assert made == sorted(made)
    assert all(start <= at <= min(10.0, until or 10.0) for at in made)
    assert made == times(seed, 10.0, **fields, until=until)
    highest = max(per_second, ramp_to or 0.0)
    if arrives != "poisson":
        assert len(made) <= (10.0 - start) * highest / 0.6 + burst


rates = st.lists(st.floats(0, 200), min_size=1, max_size=6)


@given(rates, st.integers(1, 3))
def test_rates_that_change_give_as_many_tasks_as_their_integral(found: list[float], burst: int) -> None:
    steps = tuple((3.0 * place, rate) for place, rate in enumerate(found))
    traffic = TrafficPart(rates=steps, arrivals="constant", burst=burst)
    times = list(arrivals(traffic, 3.0 * len(found), Random(1)))
    assert abs(len(times) - 3 * sum(found)) <= burst + 1e-6
    assert times == sorted(times)
    assert all(0 <= at < 3 * len(found) for at in times)
    for place, rate in enumerate(found):
        here = sum(3 * place <= at < 3 * place + 3 for at in times)
        assert abs(here - 3 * rate) <= 2 * burst


def test_tasks_arrive_at_the_times_that_are_given() -> None:
    traffic = TrafficPart(times=(4.0, 1.5, 1.5, 30.0), start=1.0)
    assert list(arrivals(traffic, 20.0, Random(1))) == [1.5, 1.5, 4.0]


@pytest.mark.parametrize(
    ("traffic", "reason"),
    [
        ("{type: a}", "set one of per_second, rates and times"),
        ("{per_second: 1, times: [1]}", "set one of per_second, rates and times"),
        ("{times: [1], burst: 2}", "traffic.0.burst: only a stream with `per_second` uses this; remove it"),
        ("{rates: [[0, 1]], ramp_to: 2}", "traffic.0.ramp_to: only a stream with `per_second` uses this"),
        ("{rates: [[5, 1], [5, 2]]}", "traffic.0.rates.1: 5 s is not after the one above; keep the order of time"),
    ],
)
def test_traffic_that_contradicts_itself_is_refused(traffic: str, reason: str) -> None:
    with pytest.raises(DocumentError) as raised:
        scenario("{at: 1, say: hello}", traffic)
    assert reason in str(raised.value)
