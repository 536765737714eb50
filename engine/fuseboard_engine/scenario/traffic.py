"""Gives tasks of a scenario to its engine: one by one, in batches, as streams, to several adapters, as workflows."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any

from fuseboard_engine.engine import Engine
from fuseboard_engine.parallel.batch import BatchResult
from fuseboard_engine.routing.route import AllAdaptersFailed, StreamBroken, Task
from fuseboard_engine.scenario_file.traffic import BatchPart, FanOutPart, TrafficPart
from fuseboard_engine.scenario_file.workflow import WorkflowPart
from fuseboard_engine.workflow.workflow import Workflow


def request(engine: Engine, traffic: TrafficPart, id: str) -> Coroutine[Any, Any, object]:
    """Return the coroutine of one arrival of a stream of tasks. `id` identifies it in events."""
    task = Task(type=traffic.type, id=id, deadline=traffic.deadline, payload=traffic.payload)
    if traffic.batch is not None:
        return _batch(engine, traffic.batch, task)
    if traffic.fan_out is not None:
        return _fan_out(engine, traffic.fan_out, task)
    if traffic.workflow is not None:
        start = traffic.payload if isinstance(traffic.payload, dict) else {}
        run = f"{traffic.workflow}-{id}"
        return engine.workflows[traffic.workflow].execute(start, run=run, deadline=traffic.deadline)
    if traffic.stream:
        return _stream(engine, task)
    return engine.execute_with_fallback(task)


async def _stream(engine: Engine, task: Task) -> None:
    """Read a stream to its end, or until it breaks."""
    async with engine.stream_with_fallback(task) as items:
        try:
            async for _ in items:
                pass
        except (AllAdaptersFailed, StreamBroken):
            pass  # the event of the route says so


async def _batch(engine: Engine, part: BatchPart, task: Task) -> BatchResult:
    tasks = [Task(type=task.type, id=f"{task.id}.{n}", payload=task.payload) for n in range(1, part.tasks + 1)]
    return await engine.execute_batch(
        tasks,
        min_success_rate=part.min_success_rate,
        rollback=_undo if part.rollback else None,
        retries=part.retries,
        max_concurrent=part.max_concurrent,
        name=f"batch-{task.id}",
        deadline=task.deadline,
    )


def _undo(result: BatchResult) -> None:
    """Undo nothing: simulated adapters do nothing. The event of the batch says that it was called."""


async def _fan_out(engine: Engine, part: FanOutPart, task: Task) -> object:
    return await engine.execute_parallel(
        task,
        part.adapters,
        strategy=part.strategy,
        timeout=part.timeout,
        hedge_delay=part.hedge_delay,
        context={"request": task.id},
    )


def workflow_of(name: str, nodes: WorkflowPart) -> Workflow:
    """Return the workflow that a scenario describes, not yet registered."""
    workflow = Workflow(name)
    for node, part in nodes.items():
        params: dict[str, Any] = dict(part.params)
        workflow.add_node(node, part.adapter or None, task_type=part.type, **params)
    for target, source in _pairs(nodes, "after"):
        workflow.connect(source, target)
    for node, other in _pairs(nodes, "fallback"):
        workflow.add_fallback(node, other)
    return workflow


def _pairs(nodes: WorkflowPart, field: str) -> Iterable[tuple[str, str]]:
    return ((name, other) for name, part in nodes.items() for other in getattr(part, field))
