"""What remains of runs that failed, or were cancelled while they began; nodes that are objects."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine import DeadLetterPolicy, MemoryCheckpoints, Workflow, WorkflowError, WorkflowResult
from fuseboard_engine.events import WorkflowStarted
from fuseboard_engine.workflow.checkpoints import SavedRun
from support.engine_world import NEVER_TRIPS, World, virtual


class SlowCheckpoints(MemoryCheckpoints):
    """Checkpoints that take a second for each step of a beginning, as a busy disk does."""

    async def begin(self, run: SavedRun) -> None:
        await asyncio.sleep(0.5)
        await super().begin(run)
        await asyncio.sleep(0.5)

    async def take(self, run: str, at: int) -> None:
        await asyncio.sleep(0.5)
        await super().take(run, at)
        await asyncio.sleep(0.5)


def pipeline(world: World, broken: set[str], **options: Any) -> Workflow:
    """Return a workflow of two nodes, each with a fallback, that fail while they are in `broken`."""
    workflow = Workflow("pipeline", engine=world, **options)

    def node(name: str) -> Any:
        async def work(inputs: Any) -> str:
            if name in broken:
                raise ConnectionError(f"{name} is down")
            return name

        return work

    for name in ("fetch", "backup", "store"):
        workflow.add_node(name, node(name))
        workflow.configure_retry(name, max_retries=0)
    workflow.add_fallback("fetch", "backup")
    workflow.connect("fetch", "store")
    return workflow


@pytest.mark.parametrize("after", [0.1, 0.7])
@virtual
async def test_a_run_that_is_cancelled_while_it_begins_is_ended_and_can_be_resumed(after: float) -> None:
    world = World(breaker=NEVER_TRIPS)
    store = world.checkpoints = SlowCheckpoints()
    workflow = pipeline(world, set())

    run = asyncio.create_task(workflow.execute(run="r"))
    await asyncio.sleep(after)
    run.cancel()
    await asyncio.wait({run})

    assert run.cancelled()
    assert (store.runs["r"].state, store.runs["r"].alive) == ("interrupted", False)
    assert not [event for event in world.emitted if isinstance(event, WorkflowStarted)]
    assert (await workflow.execute(resume="r")).success


@pytest.mark.parametrize("after", [0.1, 0.7])
@virtual
async def test_a_run_that_is_cancelled_while_it_is_taken_over_is_ended(after: float) -> None:
    world, broken = World(breaker=NEVER_TRIPS), {"store"}
    store = world.checkpoints = SlowCheckpoints()
    workflow = pipeline(world, broken)
    await workflow.execute(run="r")

    resumed = asyncio.create_task(workflow.execute(resume="r"))
    await asyncio.sleep(after)
    resumed.cancel()
    await asyncio.wait({resumed})
    assert (store.runs["r"].state, store.runs["r"].alive) == ("interrupted", False)

    broken.clear()
    assert (await workflow.execute(resume="r")).success


@virtual
async def test_a_refused_start_ends_no_run() -> None:
    world = World(breaker=NEVER_TRIPS)
    store = world.checkpoints = SlowCheckpoints()
    workflow = pipeline(world, set())
    first = asyncio.create_task(workflow.execute(run="r"))
    await asyncio.sleep(0.6)

    second = asyncio.create_task(workflow.execute(run="r"))
    await asyncio.sleep(0.1)
    second.cancel()
    await asyncio.wait({second})

    assert second.cancelled()
    assert (await first).success
    assert store.runs["r"].state == "done"


@virtual
async def test_a_resumed_run_keeps_chain_and_attempts_of_finished_nodes() -> None:
    world, broken = World(breaker=NEVER_TRIPS), {"fetch", "store"}
    world.checkpoints = MemoryCheckpoints()
    workflow = pipeline(world, broken)
    await workflow.execute(run="r")

    broken.clear()
    result = await workflow.execute(resume="r")
    again = await workflow.execute(resume="r")

    for ended in (result, again):
        assert ended.fallback_chain == ["pipeline.fetch", "pipeline.backup", "pipeline.store"]
        assert ended.nodes["fetch"].chain == ("pipeline.fetch", "pipeline.backup")
        assert (ended.nodes["fetch"].attempts, ended.total_attempts) == (2, 3)


@virtual
async def test_failures_of_earlier_processes_are_read_from_the_saved_runs() -> None:
    store, broken = MemoryCheckpoints(), {"store"}
    world = World(breaker=NEVER_TRIPS)
    world.checkpoints = store
    await pipeline(world, broken).execute(run="r")

    later = World(breaker=NEVER_TRIPS)
    later.checkpoints = store
    workflow = pipeline(later, broken)
    (failure,) = await workflow.get_saved_failures()
    assert (failure.run, failure.node, failure.attempts, failure.error) == ("r", "store", 1, "store is down")
    assert workflow.get_failures() == []

    broken.clear()
    await workflow.execute(resume="r")
    assert await workflow.get_saved_failures() == []


@virtual
async def test_without_checkpoints_saved_failures_are_those_of_this_process() -> None:
    workflow = pipeline(World(breaker=NEVER_TRIPS), {"store"})
    await workflow.execute()

    assert await workflow.get_saved_failures() == workflow.get_failures() != []


async def failed_with_letter(broken: set[str], **policy: Any) -> tuple[World, Workflow, WorkflowResult]:
    world = World(breaker=NEVER_TRIPS, dead_letters=DeadLetterPolicy(**policy))
    world.checkpoints = MemoryCheckpoints()
    workflow = pipeline(world, broken, dead_letters=True)
    return world, workflow, await workflow.execute(run="r")


@virtual
async def test_a_failed_run_becomes_a_dead_letter_whose_retry_resumes_it() -> None:
    broken = {"store"}
    world, workflow, result = await failed_with_letter(broken, automatic_retry=False)
    assert world.dead_letters is not None and result.dead_letter is not None
    letter = await world.dead_letters.get(result.dead_letter)
    assert letter is not None
    assert (letter.task, letter.task_type, letter.attempts) == ("run r", "workflow pipeline", 2)
    assert letter.error == "store: store is down"

    again = await world.dead_letters.retry(letter.id)
    assert not again.success and "store is down" in again.detail
    assert (await workflow.execute(resume="r")).dead_letter == letter.id
    assert len(await world.dead_letters.find()) == 1

    broken.clear()
    assert (await world.dead_letters.retry(letter.id)).success
    assert (await workflow.execute(resume="r")).success
    await world.close()


@virtual
async def test_the_letter_of_a_failed_run_is_retried_by_schedule() -> None:
    broken = {"store"}
    world, workflow, result = await failed_with_letter(broken, first_retry="scheduled")
    assert world.dead_letters is not None and result.dead_letter is not None

    broken.clear()
    await asyncio.sleep(600)

    letter = await world.dead_letters.get(result.dead_letter)
    assert letter is not None and letter.status == "succeeded"
    assert (await workflow.execute(resume="r")).success
    await world.close()


@virtual
async def test_failed_runs_become_letters_only_where_both_are_kept() -> None:
    with pytest.raises(WorkflowError, match="this engine keeps none"):
        await pipeline(World(), set(), dead_letters=True).execute()

    world = World(dead_letters=DeadLetterPolicy())
    with pytest.raises(WorkflowError, match=r"record the engine, or set engine\.checkpoints"):
        await pipeline(world, set(), dead_letters=True).execute()


class Client:
    """A node as a class: made with its parameters, called with the inputs."""

    def __init__(self, model: str, prompt: str = "", transport: Any = None) -> None:
        self.model = model
        self.transport = transport
        self.initialized = 0

    async def initialize(self) -> None:
        self.initialized += 1

    async def call(self, task: Any) -> dict[str, Any]:
        return {"model": self.model, "ready": self.initialized, **task}


class Shout:
    def __call__(self, fields: Any) -> str:
        return str(fields["text"]).upper()


@virtual
async def test_a_class_makes_an_object_with_the_parameters_it_takes() -> None:
    workflow = Workflow("w", engine=World())
    workflow.add_node("ask", Client, model="gpt", prompt="Analyze: {data}", transport=object(), extra=1)
    workflow.add_node("shout", Shout)
    workflow.connect("ask", "shout", {"prompt": "text"})

    result = await workflow.execute({"data": "sales"})

    assert result.nodes["ask"].result == {
        "model": "gpt",
        "ready": 1,
        "prompt": "Analyze: sales",
        "extra": 1,
        "data": "sales",
    }
    assert result.output == "ANALYZE: SALES"


@virtual
async def test_an_object_with_call_is_a_node() -> None:
    workflow = Workflow("w", engine=World())
    client = Client("llama")
    workflow.add_node("ask", client)

    assert (await workflow.execute({"data": 1})).output == {"model": "llama", "ready": 1, "data": 1}


@pytest.mark.parametrize(
    ("kind", "params", "said"),
    [
        (Client, {}, "Client could not be made: .*missing 1 required positional argument: 'model'"),
        (dict, {}, "an object of dict has no `call` and cannot be called"),
        (Client, {"model": "gpt", "extra": object()}, "extra"),
    ],
)
@virtual
async def test_a_class_that_makes_no_node_is_refused_when_the_workflow_is_built(
    kind: type, params: dict[str, Any], said: str
) -> None:
    with pytest.raises(WorkflowError, match=said):
        Workflow("w", engine=World()).add_node("ask", kind, **params)
