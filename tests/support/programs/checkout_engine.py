"""A recorded application: `python checkout_engine.py FILE`. Its adapter prefect is down; its adapter agno answers.

Prints `recording` once the recording has started. Exits at the end of its standard input.
"""

from __future__ import annotations

import asyncio
import sys

from fuseboard_engine import BreakerPolicy, Engine, Task
from fuseboard_storage import record


async def prefect(task: Task) -> str:
    raise ConnectionRefusedError("connection refused")


async def agno(task: Task) -> str:
    await asyncio.sleep(0.002)
    return "done"


async def main(file: str) -> None:
    engine = Engine(name="checkout")
    engine.add_adapter("prefect", prefect, breaker=BreakerPolicy(failure_threshold=3, recovery_timeout=60.0))
    engine.add_adapter("agno", agno)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    async with record(engine, file):
        print("recording", flush=True)
        number = 0
        while not ended.done():
            number += 1
            task = Task(id=f"t{number}", type="ai_task", payload={})
            await engine.execute_with_fallback(task, preference_order=["prefect", "agno"])
            await asyncio.sleep(0.02)


asyncio.run(main(sys.argv[1]))
