"""Carries out an operator's command to resume a run.

A run takes as long as its nodes do. The command is accepted at once and answered when the run has ended. When that
takes long, the answer is that the run continues, and the run's own events report the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fuseboard_engine.commands import Command
from fuseboard_engine.runtime.operator_answer import answer_within
from fuseboard_engine.workflow.result import WorkflowResult, describe_state


def run_of(command: Command) -> str:
    """Return the run that a command names: `{"run": "nightly-1f"}`. Raise ValueError if it names none."""
    run = command.args.get("run")
    if not isinstance(run, str) or not run:
        raise ValueError("resume needs the id of a run")
    return run


async def resume_and_report(
    resume: Callable[[str], Coroutine[Any, Any, WorkflowResult]], run: str, report: Callable[[bool, str], object]
) -> None:
    """Resume a run and report once, within the time that the operator waits."""

    def outcome(result: WorkflowResult) -> tuple[bool, str]:
        detail = f"run {run} {describe_state(result.state)}"
        return result.success or result.degraded, f"{detail}: {result.error}" if result.error else detail

    await answer_within(
        resume(run),
        report,
        outcome=outcome,
        interim=lambda: f"run {run} continues",
        stopped=lambda: f"the engine stopped; run {run} can be resumed again",
    )
