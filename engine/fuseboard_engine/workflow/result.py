"""What became of a run, node by node."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from fuseboard_engine.errors import FuseboardError
from fuseboard_engine.events import NodeState
from fuseboard_engine.routing.route import RouteResult
from fuseboard_engine.workflow.checkpoints import RunState

_STATE_TEXTS: Final = {
    "failed": "failed",
    "interrupted": "was interrupted",
    "degraded": "is done, degraded",
    "skipped": "was skipped",
}


def describe_state(state: str) -> str:
    """Return the predicate for a run or node in a state: `is done`, `failed`, `was interrupted`."""
    return _STATE_TEXTS.get(state, f"is {state}")


class NodeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a node. `route` is the whole way there; None when it was done in an earlier part of the run."""

    node: str
    state: NodeState
    result: Any = None
    answered: str = ""
    attempts: int = 0
    duration: float = 0.0
    error: str = ""
    route: RouteResult | None = None


class WorkflowResult(msgspec.Struct, kw_only=True):
    """What became of a run.

    `state` is `done` when every node was, `degraded` when a fallback answered for one, `interrupted` when the engine
    shut down meanwhile (what is left is `pending`, and a resume does it), else `failed`. `last` names the nodes that
    no other waits for. `duration` is seconds, of this part of the run only.
    """

    run: str
    workflow: str
    state: RunState
    nodes: dict[str, NodeResult]
    last: tuple[str, ...] = ()
    duration: float = 0.0
    error: str = ""

    @property
    def success(self) -> bool:
        """Whether every node was done, and none of them degraded."""
        return self.state == "done"

    @property
    def degraded(self) -> bool:
        """Whether it came to its end, but with an answer of a fallback on the way."""
        return self.state == "degraded"

    @property
    def results(self) -> dict[str, Any]:
        """What each finished node brought, by name."""
        return {name: node.result for name, node in self.nodes.items() if node.state in ("done", "degraded")}

    @property
    def output(self) -> Any:
        """What the last node brought; where several are last, each by its name."""
        if len(self.last) == 1:
            return self.nodes[self.last[0]].result
        return {name: self.nodes[name].result for name in self.last}

    @property
    def failed(self) -> dict[str, str]:
        """The nodes that failed, each with its error."""
        return {name: node.error for name, node in self.nodes.items() if node.state == "failed"}

    @property
    def adapter(self) -> str | None:
        """Who answered for the last node that an adapter did; None when nobody did one."""
        answered = [node.answered for node in self.nodes.values() if node.state == "done"]
        return answered[-1] if answered else None

    @property
    def fallback_chain(self) -> list[str]:
        """The adapters that were called in this part of the run, each once."""
        routes = [node.route for node in self.nodes.values() if node.route is not None]
        return list(dict.fromkeys(name for route in routes for name in route.fallback_chain))

    @property
    def total_attempts(self) -> int:
        """How many calls were made for all nodes, retries included."""
        return sum(node.attempts for node in self.nodes.values())

    def unwrap(self) -> Any:
        """Return the output.

        Raises:
            WorkflowFailed: a node failed; its `result` is this.
        """
        if self.success or self.degraded:
            return self.output
        raise WorkflowFailed(self)


class WorkflowFailed(FuseboardError):
    """A run did not finish. `result` has the state of each node."""

    def __init__(self, result: WorkflowResult) -> None:
        super().__init__(result.error or f"run {result.run} {describe_state(result.state)}")
        self.result = result
