"""What a run must remember to be taken up again, and the contract of whatever keeps it."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from fuseboard_engine.workflow.errors import ResumeRefused, RunInUse, UnknownRun

RunState = Literal["running", "done", "degraded", "failed", "interrupted"]
SavedState = Literal["done", "degraded", "failed", "skipped"]

OVER: tuple[RunState, ...] = ("done", "degraded")


class SavedNode(msgspec.Struct, frozen=True, kw_only=True):
    """How a node ended. `result` is JSON text; `answered` is who did it; `at` is UTC microseconds."""

    node: str
    state: SavedState
    at: int
    result: str = "null"
    answered: str = ""
    attempts: int = 0
    duration: float = 0.0
    error: str = ""

    @property
    def finished(self) -> bool:
        """Whether it is not to be done again."""
        return self.state in ("done", "degraded")


class SavedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it is kept.

    `definition` is what `Graph.definition` gave, by node. `input` is JSON text. `running` in the state of a process
    that is gone means that it was killed: `alive` says whether somebody is still at it.
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
        """Whether there is something left to do and nobody is at it."""
        return self.state not in OVER and not self.alive


class Checkpoints(Protocol):
    """Keeps runs. Each method returns only after what it did is safe, and raises `CheckpointsUnavailable` otherwise."""

    async def begin(self, run: SavedRun) -> None:
        """Keep a new run, which is this process's from now on.

        Raises:
            ResumeRefused: there is one of that id already.
        """

    async def take(self, run: str, at: int) -> None:
        """Make a saved run this process's, in one step: of two that ask at once, one gets it.

        Raises:
            UnknownRun: there is none of that id.
            ResumeRefused: somebody is at it.
        """

    async def save(self, run: str, *nodes: SavedNode) -> None:
        """Keep how nodes ended; what was kept of them before is replaced."""

    async def end(self, run: str, state: RunState, at: int, error: str = "") -> None:
        """Keep how a run ended. It is nobody's any more."""

    async def load(self, run: str) -> SavedRun:
        """Return a run.

        Raises:
            UnknownRun: there is none of that id.
        """

    async def left(self, *, failed: bool = False) -> list[tuple[str, str]]:
        """Return the run and the workflow of each run that was interrupted, or whose process is gone, oldest first.

        With `failed` those that failed, too.
        """


class MemoryCheckpoints:
    """Checkpoints that end with the process: for tests, and to resume failed runs of an engine that is not recorded."""

    def __init__(self) -> None:
        self.runs: dict[str, SavedRun] = {}

    async def begin(self, run: SavedRun) -> None:
        """Keep a new run; see `Checkpoints`."""
        if run.run in self.runs:
            raise ResumeRefused(f"there is a run {run.run!r} already; resume it, or take another id")
        self._keep(msgspec.structs.replace(run, alive=True))

    async def take(self, run: str, at: int) -> None:
        """Make a saved run the caller's; see `Checkpoints`."""
        saved = await self.load(run)
        if saved.alive:
            raise RunInUse(f"run {run!r} is under way")
        self._keep(msgspec.structs.replace(saved, state="running", alive=True, changed_at=at, error=""))

    async def save(self, run: str, *nodes: SavedNode) -> None:
        """Keep how nodes ended; see `Checkpoints`."""
        saved = await self.load(run)
        kept = {**saved.nodes, **{node.node: node for node in nodes}}
        self._keep(msgspec.structs.replace(saved, nodes=kept, changed_at=max(node.at for node in nodes)))

    async def end(self, run: str, state: RunState, at: int, error: str = "") -> None:
        """Keep how a run ended; see `Checkpoints`."""
        saved = await self.load(run)
        self._keep(msgspec.structs.replace(saved, state=state, alive=False, changed_at=at, error=error))

    async def load(self, run: str) -> SavedRun:
        """Return a run; see `Checkpoints`."""
        if run not in self.runs:
            raise UnknownRun(run)
        return self.runs[run]

    async def left(self, *, failed: bool = False) -> list[tuple[str, str]]:
        """Return the runs that are not at their end; see `Checkpoints`."""
        found = [run for run in self.runs.values() if run.resumable and (failed or run.state != "failed")]
        return [(run.run, run.workflow) for run in sorted(found, key=lambda run: run.started_at)]

    def _keep(self, run: SavedRun) -> None:
        self.runs[run.run] = run
