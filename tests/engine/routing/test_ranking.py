"""The adaptive order: what ranks where, how evidence fades, how often each adapter is tried first."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuseboard_engine.routing.ranking import (
    AdapterScore,
    Evidence,
    RankedChain,
    explain,
    exploration_share,
    explored_index,
    least_loaded,
    rank,
)

RATES = st.floats(0.01, 1.0)
SECONDS = st.floats(0.0, 100.0)
FIGURES = st.builds(
    AdapterScore,
    st.text("abcdefgh", min_size=1, max_size=3),
    RATES,
    SECONDS,
    st.integers(0, 50),
    st.booleans(),
)
MANY = st.lists(FIGURES, max_size=8, unique_by=lambda f: f.name)


@given(MANY, st.floats(0, 10), st.floats(0, 2))
def test_an_order_is_a_permutation_of_the_chain(figures: list[AdapterScore], failure: float, load: float) -> None:
    ranked = rank(figures, failure, load)
    assert sorted(f.name for f in ranked) == sorted(f.name for f in figures)


@given(MANY)
def test_adapters_that_cannot_be_admitted_come_last(figures: list[AdapterScore]) -> None:
    admissible = [f.admissible for f in rank(figures, 1.0, 0.1)]
    assert admissible == sorted(admissible, reverse=True)


@given(MANY, st.data())
def test_a_better_success_rate_or_latency_or_less_load_never_ranks_lower(
    figures: list[AdapterScore], data: st.DataObject
) -> None:
    if not figures:
        return
    index = data.draw(st.integers(0, len(figures) - 1))
    old = figures[index]
    better = AdapterScore(
        old.name,
        data.draw(st.floats(old.success_rate, 1.0)),
        data.draw(st.floats(0.0, old.latency)),
        data.draw(st.integers(0, old.in_flight)),
        old.admissible,
    )
    before = [f.name for f in rank(figures, 1.0, 0.1)].index(old.name)
    changed = [*figures[:index], better, *figures[index + 1 :]]
    assert [f.name for f in rank(changed, 1.0, 0.1)].index(old.name) <= before


def test_equals_keep_the_order_they_came_in() -> None:
    figures = [AdapterScore(name, 0.9, 0.1) for name in "cab"]
    assert [f.name for f in rank(figures, 1.0, 0.1)] == ["c", "a", "b"]


def test_a_reliable_adapter_beats_one_that_fails_fast() -> None:
    reliable, fast = AdapterScore("reliable", 0.98, 0.04), AdapterScore("fast", 0.5, 0.001)
    assert rank([fast, reliable], 1.0, 0.1)[0] is reliable


def test_calls_in_flight_raise_the_cost_of_an_adapter() -> None:
    busy, idle = AdapterScore("busy", 0.9, 0.10, in_flight=20), AdapterScore("idle", 0.9, 0.12)
    assert rank([busy, idle], 1.0, 0.1)[0] is idle
    assert rank([busy, idle], 1.0, 0.0)[0] is busy


def test_the_order_is_the_cheapest_of_all_orders_when_asked_one_after_the_other() -> None:
    from itertools import permutations

    figures = [
        AdapterScore("a", 0.9, 0.5),
        AdapterScore("b", 0.5, 0.1),
        AdapterScore("c", 0.3, 0.02),
        AdapterScore("d", 0.99, 2.0),
    ]

    def expected(order: tuple[AdapterScore, ...]) -> float:
        total, reached = 0.0, 1.0
        for f in order:
            total += reached * (f.latency + (1 - f.success_rate) * 1.0)
            reached *= 1 - f.success_rate
        return total

    cheapest = min(permutations(figures), key=expected)
    assert expected(rank(figures, 1.0, 0.0)) == pytest.approx(expected(cheapest))


def test_evidence_weighs_half_after_each_half_life_and_fades_to_unknown() -> None:
    seen = Evidence()
    for _ in range(8):
        seen.add(False, 0.2, 0.0, 60.0)
    assert seen.success_rate == pytest.approx(1 / 10)
    seen.fade(60.0, 60.0)
    assert (seen.bad, seen.success_rate) == (pytest.approx(4), pytest.approx(1 / 6))
    assert seen.latency == pytest.approx(0.2)
    seen.fade(6000.0, 60.0)
    assert seen.success_rate == pytest.approx(0.5)
    assert seen.latency == 0.0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 10), st.floats(0, 1000)), max_size=50))
def test_a_success_rate_is_always_within_0_and_1_and_finite(outcomes: list[tuple[bool, float, float]]) -> None:
    seen = Evidence()
    for success, seconds, now in outcomes:  # the clock may even step back
        seen.add(success, seconds, now, 30.0)
        assert 0 < seen.success_rate < 1
        assert 0 <= seen.latency <= 10.000001


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 8), st.floats(0.01, 0.1), st.integers(0, 2**32))
def test_every_admissible_adapter_keeps_its_share_of_first_places(count: int, share: float, seed: int) -> None:
    draw = random.Random(seed).random
    names = tuple("abcdefgh"[:count])
    order = RankedChain(names, "adaptive", exploration_share(count, share), count, 0.0)
    runs = 4000
    first = Counter(order.choose(draw)[0][0] for _ in range(runs))
    floor = min(share, 0.2 / count)
    spread = 5 * (floor * (1 - floor) / runs) ** 0.5  # five standard deviations
    for name in names[1:]:
        assert abs(first[name] / runs - floor) <= spread
    assert first["a"] / runs >= 0.8 - 3 * spread


@given(MANY, st.floats(0, 0.5), st.floats(0, 1, exclude_max=True))
def test_exploring_puts_one_admissible_adapter_in_front_and_keeps_all_others_in_order(
    figures: list[AdapterScore], share: float, draw: float
) -> None:
    ranked = rank(figures, 1.0, 0.1)
    names = tuple(f.name for f in ranked)
    admissible = sum(f.admissible for f in ranked)
    chosen, why = RankedChain(names, "adaptive", exploration_share(admissible, share), admissible, 0.0).choose(
        lambda: draw
    )
    assert sorted(chosen) == sorted(names)
    if "explored" in why:
        assert chosen[0] in names[:admissible]
    assert [n for n in chosen if not names or n != chosen[0]] == [n for n in names if n != chosen[0]]


def test_a_chain_with_one_choice_is_not_explored() -> None:
    assert exploration_share(0, 0.1) == exploration_share(1, 0.1) == 0.0
    assert explored_index(2, 0.0, 0.0) is None
    assert explored_index(2, 0.1, 0.05) == 0
    assert explored_index(2, 0.1, 0.15) == 1
    assert explored_index(2, 0.1, 0.25) is None


def test_an_order_says_in_short_words_why() -> None:
    figures = [AdapterScore("agno", 0.98, 0.042), AdapterScore("prefect", 0.61, 0.31)]
    assert explain(figures) == "adaptive: agno 0.98 at 42 ms before prefect 0.61 at 310 ms"
    figures += [
        AdapterScore("llamaindex", 0.5, 1.3, admissible=False),
        AdapterScore("d", 0.5, 0),
        AdapterScore("e", 0.5, 0),
    ]
    assert explain(figures, "ai") == (
        "adaptive for ai: agno 0.98 at 42 ms before prefect 0.61 at 310 ms before llamaindex (out) and 2 more"
    )
    assert explain([AdapterScore("agno", 0.98, 0.042), AdapterScore("new", 0.5, 0.0)]).endswith(
        "at 42 ms before new (untried)"
    )


def test_evidence_is_not_faded_while_the_clock_stands_still_or_steps_back() -> None:
    evidence = Evidence(at=100.0)
    for moment in (100.0, 90.0):
        evidence.add(True, 2.0, moment, 10.0)
    assert (evidence.good, evidence.at, evidence.latency) == (2, 100.0, 2.0)
    evidence.add(False, 8.0, 110.0, 10.0)
    assert (evidence.good, evidence.bad, evidence.at) == (1, 1, 110.0)
    assert evidence.latency == (2.0 + 8.0) / 2
    assert evidence.success_rate == 0.5


@pytest.mark.parametrize(
    ("rate", "latency", "text"),
    [(0.5, 0.0, "a (untried)"), (0.5, 0.1, "a 0.50 at 100 ms"), (0.6, 0.0, "a 0.60 at 0 ms")],
)
def test_only_an_adapter_without_evidence_is_untried(rate: float, latency: float, text: str) -> None:
    assert str(AdapterScore("a", rate, latency)) == text


def test_the_cost_of_an_adapter_grows_with_its_calls_in_flight() -> None:
    score = AdapterScore("a", 0.5, 2.0, in_flight=3)
    assert score.idle_cost(1.0) == (2.0 + 0.5) / 0.5
    assert score.cost(1.0, 0.1) == pytest.approx(5 * 1.3)
    assert score.cost(0.0, 0.0) == 4


@pytest.mark.parametrize(
    ("costs", "calls", "load", "index"),
    [
        ([1.0, 2.0], [0, 0], 0.1, 0),
        ([1.0, 1.0], [0, 0], 0.1, 0),
        ([1.0, 1.5], [9, 0], 0.1, 1),
        ([1.0, 1.5], [4, 0], 0.1, 0),
        ([0.0, 0.0], [2, 1], 0.1, 1),  # among equal costs, the one with fewer calls
        ([3.0, 2.0, 1.0], [0, 0, 0], 0.1, 2),
    ],
)
def test_a_burst_goes_to_the_adapter_that_costs_least_now(
    costs: list[float], calls: list[int], load: float, index: int
) -> None:
    assert least_loaded(costs, calls, load) == index


@pytest.mark.parametrize(
    ("admissible", "share", "expected"),
    [(1, 0.1, 0.0), (2, 0.02, 0.02), (2, 0.5, 0.1), (4, 0.5, 0.05), (10, 0.02, 0.02)],
)
def test_explored_adapters_get_their_share_but_never_more_than_a_fifth_in_all(
    admissible: int, share: float, expected: float
) -> None:
    assert exploration_share(admissible, share) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("random", "names", "explored"),
    [(0.05, "abc", "; explored a"), (0.15, "bac", "; explored b"), (0.25, "abc", ""), (0.2, "abc", "")],
)
def test_an_explored_adapter_comes_first_and_is_named(random: float, names: str, explored: str) -> None:
    chain = RankedChain(tuple("abc"), "adaptive", share=0.1, admissible=2, due=0.0)
    assert chain.choose(lambda: random) == (tuple(names), "adaptive" + explored)
