"""Workflow runs on the Board: one row per run, with one row per node."""

from __future__ import annotations

from typing import Final

import msgspec

from fuseboard_engine.events import LOST, EngineStopped, NodeChanged, NodeState, WorkflowFinished, WorkflowStarted

KEPT_RUNS: Final = 200

RUNNING: Final = "running"
INTERRUPTED: Final = "interrupted"
KILLED: Final = "killed"
UNFINISHED: Final = "it was running; a resume runs it again"


class NodeRow(msgspec.Struct):
    """One node of a run.

    `since` is when it entered `state` (UTC microseconds). `answered` names the node or fallback that gave the result,
    `attempts` counts the calls, and `duration` is in seconds.
    """

    state: NodeState = "pending"
    since: int = 0
    answered: str = ""
    attempts: int = 0
    duration: float = 0.0
    error: str = ""


class WorkflowRow(msgspec.Struct):
    """One run of a workflow.

    `state` is `running`, `done`, `degraded`, `failed`, `interrupted`, or `killed` if its engine's process was killed.
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
        """Return the number of nodes per state that occurs."""
        counts: dict[str, int] = {}
        for node in self.nodes.values():
            counts[node.state] = counts.get(node.state, 0) + 1
        return counts


Runs = dict[str, WorkflowRow]
"""Runs by id, the one started or resumed last at the end."""


def start(runs: Runs, instance: int, event: WorkflowStarted) -> None:
    """Fold the start or resumption of a run."""
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
        ended = (run for run, row in runs.items() if row.state != RUNNING)
        del runs[next(ended, next(iter(runs)))]


def change(runs: Runs, event: NodeChanged) -> None:
    """Fold a node's change of state."""
    row = runs.get(event.run)
    if row is not None:
        row.changed_at = event.at
        row.nodes[event.node] = NodeRow(
            event.state, event.at, event.answered, event.attempts, event.duration, event.error
        )


def finish(runs: Runs, event: WorkflowFinished) -> None:
    """Fold the end of a run."""
    row = runs.get(event.run)
    if row is not None:
        _end(row, event.state, event.at, event.error)


def orphan(runs: Runs, instance: int, event: EngineStopped) -> None:
    """Fold the end of an engine: its running runs are interrupted, or killed with it."""
    state, error = (KILLED, "its engine was killed") if event.reason == LOST else (INTERRUPTED, "its engine ended")
    for row in runs.values():
        if row.instance == instance and row.state == RUNNING:
            _end(row, state, event.at, error)


def _end(row: WorkflowRow, state: str, at: int, error: str) -> None:
    row.state, row.changed_at, row.error = state, at, error
    for node in row.nodes.values():
        if node.state == RUNNING:
            node.state, node.since, node.error = "pending", at, UNFINISHED
