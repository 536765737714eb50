"""Checkpoints: workflow runs survive the end of their process, and no finished node runs twice."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import stat
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import CheckpointsUnavailable, Engine, ResumeRefused, UnknownRun, Workflow, WorkflowResult
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.process_identity import ProcessIdentity, is_alive, this_process
from fuseboard_storage.stores.checkpoints import FileCheckpoints
from fuseboard_storage.tables.commands import CommandStatus
from support.paths import PROGRAMS
from support.waiting import until, until_async

NODES = 40


class Steps:
    """Three nodes in a row that record their calls; each fails while its name is in the set to fail."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.broken: set[str] = set()

    def workflow(self, **params: Any) -> Workflow:
        workflow = Workflow("pipeline", name="The pipeline")
        for name in ("fetch", "clean", "store"):
            workflow.add_node(name, self.node(name), **(params if name == "clean" else {}))
            workflow.configure_retry(name, max_retries=0)
        workflow.connect("fetch", "clean", {"n": "n"})
        workflow.connect("clean", "store", {"n": "n"})
        return workflow

    def workflow_at(self, engine: Engine) -> Workflow:
        return engine.add_workflow(self.workflow())

    def node(self, name: str) -> Any:
        async def work(inputs: dict[str, Any]) -> dict[str, Any]:
            self.calls.append(name)
            if name in self.broken:
                raise ConnectionError(f"{name} is down")
            return {"n": inputs["n"] * 2}

        return work


def engine_at(path: Path) -> Engine:
    engine = Engine("app")
    engine.checkpoints = FileCheckpoints(path)
    return engine


async def test_another_process_resumes_a_failed_run_where_it_failed(tmp_path: Path) -> None:
    steps, path = Steps(), tmp_path / "a.db"
    steps.broken = {"clean"}
    engine = engine_at(path)
    result = await engine.add_workflow(steps.workflow()).execute({"n": 1}, run="r1")
    assert (result.state, steps.calls) == ("failed", ["fetch", "clean"])

    steps.broken = set()
    later = engine_at(path)
    later.add_workflow(steps.workflow())
    result = await later.resume("r1")
    assert (result.state, result.output) == ("done", {"n": 8})
    assert steps.calls == ["fetch", "clean", "clean", "store"]

    again = await later.resume("r1")
    assert (again.state, again.output) == ("done", {"n": 8})
    assert len(steps.calls) == 4
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_resume_after_a_change_names_the_change_and_runs_nothing(tmp_path: Path) -> None:
    steps, path = Steps(), tmp_path / "a.db"
    steps.broken = {"clean"}
    await engine_at(path).add_workflow(steps.workflow()).execute({"n": 1}, run="r1")
    changed = steps.workflow(limit=3)
    changed.add_node("audit", steps.node("audit"))
    engine = engine_at(path)
    engine.add_workflow(changed)
    with pytest.raises(ResumeRefused, match="not the one that run 'r1' began with: clean was changed, audit was added"):
        await engine.resume("r1")
    other = engine_at(path)
    with pytest.raises(
        ResumeRefused, match="belongs to workflow 'pipeline', which this engine does not have; it has: none"
    ):
        await other.resume("r1")
    assert steps.calls == ["fetch", "clean"]


async def test_policies_can_change_before_a_run_is_resumed(tmp_path: Path) -> None:
    steps, path = Steps(), tmp_path / "a.db"
    steps.broken = {"clean"}
    await engine_at(path).add_workflow(steps.workflow()).execute({"n": 1}, run="r1")
    steps.broken = set()
    patient = steps.workflow()
    patient.configure_retry("clean", max_retries=9)
    engine = engine_at(path)
    engine.add_workflow(patient)
    assert (await engine.resume("r1")).success


async def test_only_one_engine_at_a_time_can_resume_a_run(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    started, go_on = asyncio.Event(), asyncio.Event()

    async def wait(inputs: dict[str, Any]) -> str:
        started.set()
        await go_on.wait()
        return "done"

    def engine() -> Engine:
        made = engine_at(path)
        workflow = Workflow("slow")
        workflow.add_node("wait", wait)
        made.add_workflow(workflow)
        return made

    first = engine()
    run = asyncio.create_task(first.workflows["slow"].execute(run="r1"))
    await started.wait()
    with pytest.raises(ResumeRefused, match=f"run 'r1' is running in process {os.getpid()} on "):
        await engine().resume("r1")
    with pytest.raises(ResumeRefused, match="run 'r1' already exists"):
        await engine().workflows["slow"].execute(run="r1")
    go_on.set()
    assert (await run).success


async def test_a_cancelled_run_keeps_its_finished_nodes_and_can_be_resumed(tmp_path: Path) -> None:
    path, calls = tmp_path / "a.db", Counter[str]()
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def quick(inputs: dict[str, Any]) -> str:
        calls["quick"] += 1
        return "q"

    async def slow(inputs: dict[str, Any]) -> str:
        calls["slow"] += 1
        waiting.set()
        await go_on.wait()
        return "s"

    def workflow() -> Workflow:
        made = Workflow("w")
        made.add_node("quick", quick)
        made.add_node("slow", slow)
        made.connect("quick", "slow")
        return made

    run = asyncio.create_task(engine_at(path).add_workflow(workflow()).execute(run="r1"))
    await waiting.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    go_on.set()
    engine = engine_at(path)
    engine.add_workflow(workflow())
    assert engine.checkpoints is not None
    saved = await engine.checkpoints.load("r1")
    assert (saved.state, saved.alive, saved.resumable, list(saved.nodes)) == ("interrupted", False, True, ["quick"])
    assert (await engine.resume("r1")).results == {"quick": "q", "slow": "s"}
    assert calls == {"quick": 1, "slow": 2}


async def test_unknown_runs_and_unwritable_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UnknownRun, match="no saved run 'nope'"):
        await engine_at(tmp_path / "a.db").resume("nope")
    with pytest.raises(ResumeRefused, match="keeps no runs"):
        await Engine("app").resume("nope")
    steps = Steps()
    workflow = engine_at(tmp_path / "no folder" / "a.db").add_workflow(steps.workflow())
    with pytest.raises(CheckpointsUnavailable, match="its folder does not exist"):
        await workflow.execute({"n": 1})
    assert steps.calls == []


async def test_a_run_whose_file_was_deleted_continues_in_a_new_file_with_all_nodes(tmp_path: Path) -> None:
    path, steps = tmp_path / "a.db", Steps()
    workflow = steps.workflow()
    plain = steps.node

    def node(name: str) -> Any:
        async def work(inputs: dict[str, Any]) -> dict[str, Any]:
            if name == "clean":
                path.unlink()
            result: dict[str, Any] = await plain(name)(inputs)
            return result

        return work

    steps.node = node  # type: ignore[method-assign]
    workflow = steps.workflow()
    engine = engine_at(path)
    result = await engine.add_workflow(workflow).execute({"n": 1})
    assert result.success
    assert saved_nodes(path, result.run) == set(steps.calls)
    assert {"fetch", "clean"} < set(steps.calls)


def start(path: Path, calls: Path, run: str, *resume: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAMS / "checkpoint_engine.py"), str(path), str(calls), run, *resume]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def saved_nodes(path: Path, run: str) -> set[str]:
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT node FROM workflow_nodes WHERE run = ? AND state = 'done'", (run,))
        return {name for (name,) in rows.fetchall()}
    finally:
        connection.close()


def calls_in(calls: Path) -> Counter[str]:
    return Counter(line.split()[0] for line in calls.read_text().splitlines())


@pytest.mark.parametrize("seed", range(3))
def test_after_a_kill_at_any_moment_no_finished_node_is_lost_or_runs_twice(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    path, calls = tmp_path / "a.db", tmp_path / "calls"
    calls.touch()
    resume: tuple[str, ...] = ()
    kept: dict[str, int] = {}
    for _ in range(6):
        with start(path, calls, "r", *resume) as process:
            assert process.stdout is not None
            if resume:
                process.stdout.readline()
                time.sleep(dice.uniform(0, 0.05))  # a random moment; the assertions hold for any
            else:
                until(lambda: calls.stat().st_size)
            process.kill()
        called, saved = calls_in(calls), saved_nodes(path, "r")
        assert kept.keys() <= saved
        assert {name: called[name] for name in kept} == kept
        kept = {name: called[name] for name in saved}
        resume = ("resume",)
    with start(path, calls, "r", "resume") as process:
        assert process.stdout is not None
        assert process.stdout.read().endswith("done\n")
    called = calls_in(calls)
    assert {name: called[name] for name in kept} == kept
    assert called.keys() == saved_nodes(path, "r") == {f"{side}{n}" for side in "lr" for n in range(NODES // 2)}


def test_a_killed_run_is_resumed_within_a_second(tmp_path: Path) -> None:
    path, calls = tmp_path / "a.db", tmp_path / "calls"
    calls.touch()
    with start(path, calls, "r") as process:
        until(lambda: path.exists() and calls.stat().st_size > 100)
        process.kill()

    async def resumed() -> float:
        from support.programs.checkpoint_engine import build

        engine = engine_at(path)
        workflow = engine.add_workflow(build(calls))
        before = time.process_time()  # processor time, independent of the machine's load
        assert engine.checkpoints is not None
        saved = await engine.checkpoints.load("r")
        assert saved.resumable
        started: list[float] = []
        engine.subscribe(lambda event: started.append(time.process_time()))
        assert (await workflow.execute(resume="r")).success
        return started[0] - before

    assert asyncio.run(resumed()) < 1.0


async def test_the_next_start_resumes_exactly_the_unfinished_runs(tmp_path: Path) -> None:
    path, calls = tmp_path / "a.db", tmp_path / "calls"
    calls.touch()
    with start(path, calls, "killed") as process:
        until(lambda: path.exists() and calls.stat().st_size > 100)
        process.kill()
    steps, started = Steps(), asyncio.Event()
    engine = engine_at(path)
    pipeline = engine.add_workflow(steps.workflow())

    async def wait(inputs: dict[str, Any]) -> None:
        started.set()
        await asyncio.sleep(60)

    hold = Workflow("hold")
    hold.add_node("wait", wait)
    engine.add_workflow(hold)
    run = asyncio.create_task(hold.execute(run="interrupted"))
    await started.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert (await pipeline.execute({"n": 1}, run="done")).success
    steps.broken = {"store"}
    assert not (await pipeline.execute({"n": 1}, run="failed")).success
    steps.broken = set()

    from support.programs.checkpoint_engine import build

    later = engine_at(path)
    later.add_workflow(build(calls))
    later.add_workflow(steps.workflow())
    assert [(run, result.success) for run, result in resumed(await later.resume_left())] == [("killed", True)]
    assert await later.resume_left() == {}
    assert [(run, result.success) for run, result in resumed(await later.resume_left(failed=True))] == [
        ("failed", True)
    ]

    changed = engine_at(path)
    other = Workflow("hold")
    other.add_node("another", wait)
    changed.add_workflow(other)
    refused = (await changed.resume_left())["interrupted"]
    assert isinstance(refused, ResumeRefused)
    assert "wait was removed, another was added" in str(refused)


def resumed(ended: dict[str, Any]) -> list[tuple[str, WorkflowResult]]:
    assert all(isinstance(result, WorkflowResult) for result in ended.values()), ended
    return list(ended.items())


async def test_of_two_engines_that_start_at_once_only_one_resumes_a_run(tmp_path: Path) -> None:
    steps, path = Steps(), tmp_path / "a.db"
    steps.broken = {"store"}
    await engine_at(path).add_workflow(steps.workflow()).execute({"n": 1}, run="r1")
    steps.broken = set()
    engines = [engine_at(path) for _ in range(2)]
    for engine in engines:
        engine.add_workflow(steps.workflow())
    await asyncio.gather(*(engine.resume_left(failed=True) for engine in engines))
    assert steps.calls == ["fetch", "clean", "store", "store"]


def test_a_process_is_distinguished_from_a_later_one_with_the_same_pid() -> None:
    me = ProcessIdentity.parse(this_process("here"))
    assert me is not None
    assert (me.host, me.pid) == ("here", os.getpid())
    assert is_alive(me)
    if me.started:
        assert not is_alive(me._replace(started="1"))
    assert ProcessIdentity.parse("nonsense") is None


async def asked(path: Path, engine: Engine, run: str) -> CommandStatus:
    """Return the outcome of an operator's command to resume a run."""
    async with record(engine, path), Recording.open(path) as recording:
        number = await recording.ask("resume", actor="ada", args={"run": run})

        async def over() -> bool:
            return (await recording.command(number)).over

        await until_async(over)
        return await recording.command(number)


async def test_an_operator_resumes_a_run_of_a_running_engine(tmp_path: Path) -> None:
    steps, path = Steps(), tmp_path / "a.db"
    steps.broken = {"store"}
    await engine_at(path).add_workflow(steps.workflow()).execute({"n": 1}, run="r1")
    steps.broken = set()
    engine = Engine("app")
    engine.add_workflow(steps.workflow())
    status = await asked(path, engine, "r1")
    assert (status.status, status.detail) == ("done", "run r1 is done")
    assert steps.calls == ["fetch", "clean", "store", "store"]


async def test_an_impossible_resume_is_answered_with_the_reason(tmp_path: Path) -> None:
    engine = Engine("app")
    engine.add_workflow(Steps().workflow())
    status = await asked(tmp_path / "a.db", engine, "nope")
    assert (status.status, status.detail) == ("failed", "there is no saved run 'nope'")
    status = await asked(tmp_path / "b.db", engine, "")
    assert status.detail == "resume needs the id of a run"


def test_chains_and_failures_of_nodes_survive_the_process(tmp_path: Path) -> None:
    async def play() -> None:
        steps, path = Steps(), tmp_path / "app.db"
        steps.broken = {"store"}
        await steps.workflow_at(engine_at(path)).execute({"n": 1}, run="r")
        later = steps.workflow_at(engine_at(path))
        (failure,) = await later.get_saved_failures()
        assert (failure.run, failure.node, failure.attempts, failure.error) == ("r", "store", 1, "store is down")

        steps.broken = set()
        result = await later.execute(resume="r")
        assert result.fallback_chain == ["pipeline.fetch", "pipeline.clean", "pipeline.store"]
        assert await later.get_saved_failures() == []

    asyncio.run(play())


def test_a_run_that_is_cancelled_while_it_begins_can_be_resumed_by_the_same_process(tmp_path: Path) -> None:
    async def play() -> None:
        path = tmp_path / "app.db"
        workflow = Steps().workflow_at(engine_at(path))
        for after in range(6):
            run = asyncio.create_task(workflow.execute({"n": 1}, run=f"r{after}"))
            for _ in range(after):
                await asyncio.sleep(0)
            run.cancel()
            await asyncio.wait({run})
        async with Recording.open(path) as recording:
            runs = await recording.workflow_runs()
        for saved in runs:
            assert saved.state == "interrupted" and not saved.alive
            assert (await workflow.execute(resume=saved.run)).success

    asyncio.run(play())


def test_runs_of_a_file_that_was_not_migrated_are_still_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "app.db"
    before = next(n for n, statements in enumerate(schema.MIGRATIONS) if "ADD COLUMN chain" in statements[0])

    async def play() -> None:
        async with Recording.open(path) as recording:
            (saved,) = await recording.workflow_runs()
        assert (saved.nodes["a"].attempts, saved.nodes["a"].chain) == (3, ())
        result = await engine_at(path).checkpoints.load("r")  # type: ignore[union-attr]
        assert result.nodes["a"].chain == ()

    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:before])
        patch.setattr(schema, "VERSION", before)
        connection = schema.connect(path)
    connection.execute(
        "INSERT INTO workflow_runs VALUES ('r', 'w', 'w', '[\"a\"]', '{}', 'null', 1, 'failed', 1, '', '')"
    )
    connection.execute("INSERT INTO workflow_nodes VALUES ('r', 'a', 'failed', 1, 'null', '', 3, 0.0, 'no')")
    connection.commit()
    connection.close()
    asyncio.run(play())
