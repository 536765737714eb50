"""Binds the nodes of a workflow to adapters of an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Protocol

from fuseboard_engine.adapters.callables import as_async
from fuseboard_engine.adapters.lifecycle import AdapterObject, is_adapter_object
from fuseboard_engine.adapters.registry import Registry
from fuseboard_engine.adapters.shared_resources import SharedResources
from fuseboard_engine.adapters.timeouts import AsyncCall
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.events import Event
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.fallback import fill
from fuseboard_engine.routing.route import RouteResult
from fuseboard_engine.workflow.active_runs import ActiveRuns
from fuseboard_engine.workflow.checkpoints import Checkpoints
from fuseboard_engine.workflow.errors import WorkflowError
from fuseboard_engine.workflow.failed_runs import ONCE, LetterQueue, resume_adapter
from fuseboard_engine.workflow.graph import Graph, Node
from fuseboard_engine.workflow.json_values import look_up
from fuseboard_engine.workflow.node_object import NodeObject


class WorkflowHost(Protocol):
    """What workflows need of an engine; `fuseboard_engine.Engine` offers it."""

    loop: asyncio.AbstractEventLoop | None

    @property
    def registry(self) -> Registry:
        """The adapters and their chains."""

    @property
    def resources(self) -> SharedResources:
        """The threads for plain functions."""

    @property
    def runs(self) -> ActiveRuns:
        """The runs in progress and the interrupted ones."""

    @property
    def workflows(self) -> Mapping[str, object]:
        """The registered workflows by id."""

    @property
    def checkpoints(self) -> Checkpoints | None:
        """Saves runs, unless a call names another."""

    @property
    def dead_letters(self) -> LetterQueue | None:
        """The dead letters; None if the engine keeps none."""

    @property
    def clock(self) -> Callable[[], float]:
        """Monotonic seconds."""

    @property
    def wall(self) -> Callable[[], int]:
        """UTC microseconds."""

    def emit(self, event: Event, /) -> None:
        """Publish an event."""

    def add_adapter(
        self,
        name: str,
        call: Callable[[Any], Any] | AdapterObject,
        *,
        breaker: BreakerPolicy | None = None,
        retry: RetryPolicy | None = None,
        tags: Iterable[str] = (),
        handles: Iterable[str] = (),
    ) -> object:
        """Register an adapter."""

    def remove_adapter(self, name: str) -> None:
        """Remove an adapter."""

    def execute_with_fallback(
        self,
        task: Any,
        preference_order: Iterable[str] | None = None,
        *,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Coroutine[Any, Any, RouteResult]:
        """Route a task."""


class NodeTask(dict[str, Any]):
    """The task of a node: its inputs, parameters, `task_id` and `task_type`. `inputs` holds the inputs alone."""

    inputs: Mapping[str, Any]


def task_for(node: Node, task_id: str, task_type: str, inputs: Mapping[str, Any]) -> NodeTask:
    """Return the task of a node. `{field}` in a parameter is replaced by the input of that name."""
    task = NodeTask({**fill(node.params, inputs), **inputs, "task_id": task_id, "task_type": task_type})
    task.inputs = inputs
    return task


def inputs_of(graph: Graph, node: str, start: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of a node: those of the workflow if no edge ends at it, else the fields of its edges.

    Raises:
        MissingField: a result does not have the field that an edge maps.
    """
    edges = graph.into(node)
    if not edges:
        return dict(start)
    return {
        name: look_up(results[edge.source], path, f"the result of {edge.source}")
        for edge in edges
        for path, name in edge.fields.items()
    }


class Binding:
    """The adapters of a workflow's nodes in one engine.

    A function gets its own adapter `workflow.node`, with its own breaker. So does a node that names an adapter of the
    engine but has its own policy, or is a fallback with its own parameters. Any other node shares the breaker of the
    adapter it names.

    Raises:
        WorkflowError: a node names neither an adapter nor a task type of the engine, or its policy cannot be applied.
        ValueError: the name of an adapter to be added is taken.
    """

    def __init__(
        self,
        engine: WorkflowHost,
        workflow: str,
        graph: Graph,
        retries: Mapping[str, RetryPolicy],
        breakers: Mapping[str, BreakerPolicy],
        resume: Callable[[Any], Any] | None = None,
    ) -> None:
        self.engine = engine
        self.graph = graph
        self.own: dict[str, str] = {}
        """The name of the adapter of each node that has its own."""
        self._workflow = workflow
        self._resume = ""
        self._retries = retries
        self._breakers = breakers
        for node in graph.nodes.values():
            if node.call is None and node.adapter not in engine.registry:
                self._check_type(node)
        fallback_nodes = {name for names in graph.fallbacks.values() for name in names}
        try:
            for node in graph.nodes.values():
                self._bind(node, node.name in fallback_nodes)
            if resume is not None:
                self._add_resume(resume)
        except BaseException:
            self.release()
            raise

    def _bind(self, node: Node, is_fallback: bool) -> None:
        engine, name = self.engine, node.name
        configured = name in self._retries or name in self._breakers
        own = f"{self._workflow}.{name}"
        if node.call is not None:
            is_object = is_adapter_object(node.call)
            function = node.call.call if is_object else node.call
            call: AsyncCall = as_async(function, engine.resources.in_thread(own))
            retry, breaker = self._retries.get(name), self._breakers.get(name)
            handles: frozenset[str] = frozenset()
        elif node.adapter in engine.registry:
            if not (configured or (is_fallback and node.params)):
                return
            shared = engine.registry[node.adapter]
            call, handles = shared.call, shared.handles
            retry = self._retries.get(name, shared.retry)
            breaker = self._breakers.get(name, shared.breaker.policy)
        else:
            return
        wrapped: Any = _with_params(call, node.params, passes_ids=node.call is None)
        if node.call is not None and is_object:
            wrapped = NodeObject(node.call, wrapped)
        engine.add_adapter(
            own, wrapped, breaker=breaker, retry=retry, tags=("workflow", self._workflow), handles=handles
        )
        self.own[name] = own
        engine.registry.exclude_from_default_chain(own)  # it can run this node, and no other task

    def _add_resume(self, resume: Callable[[Any], Any]) -> None:
        """Add the adapter that resumes failed runs, for the retries of dead letters."""
        name = resume_adapter(self._workflow)
        tags = ("workflow", self._workflow)
        self.engine.add_adapter(name, resume, breaker=BreakerPolicy(failure_threshold=None), retry=ONCE, tags=tags)
        self._resume = name
        self.engine.registry.exclude_from_default_chain(name)

    def _check_type(self, node: Node) -> None:
        engine, wanted = self.engine, node.adapter or node.task_type
        if node.adapter and node.adapter not in engine.registry.orders:
            adapters = ", ".join(adapter.name for adapter in engine.registry) or "none"
            types = ", ".join(filter(None, engine.registry.orders)) or "none"
            raise WorkflowError(
                f"node {node.name!r}: the engine has no adapter {wanted!r} and no preference for such a task type; "
                f"adapters: {adapters}; task types: {types}"
            )
        if node.name in self._breakers:
            raise WorkflowError(
                f"node {node.name!r} is done by the chain for {wanted!r}; its adapters have breakers of their own, "
                "so configure those"
            )

    def task_type(self, node: Node) -> str:
        """Return the task type of a node."""
        if node.task_type:
            return node.task_type
        if node.adapter and node.adapter not in self.engine.registry:
            return node.adapter
        return f"{self._workflow}.{node.name}"

    def order(self, node: str) -> tuple[str, ...]:
        """Return the current chain of a node: its own adapter first, then those of its fallbacks."""
        order: list[str] = []
        for name in self.graph.chain(node):
            one = self.graph.nodes[name]
            if name in self.own:
                order.append(self.own[name])
            elif one.adapter and one.adapter in self.engine.registry:
                order.append(one.adapter)
            else:
                order += self.engine.registry.order_for(one.adapter or one.task_type)[0]
        return tuple(dict.fromkeys(order))

    def retry(self, node: str) -> RetryPolicy | None:
        """Return the policy that replaces those of a node's chain, or None if each adapter keeps its own."""
        return None if node in self.own else self._retries.get(node)

    def release(self) -> None:
        """Remove the adapters that were added to the engine."""
        for name in (*self.own.values(), self._resume):
            if name in self.engine.registry:
                self.engine.remove_adapter(name)
        self.own.clear()
        self._resume = ""


def _with_params(call: AsyncCall, params: Mapping[str, Any], passes_ids: bool) -> Callable[[Any], Awaitable[Any]]:
    async def node(task: Any) -> Any:
        inputs = task.inputs if isinstance(task, NodeTask) else task
        own = {**fill(params, inputs), **inputs}
        if passes_ids and isinstance(task, NodeTask):
            own.update(task_id=task["task_id"], task_type=task["task_type"])
        return await call(own)

    return node
