"""An application that runs a workflow of many nodes. Each node writes its call to a file before it returns."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from fuseboard_engine import Engine, Workflow
from fuseboard_storage.stores.checkpoints import FileCheckpoints

NODES = 40


def build(calls: Path) -> Workflow:
    """A ladder: two rails of nodes, and each rung waits for both."""
    workflow = Workflow("ladder")

    def node(name: str) -> None:
        async def work(inputs: dict[str, Any]) -> dict[str, Any]:
            await asyncio.sleep(0.001)
            with calls.open("a") as file:
                file.write(f"{name} {os.getpid()}\n")
            return {"n": sum(inputs.values()) + 1}

        workflow.add_node(name, work)

    for number in range(NODES // 2):
        for side in "lr":
            node(f"{side}{number}")
            if number:
                workflow.connect(f"l{number - 1}", f"{side}{number}", {"n": "left"})
                workflow.connect(f"r{number - 1}", f"{side}{number}", {"n": "right"})
    return workflow


async def main(path: str, calls: str, run: str, resume: bool) -> None:
    engine = Engine("ladder")
    engine.checkpoints = FileCheckpoints(path)
    workflow = engine.add_workflow(build(Path(calls)))
    print("ready", flush=True)
    result = await (engine.resume(run) if resume else workflow.execute(run=run))
    print(result.state, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], len(sys.argv) > 4))
