"""The event loop with virtual time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from fuseboard_engine.virtual_time import VirtualTimeLoop, run
from support.waiting import PATIENCE

YEAR = 365 * 86_400.0


def test_a_year_of_sleep_is_over_at_once() -> None:
    async def main() -> float:
        await asyncio.sleep(YEAR)
        return asyncio.get_running_loop().time()

    assert run(main()) == YEAR


def test_time_starts_at_zero_and_stands_still_while_callbacks_are_ready() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        times = [loop.time()]
        for _ in range(1000):
            await asyncio.sleep(0)
        times.append(loop.time())
        return times

    assert run(main()) == [0, 0]


def test_timers_fire_in_the_order_of_their_time() -> None:
    async def main() -> list[float]:
        fired: list[float] = []

        async def at(seconds: float) -> None:
            await asyncio.sleep(seconds)
            fired.append(asyncio.get_running_loop().time())

        await asyncio.gather(*(at(seconds) for seconds in (5, 0.001, 3600, 0.1, 5)))
        return fired

    assert run(main()) == pytest.approx([0.001, 0.1, 5, 5, 3600])


def test_asyncio_timeouts_fire_in_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.sleep(60)
        return asyncio.get_running_loop().time()

    assert run(main()) == 30


def test_the_wall_clock_follows_virtual_time() -> None:
    async def main() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        before = loop.wall()
        await asyncio.sleep(1.5)
        return before, loop.wall()

    assert run(main()) == (1_767_225_600_000_000, 1_767_225_601_500_000)


def test_without_timers_the_loop_waits_for_threads() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()
        thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(answer.set_result, "from a thread"))
        thread.start()
        try:
            return await answer
        finally:
            thread.join(PATIENCE)

    assert run(main()) == "from a thread"


@pytest.mark.filterwarnings("error")
def test_the_end_of_a_run_waits_for_threads() -> None:
    ended = threading.Event()

    async def main() -> None:
        began = threading.Event()
        thread = asyncio.to_thread(lambda: (began.set(), ended.wait(PATIENCE)))
        task = asyncio.create_task(thread)
        while not began.is_set():
            await asyncio.sleep(0)
        threading.Timer(0.01, ended.set).start()
        task.cancel()

    run(main())
    assert ended.is_set()


def test_an_error_and_a_cancellation_end_the_run() -> None:
    async def failing() -> None:
        await asyncio.sleep(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(failing())
