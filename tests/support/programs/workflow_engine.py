"""An application with a workflow whose second node fails until a file exists.

python workflow_engine.py RECORDING MENDED [RUN]

Prints `recording` when it records, `ran` when RUN has ended, and ends when its standard input does. With a file beside
MENDED that is called `hold`, the last node waits until that is gone.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from fuseboard_engine import Engine, RetryPolicy, Workflow
from fuseboard_storage.recorder.recorder import record


async def main(path: str, mended: str, run: str = "") -> None:
    engine = Engine("app", retry=RetryPolicy(max_attempts=1))

    async def fine(inputs: Any) -> str:
        return "fine"

    async def clean(inputs: Any) -> str:
        if not Path(mended).exists():
            raise ConnectionError("the upstream refused")
        return "cleaned"

    async def store(inputs: Any) -> str:
        while Path(mended).with_name("hold").exists():
            await asyncio.sleep(0.02)
        return "stored"

    workflow = Workflow("nightly", name="Nightly build")
    for name, does in (("fetch", fine), ("clean", clean), ("count", fine), ("store", store)):
        workflow.add_node(name, does)
    for source, target in (("fetch", "clean"), ("fetch", "count"), ("clean", "store"), ("count", "store")):
        workflow.connect(source, target)
    engine.add_workflow(workflow)
    async with record(engine, path):
        print("recording", flush=True)
        if run:
            await workflow.execute({}, run=run)
            print("ran", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
