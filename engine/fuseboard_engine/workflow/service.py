"""What an engine does with workflows: these functions are methods of `Engine`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fuseboard_engine.errors import FuseboardError
from fuseboard_engine.workflow.checkpoints import Checkpoints
from fuseboard_engine.workflow.errors import ResumeRefused, RunInUse, WorkflowError
from fuseboard_engine.workflow.result import WorkflowResult
from fuseboard_engine.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine

log = logging.getLogger("fuseboard.workflow")


def add_workflow(engine: Engine, workflow: Workflow) -> Workflow:
    """Register a workflow, so that its runs can be resumed by their id alone.

    Args:
        engine: whose adapters do it.
        workflow: complete; from now on it cannot be changed.

    Returns:
        The workflow.

    Raises:
        WorkflowError: its id is taken, or it is not complete; the text names the nodes.
    """
    if workflow.id in engine.workflows:
        raise WorkflowError(f"a workflow {workflow.id!r} is registered already; remove it first")
    workflow.bind(engine)
    with contextlib.suppress(RuntimeError):
        engine.loop = asyncio.get_running_loop()
    engine.workflows[workflow.id] = workflow
    return workflow


def remove_workflow(engine: Engine, workflow_id: str) -> None:
    """Take a workflow and the adapters of its nodes out. Raises WorkflowError if there is none of that id."""
    if workflow_id not in engine.workflows:
        raise WorkflowError(f"no workflow {workflow_id!r} is registered; there are: {_names(engine)}")
    engine.workflows.pop(workflow_id).release()


async def execute_workflow(
    engine: Engine,
    name: str,
    task_type: str,
    tasks: Iterable[Mapping[str, Any]],
    *,
    in_order: bool = True,
    resume: str = "",
    max_concurrent: int = 10,
    deadline: float | None = None,
    checkpoints: Checkpoints | None = None,
) -> WorkflowResult:
    """Run a plain list of tasks as a workflow; its nodes are `1`, `2` ...

    Args:
        engine: whose adapters do it.
        name: of the workflow.
        task_type: its chain does the tasks.
        tasks: mappings of JSON.
        in_order: each begins when the one before is done, and a failure skips the rest; else they run side by side.
        resume: the id of a run to go on with; give the same tasks.
        max_concurrent: tasks under way at a time.
        deadline: seconds it may take.
        checkpoints: what keeps it; default: the engine's.

    Returns:
        The result: `success`, `adapter`, `fallback_chain`, `total_attempts`, and each node. No failure raises.

    Raises:
        WorkflowError: there is no task, or one is no JSON.
        UnknownRun, ResumeRefused, CheckpointsUnavailable: as for `Workflow.execute`.
    """
    workflow = Workflow(name, engine=engine)
    before = ""
    for number, task in enumerate(tasks, 1):
        node = str(number)
        workflow._add(node, None, task_type, None, None, task)
        if in_order and before:
            workflow.connect(before, node)
        before = node
    return await workflow.execute(
        resume=resume, max_concurrent=max_concurrent, deadline=deadline, checkpoints=checkpoints
    )


async def resume(
    engine: Engine, run: str, *, max_concurrent: int = 10, deadline: float | None = None
) -> WorkflowResult:
    """Go on with a run of a registered workflow that did not come to its end; see `Workflow.execute`.

    Args:
        engine: whose workflow it is.
        run: the id of the run.
        max_concurrent: nodes under way at a time.
        deadline: seconds this part of it may take.

    Raises:
        UnknownRun, ResumeRefused: there is no such run, somebody is at it, or its workflow is not registered here, or
            not the one it began with.
    """
    if engine.checkpoints is None:
        raise ResumeRefused("this engine keeps no runs; record it, or set engine.checkpoints")
    saved = await engine.checkpoints.load(run)
    workflow = engine.workflows.get(saved.workflow)
    if workflow is None:
        raise ResumeRefused(
            f"run {run!r} is one of workflow {saved.workflow!r}, which this engine does not have; "
            f"it has: {_names(engine)}"
        )
    return await workflow.execute(resume=run, max_concurrent=max_concurrent, deadline=deadline)


async def resume_left(
    engine: Engine, *, failed: bool = False, max_concurrent: int = 10
) -> dict[str, WorkflowResult | FuseboardError]:
    """Go on with every run of a registered workflow that an earlier engine left: one that was interrupted or killed.

    To be called when the application starts, once its workflows are registered. The runs go on one after the other, the
    oldest first. Of several processes that ask at once one goes on with a run; the others pass it over, or get what it
    came to.

    Args:
        engine: whose workflows they are; those of other workflows are left alone.
        failed: with the runs that failed, too.
        max_concurrent: nodes of a run under way at a time.

    Returns:
        By run its result, or why it could not go on: its workflow was changed since, or the disk did not let it.

    Raises:
        CheckpointsUnavailable: the runs could not be looked up.
    """
    if engine.checkpoints is None:
        return {}
    ended: dict[str, WorkflowResult | FuseboardError] = {}
    for run, workflow in await engine.checkpoints.left(failed=failed):
        if workflow not in engine.workflows:
            continue
        try:
            ended[run] = await engine.workflows[workflow].execute(resume=run, max_concurrent=max_concurrent)
        except RunInUse:
            log.info("run %s of workflow %s is under way elsewhere", run, workflow)
        except FuseboardError as error:
            log.warning("run %s of workflow %s could not go on: %s", run, workflow, error)
            ended[run] = error
    return ended


def _names(engine: Engine) -> str:
    return ", ".join(engine.workflows) or "none"
