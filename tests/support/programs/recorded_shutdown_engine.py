"""A recorded application with signal handling and a workflow of five nodes that write when they begin and end.

Arguments: the recording, the file of notes, a file that the third node waits for, the grace time in seconds. An
interrupted run is resumed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from fuseboard_engine import Engine, UnknownRun, Workflow, shutdown_on_signals
from fuseboard_storage.recorder.recorder import record

RUN = "nightly-1"


def build(notes: Path, awaited: Path) -> Workflow:
    workflow = Workflow("nightly")

    def node(name: str) -> None:
        def note(what: str) -> None:
            with notes.open("a") as file:
                file.write(f"{what} {name}\n")

        async def work(inputs: dict[str, Any]) -> dict[str, int]:
            note("began")
            while name == "n3" and not awaited.exists():
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            note("ended")
            return {"n": inputs.get("n", 0) + 1}

        workflow.add_node(name, work)

    for number in range(1, 6):
        node(f"n{number}")
        if number > 1:
            workflow.connect(f"n{number - 1}", f"n{number}", {"n": "n"})
    return workflow


async def main(path: str, notes: str, awaited: str, grace: str) -> None:
    engine = Engine("checkout")
    workflow = engine.add_workflow(build(Path(notes), Path(awaited)))
    async with record(engine, path) as recorder, shutdown_on_signals(engine, recorder=recorder, grace=float(grace)):
        started = time.process_time()

        def on_event(event: Any) -> None:
            if type(event).__name__ == "NodeChanged" and event.state == "running":
                stop()
                print(f"processor seconds until the first node: {time.process_time() - started}", flush=True)

        stop = engine.subscribe(on_event)
        try:
            result = await engine.resume(RUN)
        except UnknownRun:
            result = await workflow.execute({"n": 0}, run=RUN)
        print(f"{result.state} {result.output}", flush=True)
        await asyncio.sleep(3600 if result.state == "interrupted" else 0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
