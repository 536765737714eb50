"""An application in its own process with `shutdown_on_signals`. It prints a line for each thing that it does.

Arguments: how it behaves, and a file for the recovery instructions.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from fuseboard_engine import Engine
from fuseboard_engine.shutdown.on_signals import shutdown_on_signals


def say(text: str) -> None:
    """Write one line in one piece: `print` writes the line break apart, and another thread's text comes between."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def work(task: Any) -> str:
    say("called")
    await asyncio.sleep(3600 if task["how"] == "hang" else 0.2)
    return "done"


async def save() -> str:
    say("saved")
    return "all orders"


async def main(how: str, instructions: Path) -> None:
    engine = Engine("checkout")
    engine.add_adapter("slow", work)
    grace = 60.0 if how == "hang" else 10.0
    async with shutdown_on_signals(engine, grace=grace, save=save, instructions=instructions):
        if how == "raise":
            raise RuntimeError("nobody caught this")
        if how == "block":
            say("called")
            end = time.monotonic() + 30
            while time.monotonic() < end:
                pass
        result = await engine.execute_with_fallback({"how": how})
        say(f"result: {result.result}")
        refused = None
        while refused is None:
            await asyncio.sleep(0.01)
            again = await engine.execute_with_fallback({"how": "again"}) if how == "again" else None
            refused = again.error if again is not None and not again.success else None
        say(f"refused: {refused}")
        await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
