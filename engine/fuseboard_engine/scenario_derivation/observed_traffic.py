"""What arrived at an engine: tasks, streams, fan-outs, batches, and runs of workflows."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, NamedTuple

from fuseboard_engine.events import BatchFinished, RouteFinished, WorkflowStarted

MOST_REMEMBERED: Final = 100_000
"""Ended routes that may turn out to be tasks of a batch when this ends."""

MOST_DEADLINES: Final = 100
"""Different deadlines; more of them are those of callers that pass on what is left of their own."""


class FanOutKind(NamedTuple):
    """What fan-outs have in common: the strategy, and the adapters in order."""

    strategy: str
    adapters: tuple[str, ...]


class ArrivalKind(NamedTuple):
    """What tasks have in common. `deadline` is in seconds.

    `streamed`: their answers were read item by item; None if that is unknown, because no adapter answered. `part_of`
    is `batch` or `workflow` for tasks that did not arrive by themselves.
    """

    type: str
    deadline: float | None = None
    streamed: bool | None = False
    fan_out: FanOutKind | None = None
    part_of: str = ""


class BatchKind(NamedTuple):
    """What batches have in common: the type of their tasks, the deadline (seconds), their size, and what they need."""

    type: str
    deadline: float | None
    tasks: int
    needed: float


@dataclass
class ObservedBatches:
    """Batches of a kind: when each began (seconds), and what some of them show of all.

    `rounds` is how often tasks were sent out at most, and `at_once` how many were in progress at a time.
    """

    began: array[float] = field(default_factory=lambda: array("d"))
    rounds: int = 1
    accepted: bool = True
    rolled_back: bool = False
    at_once: int = 1


@dataclass
class ObservedNode:
    """A node of a workflow: the nodes that it waits for, the type of its tasks, and the orders of their chains."""

    after: tuple[str, ...] = ()
    type: str = ""
    orders: Counter[tuple[str, ...]] = field(default_factory=Counter)


@dataclass
class ObservedWorkflow:
    """A workflow: its nodes by name, when each run began (seconds), and how long a run may take (seconds)."""

    nodes: dict[str, ObservedNode] = field(default_factory=dict)
    began: array[float] = field(default_factory=lambda: array("d"))
    deadline: float | None = None


class _Remembered(NamedTuple):
    kind: ArrivalKind
    place: int
    began: float
    ended: float


@dataclass
class ObservedTraffic:
    """What arrived, by kind. Every time is in seconds of the observation.

    `arrivals` holds when tasks of each kind arrived; those that turned out to be tasks of a batch are negative there.
    """

    arrivals: dict[ArrivalKind, array[float]] = field(default_factory=dict)
    batches: dict[BatchKind, ObservedBatches] = field(default_factory=dict)
    workflows: dict[str, ObservedWorkflow] = field(default_factory=dict)
    _runs: dict[str, tuple[str, float]] = field(default_factory=dict)  # workflow and begin by run
    _recent: dict[str, list[_Remembered]] = field(default_factory=dict)
    _deadlines: set[float] = field(default_factory=set)

    def add_route(self, event: RouteFinished, began: float, ended: float) -> None:
        """Add the task of a route."""
        node = self._node_of(event, began)
        deadline = None if node is not None else self._deadline(event.deadline)
        fan_out = _fan_out_of(event) if event.strategy else None
        kind = ArrivalKind(event.task_type, deadline, _is_streamed(event), fan_out, "" if node is None else "workflow")
        times = self.arrivals.setdefault(kind, array("d"))
        times.append(began)
        if node is None and fan_out is None:
            self._remember(event.task, _Remembered(kind, len(times) - 1, began, ended))

    def add_batch(self, event: BatchFinished, ended: float) -> None:
        """Add a batch; its tasks, whose routes were added before, are those of the batch from now on."""
        routes = [route for task in event.tasks for route in self._recent.pop(task, ())]
        if not routes:
            return  # that of an older version, which does not name its tasks, or they did not matter
        for route in routes:
            self.arrivals[route.kind][route.place] = -1.0
            part = route.kind._replace(part_of="batch")
            self.arrivals.setdefault(part, array("d")).append(route.began)
        first = routes[0].kind
        kind = BatchKind(first.type, first.deadline, max(1, event.parts), event.needed)
        found = self.batches.setdefault(kind, ObservedBatches())
        found.began.append(max(0.0, ended - event.duration))
        found.rounds = max(found.rounds, event.rounds)
        found.accepted = found.accepted and event.accepted
        found.rolled_back = found.rolled_back or event.rolled_back > 0
        found.at_once = max(found.at_once, _most_at_once(routes))

    def add_run(self, event: WorkflowStarted, at: float) -> None:
        """Add a run of a workflow, or note that one goes on."""
        workflow = self.workflows.setdefault(event.workflow, ObservedWorkflow())
        for name in event.nodes:
            after = tuple(source for source, target in event.edges if target == name and source in event.nodes)
            workflow.nodes.setdefault(name, ObservedNode()).after = tuple(dict.fromkeys(after))
        self._runs[event.run] = event.workflow, at
        if not event.resumed:
            workflow.began.append(at)

    def end_run(self, run: str) -> None:
        """Note that a run is complete."""
        self._runs.pop(run, None)

    def times(self, kind: ArrivalKind) -> list[float]:
        """Return when tasks of a kind arrived, in order."""
        return sorted(at for at in self.arrivals.get(kind, ()) if at >= 0)

    def _node_of(self, event: RouteFinished, began: float) -> ObservedNode | None:
        run, _, name = event.task.rpartition(":")
        found = self._runs.get(run)
        if found is None or (node := self.workflows[found[0]].nodes.get(name)) is None:
            return None
        node.type = event.task_type
        node.orders[order_of(event)] += 1
        if event.deadline is not None:
            self.workflows[found[0]].deadline = round(began + event.deadline - found[1], 3)
        return node

    def _deadline(self, seconds: float | None) -> float | None:
        if seconds is None or not 0 < seconds < 1e6:
            return None
        seconds = float(f"{seconds:.3g}")
        if seconds not in self._deadlines and len(self._deadlines) >= MOST_DEADLINES:
            return max(self._deadlines)
        self._deadlines.add(seconds)
        return seconds

    def _remember(self, task: str, route: _Remembered) -> None:
        self._recent.setdefault(task, []).append(route)
        if len(self._recent) > MOST_REMEMBERED:
            del self._recent[next(iter(self._recent))]


def order_of(event: RouteFinished) -> tuple[str, ...]:
    """Return the chain of a route: the adapters that were tried, and those that were left."""
    return tuple(dict.fromkeys([*(attempt.adapter for attempt in event.attempts), *event.left]))


def _is_streamed(event: RouteFinished) -> bool | None:
    if any(attempt.items or attempt.first_item is not None for attempt in event.attempts):
        return True
    return False if event.success or event.strategy else None


def _fan_out_of(event: RouteFinished) -> FanOutKind:
    """Return the kind of a fan-out. Its adapters are in the order of their names, or that in which they are hedges."""
    if event.strategy != "hedged":
        return FanOutKind(event.strategy, tuple(sorted(order_of(event))))
    ended_early = [
        attempt.adapter for attempt in event.attempts if attempt.outcome in ("failure", "ignored", "rejected")
    ]
    until_the_end = [attempt for attempt in event.attempts if attempt.outcome in ("success", "cancelled")]
    until_the_end.sort(key=lambda attempt: -attempt.duration)
    names = [*ended_early, *(attempt.adapter for attempt in until_the_end), *event.left]
    return FanOutKind(event.strategy, tuple(dict.fromkeys(names)))


def _most_at_once(routes: list[_Remembered]) -> int:
    changes = sorted([(route.began, 1) for route in routes] + [(route.ended, -1) for route in routes])
    return max(accumulate(change for _, change in changes))
