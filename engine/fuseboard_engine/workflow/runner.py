"""Executes one run of a workflow: begins ready nodes, saves their results, releases the nodes that waited for them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import msgspec

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import AdapterCancelled, text_of
from fuseboard_engine.events import NodeChanged, NodeState, WorkflowFinished, WorkflowStarted
from fuseboard_engine.routing.gates import ShuttingDown
from fuseboard_engine.routing.route import KEPT_BACK
from fuseboard_engine.runtime.cancellation import cancel_requests, is_own_cancellation
from fuseboard_engine.workflow.active_runs import InterruptedRun
from fuseboard_engine.workflow.binding import Binding, inputs_of, task_for
from fuseboard_engine.workflow.checkpoints import Checkpoints, RunState, SavedNode, SavedState
from fuseboard_engine.workflow.errors import CheckpointsUnavailable, WorkflowError
from fuseboard_engine.workflow.json_values import to_json
from fuseboard_engine.workflow.ready_queue import ReadyQueue
from fuseboard_engine.workflow.result import NodeResult, WorkflowResult

T = TypeVar("T")

log = get_logger("fuseboard.workflow")


class Runner:
    """One run of a workflow, from its beginning or from where it was interrupted.

    Args:
        binding: the workflow in its engine.
        workflow: its id. title: its name. run: the id of the run.
        start: the input of the workflow.
        saved: the results of nodes in an earlier part of the run.
        checkpoints: saves the results of nodes; None saves none.
        max_concurrent: nodes in progress at a time.
        deadline: seconds this part of the run may take; None for no limit.
    """

    def __init__(
        self,
        binding: Binding,
        workflow: str,
        title: str,
        run: str,
        start: Mapping[str, Any],
        saved: Mapping[str, SavedNode],
        checkpoints: Checkpoints | None,
        max_concurrent: int,
        deadline: float | None,
    ) -> None:
        self._binding = binding
        self._engine = binding.engine
        self._graph = binding.graph
        self._workflow = workflow
        self._title = title
        self._run = run
        self._start = start
        self._checkpoints = checkpoints
        self._max_concurrent = max_concurrent
        self._steps = self._graph.steps()
        finished = {name: node for name, node in saved.items() if node.finished}
        self._finished = tuple(name for name in self._steps if name in finished)
        self._nodes = {name: result_of(finished[name]) for name in self._finished}
        self._queue = ReadyQueue(self._graph, finished)
        self._started = self._engine.clock()
        self._until = None if deadline is None else self._started + deadline
        self._interrupted = ""  # why no further node is started

    async def execute(self, *, resumed: bool = False) -> WorkflowResult:
        """Execute the run; see `Workflow.execute`."""
        self._engine.emit(
            WorkflowStarted(
                at=self._engine.wall(),
                run=self._run,
                workflow=self._workflow,
                name=self._title,
                nodes=tuple(self._steps),
                edges=tuple((edge.source, edge.target) for edge in self._graph.edges),
                resumed=resumed,
                finished=self._finished,
            )
        )
        self._engine.runs.begin(self._run, self._unfinished)
        try:
            await self._run_nodes()
        except BaseException as error:
            text = "" if isinstance(error, asyncio.CancelledError) else text_of(error) or type(error).__name__
            await self._end("interrupted", text)
            raise
        result = self._result()
        await self._end(result.state, result.error)
        return result

    async def _run_nodes(self) -> None:
        running: set[asyncio.Task[None]] = set()
        ready = self._queue.ready
        try:
            while ready or running:
                while ready and len(running) < self._max_concurrent and not self._interrupted:
                    running.add(asyncio.create_task(self._run_node(ready.popleft())))
                if not running:
                    return
                ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
        finally:
            for task in running:
                task.cancel()
            # A save in progress is completed, so that no finished node is lost.
            await asyncio.gather(*running, return_exceptions=True)

    async def _run_node(self, name: str) -> None:
        self._emit_node(NodeResult(node=name, state="running"))
        result = await self._route_node(name)
        if result.state == "pending":
            self._interrupted = result.error
            self._emit_node(result)
        elif result.state == "failed":
            skipped = [
                NodeResult(node=other, state="skipped", error=f"it needs {name}, which failed")
                for other in self._queue.fail(name)
            ]
            await self._save(result, *skipped)
        else:
            await self._save(result)
            self._queue.finish(name)

    async def _route_node(self, name: str) -> NodeResult:
        binding, node = self._binding, self._graph.nodes[name]
        try:
            results = {other: result.result for other, result in self._nodes.items()}
            inputs = inputs_of(self._graph, name, self._start, results)
        except WorkflowError as error:
            return NodeResult(node=name, state="failed", error=text_of(error))
        task = task_for(node, f"{self._run}:{name}", binding.task_type(node), inputs)
        KEPT_BACK.set(task)  # a resume of the run repeats the task; a dead letter would repeat it twice
        before = cancel_requests()
        try:
            route = await self._engine.execute_with_fallback(
                task,
                binding.order(name),
                deadline=None if self._until is None else self._until - self._engine.clock(),
                retry=binding.retry(name),
            )
        except asyncio.CancelledError as error:
            if not is_own_cancellation(error, before):
                raise
            return NodeResult(node=name, state="failed", error=str(AdapterCancelled.by(error, name)))
        if isinstance(route.exception, ShuttingDown):  # even with a fallback's answer: a resume runs the node
            return NodeResult(node=name, state="pending", error=str(route.exception), route=route)
        ended = NodeResult(
            node=name,
            state="done" if route.success else "degraded" if route.degraded else "failed",
            answered=route.adapter or "",
            attempts=route.total_attempts,
            duration=route.duration,
            error="" if route.success else route.error or "",
            route=route,
            chain=tuple(route.fallback_chain),
        )
        if ended.state == "failed":
            return ended
        try:
            # The next nodes get what a resume would read: tuples become lists.
            kept = json.loads(to_json(route.result, f"the result of {name}"))
        except WorkflowError as error:
            return msgspec.structs.replace(ended, state="failed", error=text_of(error))
        return msgspec.structs.replace(ended, result=kept)

    async def _save(self, *results: NodeResult) -> None:
        """Save the results of nodes, then emit them: an emitted result is durable."""
        if self._checkpoints is not None:
            at = self._engine.wall()
            await wait_until_done(self._checkpoints.save(self._run, *[saved_of(result, at) for result in results]))
        for result in results:
            self._nodes[result.node] = result
            self._emit_node(result)

    def _emit_node(self, result: NodeResult) -> None:
        self._engine.emit(
            NodeChanged(
                at=self._engine.wall(),
                run=self._run,
                workflow=self._workflow,
                node=result.node,
                state=result.state,
                answered=result.answered,
                attempts=result.attempts,
                duration=result.duration,
                error=result.error,
            )
        )

    async def _end(self, state: RunState, error: str) -> None:
        try:
            if self._checkpoints is not None:
                await wait_until_done(self._checkpoints.end(self._run, state, self._engine.wall(), error))
        finally:
            self._engine.runs.end(self._unfinished(), state == "interrupted")
            self._engine.emit(
                WorkflowFinished(
                    at=self._engine.wall(),
                    run=self._run,
                    workflow=self._workflow,
                    state="interrupted" if state == "running" else state,
                    duration=self._engine.clock() - self._started,
                    error=error,
                )
            )

    def _result(self) -> WorkflowResult:
        nodes = {name: self._nodes.get(name) or NodeResult(node=name, state="pending") for name in self._steps}
        sources = {edge.source for edge in self._graph.edges}
        failed = [f"{name}: {node.error}" for name, node in nodes.items() if node.state == "failed"]
        return WorkflowResult(
            run=self._run,
            workflow=self._workflow,
            state="interrupted" if self._interrupted else state_of([node.state for node in nodes.values()]),
            nodes=nodes,
            last=tuple(name for name in self._steps if name not in sources),
            duration=self._engine.clock() - self._started,
            error="; ".join(filter(None, [self._interrupted, *failed])),
        )

    def _unfinished(self) -> InterruptedRun:
        """Return the unfinished part of the run."""
        finished = {name for name, node in self._nodes.items() if node.state in ("done", "degraded")}
        return InterruptedRun(
            run=self._run,
            workflow=self._workflow,
            nodes=tuple(name for name in self._steps if name not in finished),
            kept=self._checkpoints is not None,
            registered=self._workflow in self._engine.workflows,
        )


def state_of(states: list[NodeState]) -> RunState:
    """Return the state of a run from the final states of its nodes."""
    if any(state not in ("done", "degraded") for state in states):
        return "failed"
    return "degraded" if "degraded" in states else "done"


def saved_of(result: NodeResult, at: int) -> SavedNode:
    """Return the saved form of a node's result."""
    states: dict[NodeState, SavedState] = {"done": "done", "degraded": "degraded", "skipped": "skipped"}
    return SavedNode(
        node=result.node,
        state=states.get(result.state, "failed"),
        at=at,
        result=json.dumps(result.result, separators=(",", ":")),
        answered=result.answered,
        attempts=result.attempts,
        duration=result.duration,
        error=result.error,
        chain=result.chain,
    )


def result_of(saved: SavedNode) -> NodeResult:
    """Return a node's result from its saved form."""
    return NodeResult(
        node=saved.node,
        state=saved.state,
        result=json.loads(saved.result),
        answered=saved.answered,
        attempts=saved.attempts,
        duration=saved.duration,
        error=saved.error,
        chain=saved.chain,
    )


async def wait_until_done(work: Coroutine[Any, Any, T]) -> T:
    """Await work that is completed even if the caller is cancelled meanwhile; the cancellation is raised afterwards."""
    task, before = asyncio.ensure_future(work), cancel_requests()
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError as error:
        if is_own_cancellation(error, before):
            raise CheckpointsUnavailable("the store cancelled its own work") from error
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()
        raise


async def begin_run(store: Checkpoints, run: str, wall: Callable[[], int], beginning: Coroutine[Any, Any, T]) -> T:
    """Await the beginning of a run, which makes this process its owner.

    If the caller is cancelled meanwhile, the run is ended as interrupted. Otherwise it would count as in progress
    as long as this process lives, and could not be resumed.

    Args:
        store: saves the run.
        run: its id.
        wall: UTC microseconds.
        beginning: returns once this process owns the run.
    """
    task, before = asyncio.ensure_future(beginning), cancel_requests()
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError as cancelled:
        if is_own_cancellation(cancelled, before):
            raise CheckpointsUnavailable("the store cancelled its own work") from cancelled
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:
            try:
                await wait_until_done(store.end(run, "interrupted", wall()))
            except CheckpointsUnavailable as error:
                log.warning("run %s was cancelled while it began, and its end could not be saved: %s", run, error)
        raise
