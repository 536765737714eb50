"""The time until another process sees an event, and until an engine has carried out another process's command.

An engine in a process of its own records tasks that arrive at random times. This process follows the recording as the
console does, at the console's polling interval, and sends commands at random times.

Run as a program (`python benchmarks/latency.py FILE`), this module is that engine; it ends when its input does.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from report import Report, Table, at_most
from timing import Scale, percentile

from fuseboard_console.app.polling import POLL
from fuseboard_engine import Engine
from fuseboard_engine.events import CommandDone, RouteFinished
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage import Tail, record

LIMIT = 250.0  # milliseconds, at the 99th percentile
TASKS_PER_SECOND = 200


async def answer(task: Any) -> int:
    """Answer at once."""
    return 1


async def application(path: str) -> None:
    """Run the engine: record tasks until standard input ends."""
    engine = Engine("bench")
    engine.add_adapter("prefect", answer)
    engine.add_adapter("agno", answer)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    async with record(engine, path):
        while not ended.done():
            await engine.execute_with_fallback({}, preference_order=["prefect"])
            await asyncio.sleep(random.expovariate(TASKS_PER_SECOND))


async def observe(path: Path, events: int, commands: int) -> tuple[list[float], list[float], list[float]]:
    """Follow a recording and send commands.

    Returns:
        Milliseconds until an event was on the Board here, until a command was applied there, and until its outcome
        was known here.
    """
    visible: list[float] = []
    applied: list[float] = []
    known: list[float] = []
    async with Tail.open(path) as tail:
        follower = asyncio.create_task(_follow(tail, visible, applied))
        while len(applied) < commands or len(visible) < events:
            await asyncio.sleep(random.uniform(0.0, 0.1))
            if follower.done():
                break
            if len(known) < commands and tail.recording is not None and visible:
                asked = wall_clock()
                number = await tail.recording.ask(random.choice(["disable", "enable"]), "agno", actor="bench")
                while not (await tail.recording.command(number)).over:  # noqa: ASYNC110 - another process says so
                    await asyncio.sleep(0.005)
                known.append((wall_clock() - asked) / 1000)
        follower.cancel()
        await asyncio.wait([follower])
        if not follower.cancelled():
            follower.result()
    return visible, applied, known


async def _follow(tail: Tail, visible: list[float], applied: list[float]) -> None:
    await tail.advance()
    while True:
        before = tail.board.seq
        await tail.advance()
        now = wall_clock()
        if tail.recording is not None and tail.board.seq > before:
            for entry in await tail.recording.slice(before, tail.board.seq - before):
                if isinstance(entry.event, RouteFinished):
                    visible.append((now - entry.event.at) / 1000)
                elif isinstance(entry.event, CommandDone):
                    applied.append((entry.event.at - entry.event.requested_at) / 1000)
        await asyncio.sleep(POLL)


def measure(scale: Scale) -> tuple[list[float], list[float], list[float]]:
    """Start the engine, observe it, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        path.touch(0o600)  # an empty file is a recording that waits for its engine
        with subprocess.Popen([sys.executable, __file__, str(path)], stdin=subprocess.PIPE) as child:
            try:
                return asyncio.run(observe(path, scale.of(4_000, 20), scale.of(300, 3)))
            finally:
                child.communicate(timeout=30)


def run(scale: Scale) -> Report:
    """Measure everything and return the report."""
    visible, applied, known = measure(scale)
    rows = tuple(
        (name, f"{len(times):,}", *(f"{percentile(times, share):.1f}" for share in (0.5, 0.99, 1.0)))
        for name, times in (
            ("event, to visible in another process", visible),
            ("command, to applied in the engine", applied),
            ("command, to its outcome known to who asked", known),
        )
    )
    return Report(
        (Table("Milliseconds", ("", "measured", "p50", "p99", "worst"), rows),),
        (
            at_most("event to visible: under 250 ms at the 99th percentile", percentile(visible, 0.99), LIMIT, " ms"),
            at_most("command to applied: under 250 ms at the 99th percentile", percentile(applied, 0.99), LIMIT, " ms"),
        ),
        (
            f"{TASKS_PER_SECOND} tasks a second at random moments; the observer looks every {POLL * 1000:.0f} ms, as "
            "the console does.",
        ),
    )


if __name__ == "__main__":
    asyncio.run(application(sys.argv[1]))
