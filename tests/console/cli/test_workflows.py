"""`fuseboard workflows`: a real process on real recordings."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import Engine, RetryPolicy, Workflow
from fuseboard_storage.recorder.recorder import record
from support.waiting import PATIENCE

ONCE = RetryPolicy(max_attempts=1)


class Nightly:
    """A workflow of three nodes; the second one fails while `down` is set."""

    def __init__(self) -> None:
        self.down = True

    def engine(self) -> Engine:
        engine = Engine("app", retry=ONCE)
        workflow = Workflow("nightly", name="Nightly [/bold] build")
        for name in ("fetch", "clean", "store"):
            workflow.add_node(name, self.work if name == "clean" else self.fine)
        workflow.connect("fetch", "clean")
        workflow.connect("clean", "store")
        engine.add_workflow(workflow)
        return engine

    async def fine(self, inputs: Any) -> str:
        return "fine"

    async def work(self, inputs: Any) -> str:
        if self.down:
            raise ConnectionError("\x1b]0;hostile\x07 down")
        return "cleaned"


def command(file: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "fuseboard_console", "workflows", str(file), *arguments]


def workflows(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(file, *arguments), capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture
def failed(tmp_path: Path) -> Path:
    """A recording with a run that failed at its second node."""

    async def scene() -> None:
        engine = Nightly().engine()
        async with record(engine, tmp_path / "a.db"):
            await engine.workflows["nightly"].execute(run="n1")

    asyncio.run(scene())
    return tmp_path / "a.db"


def test_runs_are_listed_with_their_nodes_and_what_can_be_resumed(failed: Path) -> None:
    shown = workflows(failed)
    assert shown.returncode == 0
    assert "a.db: 1 run, 1 to resume" in shown.stdout
    assert "n1  Nightly [/bold] build  FAILED  1 of 3 nodes done" in shown.stdout
    assert "; can be resumed" in shown.stdout
    assert "✓ fetch  done by nightly.fetch" in shown.stdout
    assert "✗ clean  failed" in shown.stdout
    assert "– store  skipped: it needs clean, which failed" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_runs_that_are_not_listed_are_counted_too(failed: Path) -> None:
    async def two_more() -> None:
        nightly = Nightly()
        engine = nightly.engine()
        async with record(engine, failed):
            await engine.workflows["nightly"].execute(run="n2")
            nightly.down = False
            await engine.workflows["nightly"].execute(run="n3")

    asyncio.run(two_more())
    assert "a.db: 3 runs, 2 to resume\n" in workflows(failed).stdout
    assert "a.db: the newest 1 of 3 runs, 2 to resume\n" in workflows(failed, "--limit", "1").stdout
    assert "a.db: 3 runs, 2 to resume; the newest 1 of those\n" in workflows(failed, "--open", "--limit", "1").stdout
    shown = json.loads(workflows(failed, "--json", "--limit", "1").stdout)
    assert (len(shown["runs"]), shown["saved"], shown["resumable"]) == (1, 3, 2)


def test_the_json_names_its_schema(failed: Path) -> None:
    shown = json.loads(workflows(failed, "--json", "--open").stdout)
    assert shown["schema"] == "fuseboard.workflows/1"
    (run,) = shown["runs"]
    assert (run["run"], run["state"], run["resumable"]) == ("n1", "failed", True)
    assert [(node["node"], node["state"]) for node in run["nodes"]] == [
        ("fetch", "done"),
        ("clean", "failed"),
        ("store", "skipped"),
    ]
    assert run["nodes"][0]["result"] == "fine"


def test_a_run_whose_process_is_gone_is_shown_as_killed_and_resumable(failed: Path) -> None:
    connection = sqlite3.connect(failed)
    connection.execute("UPDATE workflow_runs SET state = 'running', owner = 'elsewhere@1:1'")
    connection.commit()
    connection.close()
    assert "KILLED" in workflows(failed).stdout


async def test_a_run_is_resumed_by_the_engine_that_has_it(failed: Path) -> None:
    nightly = Nightly()
    nightly.down = False
    async with record(nightly.engine(), failed):
        process = await asyncio.create_subprocess_exec(
            *command(failed, "--resume", "n1"), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
    assert (process.returncode, out.decode()) == (0, "Run n1 is done.\n")
    assert workflows(failed, "--open").stdout == "a.db: no run can be resumed.\n"


APPLICATION = """
import asyncio, sys
from fuseboard_engine import Engine, Workflow
from fuseboard_storage import record
engine = Engine("app")
workflow = Workflow("nightly", name="Nightly [/bold] build")
class Nightly:
    async def fine(self, inputs):
        return "fine"
    async def work(self, inputs):
        return "cleaned"
for name in ("fetch", "clean", "store"):
    workflow.add_node(name, Nightly().work if name == "clean" else Nightly().fine)
workflow.connect("fetch", "clean")
workflow.connect("clean", "store")
engine.add_workflow(workflow)
async def main():
    async with record(engine, sys.argv[1]):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
"""
WITH_A_LOOP = "asyncio.run(main())"
WITHOUT_ONE = """
with record(engine, sys.argv[1]):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("ending", [WITH_A_LOOP, WITHOUT_ONE], ids=["asyncio", "no loop of its own"])
def test_a_workflow_that_was_registered_before_any_loop_ran_is_resumed(failed: Path, ending: str) -> None:
    program = [sys.executable, "-c", APPLICATION + ending, str(failed)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as application:
        assert application.stdout is not None and application.stdout.readline() == "ready\n"
        shown = workflows(failed, "--resume", "n1")
        application.communicate("", timeout=PATIENCE)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "Run n1 is done.\n", "")
    assert application.returncode == 0


def test_the_beginning_or_end_of_an_id_names_a_run_if_no_other_has_it(failed: Path) -> None:
    connection = sqlite3.connect(failed)
    columns = "workflow, name, steps, definition, input, started_at, state, changed_at, error, owner, deaths"
    for id in ("nightly-0a1b", "nightly-0a2c", "n1x"):
        connection.execute(f"INSERT INTO workflow_runs SELECT ?, {columns} FROM workflow_runs WHERE id = 'n1'", (id,))
    connection.commit()
    connection.close()
    several = workflows(failed, "--resume", "nightly-0a")
    assert several.returncode == 2
    assert several.stderr.startswith("Several runs begin or end with nightly-0a, such as nightly-0a")
    for text in ("2c", "nightly-0a2", "n1"):  # known, so only a living engine is missing
        assert workflows(failed, "--resume", text).stderr.startswith("No engine can take this command")


def test_an_unknown_run_and_an_engine_that_has_ended_are_reported(failed: Path) -> None:
    shown = workflows(failed, "--resume", "nope")
    assert (shown.returncode, shown.stderr) == (
        2,
        "a.db has no run nope. `fuseboard workflows FILE` lists them.\n",
    )
    shown = workflows(failed, "--resume", "n1", "--wait", "3600")
    assert shown.returncode == 1
    assert shown.stderr.startswith("No engine can take this command: the engine of a.db ended at ")


def test_no_resume_is_sent_to_an_engine_whose_process_is_gone(failed: Path) -> None:
    program = [sys.executable, "-c", APPLICATION + WITH_A_LOOP, str(failed)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as application:
        assert application.stdout is not None and application.stdout.readline() == "ready\n"
        application.kill()
    for _ in range(100):  # until the last heartbeat is too old to count
        shown = workflows(failed, "--resume", "n1", "--wait", "0.1")
        if "is gone" in shown.stderr:
            break
    shown = workflows(failed, "--resume", "n1", "--wait", "3600")
    assert shown.returncode == 1
    assert "the process of the engine of a.db is gone, last sign of life" in shown.stderr


def test_a_file_that_is_not_a_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x" * 200)
    assert workflows(tmp_path / "a.txt").returncode == 2
