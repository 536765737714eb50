"""An application that uses every part: a configuration, a remote service, plain functions, a stream, a workflow.

Arguments: the configuration, a file of notes. The first run works until it is killed; a later one prints its state.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from fuseboard_engine import Engine, LetterSelection, UnknownRun, Workflow
from fuseboard_storage import record_configured

RUN = "nightly-1"


def build(notes: Path, first: bool) -> Workflow:
    workflow = Workflow("nightly")

    def node(name: str) -> None:
        async def work(inputs: dict[str, Any]) -> dict[str, int]:
            note(notes, f"began {name}")
            if first and name == "clean":
                await asyncio.sleep(3600)
            note(notes, f"ended {name}")
            return {"n": inputs.get("n", 0) + 1}

        workflow.add_node(name, work)

    for name in ("fetch", "clean", "store"):
        node(name)
    workflow.connect("fetch", "clean", {"n": "n"})
    workflow.connect("clean", "store", {"n": "n"})
    return workflow


def note(notes: Path, text: str) -> None:
    with notes.open("a") as file:
        file.write(f"{text}\n")


async def main(config: str, notes: Path) -> None:
    engine = Engine.from_config(config)
    first = not notes.exists()
    workflow = engine.add_workflow(build(notes, first))
    async with record_configured(engine):
        if first:
            await work(engine, workflow, notes)
        else:
            await report(engine)


async def work(engine: Engine, workflow: Workflow, notes: Path) -> None:
    async with engine.stream_with_fallback({"task_type": "story", "text": "once upon a time"}) as stream:
        assert [word async for word in stream] == ["once", "upon", "a", "time"]
    routes = [await engine.execute_with_fallback({"task_type": "order", "id": f"o{n}"}) for n in range(3)]
    note(notes, "letters " + json.dumps([route.dead_letter for route in routes if route.dead_letter is not None]))
    running = asyncio.create_task(workflow.execute({"n": 0}, run=RUN))
    while not running.done():
        route = await engine.execute_with_fallback({"task_type": "sum", "numbers": [1, 2, 3]})
        assert route.unwrap() == 6
        note(notes, "summed")


async def report(engine: Engine) -> None:
    assert engine.dead_letters is not None
    reported: dict[str, Any] = {
        "statistics": engine.get_adapter_statistics(),
        "remote": engine.breaker("remote").state,
        "retry_after": engine.breaker("remote").snapshot().retry_after,
        "letters": sorted(
            letter.id for letter in await engine.dead_letters.find(LetterSelection(statuses=("pending",)))
        ),
        "order": (await engine.execute_with_fallback({"task_type": "order", "id": "late"})).skipped,
    }
    try:
        result = await engine.resume(RUN)
    except UnknownRun:
        reported["run"] = "unknown"
    else:
        reported["run"], reported["output"] = result.state, result.output
    while engine.get_adapter_health("sums")["check"]["status"] == "unknown":
        await asyncio.sleep(0.01)
    print(json.dumps(reported), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
