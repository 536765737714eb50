"""Runs of workflows on the Board: a row each, with a row for each of its nodes."""

from __future__ import annotations

from typing import Final

import msgspec

from fuseboard_engine.events import LOST, EngineStopped, NodeChanged, NodeState, WorkflowFinished, WorkflowStarted

KEPT_RUNS: Final = 200

RUNNING: Final = "running"
INTERRUPTED: Final = "interrupted"
KILLED: Final = "killed"
UNDER_WAY: Final = "it was under way; a resume does it again"


class NodeRow(msgspec.Struct):
    """How a node stands, since when (UTC microseconds), and who answered for it after how many calls and seconds."""

    state: NodeState = "pending"
    since: int = 0
    answered: str = ""
    attempts: int = 0
    duration: float = 0.0
    error: str = ""


class WorkflowRow(msgspec.Struct):
    """One run of a workflow.

    `state`: `running`, `done`, `degraded`, `failed`, `interrupted`; `killed` when its engine ended without a word.
    """

    instance: int
    run: str
    workflow: str
    name: str
    started_at: int
    changed_at: int
    state: str = RUNNING
    nodes: dict[str, NodeRow] = {}
    edges: tuple[tuple[str, str], ...] = ()
    resumed: int = 0
    error: str = ""

    def counts(self) -> dict[str, int]:
        """Return how many nodes are in each state that occurs."""
        counts: dict[str, int] = {}
        for node in self.nodes.values():
            counts[node.state] = counts.get(node.state, 0) + 1
        return counts


Runs = dict[str, WorkflowRow]
"""By the run's id, the one begun or resumed last at the end."""


def start(runs: Runs, instance: int, event: WorkflowStarted) -> None:
    """Take in that a run began or goes on."""
    before = runs.pop(event.run, None)
    nodes = {name: NodeRow(since=event.at) for name in event.nodes}
    for name in event.finished:
        known = before.nodes.get(name) if before is not None else None
        nodes[name] = known if known is not None else NodeRow("done", event.at)
    runs[event.run] = WorkflowRow(
        instance=instance,
        run=event.run,
        workflow=event.workflow,
        name=event.name,
        started_at=before.started_at if before is not None else event.at,
        changed_at=event.at,
        nodes=nodes,
        edges=event.edges,
        resumed=(before.resumed if before is not None else 0) + event.resumed,
    )
    if len(runs) > KEPT_RUNS:
        over = (run for run, row in runs.items() if row.state != RUNNING)
        del runs[next(over, next(iter(runs)))]


def change(runs: Runs, event: NodeChanged) -> None:
    """Take in that a node changed its state."""
    row = runs.get(event.run)
    if row is not None:
        row.changed_at = event.at
        row.nodes[event.node] = NodeRow(
            event.state, event.at, event.answered, event.attempts, event.duration, event.error
        )


def finish(runs: Runs, event: WorkflowFinished) -> None:
    """Take in that a run ended."""
    row = runs.get(event.run)
    if row is not None:
        _end(row, event.state, event.at, event.error)


def orphan(runs: Runs, instance: int, event: EngineStopped) -> None:
    """Take in that an engine ended: whatever it was at is interrupted, or was killed with it."""
    state, error = (KILLED, "its engine was killed") if event.reason == LOST else (INTERRUPTED, "its engine ended")
    for row in runs.values():
        if row.instance == instance and row.state == RUNNING:
            _end(row, state, event.at, error)


def _end(row: WorkflowRow, state: str, at: int, error: str) -> None:
    row.state, row.changed_at, row.error = state, at, error
    for node in row.nodes.values():
        if node.state == RUNNING:
            node.state, node.since, node.error = "pending", at, UNDER_WAY
