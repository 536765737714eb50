"""Commands on a recording whose disk is mounted read-only: those that read answer, those that write say why not."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from fuseboard_engine import DeadLetterPolicy, Engine, RetryPolicy
from fuseboard_storage import record
from support.disks import run_read_only, skip_without_read_only_mounts

READING = {
    "status": ["status", "FILE"],
    "events": ["events", "FILE"],
    "failures": ["failures", "FILE"],
    "audit": ["audit", "FILE"],
    "tune": ["tune", "FILE", "--suggest"],
    "report": ["report", "FILE", "-o", "-"],
    "dlq list": ["dlq", "FILE", "list"],
    "db info": ["db", "info", "FILE"],
    "db check": ["db", "check", "FILE"],
    "db export": ["db", "export", "FILE"],
    "db forget --dry-run": ["db", "forget", "FILE", "--task-id", "t", "--dry-run"],
}
WRITING = {
    "reset": ["reset", "FILE", "bad"],
    "dlq discard": ["dlq", "FILE", "discard", "--all"],
    "db compact": ["db", "compact", "FILE"],
}


@pytest.mark.parametrize("running", [True, False], ids=["running", "ended"])
async def test_commands_on_a_read_only_disk(running: bool, tmp_path: Path) -> None:
    skip_without_read_only_mounts(tmp_path)
    engine = Engine("app", retry=RetryPolicy(max_attempts=1), dead_letters=DeadLetterPolicy(automatic_retry=False))

    async def bad(task: object) -> None:
        raise ConnectionError("down")

    engine.add_adapter("bad", bad)
    path = tmp_path / "a.db"

    async def try_commands() -> None:
        for name, words in {**READING, **WRITING}.items():
            command = [str(path) if word == "FILE" else word for word in words]
            done = await asyncio.to_thread(run_read_only, tmp_path, sys.executable, "-m", "fuseboard", *command)
            assert "Traceback" not in done.stderr, name
            if name in READING:
                assert (done.returncode, done.stderr) == (0, ""), name
                assert done.stdout, name
            else:
                assert done.returncode == (2 if name == "db compact" else 1), name
                assert done.stderr.count("\n") == 1, name
                assert "a.db" in done.stderr, name
                assert "permissions" in done.stderr or (name, running) == ("reset", False), name

    async with record(engine, path) as recorder:
        await engine.execute_with_fallback({"type": "t"})
        await recorder.flushed()
        if running:
            await try_commands()
    if not running:
        await try_commands()
