"""Fan-outs on the Board: each attempt is counted exactly once, and the answering adapters are kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, CallerError, Engine
from fuseboard_engine.events import Event, RouteFinished
from fuseboard_engine.virtual_time import VirtualTimeLoop, run
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.rows import Entry


async def ok(task: Any) -> str:
    return "done"


async def down(task: Any) -> None:
    raise ConnectionError("down")


async def wrong(task: Any) -> None:
    raise CallerError("wrong")


async def hangs(task: Any) -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize("strategy", ["all", "first_success", "best_effort", "hedged"])
def test_the_board_agrees_with_the_engine_after_fan_outs(strategy: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        engine = Engine(breaker=BreakerPolicy(failure_threshold=None), clock=loop.time, wall=loop.wall)
        board = Board()

        def record(event: Event) -> None:
            board.apply(Entry(board.seq + 1, 1, event))

        engine.subscribe(record)
        for call in (down, wrong, hangs, ok):
            engine.add_adapter(call.__name__, call)
        engine.add_adapter("shut", ok).breaker.force_open()
        orders = [None, ["hangs", "wrong"], ["shut", "down"], ["shut", "hangs", "ok"]]
        for order in orders:
            await engine.execute_parallel("task", order, strategy=strategy, timeout=5, hedge_delay=1)
        figures = engine.get_adapter_statistics()
        for row in board.rows():
            seen = figures[row.name]
            assert (row.calls, row.successes, row.timeouts, row.rejections) == (
                seen["calls"],
                seen["successes"],
                seen["timeouts"],
                seen["rejections"],
            )
            assert row.failed == seen["failures"]
        routes = [entry.event for entry in board.routes]
        assert board.tasks == len(orders)
        assert board.tasks_ok == sum(isinstance(route, RouteFinished) and route.success for route in routes)
        assert all(isinstance(route, RouteFinished) and route.strategy == strategy for route in routes)
        for order in (["ok"], ["down", "ok"], ["shut", "ok"], ["down"], ["wrong", "ok"]):
            await engine.execute_with_fallback("task", order)
        counted = engine.get_routing_statistics()
        assert (board.tasks, board.tasks_ok, board.tasks_failed_over) == (
            counted["tasks"],
            counted["succeeded"],
            counted["failed_over"],
        )
        assert board.tasks_failed_over == 2

    run(main())
