"""Background work of an engine: it starts with the recording, and ends with the recording or the engine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

from fuseboard_engine import DeadLetterPolicy, Engine, HealthPolicy, Workflow
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from support.waiting import PATIENCE, until_async

OFTEN = HealthPolicy(interval=0.02, timeout=0.02)


def others() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def more_than(checks: list[str], count: int) -> None:
    async def there() -> bool:
        return len(checks) > count

    await until_async(there)


def checked_engine() -> tuple[Engine, list[str]]:
    engine, checks = Engine("app", health=OFTEN, dead_letters=DeadLetterPolicy()), list[str]()

    async def health() -> None:
        checks.append("asked")

    async def fails(task: Any) -> None:
        raise ConnectionError("down")

    engine.add_adapter("a", fails, health=health)
    return engine, checks


async def test_health_checks_run_in_an_engine_that_is_only_recorded(tmp_path: Path) -> None:
    engine, checks = checked_engine()
    async with record(engine, tmp_path / "a.db"):
        await more_than(checks, 2)
    assert others() == set()


async def test_health_checks_started_by_the_application_continue_after_the_recording(tmp_path: Path) -> None:
    engine, checks = checked_engine()
    async with engine:
        async with record(engine, tmp_path / "a.db"):
            pass
        seen = len(checks)
        await more_than(checks, seen + 2)
    assert others() == set()


async def test_closing_an_unrecorded_engine_ends_its_dead_letter_retries() -> None:
    engine, _ = checked_engine()
    await engine.execute_with_fallback({"n": 1})
    assert "fuseboard-dead-letters" in others()
    await engine.close()
    assert others() == set()


async def test_a_run_requested_by_an_operator_is_interrupted_when_the_recording_ends(tmp_path: Path) -> None:
    path, broken, started = tmp_path / "a.db", True, asyncio.Event()

    async def work(inputs: dict[str, Any]) -> None:
        if broken:
            raise ConnectionError("down")
        started.set()
        await asyncio.sleep(3600)

    engine, workflow = Engine("app"), Workflow("w")
    workflow.add_node("n", work)
    workflow.configure_retry("n", max_retries=0)
    engine.add_workflow(workflow)
    async with record(engine, path):
        await workflow.execute(run="r1")
        broken = False
        async with Recording.open(path) as recording:
            await recording.ask("resume", actor="ada", args={"run": "r1"})
        await started.wait()
    assert others() == set()
    async with Recording.open(path) as recording:
        assert (await recording.board()).workflows["r1"].state == "interrupted"


PROGRAM = """
import asyncio, sys
from fuseboard_engine import DeadLetterPolicy, Engine, HealthPolicy
from fuseboard_storage import record

async def fails(task):
    raise ConnectionError("down")

checks = 0

async def health():
    global checks
    checks += 1
    await asyncio.sleep(0.001)

async def main():
    engine = Engine("app", health=HealthPolicy(interval=0.01, timeout=0.01), dead_letters=DeadLetterPolicy())
    engine.add_adapter("a", fails, health=health)
    async with record(engine, sys.argv[1]):
        assert (await engine.execute_with_fallback({"n": 1})).dead_letter
        while checks < 3:
            await asyncio.sleep(0.01)
    if "unrecorded" in sys.argv:
        engine = Engine("other", dead_letters=DeadLetterPolicy())
        engine.add_adapter("a", fails)
        assert (await engine.execute_with_fallback({"n": 2})).dead_letter

asyncio.run(main(), debug=True)
"""


def test_a_program_exits_without_warnings(tmp_path: Path) -> None:
    for more in ([], ["unrecorded"]):
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, str(tmp_path / "a.db"), *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        lines = [line for line in done.stderr.splitlines() if "Executing <" not in line]
        assert (done.returncode, lines) == (0, [])
