"""An application that retries dead letters in its own process, and writes each adapter call to a file.

python dead_letter_engine.py RECORDING CALLS SECONDS_A_CALL LEASE
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from fuseboard_engine import Engine
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_storage.recorder.recorder import record


async def main(path: str, calls: str, seconds: float, lease: float) -> None:
    engine = Engine("checkout", dead_letters=DeadLetterPolicy(lease=lease, poll=0.05))

    async def adapter(task: Any) -> Any:
        with Path(calls).open("a") as log:
            log.write(f"{task} {os.getpid()}\n")
        await asyncio.sleep(seconds)
        return "done"

    engine.add_adapter("prefect", adapter)
    async with record(engine, path):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))
