"""Failed runs as dead letters: the retry of such a dead letter resumes the run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, Protocol

from fuseboard_engine.dead_letters.letter import DeadLetter, DeadLetterError, LetterSelection, Status
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.gates import ShuttingDown
from fuseboard_engine.workflow.errors import WorkflowError
from fuseboard_engine.workflow.result import WorkflowResult

OPEN_STATUSES: Final[tuple[Status, ...]] = ("pending", "retrying", "exhausted")
ONCE: Final = RetryPolicy(max_attempts=1, attempt_timeout=None)  # the nodes have retries and timeouts of their own

_BY_LETTER: ContextVar[bool] = ContextVar("fuseboard_run_by_letter", default=False)


class LetterQueue(Protocol):
    """Keeps dead letters; `fuseboard_engine.dead_letters.queue.DeadLetters` does."""

    async def enqueue(
        self, task: Any, *, error: BaseException | str, adapter: str, attempts: int, order: tuple[str, ...]
    ) -> int:
        """Keep a task as a dead letter and return its id."""

    async def find(self, selection: LetterSelection) -> list[DeadLetter]:
        """Return the selected dead letters."""


def resume_adapter(workflow: str) -> str:
    """Return the name of the adapter that resumes the failed runs of a workflow."""
    return f"{workflow}.resume"


def resumes_run(resume: Callable[[str], Awaitable[WorkflowResult]]) -> Callable[[Mapping[str, Any]], Awaitable[Any]]:
    """Return the function of the adapter that resumes failed runs: it resumes the run that a dead letter names.

    Raises:
        WorkflowFailed: the run failed again.
        ShuttingDown: the engine shuts down; the letter stays due.
    """

    async def resume_run(task: Mapping[str, Any]) -> Any:
        _BY_LETTER.set(True)
        result = await resume(str(task["run"]))
        if result.state == "interrupted":
            raise ShuttingDown
        return result.unwrap()

    return resume_run


async def keep_failed_run(letters: LetterQueue, result: WorkflowResult) -> int | None:
    """Make a dead letter of a failed run and return its id, unless the run has one.

    Raises:
        WorkflowError: the letter was refused; the run is saved as failed and can be resumed.
    """
    if result.state != "failed" or _BY_LETTER.get():
        return None
    task_type = f"workflow {result.workflow}"
    task_id = f"run {result.run}"
    open_letters = await letters.find(LetterSelection(task_type=task_type, text=task_id, statuses=OPEN_STATUSES))
    known = [letter.id for letter in open_letters if letter.task == task_id]
    if known:
        return known[0]
    try:
        return await letters.enqueue(
            {"task_id": task_id, "task_type": task_type, "run": result.run, "workflow": result.workflow},
            error=result.error,
            adapter=resume_adapter(result.workflow),
            attempts=result.total_attempts,
            order=(resume_adapter(result.workflow),),
        )
    except DeadLetterError as error:
        raise WorkflowError(f"run {result.run} failed and could not become a dead letter: {error}") from error
