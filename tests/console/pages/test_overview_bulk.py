"""Many breakers at once, with an engine that really does it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fuseboard_console.operator.dispatcher import CommandDispatcher
from fuseboard_console.views.adapters.engine_presence import Connection
from fuseboard_engine import Engine
from fuseboard_storage.board.board import AdapterKey
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from support.waiting import PATIENCE


async def answer(task: Any) -> Any:
    return task


async def test_every_marked_breaker_is_forced_open_and_missing_ones_are_named(tmp_path: Path) -> None:
    engine = Engine("checkout")
    for name in ("agno", "gpt", "prefect"):
        engine.add_adapter(name, answer)
    told: list[str] = []
    async with (
        record(engine, tmp_path / "a.db"),
        asyncio.timeout(PATIENCE),
        Recording.open(tmp_path / "a.db") as recording,
    ):
        desk = CommandDispatcher(
            recording, "a.db", lambda instance: Connection("live"), lambda text, severity="": told.append(text)
        )
        await desk.send_all("force_open", [AdapterKey(1, name) for name in ("agno", "gpt", "removed")])
        while not told:
            await desk.poll()
            await asyncio.sleep(0.02)
    assert told[0].startswith("2 of 3 done; removed: ")
    states = {adapter.name: adapter.breaker.state for adapter in engine.registry}
    assert states == {"agno": "forced_open", "gpt": "forced_open", "prefect": "closed"}
