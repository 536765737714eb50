"""The metrics of a workflow: how its nodes and runs ended."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict

from fuseboard_engine.adapters.registry import Adapter, Statistics
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.workflow.result import WorkflowResult

KEPT_FAILURES = 1000


class NodeFailure(NamedTuple):
    """A node that neither its adapter nor a fallback completed. `at` is UTC microseconds."""

    at: int
    run: str
    node: str
    attempts: int
    error: str


class ResilienceMetrics(TypedDict):
    """The metrics of a workflow: breakers by node, how nodes and runs ended, and how many failures are kept."""

    runs: dict[str, int]
    nodes: dict[str, dict[str, int]]
    circuit_breakers: dict[str, str]
    adapters: dict[str, Statistics]
    fallbacks: dict[str, list[str]]
    retry_policies: dict[str, dict[str, Any]]
    failures_kept: int


class RunCounts:
    """The counts over all runs of a workflow in this process."""

    def __init__(self) -> None:
        self.failures: deque[NodeFailure] = deque(maxlen=KEPT_FAILURES)
        self._runs: Counter[str] = Counter()
        self._ends: dict[str, Counter[str]] = {}

    def count(self, result: WorkflowResult, at: int) -> None:
        """Count a run that ended at `at`, UTC microseconds. Skip nodes of an earlier part of the run."""
        self._runs[result.state] += 1
        for node in result.nodes.values():
            if node.state == "pending" or (node.route is None and node.state in ("done", "degraded")):
                continue
            self._ends.setdefault(node.node, Counter())[node.state] += 1
            if node.state == "failed":
                self.failures.append(NodeFailure(at, result.run, node.node, node.attempts, node.error))

    def metrics(
        self,
        adapters: Mapping[str, Adapter],
        fallbacks: Mapping[str, tuple[str, ...]],
        retries: Mapping[str, RetryPolicy],
    ) -> ResilienceMetrics:
        """Return the metrics.

        Args:
            adapters: the adapters of nodes that have one of their own, by node.
            fallbacks: the fallback nodes, by node.
            retries: the configured retry policies, by node.
        """
        return ResilienceMetrics(
            runs=dict(self._runs),
            nodes={name: dict(ends) for name, ends in self._ends.items()},
            circuit_breakers={node: adapter.breaker.state for node, adapter in adapters.items()},
            adapters={node: adapter.statistics() for node, adapter in adapters.items()},
            fallbacks={node: list(others) for node, others in fallbacks.items()},
            retry_policies={node: policy.model_dump(mode="python") for node, policy in retries.items()},
            failures_kept=len(self.failures),
        )
