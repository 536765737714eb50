"""An application whose only adapter fails until a file exists, so that its tasks become dead letters.

While the file says `wait`, its calls wait.

python letters_engine.py RECORDING MENDED
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_storage.recorder.recorder import record


async def main(path: str, mended: str) -> None:
    engine = Engine(
        "checkout",
        dead_letters=DeadLetterPolicy(automatic_retry=False),
        retry=RetryPolicy(max_attempts=1),
        breaker=BreakerPolicy(failure_threshold=None),
    )

    async def prefect(task: Any) -> Any:
        if not Path(mended).exists():
            raise ConnectionError("refused")
        while Path(mended).read_text() == "wait":
            await asyncio.sleep(0.01)
        return "done"

    engine.add_adapter("prefect", prefect)
    async with record(engine, path):
        for number, kind in enumerate(("order", "order", "report")):
            await engine.execute_with_fallback({"task_type": kind, "id": f"t{number}", "n": number})
        print("recording", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
