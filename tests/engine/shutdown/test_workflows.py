"""The effect of a shutdown on workflows and batches, in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import DeadLetterPolicy, RetryPolicy, Workflow, WorkflowFailed
from fuseboard_engine.events import BatchFinished, DeadLettered, WorkflowFinished
from fuseboard_engine.shutdown.on_signals import shutdown_on_signals
from fuseboard_engine.workflow.checkpoints import MemoryCheckpoints
from support.engine_world import HOUR, World, now, virtual

ONCE = RetryPolicy(max_attempts=1, attempt_timeout=None)


class Nodes:
    """A workflow of three nodes in a row; `slow` takes the given seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.calls: list[str] = []
        self.slow_started = asyncio.Event()

    def workflow(self) -> Workflow:
        workflow = Workflow("nightly")
        for name in ("fetch", "slow", "store"):
            workflow.add_node(name, self.node(name))
        workflow.connect("fetch", "slow")
        workflow.connect("slow", "store")
        return workflow

    def node(self, name: str) -> Any:
        async def work(inputs: dict[str, Any]) -> dict[str, str]:
            self.calls.append(name)
            if name == "slow":
                self.slow_started.set()
                await asyncio.sleep(self.seconds)
            return {"by": name}

        return work


@virtual
async def test_a_workflow_in_flight_is_interrupted_not_failed_and_resumes_where_it_was() -> None:
    world, nodes = World(retry=ONCE), Nodes(2.0)
    world.checkpoints = keeper = MemoryCheckpoints()
    workflow = world.add_workflow(nodes.workflow())
    run = asyncio.create_task(workflow.execute(run="r1"))
    await nodes.slow_started.wait()
    report = await world.shutdown(grace=10)
    result = await run
    assert (result.state, result.success, result.failed) == ("interrupted", False, {})
    assert {name: node.state for name, node in result.nodes.items()} == {
        "fetch": "done",
        "slow": "done",
        "store": "pending",
    }
    assert "shutting down" in result.error
    with pytest.raises(WorkflowFailed, match="shutting down"):
        result.unwrap()
    assert [(left.run, left.workflow, left.nodes, left.kept) for left in report.interrupted] == [
        ("r1", "nightly", ("store",), True)
    ]
    assert [e.state for e in world.emitted if isinstance(e, WorkflowFinished)] == ["interrupted"]
    saved = await keeper.load("r1")
    assert (saved.state, saved.resumable, list(saved.nodes)) == ("interrupted", True, ["fetch", "slow"])
    assert workflow.get_resilience_metrics()["nodes"] == {"fetch": {"done": 1}, "slow": {"done": 1}}

    later, again = World(), Nodes(0.0)
    later.checkpoints = keeper
    later.add_workflow(again.workflow())
    assert (await later.resume("r1")).state == "done"
    assert again.calls == ["store"]


@virtual
async def test_a_node_that_hangs_is_cancelled_and_its_run_interrupted() -> None:
    world, nodes = World(retry=ONCE), Nodes(HOUR)
    world.checkpoints = keeper = MemoryCheckpoints()
    workflow = world.add_workflow(nodes.workflow())
    async with shutdown_on_signals(world, exit_code=None, signals=()):
        run = asyncio.create_task(workflow.execute(run="r1"))
        await nodes.slow_started.wait()
        report = await world.shutdown(grace=3)
        assert now() < 5
    assert [(left.run, left.nodes) for left in report.interrupted] == [("r1", ("slow", "store"))]
    with pytest.raises(asyncio.CancelledError):
        await run
    saved = await keeper.load("r1")
    assert (saved.state, list(saved.nodes)) == ("interrupted", ["fetch"])


@virtual
async def test_the_degraded_answer_is_not_used_for_nodes_of_an_interrupted_run() -> None:
    world, nodes = World(retry=ONCE), Nodes(2.0)
    world.checkpoints = MemoryCheckpoints()
    world.set_degraded("", {"by": "a template"}, even_for=("rejected",))
    run = asyncio.create_task(world.add_workflow(nodes.workflow()).execute(run="r1"))
    await nodes.slow_started.wait()
    await world.shutdown(grace=10)
    result = await run
    assert (result.state, result.nodes["store"].state) == ("interrupted", "pending")


@virtual
async def test_the_recovery_instructions_name_the_run_and_how_to_resume_it(tmp_path: Path) -> None:
    world, nodes = World(retry=ONCE), Nodes(2.0)
    world.checkpoints = MemoryCheckpoints()
    run = asyncio.create_task(world.add_workflow(nodes.workflow()).execute(run="r1"))
    await nodes.slow_started.wait()
    await world.shutdown(grace=10, instructions=tmp_path / "recovery.txt")
    text = (tmp_path / "recovery.txt").read_text()
    assert "Run r1 of workflow nightly: store is left to do." in text
    assert 'await engine.resume("r1")' in text
    await run


@virtual
async def test_a_run_without_checkpoints_is_named_as_one_to_restart(tmp_path: Path) -> None:
    world, nodes = World(retry=ONCE), Nodes(2.0)
    run = asyncio.create_task(world.add_workflow(nodes.workflow()).execute(run="r1"))
    await nodes.slow_started.wait()
    await world.shutdown(grace=10, instructions=tmp_path / "recovery.txt")
    text = (tmp_path / "recovery.txt").read_text()
    assert "Run r1 of workflow nightly was not saved: start it again." in text
    await run


@virtual
async def test_a_finished_workflow_is_not_named() -> None:
    world, nodes = World(), Nodes(0.0)
    await world.add_workflow(nodes.workflow()).execute()
    assert (await world.shutdown()).interrupted == ()


@virtual
async def test_a_batch_reports_tasks_refused_by_the_shutdown_and_makes_no_dead_letters() -> None:
    world = World(retry=ONCE, dead_letters=DeadLetterPolicy())
    script = world.script("a", 1.0)
    batch = asyncio.create_task(
        world.execute_batch([{"id": str(n)} for n in range(4)], max_concurrent=1, min_success_rate=0.75, retries=3)
    )
    await asyncio.sleep(0.5)
    await world.shutdown(grace=5)
    result = await batch
    assert (len(result.succeeded), result.accepted, result.rounds) == (1, False, 1)
    assert [part.task for part in result.refused] == ["1", "2", "3"]
    assert result.error == "shutting down: 3 of 4 tasks were refused, and are not dead letters; submit them again"
    assert not [event for event in world.emitted if isinstance(event, DeadLettered)]
    assert [event.error for event in world.emitted if isinstance(event, BatchFinished)] == [result.error]
    assert len(script.calls) == 1


@virtual
async def test_an_accepted_batch_reports_tasks_refused_by_the_shutdown() -> None:
    world = World(retry=ONCE)
    world.script("a", 1.0)
    batch = asyncio.create_task(world.execute_batch([{"id": "0"}, {"id": "1"}], max_concurrent=1))
    await asyncio.sleep(0.5)
    await world.shutdown(grace=5)
    result = await batch
    assert result.accepted
    assert result.error == "shutting down: 1 of 2 tasks were refused, and are not dead letters; submit them again"
