"""Eight processes that write one recording at full speed.

Each emits events of 200 adapters as fast as its recorder takes them: it pauses while 50,000 wait in memory, half of
what the buffer holds. After the given time it reports how many events are on disk, how many were dropped, and for how
long at most no further one was committed.

    python benchmarks/writers.py FILE SECONDS    one of the processes
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WRITERS = 8
ADAPTERS = 200
WAITING = 50_000
BURST = 500


async def flood(path: str, seconds: float) -> dict[str, Any]:
    """Write at full speed from the first line of the input on, and return the figures."""
    from fuseboard_engine import Engine
    from fuseboard_engine.events import Attempt, RouteFinished
    from fuseboard_engine.runtime.clock import wall_clock
    from fuseboard_storage import record

    engine = Engine("writer")
    names = [f"adapter-{number:03}" for number in range(ADAPTERS)]
    for name in names:
        engine.add_adapter(name, lambda task: None)
    attempts = [(Attempt(adapter=name, outcome="success", number=1, duration=0.01),) for name in names]
    async with record(engine, path) as recorder:
        await recorder.flushed()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        before = known = recorder.written
        began = since = time.monotonic()
        number, longest = 0, 0.0
        while (now := time.monotonic()) - began < seconds:
            if recorder.written != known:
                longest, known, since = max(longest, now - since), recorder.written, now
            if recorder.waiting < WAITING:
                at = wall_clock()
                for number in range(number, number + BURST):  # noqa: B020 - goes on from where it was
                    name = names[number % ADAPTERS]
                    tried = attempts[number % ADAPTERS]
                    engine.emit(
                        RouteFinished(
                            at=at, task=f"{number:x}", task_type="t", success=True, attempts=tried, adapter=name
                        )
                    )
            await asyncio.sleep(0.001)
        longest = max(longest, time.monotonic() - since)
        return {"written": recorder.written - before, "dropped": recorder.dropped, "longest": longest}


def measure(path: Path, writers: int, seconds: float) -> list[dict[str, Any]]:
    """Run the processes and return what each reports."""
    command = [sys.executable, __file__, str(path), str(seconds)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(writers)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("a writer did not start")
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        return [json.loads(process.stdout.readline()) for process in processes if process.stdout is not None]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def run(scale: Any) -> Any:
    """Measure one writer and eight, and return the report."""
    from report import Report, Table, Target

    seconds = max(1.0, 30.0 * scale.share)
    rows, targets = [], []
    for writers in (1, WRITERS):
        with tempfile.TemporaryDirectory() as folder:
            found = measure(Path(folder) / "a.db", writers, seconds)
        total, least = sum(one["written"] for one in found), min(one["written"] for one in found)
        dropped, longest = sum(one["dropped"] for one in found), max(one["longest"] for one in found)
        share = least * writers / max(1, total)
        rows.append(
            (f"{writers}", f"{total / seconds:,.0f}", f"{share:.2f}", f"{longest:.2f}", f"{dropped:,}"),
        )
        targets.append(Target(f"dropped with {writers}: none", f"{dropped:,}", dropped == 0))
    targets.append(Target("the slowest of eight has at least half of an equal share", f"{share:.2f}", share >= 0.5))
    heads = ("writers", "events a second", "slowest, of an equal share", "longest wait for a commit (s)", "dropped")
    return Report(
        (Table(f"Writers at full speed for {seconds:.0f} seconds", heads, tuple(rows)),),
        tuple(targets),
        (
            f"Events of {ADAPTERS} adapters; each writer has at most {WAITING:,} waiting in memory, of 100,000.",
            "An event counts once it is committed.",
        ),
    )


if __name__ == "__main__":
    print(json.dumps(asyncio.run(flood(sys.argv[1], float(sys.argv[2])))), flush=True)
