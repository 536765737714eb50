"""A workflow: built from nodes and edges, and executed by an engine."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fuseboard_engine.adapters.lifecycle import AdapterObject, is_adapter_object
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.retry.policy import RetryPolicy, Strategy
from fuseboard_engine.runtime.arguments import as_words, checked_seconds
from fuseboard_engine.workflow.binding import Binding, WorkflowHost
from fuseboard_engine.workflow.checkpoints import COMPLETED_STATES, Checkpoints, SavedRun
from fuseboard_engine.workflow.errors import ResumeRefused, WorkflowError
from fuseboard_engine.workflow.failed_runs import keep_failed_run, resumes_run
from fuseboard_engine.workflow.graph import (
    Edge,
    Graph,
    Node,
    changes,
    check_edge,
    check_fallback,
    check_inputs,
    known,
)
from fuseboard_engine.workflow.json_values import to_json
from fuseboard_engine.workflow.metrics import NodeFailure, ResilienceMetrics, RunCounts
from fuseboard_engine.workflow.node_object import make_object
from fuseboard_engine.workflow.result import NodeResult, WorkflowResult
from fuseboard_engine.workflow.runner import Runner, begin_run, result_of


class Workflow:
    """Nodes, the edges between them, and the retry policy, fallbacks and breaker of each.

    Args:
        workflow_id: identifies the workflow; a run can only be resumed by the workflow of the same id.
        name: the display name; default: the id.
        engine: the engine that executes it; or pass the complete workflow to `engine.add_workflow`.
        dead_letters: make a dead letter of each failed run; its retry, by schedule or by hand, resumes the run. The
            engine must keep dead letters and save runs.
    """

    def __init__(
        self, workflow_id: str, name: str = "", *, engine: WorkflowHost | None = None, dead_letters: bool = False
    ) -> None:
        if not workflow_id:
            raise WorkflowError("a workflow needs an id")
        self.id = workflow_id
        self.name = name or workflow_id
        self._engine = engine
        self._keeps_failed_runs = dead_letters
        self._nodes: dict[str, Node] = {}
        self._edges: list[Edge] = []
        self._fallbacks: dict[str, tuple[str, ...]] = {}
        self._retries: dict[str, RetryPolicy] = {}
        self._breakers: dict[str, BreakerPolicy] = {}
        self._binding: Binding | None = None
        self._figures = RunCounts()

    @classmethod
    def of_tasks(
        cls,
        workflow_id: str,
        task_type: str,
        tasks: Iterable[Mapping[str, Any]],
        *,
        in_order: bool = True,
        engine: WorkflowHost | None = None,
    ) -> Workflow:
        """Return a workflow with one node per task, named `1`, `2` ...; `in_order` chains them."""
        workflow = cls(workflow_id, engine=engine)
        previous = ""
        for number, task in enumerate(tasks, 1):
            node = str(number)
            workflow._add(node, None, task_type, None, None, task)
            if in_order and previous:
                workflow.connect(previous, node)
            previous = node
        return workflow

    # ---------------------------------------------------------------- building

    def add_node(
        self,
        name: str,
        does: str | Callable[[Any], Any] | AdapterObject | type | None = None,
        *,
        task_type: str = "",
        inputs: Iterable[str] | None = None,
        outputs: Iterable[str] | None = None,
        **params: Any,
    ) -> None:
        """Add a node.

        Args:
            name: unique in this workflow.
            does: a function of the node's inputs, plain or async; an object with a `call` method, or a class of such
                objects, of which one is made with the parameters that its signature takes; the name of an adapter; or a
                task type.
            task_type: the type of its task; without `does`, the chain of this type executes it.
            inputs: the fields it needs; edges to other fields are refused, and so is a field that no edge provides.
            outputs: the fields of its result; edges from other fields are refused.
            params: further inputs, JSON. `{field}` in a string is replaced by the input of that name. An edge to an
                input of the same name has precedence.

        Raises:
            WorkflowError: the name is taken or empty, nothing executes the node, its object cannot be made, or a
                parameter is not JSON.
        """
        self._add(name, does, task_type, inputs, outputs, params)

    def _add(
        self,
        name: str,
        does: str | Callable[[Any], Any] | AdapterObject | type | None,
        task_type: str,
        inputs: Iterable[str] | None,
        outputs: Iterable[str] | None,
        params: Mapping[str, Any],
    ) -> None:
        self._require_unbound("add_node")
        if not name or name in self._nodes:
            taken = f"there is a node {name!r} already" if name else "a node needs a name"
            raise WorkflowError(f"add_node: {taken}")
        if does is None and not task_type:
            raise WorkflowError(f"add_node({name!r}): say what executes it: a function, an adapter, or a task type")
        if isinstance(does, type):
            does, params = make_object(name, does, params)
        is_object = is_adapter_object(does)
        if does is not None and not isinstance(does, str) and not callable(does) and not is_object:
            raise WorkflowError(f"add_node({name!r}): {type(does).__name__} is not a function, adapter or task type")
        call: Any = does if is_object or callable(does) else None
        self._nodes[name] = Node(
            name,
            call=call,
            adapter=does if isinstance(does, str) else "",
            task_type=task_type,
            params=json.loads(to_json(dict(params), f"parameter {name}")),
            inputs=None if inputs is None else as_words(inputs),
            outputs=None if outputs is None else as_words(outputs),
        )

    def connect(self, source: str, target: str, fields: Mapping[str, str] | None = None) -> None:
        """Make `target` depend on `source`, and pass it fields of that result.

        Args:
            source: a node.
            target: another.
            fields: path in the result of `source`, such as `items.0.name` (`.`: all of it), to the input of `target`.
                Without any it only waits.

        Raises:
            WorkflowError: a node is unknown or is a fallback, the edge closes a cycle, or a field is invalid.
        """
        self._require_unbound("connect")
        for node, others in self._fallbacks.items():
            for end in (source, target):
                if end in others:
                    raise WorkflowError(
                        f"connect({source!r}, {target!r}): {end} stands in for {node}, so it has no edges of its own"
                    )
        edge = Edge(source, target, dict(fields or {}))
        check_edge(self._nodes, self._edges, edge)
        self._edges.append(edge)

    def add_fallback(self, node: str, fallback: str) -> None:
        """Add a fallback that runs when a node fails, with the same inputs. Several are tried in order.

        Raises:
            WorkflowError: a node is unknown, the fallback closes a loop, or it is connected.
        """
        self._require_unbound("add_fallback")
        known(node, self._nodes, f"add_fallback({node!r}, {fallback!r})")
        known(fallback, self._nodes, f"add_fallback({node!r}, {fallback!r})")
        check_fallback(self._fallbacks, self._edges, node, fallback)
        self._fallbacks[node] = (*self._fallbacks.get(node, ()), fallback)

    def configure_retry(
        self,
        node: str,
        max_retries: int = 3,
        strategy: Strategy = "exponential",
        base_delay: float = 1.0,
        max_delay: float = 60.0,
        retry_on: Iterable[type[Exception]] = (),
        **options: Any,
    ) -> None:
        """Set the retry policy of a node.

        Args:
            node: the node.
            max_retries: calls after the first one.
            strategy: how the delay grows: `immediate`, `linear`, `exponential`, `fibonacci`.
            base_delay: seconds before the first retry.
            max_delay: the longest delay in seconds.
            retry_on: only these errors are retried; empty: all retryable ones.
            options: other fields of `RetryPolicy`.

        Raises:
            WorkflowError: no node has this name.
            pydantic.ValidationError: a value is out of range.
        """
        self._require_unbound("configure_retry")
        known(node, self._nodes, f"configure_retry({node!r})")
        self._retries[node] = RetryPolicy(
            max_attempts=max_retries + 1,
            strategy=strategy,
            base_delay=base_delay,
            max_delay=max_delay,
            retry_on=tuple(retry_on),
            **options,
        )

    def configure_circuit_breaker(
        self, node: str, failure_threshold: int = 5, success_threshold: int = 2, timeout: float = 60.0, **options: Any
    ) -> None:
        """Give a node its own breaker.

        Args:
            node: the node.
            failure_threshold: consecutive failures that open it.
            success_threshold: consecutive successful probes that close it.
            timeout: seconds the first opening lasts.
            options: other fields of `BreakerPolicy`.

        Raises:
            WorkflowError: no node has this name.
            pydantic.ValidationError: a value is out of range.
        """
        self._require_unbound("configure_circuit_breaker")
        known(node, self._nodes, f"configure_circuit_breaker({node!r})")
        fields = {"max_recovery_timeout": max(timeout, 60.0), **options}
        self._breakers[node] = BreakerPolicy(
            failure_threshold=failure_threshold, success_threshold=success_threshold, recovery_timeout=timeout, **fields
        )

    def graph(self) -> Graph:
        """Return the graph built so far."""
        return Graph(dict(self._nodes), tuple(self._edges), dict(self._fallbacks))

    def bind(self, engine: WorkflowHost) -> None:
        """Validate the workflow and add the adapters of its nodes to an engine. It cannot be changed from now on.

        Raises:
            WorkflowError: a node needs an input that no edge provides, or something the engine does not have.
        """
        self._require_unbound("bind")
        graph = self.graph()
        check_inputs(graph)
        resume = resumes_run(lambda run: self.execute(resume=run)) if self._keeps_failed_runs else None
        if resume is not None and engine.dead_letters is None:
            raise WorkflowError(f"failed runs of {self.id!r} become dead letters, and this engine keeps none")
        self._binding = Binding(engine, self.id, graph, self._retries, self._breakers, resume)
        self._engine = engine

    def release(self) -> None:
        """Remove the adapters of its nodes from the engine. It can be changed again."""
        if self._binding is not None:
            self._binding.release()
        self._binding = None

    def _require_unbound(self, method: str) -> None:
        if self._binding is not None:
            raise WorkflowError(f"{method}: workflow {self.id!r} is in use and cannot be changed; build another")

    # ---------------------------------------------------------------- running

    async def execute(
        self,
        input_data: Mapping[str, Any] | None = None,
        *,
        run: str = "",
        resume: str = "",
        max_concurrent: int = 10,
        deadline: float | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> WorkflowResult:
        """Execute the workflow, or resume an unfinished run.

        A node begins as soon as all nodes it depends on are done. Nodes that depend on a failed node are skipped; the
        others continue. Each node is saved when it ends, before any node that depends on it begins. A resume repeats no
        finished node; a node that was running when the process ended is repeated, so its task keeps the id `run:node`.

        Args:
            input_data: inputs of the nodes without incoming edges; JSON.
            run: the id of the new run; default: generated.
            resume: the id of the run to resume; it keeps its original input.
            max_concurrent: nodes in progress at a time.
            deadline: seconds the run may take; nodes that have not ended then fail, and can be resumed.
            checkpoints: saves the nodes; default: the engine's.

        Returns:
            The result. A failure of a node does not raise; `unwrap()` does.

        Raises:
            WorkflowError: an input is missing or not JSON, or there is no engine.
            TypeError, ValueError: the deadline is not a number of seconds.
            UnknownRun, ResumeRefused: there is no such run, it is in use, or the workflow has changed since.
            CheckpointsUnavailable: a node could not be saved; the run can be resumed from the last saved state.
            asyncio.CancelledError: the caller was cancelled; finished nodes are saved.
        """
        if self._binding is None:
            if self._engine is None:
                raise WorkflowError(f"workflow {self.id!r} has no engine; give it to engine.add_workflow first")
            self.bind(self._engine)
        binding = self._binding
        assert binding is not None
        if max_concurrent < 1:
            raise WorkflowError("max_concurrent has to be at least 1")
        if deadline is not None:
            deadline = checked_seconds(deadline, "deadline")
        engine = binding.engine
        engine.loop = asyncio.get_running_loop()
        store = checkpoints or engine.checkpoints
        if self._keeps_failed_runs and (store is None or store is not engine.checkpoints):
            raise WorkflowError(
                f"failed runs of {self.id!r} become dead letters, whose retry resumes them: record the engine, or set "
                "engine.checkpoints"
            )
        if resume:
            if store is None:
                raise ResumeRefused("this engine keeps no runs; record it, or set engine.checkpoints")
            saved = await store.load(resume)
            self._check_resume(saved)
            if saved.state in COMPLETED_STATES:
                return self._as_saved(saved)
            # Its state is read again now that no other process changes it.
            saved = await begin_run(store, resume, engine.wall, _taken(store, resume, engine.wall()))
        else:
            saved = self._new_run(dict(input_data or {}), run, engine.wall(), binding.graph)
            if store is not None:
                await begin_run(store, saved.run, engine.wall, store.begin(saved))
        runner = Runner(
            binding,
            self.id,
            self.name,
            saved.run,
            json.loads(saved.input),
            saved.nodes,
            store,
            max_concurrent,
            deadline,
        )
        result = await runner.execute(resumed=bool(resume))
        self._figures.count(result, engine.wall())
        if self._keeps_failed_runs and engine.dead_letters is not None:
            result.dead_letter = await keep_failed_run(engine.dead_letters, result)
        return result

    def _new_run(self, start: dict[str, Any], run: str, at: int, graph: Graph) -> SavedRun:
        text = to_json(start, "the input")
        for name in graph.steps():
            if graph.into(name):
                continue
            for one in graph.chain(name):
                node = graph.nodes[one]
                missing = [field for field in node.inputs or () if field not in start and field not in node.params]
                if missing:
                    has = ", ".join(start) or "nothing"
                    raise WorkflowError(f"{one} needs the input {', '.join(missing)}; the workflow was given {has}")
        return SavedRun(
            run=run or f"{self.id}-{secrets.token_hex(8)}",
            workflow=self.id,
            name=self.name,
            definition=graph.definition(),
            input=text,
            started_at=at,
            changed_at=at,
            steps=tuple(graph.steps()),
        )

    def _check_resume(self, saved: SavedRun) -> None:
        if saved.workflow != self.id:
            raise ResumeRefused(f"run {saved.run!r} is one of workflow {saved.workflow!r}, not of {self.id!r}")
        changed = changes(saved.definition, self.graph().definition())
        if changed:
            raise ResumeRefused(f"workflow {self.id!r} is not the one that run {saved.run!r} began with: {changed}")

    def _as_saved(self, saved: SavedRun) -> WorkflowResult:
        graph = self.graph()
        sources = {edge.source for edge in graph.edges}
        nodes: dict[str, NodeResult] = {name: result_of(saved.nodes[name]) for name in graph.steps()}
        last = tuple(name for name in nodes if name not in sources)
        return WorkflowResult(run=saved.run, workflow=self.id, state=saved.state, nodes=nodes, last=last)

    # ---------------------------------------------------------------- metrics

    def get_resilience_metrics(self) -> ResilienceMetrics:
        """Return the metrics of the workflow since it was built."""
        engine, own = self._engine, self._binding.own if self._binding else {}
        adapters = {node: engine.registry[name] for node, name in own.items()} if engine is not None else {}
        return self._figures.metrics(adapters, self._fallbacks, self._retries)

    def get_failures(self) -> list[NodeFailure]:
        """Return the nodes that failed, newest first, at most the last thousand. Their runs can be resumed."""
        return list(self._figures.failures)[::-1]

    async def get_saved_failures(self, limit: int = 1000) -> list[NodeFailure]:
        """Return the failed nodes of saved runs, newest first, those of earlier processes included.

        A run that was resumed and finished since has none. Without checkpoints, return those of `get_failures`.

        Args:
            limit: how many at most.

        Raises:
            CheckpointsUnavailable: the saved runs could not be read.
        """
        store = None if self._engine is None else self._engine.checkpoints
        if store is None:
            return self.get_failures()[:limit]
        failed = await store.failures(self.id, limit)
        return [NodeFailure(node.at, run, node.node, node.attempts, node.error) for run, node in failed]

    def clear_failures(self) -> int:
        """Clear the failed nodes and return how many there were. Saved runs are unchanged."""
        count = len(self._figures.failures)
        self._figures.failures.clear()
        return count


async def _taken(store: Checkpoints, run: str, at: int) -> SavedRun:
    """Make this process the owner of a saved run, and return the run."""
    await store.take(run, at)
    try:
        return await store.load(run)
    except BaseException:
        await store.end(run, "interrupted", at)
        raise
