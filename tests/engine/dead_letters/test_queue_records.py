"""What letters, refusals and changes record, in full; stores that are detached; retries by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine.dead_letters.letter import (
    LetterBusy,
    LetterRefused,
    StoreTimeout,
    StoreUnavailable,
    UnknownLetter,
)
from fuseboard_engine.dead_letters.memory_store import MemoryDeadLetters
from fuseboard_engine.events import DeadLetterChanged, DeadLettered, DeadLetterRefused
from fuseboard_engine.virtual_time import VirtualTimeLoop
from support.dead_letter_world import BY_HAND, DOWN, emitted_by, letter_of, world
from support.engine_world import HOUR, HttpError, virtual


@virtual
async def test_an_enqueued_letter_holds_all_that_it_was_given_and_its_event_too() -> None:
    engine, queue = world(max_retries=7)
    await asyncio.sleep(5)
    now = engine.wall()
    task = {"id": "t1", "task_type": "ai", "x": 1}
    id = await queue.enqueue(
        task, error=HttpError(401, "no such key"), adapter="gpt", attempts=4, order=["gpt", "mistral"], deadline=30
    )
    kept = await letter_of(queue, id)
    assert (kept.engine, kept.task, kept.task_type, kept.form) == ("world", "t1", "ai", "mapping")
    assert (kept.category, kept.rule, kept.error_type, kept.error) == (
        "permission",
        "credentials",
        "HttpError",
        "no such key",
    )
    assert (kept.adapter, kept.attempts, kept.order, kept.deadline) == ("gpt", 4, ("gpt", "mistral"), 30)
    assert (kept.created_at, kept.due_at, kept.max_retries) == (now, None, 7)
    (event,) = emitted_by(engine, DeadLettered)
    assert event == DeadLettered(
        at=now, letter=id, task="t1", task_type="ai", category="permission", error_type="HttpError",
        error="no such key",
    )  # fmt: skip
    await queue.stop()


@virtual
async def test_a_letter_that_is_retried_automatically_says_when_in_its_event() -> None:
    engine, queue = world(first_retry="scheduled")
    await asyncio.sleep(5)
    await queue.enqueue({"x": 1}, error=DOWN)
    (event,) = emitted_by(engine, DeadLettered)
    assert event.due_at == engine.wall() + 60_000_000
    await queue.stop()


@virtual
async def test_a_refused_letter_is_reported_with_its_task_its_type_and_the_reason() -> None:
    engine, queue = world(strategy="disabled")
    await asyncio.sleep(5)
    with pytest.raises(LetterRefused):
        await queue.enqueue({"id": "t1", "task_type": "ai"})
    reason = "this engine's policy keeps no dead letters: its strategy is `disabled`"
    assert emitted_by(engine, DeadLetterRefused) == [
        DeadLetterRefused(at=engine.wall(), task="t1", task_type="ai", reason=reason)
    ]


@virtual
async def test_a_letter_that_the_store_refuses_is_reported_with_its_task_and_its_type() -> None:
    engine, queue = world(capacity=1, when_full="reject", **BY_HAND)
    await queue.enqueue({"id": "t1", "task_type": "ai"})
    with pytest.raises(LetterRefused):
        await queue.enqueue({"id": "t2", "task_type": "web"})
    (event,) = emitted_by(engine, DeadLetterRefused)
    assert (event.task, event.task_type, "full" in event.reason) == ("t2", "web", True)


@virtual
async def test_each_change_by_hand_is_reported_with_every_field() -> None:
    engine, queue = world(**BY_HAND)
    await asyncio.sleep(5)
    ids = tuple([await queue.enqueue({"x": number}) for number in range(3)])
    at = engine.wall()
    assert await queue.archive(ids[0], actor="ann") == 1
    assert await queue.unarchive(ids[0], actor="ben") == 1
    assert await queue.discard([ids[0], ids[1]], actor="cat") == 2
    assert await queue.purge(ids[0], actor="dan") == 1
    assert emitted_by(engine, DeadLetterChanged) == [
        DeadLetterChanged(
            at=at, letters=ids[:1], before="pending", status="archived", actor="ann", detail="archived by hand"
        ),
        DeadLetterChanged(
            at=at, letters=ids[:1], before="archived", status="pending", actor="ben", detail="unarchived by hand"
        ),
        DeadLetterChanged(
            at=at, letters=ids[:2], before="pending", status="discarded", actor="cat", detail="discarded by hand"
        ),
        DeadLetterChanged(
            at=at, letters=ids[:1], before="discarded", status="purged", actor="dan", detail="purged by hand"
        ),
    ]
    assert [letter.id for letter in await queue.find()] == [ids[2], ids[1]]
    assert await queue.purge() == 2
    await queue.stop()


@virtual
async def test_an_evicted_letter_is_reported_before_the_one_that_takes_its_place() -> None:
    engine, queue = world(capacity=1, **BY_HAND)
    first = await queue.enqueue({"x": 1})
    await queue.archive(first)
    second = await queue.enqueue({"x": 2})
    changed = emitted_by(engine, DeadLetterChanged)[-1]
    assert (changed.letters, changed.before, changed.status) == ((first,), "archived", "evicted")
    assert changed.detail == "evicted for a new one"
    assert engine.emitted.index(changed) < engine.emitted.index(emitted_by(engine, DeadLettered)[-1])
    assert [letter.id for letter in await queue.find()] == [second]
    await queue.stop()


@pytest.mark.parametrize(("given", "named"), [("ann", "ann"), ("", "application")])
@virtual
async def test_a_retry_by_hand_names_who_asked_for_it(given: str, named: str) -> None:
    engine, queue = world(**BY_HAND)
    engine.script("a", DOWN, "fine")
    route = await engine.execute_with_fallback({"x": 1})
    assert route.dead_letter is not None
    assert (await queue.retry(route.dead_letter, actor=given)).success
    kept = await letter_of(queue, route.dead_letter)
    assert (kept.status, kept.actor) == ("succeeded", named)
    await queue.stop()


@virtual
async def test_a_letter_that_cannot_be_retried_says_why() -> None:
    _, queue = world(**BY_HAND)
    id = await queue.enqueue({"x": 1})
    await queue.archive(id)
    with pytest.raises(LetterBusy, match=f"^dead letter {id} is archived; unarchive it first$"):
        await queue.retry(id)
    await queue.discard(id)
    with pytest.raises(LetterBusy, match=f"^dead letter {id} is discarded$"):
        await queue.retry(id)
    with pytest.raises(UnknownLetter):
        await queue.retry(id + 1)
    engine_of_another, other = world(**BY_HAND)
    other.engine = "other"
    other.store = queue.store
    foreign = await queue.enqueue({"x": 2})
    with pytest.raises(LetterBusy, match=f"^dead letter {foreign} belongs to the engine world; that one retries it$"):
        await other.retry(foreign)
    assert engine_of_another.emitted == []


@virtual
async def test_letters_are_refused_once_their_store_is_detached() -> None:
    _, queue = world(**BY_HAND)
    store = MemoryDeadLetters()
    queue.attach_store(store)
    queue.detach_store(MemoryDeadLetters())  # another one, which it does not use
    assert await queue.enqueue({"x": 1}) == 1
    queue.detach_store(store)
    with pytest.raises(LetterRefused, match="is closed"):
        await queue.enqueue({"x": 2})
    assert len(store) == 1
    await queue.stop()


class Store(MemoryDeadLetters):
    """A store that can be made unavailable."""

    down = False

    async def add(self, *args: Any) -> Any:
        if self.down:
            raise StoreUnavailable("the disk is full")
        return await super().add(*args)


@virtual
async def test_letters_in_memory_come_first_and_the_limit_holds_for_both_stores() -> None:
    _, queue = world(fail_closed=False, **BY_HAND)
    store = Store()
    queue.attach_store(store)
    stored = [await queue.enqueue({"x": number}) for number in range(3)]
    store.down = True
    in_memory = [await queue.enqueue({"x": number}) for number in range(2)]
    assert stored == [1, 2, 3] and all(id < 0 for id in in_memory)
    found = [letter.id for letter in await queue.find()]
    assert found == [*reversed(in_memory), *reversed(stored)]
    for limit in range(1, 6):
        assert [letter.id for letter in await queue.find(limit=limit)] == found[:limit]
    figures = await queue.statistics()
    assert (figures.size, figures.by_status["pending"], figures.by_category["transient"]) == (5, 5, 5)
    assert figures.totals["enqueued"] == 5
    await queue.stop()


@virtual
async def test_a_task_kept_while_another_adapter_still_hangs_makes_one_letter() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("a", DOWN)
    engine.script("b", HOUR)
    result = await engine.execute_parallel("task", ["a", "b"], strategy="best_effort", timeout=2)
    assert not result.success
    assert len(await queue.find()) == 1


@virtual
async def test_letters_in_memory_are_retried_with_the_others() -> None:
    engine, queue = world(fail_closed=False, **BY_HAND)
    engine.script("a", "fine")
    store = Store()
    queue.attach_store(store)
    stored = await queue.enqueue({"x": 1})
    store.down = True
    in_memory = await queue.enqueue({"x": 2})
    retried = await queue.retry_many(actor="ann")
    assert [(result.id, result.success) for result in retried] == [(in_memory, True), (stored, True)]
    await queue.stop()


@virtual
async def test_a_letter_that_is_stored_just_as_the_time_runs_out_is_acknowledged() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)

    class JustInTime(MemoryDeadLetters):
        async def add(self, *args: Any) -> Any:
            await asyncio.sleep(2)
            loop.advance(1)  # the time runs out in the pass of the loop in which the letter is acknowledged
            return await super().add(*args)

    _, queue = world(commit_timeout=3, **BY_HAND)
    queue.store = JustInTime()
    errors: list[Any] = []
    loop.set_exception_handler(lambda loop, context: errors.append(context))
    assert await queue.enqueue({"x": 1}) == 1
    await asyncio.sleep(1)
    assert (errors, queue.unacknowledged) == ([], 0)
    queue.policy = queue.policy.model_copy(update={"commit_timeout": 2.5})
    with pytest.raises(StoreTimeout, match=r"not stored within 2\.5 s"):
        queue.store = SlowStore()
        await queue.enqueue({"x": 2})
    assert queue.unacknowledged == 1
    await asyncio.sleep(5)


class SlowStore(MemoryDeadLetters):
    async def add(self, *args: Any) -> Any:
        await asyncio.sleep(3)
        return await super().add(*args)
