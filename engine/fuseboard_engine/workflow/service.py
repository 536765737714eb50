"""The workflows of one engine: registers them, runs them, and resumes their runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from fuseboard_engine.commands import Command
from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import FuseboardError
from fuseboard_engine.runtime.cancellation import call_in_loop
from fuseboard_engine.workflow.active_runs import ActiveRuns
from fuseboard_engine.workflow.binding import WorkflowHost
from fuseboard_engine.workflow.checkpoints import Checkpoints, unfinished_runs
from fuseboard_engine.workflow.errors import ResumeRefused, RunInUse, WorkflowError
from fuseboard_engine.workflow.operator_resume import resume_and_report, run_of
from fuseboard_engine.workflow.result import WorkflowResult
from fuseboard_engine.workflow.workflow import Workflow

log = get_logger("fuseboard.workflow")


class WorkflowService:
    """The registered workflows, their runs, and what saves them. Used in the engine's loop, unless stated otherwise.

    Args:
        host: the engine whose adapters run the nodes.
    """

    def __init__(self, host: WorkflowHost) -> None:
        self.workflows: dict[str, Workflow] = {}
        self.runs = ActiveRuns()
        self.checkpoints: Checkpoints | None = None
        """Saves the runs. A recording sets it; None saves nothing."""
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop that workflows and operators' resumes run in. None before the first."""
        self._host = host

    def after_fork(self) -> None:
        """Begin without runs in a forked child: the parent executes them."""
        self.runs = ActiveRuns()
        self.loop = None

    def add(self, workflow: Workflow) -> Workflow:
        """Register a workflow; see `Engine.add_workflow`."""
        if workflow.id in self.workflows:
            raise WorkflowError(f"a workflow {workflow.id!r} is registered already; remove it first")
        workflow.bind(self._host)
        with contextlib.suppress(RuntimeError):
            self.loop = asyncio.get_running_loop()
        self.workflows[workflow.id] = workflow
        return workflow

    def remove(self, workflow_id: str) -> None:
        """Remove a workflow and the adapters of its nodes; see `Engine.remove_workflow`."""
        if workflow_id not in self.workflows:
            raise WorkflowError(f"no workflow {workflow_id!r} is registered; there are: {self._names()}")
        self.workflows.pop(workflow_id).release()

    async def execute_tasks(
        self,
        name: str,
        task_type: str,
        tasks: Iterable[Mapping[str, Any]],
        *,
        in_order: bool,
        resume: str,
        max_concurrent: int,
        deadline: float | None,
        checkpoints: Checkpoints | None,
    ) -> WorkflowResult:
        """Run a list of tasks as a workflow; see `Engine.execute_workflow`."""
        workflow = Workflow.of_tasks(name, task_type, tasks, in_order=in_order, engine=self._host)
        return await workflow.execute(
            resume=resume, max_concurrent=max_concurrent, deadline=deadline, checkpoints=checkpoints
        )

    async def resume(self, run: str, *, max_concurrent: int, deadline: float | None) -> WorkflowResult:
        """Resume a run of a registered workflow; see `Engine.resume`."""
        if self.checkpoints is None:
            raise ResumeRefused("this engine keeps no runs; record it, or set engine.checkpoints")
        saved = await self.checkpoints.load(run)
        workflow = self.workflows.get(saved.workflow)
        if workflow is None:
            raise ResumeRefused(
                f"run {run!r} belongs to workflow {saved.workflow!r}, which this engine does not have; "
                f"it has: {self._names()}"
            )
        return await workflow.execute(resume=run, max_concurrent=max_concurrent, deadline=deadline)

    async def resume_left(self, *, failed: bool, max_concurrent: int) -> dict[str, WorkflowResult | FuseboardError]:
        """Resume all unfinished runs of registered workflows; see `Engine.resume_left`."""
        if self.checkpoints is None:
            return {}
        ended: dict[str, WorkflowResult | FuseboardError] = {}
        for run, workflow in await unfinished_runs(self.checkpoints, failed=failed):
            if workflow not in self.workflows:
                continue
            try:
                ended[run] = await self.workflows[workflow].execute(resume=run, max_concurrent=max_concurrent)
            except RunInUse:
                log.info("run %s of workflow %s is in progress elsewhere", run, workflow)
            except FuseboardError as error:
                log.warning("run %s of workflow %s could not be resumed: %s", run, workflow, error)
                ended[run] = error
        return ended

    def resume_for_operator(
        self,
        command: Command,
        report: Callable[[bool, str], object],
        resume: Callable[[str], Coroutine[Any, Any, WorkflowResult]],
        home: Callable[[], asyncio.AbstractEventLoop],
    ) -> None:
        """Carry out an operator's `resume` and return at once. May be called from any thread.

        Args:
            command: names the run in its `args`.
            report: called once, in the engine's loop, with the outcome.
            resume: resumes a run.
            home: returns a loop for applications that run none of their own.

        Raises:
            ValueError: the command names no run.
        """
        run = run_of(command)
        if self.loop is None or not self.loop.is_running():
            self.loop = home()

        def begin() -> None:
            task = asyncio.get_running_loop().create_task(
                resume_and_report(resume, run, report), name=f"fuseboard-command-{command.id}"
            )
            self.runs.resumes.add(task)
            task.add_done_callback(self.runs.resumes.discard)

        if not call_in_loop(self.loop, begin):  # it was closed just now
            self.loop = home()
            self.loop.call_soon_threadsafe(begin)

    def _names(self) -> str:
        return ", ".join(self.workflows) or "none"
