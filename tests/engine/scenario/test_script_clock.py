"""The speed of a scenario's script clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fuseboard_engine.scenario.script_clock import ScriptClock
from fuseboard_engine.virtual_time import VirtualTimeLoop


def in_virtual_time(play: Callable[[], Awaitable[None]]) -> float:
    """Play the script; return how many seconds it took."""
    loop = VirtualTimeLoop()
    began = loop.time()

    async def main() -> None:
        await play()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    return loop.time() - began


@pytest.mark.parametrize(("speed", "seconds"), [(0.25, 40.0), (1.0, 10.0), (4.0, 2.5), (64.0, 10 / 64)])
def test_ten_seconds_of_the_script_take_as_long_as_the_speed_says(speed: float, seconds: float) -> None:
    async def play() -> None:
        pace = ScriptClock(speed)
        pace.begin()
        await pace.until(4)
        await pace.until(10)
        assert pace.position == pytest.approx(10)

    assert in_virtual_time(play) == pytest.approx(seconds)


def test_a_changed_speed_applies_to_the_remaining_time() -> None:
    async def play() -> None:
        pace = ScriptClock()
        pace.begin()
        waiting = asyncio.create_task(pace.until(10))
        await asyncio.sleep(2)
        pace.speed = 4
        assert pace.position == pytest.approx(2)
        await waiting

    assert in_virtual_time(play) == pytest.approx(4)


def test_a_past_time_returns_at_once_but_yields_to_other_tasks() -> None:
    async def play() -> None:
        pace = ScriptClock()
        pace.begin()
        await asyncio.sleep(3)
        ran: list[int] = []
        asyncio.get_running_loop().call_soon(ran.append, 1)
        await pace.until(1)
        assert ran == [1]

    assert in_virtual_time(play) == pytest.approx(3)


@pytest.mark.parametrize("speed", [0.0, -1.0, 0.1, 65.0, float("nan"), float("inf")])
def test_an_invalid_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match=r"between 0\.25 and 64"):
        ScriptClock(speed)
