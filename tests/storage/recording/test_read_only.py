"""A recording in a folder that cannot be written is read, also while its engine runs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from fuseboard_storage.recorder.recorder import record
from support.disks import run_read_only, skip_without_read_only_mounts
from support.fake_engine import FakeEngine, answered

READ = """
import asyncio, sys
from fuseboard_storage import Recording

async def main():
    async with Recording.open(sys.argv[1]) as recording:
        print(len(await recording.entries()), [row.name for row in (await recording.board()).rows()])

asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    skip_without_read_only_mounts(tmp_path)
    return tmp_path


@pytest.mark.parametrize("running", [True, False])
async def test_a_recording_on_a_read_only_mount_can_be_read(folder: Path, running: bool) -> None:
    engine, path = FakeEngine(), folder / "a.db"
    command = (sys.executable, "-c", READ, str(path))
    async with record(engine, path) as recorder:
        engine.emit(answered())
        await recorder.flushed()
        if running:
            done = await asyncio.to_thread(run_read_only, folder, *command)
    if not running:
        done = run_read_only(folder, *command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(" ", 1)[1].strip() == "['prefect', 'agno']"
