"""What is sampled once a second: calls in flight, retries left, and changes of the wall clock."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fuseboard_engine import Engine
from fuseboard_engine.events import AdapterAdded, AdapterRemoved, ClockChanged, Event, GaugesSampled, StateChanged
from fuseboard_engine.runtime.clock import Clocks
from fuseboard_storage.board.board import AdapterKey, Board, Entry
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recorder.sampler import INTERVAL, Sampler
from fuseboard_storage.recording.recording import Recording
from support.fake_engine import NOON, FakeEngine
from support.waiting import PATIENCE


class Gauged(FakeEngine):
    """An engine whose gauges the test sets."""

    def __init__(self, **gauges: tuple[int, int]) -> None:
        super().__init__()
        self.values = gauges

    def gauges(self) -> dict[str, tuple[int, int]]:
        return dict(self.values)


def gauges_in(events: list[Event]) -> list[dict[str, tuple[int, int]]]:
    return [event.gauges for event in events if isinstance(event, GaugesSampled)]


def test_only_changed_gauges_are_recorded_and_at_most_once_a_second() -> None:
    engine = Gauged(agno=(1, 10), gpt=(0, 10))
    gauges = Sampler(engine, 0.0)
    assert gauges_in(gauges.sample(INTERVAL / 2, 1)) == []
    assert gauges_in(gauges.sample(INTERVAL, 1)) == [{"agno": (1, 10), "gpt": (0, 10)}]
    engine.values["agno"] = (2, 10)
    assert gauges_in(gauges.sample(INTERVAL * 1.5, 1)) == []
    assert gauges_in(gauges.sample(INTERVAL * 2, 1)) == [{"agno": (2, 10)}]
    assert gauges_in(gauges.sample(INTERVAL * 3, 1)) == []


def test_a_new_recording_gets_all_gauges() -> None:
    gauges = Sampler(Gauged(agno=(1, 10)), 0.0)
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


class Host:
    """A host whose clocks the test moves, in seconds."""

    def __init__(self) -> None:
        self.clocks = Clocks(NOON, 0, 0)

    def wait(self, running: float, *, set_by: float = 0.0, asleep: float = 0.0) -> None:
        """Let time pass, of which the host is suspended for a part, and set the wall clock."""
        wall, since_boot, running_before = self.clocks
        passed = round((running + asleep) * 1e6)
        self.clocks = Clocks(
            wall + passed + round(set_by * 1e6), since_boot + passed, running_before + round(running * 1e6)
        )


def changes(set_by: float, asleep: float = 0.0, *, engine_too: bool = True) -> list[tuple[float, float]]:
    """Return the changes that are recorded of a host whose clock is set while an engine runs."""
    host, engine = Host(), FakeEngine()
    engine.wall = lambda: host.clocks.wall if engine_too else NOON  # type: ignore[method-assign]
    sampler = Sampler(engine, 0.0, lambda: host.clocks)
    found: list[Event] = []
    for second in range(1, 10):
        host.wait(1.0)
        if second == 5:
            host.wait(0.0, set_by=set_by, asleep=asleep)
        found += sampler.sample(float(second), 1)
    return [(event.by, event.asleep) for event in found if isinstance(event, ClockChanged)]


def test_a_wall_clock_that_is_set_is_recorded_once() -> None:
    assert changes(3600.0) == [(3600.0, 0.0)]
    assert changes(-31_536_000.0) == [(-31_536_000.0, 0.0)]
    assert changes(0.0, asleep=60.0) == [(0.0, 60.0)]
    assert changes(0.2) == []


def test_the_clock_of_an_engine_that_has_its_own_is_not_compared() -> None:
    assert changes(3600.0, engine_too=False) == []


def test_the_countdown_and_the_ages_of_an_engine_are_right_after_its_clock_was_set() -> None:
    second = 1_000_000
    until = NOON + 30 * second
    opened = StateChanged(at=NOON, adapter="a", before="closed", after="open", reason="failures", until=until)
    for by, asleep in ((31_536_000.0, 0.0), (-31_536_000.0, 0.0), (0.0, 60.0)):
        board = Board()
        for seq, (instance, event) in enumerate(
            [
                (1, AdapterAdded(at=NOON, adapter="a", policy={})),
                (2, AdapterAdded(at=NOON, adapter="a", policy={})),
                (1, opened),
                (2, opened),
                (1, ClockChanged(at=NOON + round(by * second), by=by, asleep=asleep)),
            ],
            start=1,
        ):
            board.apply(Entry(seq, instance, event))
        row, other = board.adapters[AdapterKey(1, "a")], board.adapters[AdapterKey(2, "a")]
        assert other.until == until
        assert row.since == NOON + by * second
        assert row.until == NOON + (30 + by + asleep) * second
