"""A cancellation from within a node, or within the store of a run, does not cancel the caller of a workflow."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine import CheckpointsUnavailable, MemoryCheckpoints, RetryPolicy, Workflow
from support.engine_world import World, virtual


class CancelsItself(MemoryCheckpoints):
    """A store that cancels its own work in one step."""

    def __init__(self, step: str) -> None:
        super().__init__()

        async def cancelled(*args: Any) -> Any:
            raise asyncio.CancelledError

        setattr(self, step, cancelled)


async def library_cancels(**fields: Any) -> None:
    inner = asyncio.ensure_future(asyncio.sleep(60))
    inner.cancel()
    await inner


def workflow(call: Any) -> Workflow:
    built = Workflow("w")
    built.add_node("first", call)
    return built


@virtual
async def test_a_node_that_cancels_itself_has_failed() -> None:
    engine = World(retry=RetryPolicy(max_attempts=1))
    result = await engine.add_workflow(workflow(lambda task: library_cancels())).execute()
    assert (result.state, result.nodes["first"].error) == ("failed", "w.first cancelled its own work")


@pytest.mark.parametrize("step", ["begin", "save", "end"])
@virtual
async def test_a_store_that_cancels_itself_is_unavailable(step: str) -> None:
    engine = World()
    engine.checkpoints = CancelsItself(step)

    async def answer(task: Any) -> str:
        return "done"

    with pytest.raises(CheckpointsUnavailable):
        await engine.add_workflow(workflow(answer)).execute()
