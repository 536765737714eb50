"""The rules of workflow runs: what is saved outlives its process, and one process at a time executes a run."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import pytest

from fuseboard_engine.workflow.checkpoints import Checkpoints, SavedNode, SavedRun
from fuseboard_engine.workflow.errors import ResumeRefused, RunInUse, UnknownRun
from fuseboard_storage.backend.conformance.harness import StoreHarness, in_loop


class CheckpointConformance:
    """What a workflow relies on for its runs."""

    @in_loop
    async def test_a_run_comes_back_with_every_field(self, harness: StoreHarness) -> None:
        run = _run(harness, "r1", steps=("one", "two"), name="nightly", input='{"n": "\u00e4"}')
        nodes = [
            _node(harness, "one", result='{"x": 1}', answered="agno", attempts=2, duration=0.5, chain=("agno",)),
            _node(harness, "two", state="failed", error="refused"),
        ]
        with _runs(harness) as runs:
            await runs.begin(run)
            await runs.save("r1", *nodes)
        with _runs(harness) as runs:
            found = await runs.load("r1")
        for name in ("run", "workflow", "definition", "input", "started_at", "name", "steps"):
            assert getattr(found, name) == getattr(run, name)
        assert found.nodes == {node.node: node for node in nodes}
        assert found.state == "running"

    @in_loop
    async def test_the_newest_result_of_a_node_wins(self, harness: StoreHarness) -> None:
        with _runs(harness) as runs:
            await runs.begin(_run(harness))
            await runs.save("r1", _node(harness, "one", state="failed", error="refused"), _node(harness, "two"))
            await runs.save("r1", _node(harness, "one", result="2"))
            found = await runs.load("r1")
        assert {node.node: (node.state, node.result) for node in found.nodes.values()} == {
            "one": ("done", "2"), "two": ("done", "null")
        }  # fmt: skip

    @in_loop
    async def test_an_id_that_exists_is_refused(self, harness: StoreHarness) -> None:
        with _runs(harness) as runs:
            await runs.begin(_run(harness, input="1"))
            with pytest.raises(ResumeRefused):
                await runs.begin(_run(harness, input="2"))
            assert (await runs.load("r1")).input == "1"

    @in_loop
    async def test_an_unknown_run_is_an_error(self, harness: StoreHarness) -> None:
        with _runs(harness) as runs:
            await runs.begin(_run(harness))
            with pytest.raises(UnknownRun):
                await runs.load("r2")
            with pytest.raises(UnknownRun):
                await runs.take("r2", harness.now())

    @in_loop
    async def test_a_saved_node_outlives_its_process(self, harness: StoreHarness) -> None:
        harness.die(functools.partial(_begin, run="r1"))
        with _runs(harness) as runs:
            found = await runs.load("r1")
        assert [node.result for node in found.nodes.values()] == ["1"]
        assert (found.alive, found.resumable) == (False, True)

    @in_loop
    async def test_runs_without_a_process_are_left_oldest_first(self, harness: StoreHarness) -> None:
        harness.die(functools.partial(_begin, run="killed"))
        harness.advance(0.01)
        with _runs(harness) as runs:
            for name, state in (("interrupted", "interrupted"), ("done", "done"), ("failed", "failed")):
                await runs.begin(_run(harness, name))
                await runs.end(name, state, harness.now())  # type: ignore[arg-type]
                harness.advance(0.01)
            await runs.begin(_run(harness, "alive"))
            assert await runs.unfinished_runs() == [("killed", "orders"), ("interrupted", "orders")]
            assert [run for run, _ in await runs.unfinished_runs(failed=True)] == ["killed", "interrupted", "failed"]

    @in_loop
    async def test_a_run_in_progress_is_not_taken(self, harness: StoreHarness) -> None:
        with _runs(harness) as one, _runs(harness) as two:
            await one.begin(_run(harness))
            with pytest.raises(RunInUse):
                await two.take("r1", harness.now())
            assert (await two.load("r1")).alive

    @in_loop
    async def test_one_of_two_takes_the_run_of_a_killed_process(self, harness: StoreHarness) -> None:
        harness.die(functools.partial(_begin, run="r1"))
        with _runs(harness) as one, _runs(harness) as two:
            taken = await asyncio.gather(
                one.take("r1", harness.now()), two.take("r1", harness.now()), return_exceptions=True
            )
            assert [type(outcome) for outcome in taken if outcome is not None] == [RunInUse]
            assert await two.unfinished_runs() == []

    @in_loop
    async def test_the_end_of_a_run_is_saved(self, harness: StoreHarness) -> None:
        with _runs(harness) as runs:
            await runs.begin(_run(harness))
            await runs.end("r1", "failed", harness.now(), "no adapter answered")
        with _runs(harness) as runs:
            found = await runs.load("r1")
            assert (found.state, found.error, found.alive) == ("failed", "no adapter answered", False)
            await runs.take("r1", harness.now())
            again = await runs.load("r1")
            assert (again.state, again.error, again.alive) == ("running", "", True)

    @in_loop
    async def test_failed_nodes_are_found_newest_first(self, harness: StoreHarness) -> None:
        with _runs(harness) as runs:
            for number in range(3):
                run = f"r{number}"
                await runs.begin(_run(harness, run))
                await runs.save(run, _node(harness, "one", state="failed", error=run), _node(harness, "two"))
                await runs.end(run, "failed", harness.now())
                harness.advance(0.01)
            await runs.begin(_run(harness, "other", workflow="other"))
            await runs.save("other", _node(harness, "one", state="failed"))
            found = await runs.failures("orders", 2)
            assert [(run, node.node, node.error) for run, node in found] == [("r2", "one", "r2"), ("r1", "one", "r1")]
            await runs.take("r2", harness.now())
            await runs.save("r2", _node(harness, "one"))
            assert [run for run, _ in await runs.failures("orders", 5)] == ["r1", "r0"]


@contextlib.contextmanager
def _runs(harness: StoreHarness) -> Iterator[Checkpoints]:
    runs = harness.connect().checkpoints()
    try:
        yield runs
    finally:
        runs.close()


def _run(harness: StoreHarness, run: str = "r1", **fields: Any) -> SavedRun:
    usual = {"workflow": "orders", "definition": {"one": "{}", "two": "{}"}, "input": "null"}
    return SavedRun(run=run, started_at=harness.now(), **{**usual, **fields})


def _node(harness: StoreHarness, node: str, **fields: Any) -> SavedNode:
    return SavedNode(node=node, at=harness.now(), **{"state": "done", **fields})


def _begin(harness: StoreHarness, run: str) -> None:
    async def begin() -> None:
        runs = harness.connect().checkpoints()
        await runs.begin(_run(harness, run))
        await runs.save(run, _node(harness, "one", result="1"))

    asyncio.run(begin())
