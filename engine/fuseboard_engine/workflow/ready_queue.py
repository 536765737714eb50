"""Decides which nodes of a run may begin, and which can no longer begin. Pure: no clock, no calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from fuseboard_engine.workflow.graph import Graph


class ReadyQueue:
    """The nodes of a run that may begin.

    Args:
        graph: the graph of the run.
        finished: the nodes that were done in an earlier part of the run.
    """

    def __init__(self, graph: Graph, finished: Iterable[str] = ()) -> None:
        steps = graph.steps()
        self._after: dict[str, list[str]] = {name: [] for name in steps}
        self._missing = dict.fromkeys(steps, 0)
        for edge in graph.edges:
            self._after[edge.source].append(edge.target)
            self._missing[edge.target] += 1
        self._settled: set[str] = set()
        done = set(finished)
        self.ready: deque[str] = deque(name for name in steps if not self._missing[name] and name not in done)
        """The nodes that may begin now, in the order they became ready. The runner removes a node when it begins it."""
        for name in done:
            self._settled.add(name)
        for name in done:
            self._release(name)

    def finish(self, node: str) -> None:
        """Mark a node as done; nodes that waited only for this one become ready."""
        self._settled.add(node)
        self._release(node)

    def _release(self, node: str) -> None:
        for name in self._after[node]:
            self._missing[name] -= 1
            if not self._missing[name] and name not in self._settled:
                self.ready.append(name)

    def fail(self, node: str) -> list[str]:
        """Mark a node as failed and return the nodes that depend on it and can no longer begin, each only once."""
        self._settled.add(node)
        skipped: list[str] = []
        stack = [node]
        while stack:
            for name in self._after[stack.pop()]:
                if name not in self._settled:
                    self._settled.add(name)
                    skipped.append(name)
                    stack.append(name)
        return skipped
