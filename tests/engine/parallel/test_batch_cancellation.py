"""A batch loses no part, whatever ends the work on it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine import Engine, RetryPolicy
from fuseboard_engine.routing.gates import InFlightTasks
from support.engine_world import World, virtual

ONCE = RetryPolicy(max_attempts=1)


def world(calls: dict[int, Any]) -> World:
    """Return an engine whose adapter raises, or calls, what is given for a number, and returns any other number."""
    engine = World(retry=ONCE)

    async def service(task: Any) -> Any:
        await asyncio.sleep(1)
        step = calls.get(task)
        if isinstance(step, BaseException):
            raise step
        if step is not None:
            await step()
        return task

    engine.add_adapter("service", service)
    return engine


@pytest.mark.parametrize("max_concurrent", [1, 2, 10])
@virtual
async def test_a_part_that_cancels_itself_is_one_failed_part(max_concurrent: int) -> None:
    engine = world({2: asyncio.CancelledError(), 3: asyncio.CancelledError()})
    batch = await engine.execute_batch(range(1, 7), max_concurrent=max_concurrent, retries=0)
    assert batch.results == [1, None, None, 4, 5, 6]
    assert (batch.accepted, len(batch.failed)) == (True, 2)


@pytest.mark.parametrize("max_concurrent", [1, 2, 10])
@virtual
async def test_a_shutdown_that_cancels_a_part_refuses_it_and_what_had_not_begun(max_concurrent: int) -> None:
    async def hang() -> None:
        await asyncio.sleep(1e6)

    engine = world({1: hang})
    engine.router.attempts.running = InFlightTasks()
    running = asyncio.create_task(
        engine.execute_batch(range(1, 5), max_concurrent=max_concurrent, min_success_rate=0.5)
    )
    await asyncio.sleep(1.5)
    await engine.shutdown(grace=3)
    batch = await running
    assert len(batch.parts) == 4
    assert batch.parts[0] in batch.refused
    assert len(batch.refused) + len(batch.succeeded) == 4
    assert running.cancelling() == 0


@virtual
async def test_an_error_of_the_engine_itself_is_one_failed_part() -> None:
    class Overridden(Engine):
        async def execute_with_fallback(self, task: Any, *args: Any, **options: Any) -> Any:
            if task == 2:
                raise OSError("the disk is gone")
            if task == 3:
                raise asyncio.CancelledError
            return await super().execute_with_fallback(task, *args, **options)

    engine = Overridden(retry=ONCE)

    async def echo(task: Any) -> Any:
        return task

    engine.add_adapter("service", echo)
    batch = await engine.execute_batch([1, 2, 3, 4], retries=0)
    assert batch.results == [1, None, None, 4]
    assert [type(part.exception).__name__ for part in batch.failed] == ["OSError", "AdapterCancelled"]


@virtual
async def test_a_caller_that_is_cancelled_gets_the_cancellation_when_all_calls_have_ended() -> None:
    ended: list[int] = []

    async def tidy() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            await asyncio.sleep(1)
            ended.append(1)

    engine = world({1: tidy, 2: tidy})
    running = asyncio.create_task(engine.execute_batch([1, 2, 3, 4], max_concurrent=2))
    await asyncio.sleep(2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == [1, 1]


@virtual
async def test_a_rollback_that_cancels_itself_has_failed() -> None:
    async def undo(result: Any) -> None:
        raise asyncio.CancelledError("the session was closed")

    engine = world({1: ConnectionError("down")})
    batch = await engine.execute_batch([1], rollback=undo)
    assert batch.error.startswith("the rollback failed: CancelledError")
    assert batch.rounds == 1
