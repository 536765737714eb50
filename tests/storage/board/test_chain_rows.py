"""Chains on the Board: how the tasks of each type ended, and which adapter answers them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine.events import (
    AdapterAdded,
    EngineStarted,
    EngineStopped,
    Event,
    PreferenceSet,
    RouteCounts,
    RouteFinished,
    RoutesCounted,
)
from fuseboard_storage.board import chain_rows
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.board.chain_rows import ChainRow
from fuseboard_storage.tables import keyframes
from support.fake_engine import NOON

SECOND = 1_000_000


def route(second: float, adapter: str = "", *, task_type: str = "pay", **fields: object) -> RouteFinished:
    """A route that an adapter answered; without one, that no adapter did."""
    at = NOON + round(second * SECOND)
    return RouteFinished(
        at=at, task="t", task_type=task_type, success=bool(adapter), attempts=(), adapter=adapter, **fields
    )


def chain(*events: Event, engine: str = "shop", task_type: str = "pay") -> ChainRow:
    board = Board()
    started = EngineStarted(at=NOON, name="shop", host="h", pid=1)
    for seq, event in enumerate([started, *events], start=1):
        board.apply(Entry(seq, 1, event))
    return keyframes.load(keyframes.dump(board)).chain_rows[engine, task_type]


def since(row: ChainRow) -> tuple[str, float]:
    return row.answerer, (row.answering_since - NOON) / SECOND


def test_each_task_is_counted_in_its_second_and_type() -> None:
    row = chain(
        route(0.1, "a"),
        route(0.9, "b"),
        route(0.9, "b", task_type="other"),
        route(2.5, degraded=True),
        route(2.6, dead_letter=7),
        route(2.7),
    )
    assert [
        ((one.at - NOON) // SECOND, one.routed, one.answered, one.degraded, one.letters) for one in row.seconds
    ] == [
        (0, 2, 2, 0, 0),
        (2, 3, 0, 1, 1),
    ]
    assert [one.by for one in row.seconds] == [{"a": 1, "b": 1}, {}]


def test_a_cancelled_task_and_the_retry_of_a_dead_letter_are_not_counted() -> None:
    row = chain(route(0, "a"), route(1, "a", letter=3), route(1, letter=3))
    assert [one.routed for one in row.seconds] == [1]


def test_nobody_answers_since_the_first_task_without_an_answer() -> None:
    events = [route(0, "a"), route(1), route(2, degraded=True), route(3)]
    assert chain(*events).unanswered_since == NOON + 1 * SECOND
    assert chain(*events, route(4, "b")).unanswered_since is None
    assert chain(*events, route(4, "b"), route(5)).unanswered_since == NOON + 5 * SECOND


def test_the_adapter_that_answers_is_the_one_of_most_tasks_of_the_latest_seconds() -> None:
    calm = [route(second, "a") for second in range(5)]
    assert since(chain(*calm)) == ("a", 0)
    one_failover = [route(5.0, "b"), route(5.1, "a"), route(5.2, "a"), route(6, "a")]
    assert since(chain(*calm, *one_failover)) == ("a", 0)
    taken_over = [route(second, "b") for second in range(5, 9)]
    assert since(chain(*calm, *taken_over)) == ("b", 5)
    back = [route(second, "a") for second in range(9, 13)]
    assert since(chain(*calm, *taken_over, *back)) == ("a", 9)


def test_it_stays_over_a_restart_of_the_engine() -> None:
    row = chain(
        route(0, "a"),
        route(1),
        EngineStopped(at=NOON + 2 * SECOND),
        EngineStarted(at=NOON, name="shop", host="h", pid=2),
    )
    assert row.unanswered_since == NOON + 1 * SECOND


def test_counted_routes_are_answers_of_the_first_adapter_of_their_chain() -> None:
    counted = RoutesCounted(
        at=NOON + SECOND,
        since=NOON,
        adapters={"a": RouteCounts(calls=9), "b": RouteCounts(calls=1)},
        types={"pay": 7, "other": 3},
    )
    row = chain(
        AdapterAdded(at=NOON, adapter="a", policy={}),
        PreferenceSet(at=NOON, order=("b", "a"), task_type="pay"),
        PreferenceSet(at=NOON, order=("a",)),
        counted,
    )
    assert [(one.routed, one.answered, one.by) for one in row.seconds] == [(7, 7, {"b": 7})]


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["", "a", "b"])), max_size=300))
def test_only_the_latest_seconds_are_kept_and_they_are_in_order(found: list[tuple[int, str]]) -> None:
    row = ChainRow("shop", "pay")
    for second, adapter in found:
        row.add(route(second, adapter))
    seconds = [one.at for one in row.seconds]
    assert seconds == sorted(set(seconds))
    assert len(seconds) <= chain_rows.KEPT_SECONDS
    assert sum(one.answered for one in row.seconds) == sum(sum(one.by.values()) for one in row.seconds)
    assert (row.unanswered_since is None) == (not found or found[-1][1] != "")


def test_of_too_many_task_types_those_used_least_recently_go_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    removals = 0
    nsmallest = chain_rows.nsmallest

    def counted(*arguments: Any) -> Any:
        nonlocal removals
        removals += 1
        return nsmallest(*arguments)

    monkeypatch.setattr(chain_rows, "nsmallest", counted)
    chains: chain_rows.Chains = {}
    for number in range(10_000):
        chain_rows.new_chain(chains, "shop", f"type-{number}").add(route(number + 1, "a"))
        assert len(chains) <= chain_rows.KEPT_CHAINS
    assert list(chains) == [("shop", f"type-{number}") for number in range(10_000 - len(chains), 10_000)]
    assert len(chains) >= chain_rows.KEPT_CHAINS * 0.9
    assert removals <= 200  # a removal looks at all chains
    assert ("shop", "type-0") not in chains
