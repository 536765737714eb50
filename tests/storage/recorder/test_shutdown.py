"""A recorded application that gets SIGTERM during a workflow: a real process and a real signal."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from fuseboard_storage.recording.recording import Recording
from support.paths import PROGRAMS
from support.waiting import PATIENCE, until

PROGRAM = PROGRAMS / "recorded_shutdown_engine.py"
RUN = "nightly-1"


def start(folder: Path, grace: float) -> subprocess.Popen[str]:
    files = [str(folder / name) for name in ("a.db", "notes", "go on")]
    command = [sys.executable, "-W", "error", str(PROGRAM), *files, str(grace)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def notes(folder: Path) -> list[str]:
    path = folder / "notes"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("finishes", [True, False], ids=["within the grace time", "too late"])
def test_after_sigterm_during_a_workflow_the_next_start_resumes_it(finishes: bool, tmp_path: Path) -> None:
    with start(tmp_path, grace=60 if finishes else 0.5) as process:
        until(lambda: "began n3" in notes(tmp_path))
        process.terminate()
        if finishes:
            (tmp_path / "go on").touch()
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "Task was destroyed" not in errors and "never awaited" not in errors
    before = notes(tmp_path)
    assert ("ended n3" in before) is finishes
    assert "began n4" not in before
    left = "n4, n5" if finishes else "n3, n4, n5"
    instructions = (tmp_path / "a.db.recovery.txt").read_text()
    assert f"Run {RUN} of workflow nightly: {left} is left to do." in instructions
    assert f'await engine.resume("{RUN}")' in instructions

    async def on_the_board() -> tuple[str, list[str]]:
        async with Recording.open(tmp_path / "a.db") as recording:
            row = (await recording.board()).workflows[RUN]
            return row.state, [node.state for node in row.nodes.values()]

    done = 3 if finishes else 2
    assert asyncio.run(on_the_board()) == ("interrupted", ["done"] * done + ["pending"] * (5 - done))

    (tmp_path / "go on").touch()
    with start(tmp_path, grace=60) as process:
        out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "done {'n': 5}" in out
    after = notes(tmp_path)[len(before) :]
    assert after == [f"{what} n{n}" for n in range(done + 1, 6) for what in ("began", "ended")]
    first = next(line for line in out.splitlines() if line.startswith("processor seconds until the first node: "))
    assert float(first.split()[-1]) < 1.0
