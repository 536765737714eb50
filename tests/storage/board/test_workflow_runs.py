"""Runs of workflows on the Board: the state of each node during a run and after its engine ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import Engine, Workflow
from fuseboard_engine.events import (
    BatchFinished,
    EngineStarted,
    EngineStopped,
    Event,
    NodeChanged,
    WorkflowFinished,
    WorkflowStarted,
)
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.board.workflow_runs import KEPT_RUNS
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.tables.keyframes import dump, load


def board_of(*events: Event) -> Board:
    board = Board()
    for number, event in enumerate(events, 1):
        board.apply(Entry(number, 1, event))
    return board


def run_started(run: str = "r1", **more: Any) -> WorkflowStarted:
    return WorkflowStarted(at=10, run=run, workflow="w", name="W", nodes=("a", "b"), edges=(("a", "b"),), **more)


def node(name: str, state: Any, at: int = 20, **more: Any) -> NodeChanged:
    return NodeChanged(at=at, run="r1", workflow="w", node=name, state=state, **more)


def test_nodes_have_the_state_of_their_last_event() -> None:
    board = board_of(run_started(), node("a", "running"), node("a", "done", 30, answered="x", attempts=2))
    row = board.workflows["r1"]
    assert (row.state, row.started_at, row.changed_at, row.edges) == ("running", 10, 30, (("a", "b"),))
    assert {name: one.state for name, one in row.nodes.items()} == {"a": "done", "b": "pending"}
    assert (row.nodes["a"].answered, row.nodes["a"].attempts) == ("x", 2)
    assert row.counts() == {"done": 1, "pending": 1}


def test_a_finished_run_has_its_final_state() -> None:
    board = board_of(run_started(), WorkflowFinished(at=40, run="r1", workflow="w", state="failed", error="a: down"))
    row = board.workflows["r1"]
    assert (row.state, row.changed_at, row.error) == ("failed", 40, "a: down")


def test_runs_of_an_ended_engine_are_interrupted_and_can_be_resumed() -> None:
    started = EngineStarted(at=1, name="app", host="h", pid=1)
    events = (started, run_started(), node("a", "done", 15, attempts=3), node("b", "running"))
    board = board_of(*events, EngineStopped(at=50))
    row = board.workflows["r1"]
    assert (row.state, row.error, row.nodes["b"].state) == ("interrupted", "its engine ended", "pending")
    board.apply(Entry(9, 2, run_started(resumed=True, finished=("a",))))
    row = board.workflows["r1"]
    assert (row.state, row.resumed, row.instance, row.started_at) == ("running", 1, 2, 10)
    assert (row.nodes["a"].state, row.nodes["a"].attempts, row.nodes["b"].state) == ("done", 3, "pending")


def test_runs_of_an_engine_that_was_found_dead_are_killed() -> None:
    started = EngineStarted(at=1, name="app", host="h", pid=1)
    over = WorkflowFinished(at=40, run="r2", workflow="w", state="done")
    board = board_of(
        started, run_started(), run_started("r2"), over, node("a", "running"), EngineStopped(at=50, reason="lost")
    )
    row = board.workflows["r1"]
    assert (row.state, row.error, row.nodes["a"].state) == ("killed", "its engine was killed", "pending")
    assert row.nodes["a"].error == "it was running; a resume runs it again"
    assert board.workflows["r2"].state == "done"
    board.apply(Entry(9, 2, run_started(resumed=True)))
    assert (board.workflows["r1"].state, board.workflows["r1"].error) == ("running", "")


def test_finished_runs_are_dropped_before_running_ones() -> None:
    runs = [run_started(f"r{number}") for number in range(KEPT_RUNS)]
    over = WorkflowFinished(at=40, run="r5", workflow="w", state="done")
    board = board_of(*runs, over, run_started("new"))
    assert len(board.workflows) == KEPT_RUNS
    assert "r5" not in board.workflows
    assert {"r0", "new"} <= board.workflows.keys()


def test_a_keyframe_contains_runs_and_batches() -> None:
    board = board_of(
        run_started(), node("a", "failed", error="down"), BatchFinished(at=3, batch="b", parts=2, succeeded=1)
    )
    again = load(dump(board))
    assert again.workflows == board.workflows
    assert list(again.batches) == list(board.batches)


async def test_a_recorded_engine_keeps_its_runs_in_the_recording(tmp_path: Path) -> None:
    async def work(inputs: dict[str, Any]) -> str:
        await asyncio.sleep(0)
        return "x"

    engine = Engine("app")
    workflow = Workflow("w", engine=engine)
    workflow.add_node("a", work)
    async with record(engine, tmp_path / "a.db") as recorder:
        assert engine.checkpoints is not None
        await workflow.execute(run="r1")
        saved = await engine.checkpoints.load("r1")
        assert saved.state == "done"
        await recorder.flushed()
        async with Recording.open(tmp_path / "a.db") as recording:
            assert (await recording.board()).workflows["r1"].state == "done"
    assert engine.checkpoints is None


async def test_an_engine_with_its_own_checkpoints_keeps_them(tmp_path: Path) -> None:
    from fuseboard_engine import MemoryCheckpoints

    engine = Engine("app")
    mine = engine.checkpoints = MemoryCheckpoints()
    async with record(engine, tmp_path / "a.db"):
        assert engine.checkpoints is mine
    assert engine.checkpoints is mine


@pytest.mark.parametrize("event", [node("a", "done"), WorkflowFinished(at=4, run="r1", workflow="w", state="done")])
def test_events_of_an_unknown_run_change_nothing(event: Event) -> None:
    assert board_of(event).workflows == {}
