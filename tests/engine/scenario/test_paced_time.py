"""An event loop whose time runs at any pace, stops, and jumps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from fuseboard_engine.events import Event, RouteFinished
from fuseboard_engine.scenario.model import load
from fuseboard_engine.scenario.paced_time import PacedLoop
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.virtual_time import VirtualTimeLoop
from fuseboard_scenarios import shipped

FAST = 64.0


def run(main: Callable[[PacedLoop], Awaitable[None]], speed: float = FAST) -> None:
    """Run a coroutine in a paced loop."""
    loop = PacedLoop(speed)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:

        async def call() -> None:
            await main(loop)

        runner.run(call())


def test_time_goes_from_timer_to_timer_exactly_and_takes_as_long_as_the_speed_says() -> None:
    async def main(loop: PacedLoop) -> None:
        times = []
        for _ in range(4):
            await asyncio.sleep(2.0)
            times.append(round(loop.time(), 6))
        assert times == [2.0, 4.0, 6.0, 8.0]

    clock = time.monotonic()  # before the loop: it catches up what it is late, also at its start
    run(main)
    assert time.monotonic() - clock >= 8.0 / FAST


def test_while_it_is_paused_no_timer_is_due_but_callbacks_from_outside_run() -> None:
    async def main(loop: PacedLoop) -> None:
        fired: list[float] = []
        loop.call_later(0.001, lambda: fired.append(loop.time()))
        loop.paused = True
        before = loop.time(), loop.wall()
        await asyncio.to_thread(time.sleep, 0.05)  # its end comes from another thread
        assert (loop.time(), loop.wall(), fired) == (*before, [])
        loop.paused = False
        await asyncio.sleep(0.01)
        assert len(fired) == 1

    run(main, speed=1.0)


def test_a_jump_does_everything_before_its_goal_at_once_and_in_order() -> None:
    async def main(loop: PacedLoop) -> None:
        seen: list[int] = []
        for second in (30, 10, 20, 3_600):
            loop.call_later(second, seen.append, second)
        loop.paused = True
        began = time.monotonic()
        loop.skip_to(loop.time() + 1_000)
        await asyncio.sleep(999)
        assert seen == [10, 20, 30]
        assert time.monotonic() - began < 60
        assert loop.paused

    run(main, speed=0.25)


def test_a_changed_speed_applies_to_the_wait_that_has_begun() -> None:
    async def main(loop: PacedLoop) -> None:
        loop.call_soon(lambda: setattr(loop, "speed", FAST))
        began, clock = loop.time(), time.monotonic()
        await asyncio.sleep(64)
        assert loop.time() - began == pytest.approx(64)
        assert time.monotonic() - clock < 64 / 0.25

    run(main, speed=0.25)


def test_the_wall_clock_goes_on_at_the_pace_while_the_loop_waits() -> None:
    async def main(loop: PacedLoop) -> None:
        before = loop.wall()

        def later() -> bool:
            end = time.monotonic() + 30
            while loop.wall() - before < 100_000 and time.monotonic() < end:
                time.sleep(0.001)
            return loop.wall() - before < 1_000_000

        sleeping = asyncio.create_task(asyncio.sleep(3_600))
        assert await asyncio.to_thread(later)
        sleeping.cancel()

    run(main, speed=1.0)


@pytest.mark.parametrize("speed", [0.0, -1.0, 0.1, 65.0, float("nan"), float("inf")])
def test_an_invalid_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match=r"between 0\.25 and 64"):
        PacedLoop(speed)


def test_a_scenario_has_the_outcome_of_virtual_time_at_any_pace() -> None:
    scenario = load(shipped()["primary-outage"])

    def outcome(events: list[Event]) -> list[tuple[str, bool, str, float]]:
        return [(e.task, e.success, e.adapter, round(e.duration, 6)) for e in events if isinstance(e, RouteFinished)]

    virtual, paced = list[Event](), list[Event]()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:

        async def in_virtual_time() -> None:
            await Player(scenario, on_event=virtual.append).play()

        runner.run(in_virtual_time())

    async def main(loop: PacedLoop) -> None:
        loop.call_later(5, setattr, loop, "speed", 2.0)  # it changes while it plays, and stops for a moment
        loop.call_later(6, setattr, loop, "speed", FAST)
        await Player(scenario, on_event=paced.append).play()

    run(main)
    assert outcome(paced) == outcome(virtual)
