"""Totals of all processes of one name: they count every call once and stay when a process ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from fuseboard_engine import Engine, RetryPolicy
from fuseboard_engine.events import AdapterAdded, AdapterRemoved, EngineStarted, EngineStopped, Event
from fuseboard_storage import Recording, record, restore
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.board.histogram import bucket_of
from fuseboard_storage.board.name_totals import AdapterTotals, EngineTotals
from fuseboard_storage.board.rows import AdapterKey, AdapterRow
from fuseboard_storage.tables import keyframes
from support.fake_engine import NOON, answered, failed, opened

SECOND = 1_000_000


def board_of(*entries: tuple[int, Event]) -> Board:
    board = Board()
    for seq, (instance, event) in enumerate(entries, 1):
        board.apply(Entry(seq, instance, event))
    return board


def started(second: int, name: str = "app", **fields: Any) -> EngineStarted:
    return EngineStarted(at=NOON + second * SECOND, name=name, host="h", pid=second, **fields)


def added(**fields: Any) -> AdapterAdded:
    return AdapterAdded(at=NOON, adapter="agno", policy={}, **fields)


def stopped(second: int) -> EngineStopped:
    return EngineStopped(at=NOON + second * SECOND, reason="closed")


def test_totals_keep_the_figures_of_an_ended_process() -> None:
    board = board_of(
        (1, started(0)), (1, answered()), (1, answered()), (2, started(1)), (2, answered()),
        (1, stopped(2)), (3, started(3)), (3, failed(adapter="agno")), (3, opened("agno")),
    )  # fmt: skip
    totals = board.totals()["app"]
    assert (totals.started, totals.tasks, totals.answered) == (3, 3, 3)
    agno = totals.adapters["agno"]
    assert (agno.calls, agno.successes, agno.failed, agno.opens) == (4, 3, 1, 1)
    assert sorted(row.calls for row in board.rows()) == [1, 1]


def test_totals_hold_the_durations_of_all_calls_of_every_process() -> None:
    board = board_of(
        (1, started(0)), (1, answered(duration=0.25)), (1, answered(duration=2.0)), (1, stopped(2)),
        (2, started(3)), (2, answered(duration=0.25)), (3, started(4)), (3, answered(duration=0.25)),
    )  # fmt: skip
    for _ in range(2):  # asking changes nothing
        agno = board.totals()["app"].adapters["agno"]
        assert (agno.latency, agno.duration) == ({bucket_of(0.25): 3, bucket_of(2.0): 1}, 2.75)
    again = keyframes.load(keyframes.dump(board))
    again.apply(Entry(99, 2, answered(duration=2.0)))
    assert again.totals()["app"].adapters["agno"].latency == {bucket_of(0.25): 3, bucket_of(2.0): 2}
    assert board.totals()["app"].adapters["agno"].latency == {bucket_of(0.25): 3, bucket_of(2.0): 1}


COUNTS = [name for name in AdapterTotals.__struct_fields__ if name != "latency"]


def test_totals_begin_at_zero() -> None:
    assert not any(msgspec.structs.astuple(AdapterTotals()))
    assert not any(msgspec.structs.astuple(EngineTotals()))


@pytest.mark.parametrize("count", COUNTS)
def test_a_count_of_a_name_is_the_sum_over_its_processes(count: str) -> None:
    totals = AdapterTotals()
    for figure in (3, 4):
        row = AdapterRow(AdapterKey(figure, "agno"), NOON)
        setattr(row, count, figure)
        totals.add(row)
    assert {name: getattr(totals, name) for name in COUNTS} == dict.fromkeys(COUNTS, 0) | {count: 7}


def test_a_copy_of_totals_is_added_to_alone() -> None:
    row = AdapterRow(AdapterKey(1, "agno"), NOON)
    row.calls, row.latency = 1, {3: 1}
    totals = EngineTotals()
    totals.adapter("agno").add(row)
    totals.copy().adapter("agno").add(row)
    assert (totals.adapter("agno").calls, totals.adapter("agno").latency) == (1, {3: 1})


def test_names_are_counted_apart() -> None:
    board = board_of((1, started(0)), (1, answered()), (2, started(1, "other")), (2, answered()), (2, answered()))
    assert {name: totals.adapters["agno"].calls for name, totals in board.totals().items()} == {"app": 1, "other": 2}


def test_figures_that_are_restored_are_not_counted_again() -> None:
    figures = {"calls": 2.0, "successes": 2.0}
    again = board_of(
        (1, started(0)), (1, added()), (1, answered()), (1, answered()), (1, stopped(2)),
        (2, started(3, replaces=1, restored=True)), (2, added(figures=figures)), (2, answered()),
    )  # fmt: skip
    assert again.totals()["app"].adapters["agno"].calls == 3
    assert [row.calls for row in again.rows()] == [3]


def test_figures_of_another_recording_are_counted_once() -> None:
    board = board_of((1, started(0)), (1, added(figures={"calls": 5.0, "successes": 4.0})), (1, answered()))
    agno = board.totals()["app"].adapters["agno"]
    assert (agno.calls, agno.successes, agno.failed) == (6, 5, 1)


def test_totals_of_an_adapter_go_when_no_process_has_it() -> None:
    removed = AdapterRemoved(at=NOON, adapter="agno")
    board = board_of((1, started(0)), (1, answered()), (2, started(1)), (2, answered()), (1, removed))
    assert board.totals()["app"].adapters["agno"].calls == 2
    board.apply(Entry(99, 2, removed))
    assert not board.totals()["app"].adapters


def test_totals_survive_a_keyframe_and_continue() -> None:
    board = keyframes.load(keyframes.dump(board_of((1, started(0)), (1, answered()))))
    board.apply(Entry(99, 1, answered()))
    assert board.totals()["app"].adapters["agno"].calls == 2
    assert board.totals()["app"].tasks == 2


async def test_totals_equal_what_the_upstream_saw_across_siblings_and_restarts(tmp_path: Path) -> None:
    path, seen = tmp_path / "a.db", 0

    async def upstream(task: Any) -> str:
        nonlocal seen
        seen += 1
        if seen % 3 == 0:
            raise ConnectionError("refused")
        return "yes"

    def make() -> Engine:
        engine = Engine("app", retry=RetryPolicy(max_attempts=1))
        engine.add_adapter("upstream", upstream)
        return engine

    async def work(engine: Engine, times: int) -> None:
        for _ in range(times):
            await engine.execute_with_fallback({})

    for _ in range(3):
        one, two = make(), make()
        async with record(one, path, restore=True), record(two, path, restore=True):
            await work(one, 4)
            await work(two, 7)
    async with Recording.open(path) as recording:
        board = await recording.board()
    total = board.totals()["app"].adapters["upstream"]
    assert (total.calls, total.failed, board.totals()["app"].tasks) == (seen, seen // 3, seen)
    last = [make(), make()]
    for engine in last:
        await restore(engine, path)
    assert sum(engine.get_adapter_statistics()["upstream"]["calls"] for engine in last) == seen
