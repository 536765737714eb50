"""Batches: many tasks of which enough must succeed, or the batch is rolled back and retried."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import AdapterCancelled, describe
from fuseboard_engine.events import BatchFinished, Event
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.gates import ShuttingDown
from fuseboard_engine.routing.route import KEPT_BACK, ActiveRoute, RouteResult, Task, identify
from fuseboard_engine.routing.router import DeadLetterIntake
from fuseboard_engine.runtime.arguments import as_words, checked_seconds
from fuseboard_engine.runtime.cancellation import cancel_requests, is_own_cancellation

log = get_logger("fuseboard.engine")

RetriedParts = Literal["failed", "all"]
Rollback = Callable[["BatchResult"], Awaitable[None] | None]


class BatchResult(msgspec.Struct, kw_only=True):
    """The result of a batch.

    `parts` holds the last route of each task, in the order of the tasks. The batch is `accepted` when at least
    `min_success_rate` of them succeeded. A degraded part is not a success. `rounds` counts how often tasks were sent
    out, `rolled_back` how often the rollback was called.
    """

    batch: str
    parts: tuple[RouteResult, ...]
    min_success_rate: float
    rounds: int = 1
    rolled_back: int = 0
    duration: float = 0.0
    error: str = ""

    @property
    def succeeded(self) -> list[RouteResult]:
        """The parts that an adapter completed."""
        return [part for part in self.parts if part.success]

    @property
    def failed(self) -> list[RouteResult]:
        """The parts that neither an adapter nor a fallback completed."""
        return [part for part in self.parts if not part.success and not part.degraded]

    @property
    def degraded(self) -> list[RouteResult]:
        """The parts that a fallback answered."""
        return [part for part in self.parts if part.degraded]

    @property
    def refused(self) -> list[RouteResult]:
        """The parts refused because the engine was shutting down. They are not dead letters."""
        return [part for part in self.failed if isinstance(part.exception, ShuttingDown)]

    @property
    def dead_letters(self) -> list[int]:
        """The numbers of the dead letters made of failed parts."""
        return [part.dead_letter for part in self.parts if part.dead_letter is not None]

    @property
    def success_rate(self) -> float:
        """The share of parts that succeeded, 0..1; 1.0 for an empty batch."""
        return success_rate(self.parts)

    @property
    def accepted(self) -> bool:
        """Whether enough parts succeeded."""
        return enough(self.parts, self.min_success_rate)

    @property
    def results(self) -> list[Any]:
        """The result of each part, in the order of the tasks; None for a part without an answer."""
        return [part.result for part in self.parts]


def success_rate(parts: Sequence[RouteResult]) -> float:
    """Return the share of parts that succeeded, 0..1; 1.0 for no parts."""
    return sum(part.success for part in parts) / len(parts) if parts else 1.0


def enough(parts: Sequence[RouteResult], rate: float) -> bool:
    """Return whether at least this share of the parts succeeded. Counts whole parts, so that rounding has no effect."""
    return sum(part.success for part in parts) >= math.ceil(rate * len(parts) - 1e-9)


class BatchExecutor:
    """Routes the tasks of a batch, in rounds, until enough of them succeeded.

    Args:
        route: routes one task, as `Engine.execute_with_fallback` does.
        dead_letters: keeps the tasks that finally failed. None keeps none.
        emit: publishes an event; must not raise.
        clock: monotonic seconds. wall: UTC microseconds.
    """

    def __init__(
        self,
        route: Callable[..., Awaitable[RouteResult]],
        dead_letters: DeadLetterIntake | None,
        emit: Callable[[Event], None],
        clock: Callable[[], float],
        wall: Callable[[], int],
    ) -> None:
        self._route = route
        self._dead_letters = dead_letters
        self._emit = emit
        self._clock = clock
        self._wall = wall

    async def execute(
        self,
        tasks: Iterable[Any],
        *,
        min_success_rate: float,
        rollback: Rollback | None,
        retries: int,
        again: RetriedParts | None,
        max_concurrent: int,
        name: str,
        preference_order: Iterable[str] | None,
        deadline: float | None,
        retry: RetryPolicy | None,
    ) -> BatchResult:
        """Run a batch and return its result; see `Engine.execute_batch`."""
        if not 0 <= min_success_rate <= 1:
            raise ValueError(f"min_success_rate must be a share from 0 to 1, not {min_success_rate!r}")
        if max_concurrent < 1 or retries < 0:
            raise ValueError("max_concurrent must be at least 1, and retries at least 0")
        if isinstance(tasks, str | bytes | Mapping | Task):
            raise TypeError(f"tasks must be several tasks, not one {type(tasks).__name__}: put it into a list")
        all_tasks = list(tasks)
        order = None if preference_order is None else as_words(preference_order)
        for limit in (deadline, *(task.deadline for task in all_tasks if isinstance(task, Task))):
            if limit is not None:
                checked_seconds(limit, "deadline")

        sent: dict[str, None] = {}  # the ids of tasks, in order

        async def route(task: Any) -> RouteResult:
            KEPT_BACK.set(task)  # it may be tried again; dead letters are made at the end
            part = await self._route(task, order, deadline=deadline, retry=retry)
            sent[part.task] = None
            return part

        started = self._clock()
        parts = await _run_round(list(enumerate(all_tasks)), route, max_concurrent)
        result = BatchResult(batch=name, parts=_in_order(parts), min_success_rate=min_success_rate)
        while not result.accepted:
            if rollback is not None and not await _roll_back(rollback, result):
                break
            if result.rounds > retries or result.refused:
                break
            everything = again == "all" or (again is None and rollback is not None)
            remaining = [
                (number, task) for number, task in enumerate(all_tasks) if everything or not parts[number].success
            ]
            parts.update(await _run_round(remaining, route, max_concurrent))
            result.parts, result.rounds = _in_order(parts), result.rounds + 1
        await self._keep_failures(all_tasks, result, order or (), deadline)
        result.duration = self._clock() - started
        result.error = _error_of(result)
        self._emit(_event(self._wall(), result, tuple(sent)))
        return result

    async def _keep_failures(
        self, tasks: Sequence[Any], result: BatchResult, order: tuple[str, ...], deadline: float | None
    ) -> None:
        if self._dead_letters is None:
            return
        for task, part in zip(tasks, result.parts, strict=True):
            if not part.success and not part.degraded:
                part.dead_letter = await _keep(self._dead_letters, task, part, order, deadline)


async def _roll_back(rollback: Rollback, result: BatchResult) -> bool:
    """Call the rollback and return whether it succeeded; its error goes into the result.

    After a failed rollback it is unknown what was undone, so trying again might do work twice.
    """
    result.rolled_back += 1
    before = cancel_requests()
    try:
        outcome = rollback(result)
        if inspect.isawaitable(outcome):
            await outcome
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and not is_own_cancellation(error, before):
            raise
        result.error = f"the rollback failed: {describe(error)}"
        return False
    return True


def _error_of(result: BatchResult) -> str:
    """Return why a batch failed or is incomplete; an empty text if it is neither."""
    if result.refused:
        refused = f"{len(result.refused)} of {len(result.parts)} tasks were refused, and are not dead letters"
        return "; ".join(filter(None, [result.error, f"shutting down: {refused}; submit them again"]))
    if result.accepted or result.error:
        return result.error
    return f"{len(result.succeeded)} of {len(result.parts)} succeeded, {result.min_success_rate:.0%} are needed"


async def _run_round(
    numbered: Sequence[tuple[int, Any]], route: Callable[[Any], Awaitable[RouteResult]], max_concurrent: int
) -> dict[int, RouteResult]:
    """Route tasks, at most `max_concurrent` at a time, and return each result by the task's number."""
    tasks = iter(numbered)
    done: dict[int, RouteResult] = {}
    given_up = False

    async def work() -> None:
        for number, task in tasks:  # all workers share one iterator
            done[number] = await _route_part(task, route, lambda: given_up)

    workers = {asyncio.create_task(work()) for _ in range(min(max_concurrent, len(numbered)))}
    try:
        if workers:
            await asyncio.wait(workers)
    except BaseException:
        given_up = True
        for worker in workers:
            worker.cancel()
        await _wait_for_all(workers)
        raise
    for worker in workers:
        if not worker.cancelled():
            worker.result()
    for number, task in numbered:
        if number not in done:
            done[number] = _failed_part(task, ShuttingDown("shutting down: its worker was cancelled"))
    return done


async def _wait_for_all(workers: set[asyncio.Task[None]]) -> None:
    """Wait for the end of all workers; further cancellations of the caller are ignored."""
    while left := {worker for worker in workers if not worker.done()}:
        try:
            await asyncio.wait(left)
        except asyncio.CancelledError:
            continue


async def _route_part(
    task: Any, route: Callable[[Any], Awaitable[RouteResult]], given_up: Callable[[], bool]
) -> RouteResult:
    """Route one task; whatever is raised becomes its result, unless the batch itself is given up.

    A shutdown cancels the task of the call in flight, which here is a worker: it continues with the next part.
    """
    worker = asyncio.current_task()
    assert worker is not None
    before = worker.cancelling()
    try:
        return await route(task)
    except asyncio.CancelledError as error:
        if given_up():
            raise
        if worker.cancelling() <= before:
            return _failed_part(task, AdapterCancelled.by(error, "the route"))
        while worker.cancelling() > before:
            worker.uncancel()
        return _failed_part(task, ShuttingDown("shutting down: the call in flight was cancelled"))
    except Exception as error:
        log.exception("a task of a batch could not be routed")
        return _failed_part(task, error)


def _failed_part(task: Any, error: Exception) -> RouteResult:
    id, task_type = identify(task)
    return RouteResult(task=id, task_type=task_type, success=False, error=describe(error), exception=error)


async def _keep(
    dead_letters: DeadLetterIntake, task: Any, part: RouteResult, order: tuple[str, ...], deadline: float | None
) -> int | None:
    """Make a dead letter of a failed part, as the router does for a single task, and return its number."""
    route = ActiveRoute(
        task,
        part.task,
        part.task_type,
        order,
        part.why,
        0.0,
        deadline,
        list(part.attempts),
        error=part.error,
        exception=part.exception,
    )
    KEPT_BACK.set(None)
    await dead_letters.on_chain_exhausted(route)
    return route.dead_letter


def _in_order(parts: dict[int, RouteResult]) -> tuple[RouteResult, ...]:
    return tuple(parts[number] for number in range(len(parts)))


def _event(at: int, result: BatchResult, tasks: tuple[str, ...]) -> BatchFinished:
    return BatchFinished(
        at=at,
        batch=result.batch,
        parts=len(result.parts),
        succeeded=len(result.succeeded),
        degraded=len(result.degraded),
        failed=len(result.failed),
        needed=result.min_success_rate,
        accepted=result.accepted,
        rounds=result.rounds,
        rolled_back=result.rolled_back,
        duration=result.duration,
        error=result.error,
        tasks=tasks,
    )
