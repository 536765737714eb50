"""The saved state of runs, and the protocol of the stores that save it."""

from __future__ import annotations

import warnings
from typing import Literal, Protocol

import msgspec

from fuseboard_engine.workflow.errors import ResumeRefused, RunInUse, UnknownRun

RunState = Literal["running", "done", "degraded", "failed", "interrupted"]
SavedState = Literal["done", "degraded", "failed", "skipped"]

COMPLETED_STATES: tuple[RunState, ...] = ("done", "degraded")


class SavedNode(msgspec.Struct, frozen=True, kw_only=True):
    """The saved result of a node. `result` is JSON text; `answered` is the adapter; `at` is UTC microseconds.

    `chain` names the adapters that were called, each once.
    """

    node: str
    state: SavedState
    at: int
    result: str = "null"
    answered: str = ""
    attempts: int = 0
    duration: float = 0.0
    error: str = ""
    chain: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether the node is not run again."""
        return self.state in ("done", "degraded")


class SavedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A saved run.

    `definition` is the result of `Graph.definition`, by node. `input` is JSON text. A run that is `running` without
    being `alive` was killed with its process; `alive` says whether a process still executes it.
    """

    run: str
    workflow: str
    definition: dict[str, str]
    input: str
    started_at: int
    name: str = ""
    state: RunState = "running"
    changed_at: int = 0
    error: str = ""
    steps: tuple[str, ...] = ()
    nodes: dict[str, SavedNode] = {}
    alive: bool = False

    @property
    def resumable(self) -> bool:
        """Whether nodes are unfinished and no process executes the run."""
        return self.state not in COMPLETED_STATES and not self.alive


class Checkpoints(Protocol):
    """Saves runs. Each method returns once its change is durable, and raises `CheckpointsUnavailable` otherwise."""

    async def begin(self, run: SavedRun) -> None:
        """Save a new run, owned by this process from now on.

        Raises:
            ResumeRefused: a run with this id exists.
        """

    async def take(self, run: str, at: int) -> None:
        """Make this process the owner of a saved run, atomically: of two that try at once, one succeeds.

        Raises:
            UnknownRun: no run has this id.
            ResumeRefused: another process executes it.
        """

    async def save(self, run: str, *nodes: SavedNode) -> None:
        """Save the results of nodes; they replace earlier ones."""

    async def end(self, run: str, state: RunState, at: int, error: str = "") -> None:
        """Save how a run ended, and release it."""

    async def load(self, run: str) -> SavedRun:
        """Return a run.

        Raises:
            UnknownRun: no run has this id.
        """

    async def unfinished_runs(self, *, failed: bool = False) -> list[tuple[str, str]]:
        """Return the ids of the run and the workflow of each interrupted run, oldest first.

        A run whose process is gone was interrupted too. `failed` includes the runs that failed.
        """

    async def failures(self, workflow: str, limit: int) -> list[tuple[str, SavedNode]]:
        """Return the failed nodes of a workflow, each after the id of its run, newest first, at most `limit`.

        Failures of runs that were resumed and finished since are not among them.
        """


async def unfinished_runs(checkpoints: Checkpoints, *, failed: bool) -> list[tuple[str, str]]:
    """Return what `Checkpoints.unfinished_runs` does, also from an object that has only its deprecated name `left`."""
    query = getattr(checkpoints, "unfinished_runs", None)
    if query is None:
        warnings.warn("Checkpoints.left is now called unfinished_runs", DeprecationWarning, stacklevel=2)
        query = checkpoints.left  # type: ignore[attr-defined]
    found: list[tuple[str, str]] = await query(failed=failed)
    return found


class MemoryCheckpoints:
    """Checkpoints in memory: for tests, and to resume failed runs of an engine that is not recorded."""

    def __init__(self) -> None:
        self.runs: dict[str, SavedRun] = {}

    async def begin(self, run: SavedRun) -> None:
        """Save a new run; see `Checkpoints`."""
        if run.run in self.runs:
            raise ResumeRefused(f"run {run.run!r} already exists; resume it, or choose another id")
        self._keep(msgspec.structs.replace(run, alive=True))

    async def take(self, run: str, at: int) -> None:
        """Make the caller the owner of a saved run; see `Checkpoints`."""
        saved = await self.load(run)
        if saved.alive:
            raise RunInUse(f"run {run!r} is in progress")
        self._keep(msgspec.structs.replace(saved, state="running", alive=True, changed_at=at, error=""))

    async def save(self, run: str, *nodes: SavedNode) -> None:
        """Save the results of nodes; see `Checkpoints`."""
        saved = await self.load(run)
        kept = {**saved.nodes, **{node.node: node for node in nodes}}
        self._keep(msgspec.structs.replace(saved, nodes=kept, changed_at=max(node.at for node in nodes)))

    async def end(self, run: str, state: RunState, at: int, error: str = "") -> None:
        """Save how a run ended; see `Checkpoints`."""
        saved = await self.load(run)
        self._keep(msgspec.structs.replace(saved, state=state, alive=False, changed_at=at, error=error))

    async def load(self, run: str) -> SavedRun:
        """Return a run; see `Checkpoints`."""
        if run not in self.runs:
            raise UnknownRun(run)
        return self.runs[run]

    async def unfinished_runs(self, *, failed: bool = False) -> list[tuple[str, str]]:
        """Return the unfinished runs; see `Checkpoints`."""
        found = [run for run in self.runs.values() if run.resumable and (failed or run.state != "failed")]
        return [(run.run, run.workflow) for run in sorted(found, key=lambda run: run.started_at)]

    async def left(self, *, failed: bool = False) -> list[tuple[str, str]]:
        """Deprecated name of `unfinished_runs`."""
        warnings.warn("MemoryCheckpoints.left is now called unfinished_runs", DeprecationWarning, stacklevel=2)
        return await self.unfinished_runs(failed=failed)

    async def failures(self, workflow: str, limit: int) -> list[tuple[str, SavedNode]]:
        """Return the failed nodes of a workflow; see `Checkpoints`."""
        runs = [run for run in self.runs.values() if run.workflow == workflow]
        failed = [(run.run, node) for run in runs for node in run.nodes.values() if node.state == "failed"]
        return sorted(failed, key=lambda pair: pair[1].at, reverse=True)[:limit]

    def _keep(self, run: SavedRun) -> None:
        self.runs[run.run] = run
