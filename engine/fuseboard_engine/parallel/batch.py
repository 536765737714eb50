"""A batch: many tasks of which enough must succeed. Too few: roll back, and try again."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from fuseboard_engine.errors import describe
from fuseboard_engine.events import BatchFinished
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.gates import ShuttingDown
from fuseboard_engine.routing.route import KEPT_BACK, ActiveRoute, RouteResult

if TYPE_CHECKING:
    from fuseboard_engine.dead_letters.queue import DeadLetters
    from fuseboard_engine.engine import Engine

Again = Literal["failed", "all"]
Rollback = Callable[["BatchResult"], Awaitable[None] | None]


class BatchResult(msgspec.Struct, kw_only=True):
    """What became of a batch.

    `parts` are the routes of the last round that had each task, in the order the tasks came. `accepted`: at least
    `min_success_rate` of them succeeded. A degraded part is no success. `rounds` counts how often tasks were sent out,
    `rolled_back` how often the hook was called.
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
        """The parts that an adapter did."""
        return [part for part in self.parts if part.success]

    @property
    def failed(self) -> list[RouteResult]:
        """The parts that nobody did, not even a fallback."""
        return [part for part in self.parts if not part.success and not part.degraded]

    @property
    def degraded(self) -> list[RouteResult]:
        """The parts that a fallback answered."""
        return [part for part in self.parts if part.degraded]

    @property
    def refused(self) -> list[RouteResult]:
        """The parts that came too late: the engine was shutting down. They are no dead letters."""
        return [part for part in self.failed if isinstance(part.exception, ShuttingDown)]

    @property
    def dead_letters(self) -> list[int]:
        """The numbers of the dead letters that failed parts became."""
        return [part.dead_letter for part in self.parts if part.dead_letter is not None]

    @property
    def success_rate(self) -> float:
        """Share of parts that succeeded, 0..1; 1.0 of no parts at all."""
        return success_rate(self.parts)

    @property
    def accepted(self) -> bool:
        """Whether enough parts succeeded to go on."""
        return enough(self.parts, self.min_success_rate)

    @property
    def results(self) -> list[Any]:
        """What each part brought, in the order of the tasks; None where nobody answered."""
        return [part.result for part in self.parts]


def success_rate(parts: Sequence[RouteResult]) -> float:
    """Return the share of parts that succeeded, 0..1; 1.0 of no parts at all."""
    return sum(part.success for part in parts) / len(parts) if parts else 1.0


def enough(parts: Sequence[RouteResult], rate: float) -> bool:
    """Say whether at least this share of the parts succeeded. Counted in whole parts, so that no rounding decides."""
    return sum(part.success for part in parts) >= math.ceil(rate * len(parts) - 1e-9)


async def execute_batch(
    engine: Engine,
    tasks: Iterable[Any],
    *,
    min_success_rate: float = 0.5,
    rollback: Rollback | None = None,
    retries: int = 1,
    again: Again | None = None,
    max_concurrent: int = 10,
    name: str = "batch",
    preference_order: Iterable[str] | None = None,
    deadline: float | None = None,
    retry: RetryPolicy | None = None,
) -> BatchResult:
    """Route many tasks and go on when enough of them succeeded; too few are rolled back and tried again.

    Args:
        engine: whose adapters do it.
        tasks: as `execute_with_fallback` takes them.
        min_success_rate: the share, 0..1, that must succeed, and is enough.
        rollback: called with the result so far whenever too few succeeded; undoes what was done. If it raises, nothing
            is tried again.
        retries: how many more rounds there may be.
        again: what another round sends out: `failed`, or `all`. Default: all after a rollback, as the successes were
            undone too; without one, what failed.
        max_concurrent: tasks under way at a time.
        name: the batch's, as events tell it.
        preference_order: the chain of each task; default: that of its type.
        deadline: seconds for each task.
        retry: replaces each adapter's own retry policy.

    Returns:
        The result, part by part. No failure of an adapter raises. What nobody did in the last round becomes a dead
        letter where the engine keeps any; what is tried again does not.

    Raises:
        ValueError: a number is out of range.
    """
    if not 0 <= min_success_rate <= 1:
        raise ValueError(f"min_success_rate is a share from 0 to 1, not {min_success_rate!r}")
    if max_concurrent < 1 or retries < 0:
        raise ValueError("max_concurrent has to be at least 1, and retries at least 0")
    all_tasks = list(tasks)
    order = None if preference_order is None else tuple(preference_order)

    async def route(task: Any) -> RouteResult:
        KEPT_BACK.set(task)  # it may be tried again; what fails for good is put aside at the end
        return await engine.execute_with_fallback(task, order, deadline=deadline, retry=retry)

    begun = engine.clock()
    parts = await _round(list(enumerate(all_tasks)), route, max_concurrent)
    result = BatchResult(batch=name, parts=_in_order(parts), min_success_rate=min_success_rate)
    while not result.accepted:
        if rollback is not None:
            result.rolled_back += 1
            try:
                outcome = rollback(result)
                if inspect.isawaitable(outcome):
                    await outcome
            except Exception as error:
                # Nobody knows what was undone: trying again might do things twice.
                result.error = f"the rollback failed: {describe(error)}"
                break
        if result.rounds > retries or result.refused:
            break
        everything = again == "all" or (again is None and rollback is not None)
        left = [(n, task) for n, task in enumerate(all_tasks) if everything or not parts[n].success]
        parts.update(await _round(left, route, max_concurrent))
        result.parts, result.rounds = _in_order(parts), result.rounds + 1
    if engine.dead_letters is not None:
        for task, part in zip(all_tasks, result.parts, strict=True):
            if not part.success and not part.degraded:
                part.dead_letter = await _put_aside(engine.dead_letters, task, part, order or (), deadline)
    result.duration = engine.clock() - begun
    if result.refused:
        late = f"{len(result.refused)} of {len(result.parts)} tasks were refused, and are no dead letters"
        result.error = "; ".join(filter(None, [result.error, f"shutting down: {late}; give them again"]))
    elif not result.accepted and not result.error:
        result.error = f"{len(result.succeeded)} of {len(result.parts)} succeeded, {min_success_rate:.0%} are needed"
    engine.emit(_event(engine.wall(), result))
    return result


async def _round(
    numbered: Sequence[tuple[int, Any]], route: Callable[[Any], Awaitable[RouteResult]], max_concurrent: int
) -> dict[int, RouteResult]:
    """Send tasks out, so many at a time, and return the route of each by its number."""
    tasks = iter(numbered)
    done: dict[int, RouteResult] = {}

    async def work() -> None:
        for number, task in tasks:  # all workers take from the one iterator
            done[number] = await route(task)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(max_concurrent, len(numbered))):
            group.create_task(work())
    return done


async def _put_aside(
    letters: DeadLetters, task: Any, part: RouteResult, order: tuple[str, ...], deadline: float | None
) -> int | None:
    """Make a part that nobody did a dead letter, as the router would have, and return its number."""
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
    await letters.on_chain_exhausted(route)
    return route.dead_letter


def _in_order(parts: dict[int, RouteResult]) -> tuple[RouteResult, ...]:
    return tuple(parts[number] for number in range(len(parts)))


def _event(at: int, result: BatchResult) -> BatchFinished:
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
    )
