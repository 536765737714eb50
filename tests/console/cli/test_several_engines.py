"""Commands on a recording of two engines with adapters of one name: each answer names its engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fuseboard_engine import Engine
from fuseboard_storage import record
from support.command_line import fuseboard


async def test_answers_name_the_engine_where_two_have_an_adapter_of_one_name(tmp_path: Path) -> None:
    async def refuse(task: object) -> object:
        raise ConnectionError("refused")

    path = tmp_path / "a.db"
    checkout, billing = Engine("checkout"), Engine("billing")
    for engine in (checkout, billing):
        engine.add_adapter("gpt", refuse)
    async with record(checkout, path), record(billing, path):
        for engine in (checkout, billing):
            engine.breaker("gpt").force_open()
        reset = await asyncio.to_thread(fuseboard, "reset", path, "gpt")
        assert reset.stdout.splitlines() == ["gpt (checkout) was reset.", "gpt (billing) was reset."]
        for engine in (checkout, billing):
            engine.breaker("gpt").force_open()
        reset = await asyncio.to_thread(fuseboard, "reset", path, "--all")
        assert reset.stdout.splitlines() == ["checkout: gpt reset.", "billing: gpt reset."]
        await billing.execute_with_fallback({"id": "t1", "type": "charge"})
    shown = await asyncio.to_thread(fuseboard, "failures", path)
    assert all("  billing: gpt " in line for line in shown.stdout.splitlines())
    shown = await asyncio.to_thread(fuseboard, "events", path, "--kind", "state_changed")
    lines = shown.stdout.splitlines()
    assert lines
    assert all(" checkout: gpt " in line or " billing: gpt " in line for line in lines)
