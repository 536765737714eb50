"""Dead letters whose work or store cancels itself, and stores that take longer than the caller's deadline."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine import DeadLetterPolicy, RetryPolicy, StoreTimeout, StoreUnavailable
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
async def test_a_route_without_a_deadline_waits_no_longer_than_the_commit_timeout(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = world(DeadLetterPolicy(automatic_retry=False, commit_timeout=3))
    letters = engine.dead_letters
    assert letters is not None
    letters.store = SlowStore()
    route = await engine.execute_with_fallback("task")
    assert (now(), route.dead_letter, letters.being_stored, letters.unacknowledged) == (3, None, 1, 1)
    assert route.why.endswith("its dead letter is still being stored")
    assert f"The dead letter of task {route.task} is not stored within 3 s" in caplog.text
    await asyncio.sleep(10)
    assert [letter.task for letter in await letters.find()] == [route.task]


@virtual
async def test_enqueuing_takes_no_longer_than_the_commit_timeout_and_the_letter_is_kept() -> None:
    engine = world(DeadLetterPolicy(automatic_retry=False, commit_timeout=3))
    letters = engine.dead_letters
    assert letters is not None
    letters.store = SlowStore()
    with pytest.raises(StoreTimeout, match="not stored within 3 s; storing continues"):
        await letters.enqueue("task", error="down")
    assert now() == 3
    await asyncio.sleep(10)
    assert len(await letters.find()) == 1


@pytest.mark.parametrize("fail_closed", [True, False])
@virtual
async def test_letters_that_wait_for_a_store_are_limited_in_number(fail_closed: bool) -> None:
    engine = world(DeadLetterPolicy(automatic_retry=False, commit_timeout=3, capacity=2, fail_closed=fail_closed))
    letters = engine.dead_letters
    assert letters is not None
    letters.store = SlowStore()
    for _ in range(2):
        await engine.execute_with_fallback("task", deadline=0.5)
    third = await engine.execute_with_fallback("task", deadline=0.5)
    if fail_closed:
        assert third.why.endswith("no dead letter: 2 dead letters wait to be stored already")
    else:
        assert third.dead_letter == -1
    await asyncio.sleep(10)
    await engine.close()


class StalledStore(MemoryDeadLetters):
    """A store that stops answering when `stalled` is set; what it had been asked to do is never done."""

    stalled = False

    async def _answer(self) -> None:
        if self.stalled:
            await asyncio.Event().wait()

    async def settle(self, *args: Any) -> Any:
        await self._answer()
        return await super().settle(*args)

    async def claim_due(self, *args: Any) -> Any:
        await self._answer()
        return await super().claim_due(*args)


async def retrying(engine: World) -> tuple[StalledStore, asyncio.Event]:
    """Let a letter be retried by an adapter that does not end, then stall the store."""
    started = asyncio.Event()

    async def hangs(task: Any) -> None:
        started.set()
        await asyncio.sleep(1e6)

    engine.add_adapter("hangs", hangs)
    assert engine.dead_letters is not None
    store = engine.dead_letters.store = StalledStore()
    return store, started


@virtual
async def test_closing_does_not_wait_for_ever_to_release_an_interrupted_retry(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = World(retry=RetryPolicy(max_attempts=1, attempt_timeout=None), dead_letters=DeadLetterPolicy())
    store, started = await retrying(engine)
    await engine.dead_letters.enqueue("task", error="down", order=("hangs",))  # type: ignore[union-attr]
    await started.wait()
    store.stalled, began = True, now()
    await engine.close()
    assert now() - began == 5
    assert "retries are released when their leases expire" in caplog.text


@virtual
async def test_closing_ends_a_retry_by_hand_whose_store_does_not_answer() -> None:
    policy = DeadLetterPolicy(automatic_retry=False)
    engine = World(retry=RetryPolicy(max_attempts=1, attempt_timeout=None), dead_letters=policy)
    letters = engine.dead_letters
    assert letters is not None
    store, started = await retrying(engine)
    id = await letters.enqueue("task", error="down", order=("hangs",))
    by_hand = asyncio.create_task(letters.retry(id))
    await started.wait()
    store.stalled, began = True, now()
    await engine.close()
    assert now() - began == 5
    with pytest.raises(StoreUnavailable, match="did not answer before the engine was closed"):
        await by_hand


@virtual
async def test_closing_does_not_wait_for_ever_for_a_claim() -> None:
    engine = World(retry=ONCE, dead_letters=DeadLetterPolicy(poll=1))
    letters = engine.dead_letters
    assert letters is not None
    store = letters.store = StalledStore()
    store.shared = True
    await letters.enqueue("task", error="down", category="permanent")
    await asyncio.sleep(0.5)
    store.stalled = True
    await asyncio.sleep(1)
    await engine.close()
    assert now() == 6.5


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
