"""Dead letters whose work or store cancels itself, and stores that take longer than the caller's deadline."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine import DeadLetterPolicy, RetryPolicy
from fuseboard_engine.dead_letters.memory_store import MemoryDeadLetters
from support.engine_world import World, now, virtual

ONCE = RetryPolicy(max_attempts=1)


class SlowStore(MemoryDeadLetters):
    """A store that takes ten seconds to add a letter, and then raises `error` if one is set."""

    error: BaseException | None = None

    async def add(self, *args: Any) -> Any:
        await asyncio.sleep(10)
        if self.error is not None:
            raise self.error
        return await super().add(*args)


def world(policy: DeadLetterPolicy) -> World:
    engine = World(retry=ONCE, dead_letters=policy)
    engine.script("down", ConnectionError("down"))
    return engine


@virtual
async def test_a_deadline_does_not_wait_for_the_dead_letter_but_it_is_stored() -> None:
    engine = world(DeadLetterPolicy(automatic_retry=False))
    letters = engine.dead_letters
    assert letters is not None
    letters.store = SlowStore()
    route = await engine.execute_with_fallback("task", deadline=2)
    assert (now(), route.dead_letter, letters.being_stored) == (2, None, 1)
    assert route.why.endswith("its dead letter is still being stored")
    await asyncio.sleep(10)
    assert [letter.task for letter in await letters.find()] == [route.task]
    assert letters.being_stored == 0


@virtual
async def test_without_a_deadline_the_caller_waits_for_the_letter() -> None:
    engine = world(DeadLetterPolicy(automatic_retry=False))
    assert engine.dead_letters is not None
    engine.dead_letters.store = SlowStore()
    route = await engine.execute_with_fallback("task")
    assert (now(), route.dead_letter) == (10, 1)


@virtual
async def test_the_timeout_of_a_fan_out_does_not_wait_for_the_dead_letter() -> None:
    engine = world(DeadLetterPolicy(automatic_retry=False))
    assert engine.dead_letters is not None
    engine.dead_letters.store = SlowStore()
    result = await engine.execute_parallel("task", timeout=3)
    assert (now(), result.success, result.dead_letter) == (3, False, None)
    await asyncio.sleep(10)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), OSError("stale file handle")])
@virtual
async def test_a_store_that_cancels_itself_or_fails_leaves_the_letter_in_memory(error: BaseException) -> None:
    engine = world(DeadLetterPolicy(automatic_retry=False, fail_closed=False))
    letters = engine.dead_letters
    assert letters is not None
    store = letters.store = SlowStore()
    store.error = error
    route = await engine.execute_with_fallback("task")
    assert (route.success, route.dead_letter) == (False, -1)
    store.error = None
    await engine.close()


@virtual
async def test_stopping_does_not_wait_for_ever_for_a_letter(caplog: pytest.LogCaptureFixture) -> None:
    engine = world(DeadLetterPolicy(automatic_retry=False))
    assert engine.dead_letters is not None
    engine.dead_letters.store = SlowStore()
    await engine.execute_with_fallback("task", deadline=1)
    await engine.dead_letters.stop()
    assert now() == 6
    assert "1 dead letter could not be stored within 5 s" in caplog.text
    await asyncio.sleep(10)


@virtual
async def test_work_that_cancels_itself_is_a_failed_retry_with_its_schedule() -> None:
    engine = World(retry=ONCE, dead_letters=DeadLetterPolicy(max_retries=3))
    letters = engine.dead_letters
    assert letters is not None
    calls: list[float] = []

    async def route(task: Any, *args: Any, **options: Any) -> Any:
        calls.append(now())
        raise asyncio.CancelledError("the pool was closed")

    letters._route = route
    poisoned = await letters.enqueue("task", error="down", category="network")
    other = await letters.enqueue("other", error="down", category="network")
    await asyncio.sleep(1e6)
    assert len(calls) == 6
    for id in (poisoned, other):
        letter = await letters.get(id)
        assert letter is not None
        assert (letter.status, letter.retries) == ("exhausted", 3)
    await letters.stop()


@virtual
async def test_the_clean_up_of_a_cancelled_caller_can_retry_a_letter() -> None:
    engine = world(DeadLetterPolicy(automatic_retry=False))
    engine.script("up", "done")
    letters = engine.dead_letters
    assert letters is not None
    id = await letters.enqueue("task", error="down", order=("up",))
    outcomes: list[str] = []

    async def caller() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            outcomes.append((await letters.retry(id)).outcome)

    task = asyncio.create_task(caller())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait({task})
    assert outcomes == ["succeeded"]
