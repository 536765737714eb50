"""An engine that emits many events: `python flood_engine.py FILE EVENTS_PER_SECOND SECONDS`.

It prints `recording` when its adapters are on disk, begins at the first line of its input, prints how many events came
of it when the last one is on disk, and ends with its input. The last task is called `the-last`.
"""

from __future__ import annotations

import asyncio
import sys

from fuseboard_engine import Engine
from fuseboard_engine.events import Attempt, AttemptFailed, Event, RouteFinished
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage import record

ADAPTERS = 200
TICK = 0.01


def event(number: int, task: str) -> Event:
    """Return the next event: a failure for every tenth number, a route otherwise."""
    at, name = wall_clock(), f"adapter-{number % ADAPTERS:03}"
    if number % 10 == 9:
        attempt = Attempt(adapter=name, outcome="failure", number=1, error_type="ConnectError", error="refused")
        return AttemptFailed(at=at, task=task, task_type="t", attempt=attempt, threshold=5)
    attempt = Attempt(adapter=name, outcome="success", number=1, duration=0.01)
    return RouteFinished(at=at, task=task, task_type="t", success=True, adapter=name, attempts=(attempt,))


async def main(path: str, per_second: int, seconds: float) -> None:
    engine = Engine(name="flood")
    for number in range(ADAPTERS):
        engine.add_adapter(f"adapter-{number:03}", lambda task: None)
    loop = asyncio.get_running_loop()
    async with record(engine, path) as recorder:
        await recorder.flushed()
        print("recording", flush=True)
        await loop.run_in_executor(None, sys.stdin.readline)
        started, done = loop.time(), 0
        while (passed := loop.time() - started) < seconds:
            for _ in range(int(passed * per_second) - done):
                engine.emit(event(done, f"task-{done}"))
                done += 1
            await asyncio.sleep(TICK)
        engine.emit(event(0, "the-last"))
        await recorder.flushed()
        print(done + 1, flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
