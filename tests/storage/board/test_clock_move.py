"""Tests of what a Board shows after the wall clock of an engine's host was set."""

from __future__ import annotations

import pytest

from fuseboard_engine.events import (
    AdapterAdded,
    Attempt,
    ClockChanged,
    EngineStarted,
    EngineStopped,
    Event,
    RouteFinished,
    StateChanged,
)
from fuseboard_storage.board.board import AdapterKey, Board, Entry
from fuseboard_storage.tables import keyframes

SECOND = 1_000_000
NOON = 1_784_548_800 * SECOND


def folded(*events: tuple[int, Event]) -> Board:
    board = Board()
    for seq, (instance, event) in enumerate(events, start=1):
        board.apply(Entry(seq, instance, event))
    return board


def engine(instance: int) -> list[tuple[int, Event]]:
    return [
        (instance, EngineStarted(at=NOON, name="shop", host="h", pid=instance)),
        (instance, AdapterAdded(at=NOON, adapter="agno", policy={})),
    ]


def routes(instance: int, first: int, seconds: int) -> list[tuple[int, Event]]:
    """Return ten answered tasks for each of some seconds."""
    attempts = (Attempt(adapter="agno", outcome="success", duration=0.1),)
    return [
        (
            instance,
            RouteFinished(
                at=first + tenth * SECOND // 10,
                task="t",
                task_type="pay",
                success=True,
                adapter="agno",
                attempts=attempts,
                duration=0.1,
            ),
        )
        for tenth in range(10 * seconds)
    ]


def rate(board: Board, instance: int, now: int) -> float:
    return board.adapters[AdapterKey(instance, "agno")].totals(now - 1, 10).rate


def lately(board: Board, now: int) -> int:
    """Return the tasks of the last ten seconds."""
    return sum(second.routed for second in board.chain_rows["shop", "pay"].between(now - 10 * SECOND, now))


@pytest.mark.parametrize("by", [-3600.0, -3600.4, 3600.0, 3600.6, -31_536_000.0, 31_536_000.0])
def test_rates_and_chains_go_on_after_the_clock_was_set(by: float) -> None:
    set_by = round(by * SECOND)
    again = NOON + 60 * SECOND + set_by
    board = folded(
        *engine(1),
        *routes(1, NOON, 60),
        *routes(1, again, 1),  # before the change is noticed
        (1, ClockChanged(at=again + SECOND, by=by)),
        *routes(1, again + SECOND, 14),
    )
    now = again + 15 * SECOND
    now -= now % SECOND
    assert rate(board, 1, now) == pytest.approx(10.0, abs=1.0)
    assert lately(board, now) == pytest.approx(100, abs=10)
    times = [second.at for second in board.chain_rows["shop", "pay"].seconds]
    assert times == sorted(times)
    assert max(times) <= now


def test_the_chain_of_two_processes_is_moved_once() -> None:
    back = -3600 * SECOND
    again = NOON + 60 * SECOND + back
    board = folded(
        *engine(1),
        *engine(2),
        *routes(1, NOON, 60),
        (1, ClockChanged(at=again, by=-3600.0)),
        *routes(2, NOON + 59 * SECOND, 1),  # written late, with the time before the change
        (2, ClockChanged(at=again, by=-3600.0)),
        *routes(1, again, 15),
    )
    chain = board.chain_rows["shop", "pay"]
    assert lately(board, again + 15 * SECOND) == 100
    assert chain.answering_since == NOON + back


def test_what_began_after_the_clock_was_set_forward_is_not_moved_into_the_future() -> None:
    hour = 3600 * SECOND
    opened = StateChanged(
        at=NOON + hour,
        adapter="agno",
        before="closed",
        after="open",
        reason="failures",
        until=NOON + hour + 30 * SECOND,
    )
    board = folded(*engine(1), (1, opened), (1, ClockChanged(at=NOON + hour + SECOND, by=3600.0)))
    row = board.adapters[AdapterKey(1, "agno")]
    assert (row.since, row.down_since, row.until) == (opened.at, opened.at, opened.until)
    assert row.added_at == NOON + hour


@pytest.mark.parametrize("seconds", [1e300, -1e300, 1.7e308, -1.7e308, 9e10])
def test_an_impossible_change_in_a_recording_leaves_a_board_that_a_keyframe_can_hold(seconds: float) -> None:
    opened = StateChanged(at=NOON, adapter="agno", before="closed", after="open", reason="failures", until=2**63 - 1)
    changes = [(1, ClockChanged(at=NOON, by=seconds, asleep=seconds))] * 200
    board = folded(*engine(1), *routes(1, NOON, 1), (1, opened), *changes)
    restored = keyframes.load(keyframes.dump(board))
    assert restored.adapters[AdapterKey(1, "agno")].since == board.adapters[AdapterKey(1, "agno")].since


def test_an_outage_that_an_earlier_process_saw_begins_no_later_than_its_breaker_opens() -> None:
    def opened(at: int) -> StateChanged:
        return StateChanged(at=at, adapter="agno", before="closed", after="open", reason="failures")

    hour = 3600 * SECOND
    back = NOON + 10 * SECOND
    board = folded(
        *engine(1),
        (1, opened(NOON + hour)),
        (1, EngineStopped(at=NOON + hour, reason="lost")),
        (2, EngineStarted(at=NOON, name="shop", host="h", pid=2)),  # after the clock was set back
        (2, AdapterAdded(at=NOON, adapter="agno", policy={})),
        (2, opened(back)),
    )
    assert board.adapters[AdapterKey(2, "agno")].down_since == back
