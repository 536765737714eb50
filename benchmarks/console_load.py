"""An engine with many adapters, to be watched: `python benchmarks/console_load.py FILE ADAPTERS EVENTS_PER_SECOND`.

Most of its events are routes that one adapter answers; one in twenty is a failure and the route that failed over,
and occasionally a breaker opens, probes or closes. It prints `recording` when all adapters are on disk, and ends when
its input does.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Iterator

from fuseboard_engine import Engine
from fuseboard_engine.events import Attempt, AttemptFailed, Event, ProbeChanged, RouteFinished, StateChanged
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage import record

TICK = 0.01  # seconds between two batches of events
ERRORS = ("connection refused", "503 Service Unavailable", "timed out after 2.0 s")


def events(adapters: int, dice: random.Random) -> Iterator[Event]:
    """Yield the events of such an engine, without end."""
    number = 0
    while True:
        number += 1
        name, task, at = f"adapter-{dice.randrange(adapters):05}", f"task-{number}", wall_clock()
        answer = Attempt(adapter=name, outcome="success", number=1, duration=dice.lognormvariate(-3, 0.5))
        kind = number % 20
        if kind == 1:
            failed = Attempt(
                adapter=f"adapter-{dice.randrange(adapters):05}",
                outcome="failure",
                number=1,
                duration=0.1,
                error_type="ConnectError",
                error=dice.choice(ERRORS),
                failures=dice.randrange(1, 5),
            )
            yield AttemptFailed(at=at, task=task, task_type="invoice", attempt=failed, then="failover", threshold=5)
            yield RouteFinished(
                at=at, task=task, task_type="invoice", success=True, adapter=name, attempts=(failed, answer)
            )
        elif kind == 2 and number % 100 == 2:
            yield from breaker_events(name, at, dice)
        else:
            yield RouteFinished(at=at, task=task, task_type="invoice", success=True, adapter=name, attempts=(answer,))


def breaker_events(name: str, at: int, dice: random.Random) -> Iterator[Event]:
    """Yield the events of a random state change of a breaker."""
    state = dice.choice(("open", "half_open", "closed", "closed"))
    if state == "open":
        wait = dice.uniform(1, 30)
        yield StateChanged(
            at=at, adapter=name, before="closed", after="open", reason="failures", wait=wait,
            until=at + round(wait * 1e6), openings=1, failures=5, threshold=5, detail="5 failures in a row",
        )  # fmt: skip
    elif state == "half_open":
        yield StateChanged(at=at, adapter=name, before="open", after="half_open", reason="probe_due", needed=3)
        yield ProbeChanged(at=at, adapter=name, what="admitted", in_flight=1, successes=1, needed=3)
    else:
        yield StateChanged(at=at, adapter=name, before="half_open", after="closed", reason="recovered")


async def application(path: str, adapters: int, rate: float) -> None:
    """Run the engine until standard input ends."""
    loop = asyncio.get_running_loop()
    engine = Engine("load")
    for number in range(adapters):
        engine.add_adapter(f"adapter-{number:05}", lambda task: None, tags=(f"group-{number % 20}",))
    ended = loop.run_in_executor(None, sys.stdin.read)
    stream = events(adapters, random.Random(7))
    async with record(engine, path) as recorder:
        await recorder.flushed()
        print("recording", flush=True)
        started, done = loop.time(), 0
        while not ended.done():
            for _ in range(int((loop.time() - started) * rate) - done):
                done += 1
                engine.emit(next(stream))
            await asyncio.sleep(TICK)


if __name__ == "__main__":
    asyncio.run(application(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
