"""Gauges (calls in flight and retries left), recorded once a second when they changed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fuseboard_engine import Engine
from fuseboard_engine.events import AdapterAdded, AdapterRemoved, GaugesSampled
from fuseboard_storage.board.board import AdapterKey, Board, Entry
from fuseboard_storage.recorder.gauge_sampler import INTERVAL, GaugeSampler
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from support.fake_engine import FakeEngine
from support.waiting import PATIENCE


class Gauged(FakeEngine):
    """An engine whose gauges the test sets."""

    def __init__(self, **gauges: tuple[int, int]) -> None:
        super().__init__()
        self.values = gauges

    def gauges(self) -> dict[str, tuple[int, int]]:
        return dict(self.values)


def gauges_in(events: list[GaugesSampled]) -> list[dict[str, tuple[int, int]]]:
    return [event.gauges for event in events]


def test_only_changed_gauges_are_recorded_and_at_most_once_a_second() -> None:
    engine = Gauged(agno=(1, 10), gpt=(0, 10))
    gauges = GaugeSampler(engine, 0.0)
    assert gauges_in(gauges.sample(INTERVAL / 2, 1)) == []
    assert gauges_in(gauges.sample(INTERVAL, 1)) == [{"agno": (1, 10), "gpt": (0, 10)}]
    engine.values["agno"] = (2, 10)
    assert gauges_in(gauges.sample(INTERVAL * 1.5, 1)) == []
    assert gauges_in(gauges.sample(INTERVAL * 2, 1)) == [{"agno": (2, 10)}]
    assert gauges_in(gauges.sample(INTERVAL * 3, 1)) == []


def test_a_new_recording_gets_all_gauges() -> None:
    gauges = GaugeSampler(Gauged(agno=(1, 10)), 0.0)
    gauges.sample(INTERVAL, 1)
    assert gauges_in(gauges.sample(INTERVAL * 2, 2)) == [{"agno": (1, 10)}]


def test_the_board_keeps_the_gauges_of_its_adapters() -> None:
    board = Board()
    board.apply(Entry(1, 1, AdapterAdded(at=1, adapter="agno", policy={})))
    assert (board.adapters[AdapterKey(1, "agno")].in_flight, board.adapters[AdapterKey(1, "agno")].budget) == (0, None)
    board.apply(Entry(2, 1, GaugesSampled(at=2, gauges={"agno": (3, 7), "gone": (1, 1)})))
    assert (board.adapters[AdapterKey(1, "agno")].in_flight, board.adapters[AdapterKey(1, "agno")].budget) == (3, 7)
    assert list(board.adapters) == [AdapterKey(1, "agno")]
    board.apply(Entry(3, 1, AdapterRemoved(at=3, adapter="agno")))
    assert not board.adapters


async def test_a_call_in_flight_is_visible_in_the_recording(tmp_path: Path) -> None:
    engine = Engine("checkout")
    ends = asyncio.Event()

    async def slow(task: Any) -> str:
        await ends.wait()
        return "done"

    engine.add_adapter("agno", slow)
    async with record(engine, tmp_path / "a.db"):
        call = asyncio.create_task(engine.execute_with_fallback("t"))
        async with asyncio.timeout(PATIENCE), Recording.open(tmp_path / "a.db") as recording:
            while True:
                board = await recording.board()
                row = board.adapters.get(AdapterKey(1, "agno"))
                if row is not None and row.in_flight == 1:
                    break
                await asyncio.sleep(0.05)
        assert row.budget == 10
        ends.set()
        await call
