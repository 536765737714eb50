"""The result of a run, node by node."""

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
    """The result of a node. `route` is its route; None when the node was done in an earlier part of the run.

    `chain` names the adapters that were called for it, each once, and `attempts` counts the calls, in whichever part of
    the run it was done.
    """

    node: str
    state: NodeState
    result: Any = None
    answered: str = ""
    attempts: int = 0
    duration: float = 0.0
    error: str = ""
    route: RouteResult | None = None
    chain: tuple[str, ...] = ()


class WorkflowResult(msgspec.Struct, kw_only=True):
    """The result of a run.

    `state` is `done` when every node was done, `degraded` when a fallback answered for one, `interrupted` when the
    engine shut down meanwhile (unfinished nodes are `pending`, and a resume runs them), else `failed`. `last` names the
    nodes that no other depends on. `duration` is the seconds of this part of the run only. `dead_letter` is the number
    of the dead letter that the failed run became, if the workflow keeps those.
    """

    run: str
    workflow: str
    state: RunState
    nodes: dict[str, NodeResult]
    last: tuple[str, ...] = ()
    duration: float = 0.0
    error: str = ""
    dead_letter: int | None = None

    @property
    def success(self) -> bool:
        """Whether every node was done, and none was degraded."""
        return self.state == "done"

    @property
    def degraded(self) -> bool:
        """Whether the run finished with the answer of a fallback for at least one node."""
        return self.state == "degraded"

    @property
    def results(self) -> dict[str, Any]:
        """The result of each finished node, by name."""
        return {name: node.result for name, node in self.nodes.items() if node.state in ("done", "degraded")}

    @property
    def output(self) -> Any:
        """The result of the last node; if several are last, their results by name."""
        if len(self.last) == 1:
            return self.nodes[self.last[0]].result
        return {name: self.nodes[name].result for name in self.last}

    @property
    def failed(self) -> dict[str, str]:
        """The nodes that failed, each with its error."""
        return {name: node.error for name, node in self.nodes.items() if node.state == "failed"}

    @property
    def adapter(self) -> str | None:
        """The adapter that answered for the last node done; None when no adapter answered."""
        answered = [node.answered for node in self.nodes.values() if node.state == "done"]
        return answered[-1] if answered else None

    @property
    def fallback_chain(self) -> list[str]:
        """The adapters that were called for the nodes, each once, earlier parts of the run included."""
        return list(dict.fromkeys(name for node in self.nodes.values() for name in node.chain))

    @property
    def total_attempts(self) -> int:
        """The number of calls for all nodes, retries included."""
        return sum(node.attempts for node in self.nodes.values())

    def unwrap(self) -> Any:
        """Return the output.

        Raises:
            WorkflowFailed: a node failed; `result` of the error is this result.
        """
        if self.success or self.degraded:
            return self.output
        raise WorkflowFailed(self)


class WorkflowFailed(FuseboardError):
    """A run did not finish. `result` has the state of each node."""

    def __init__(self, result: WorkflowResult) -> None:
        super().__init__(result.error or f"run {result.run} {describe_state(result.state)}")
        self.result = result
