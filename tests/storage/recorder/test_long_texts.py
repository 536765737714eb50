"""Endless texts in a recording: names and texts are cut, and still find each other."""

from __future__ import annotations

from pathlib import Path

from fuseboard_engine import Engine
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording


async def test_an_adapter_with_an_endless_name_is_one_adapter_in_events_metrics_and_commands(tmp_path: Path) -> None:
    path, name = tmp_path / "a.db", "primary" * 100_000
    engine = Engine(name="shop" * 10_000)
    engine.add_adapter(name, lambda task: "done")
    async with record(engine, path) as recorder:
        await engine.execute_with_fallback({"task_type": "code"}, preference_order=[name])
        await recorder.flushed()
        async with Recording.open(path) as recording:
            board = await recording.board()
            (row,), (instance,) = board.adapters.values(), board.instances.values()
            (span,) = await recording.spans(0, 2**62, adapter=row.name)
            command = await recording.ask("force_open", row.name, actor="ann" * 10_000)
            status = await recording.outcome(command)
    assert (len(row.name), len(instance.name), len(status.actor)) == (300, 300, 300)
    assert (span.calls, status.status) == (1, "done")
    assert engine.breaker(name).state == "forced_open"
    assert path.stat().st_size < 200_000


async def test_an_engine_with_endless_names_is_restored(tmp_path: Path) -> None:
    path, name = tmp_path / "a.db", "primary" * 1_000
    for restore in (False, True):
        engine = Engine(name="shop" * 1_000)
        engine.add_adapter(name, lambda task: "done")
        async with record(engine, path, restore=restore):
            await engine.execute_with_fallback({"task_type": "code"}, preference_order=[name])
    assert engine.registry[name].calls == 2
