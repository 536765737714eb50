"""The rules of dead letters: at least once, under a lease, and never lost after they were acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
import pytest

from fuseboard_engine.dead_letters.letter import (
    Capacity,
    DeadLetter,
    LetterChain,
    LetterSelection,
    NewLetter,
    QueueFull,
    RetryOutcome,
    Status,
)
from fuseboard_engine.dead_letters.store import DeadLetterStore, pages
from fuseboard_storage.backend.conformance.harness import SECOND, StoreHarness, in_loop

LEASE: Final = 3.0
"""Seconds of a lease in these rules: long enough for the steps of a rule."""

ROOM: Final = Capacity(100, evict=True)


class DeadLetterConformance:
    """What an engine and an operator rely on for dead letters."""

    @in_loop
    async def test_a_letter_comes_back_with_every_field(self, harness: StoreHarness) -> None:
        new = _letter(
            harness,
            "t1",
            payload='{"why": "\u00e4 \U0001f600"}',
            order=("a", "b"),
            deadline=2.5,
            context={"user": "ann"},
        )
        async with _letters(harness) as letters:
            id_, evicted = await letters.add(new, ROOM)
        async with _letters(harness) as letters:
            found = await letters.get(id_, harness.now())
            assert found is not None
            assert (found.id, found.status, evicted) == (id_, "pending", ())
            assert {name: getattr(found, name) for name in new.__struct_fields__} == msgspec.structs.asdict(new)
            assert await letters.get(id_ + 1, harness.now()) is None

    @in_loop
    async def test_an_acknowledged_letter_outlives_its_process(self, harness: StoreHarness) -> None:
        harness.die(_add_one)
        async with _letters(harness) as letters:
            assert [letter.task for letter in await _found(letters, harness)] == ["of the dead"]

    @in_loop
    async def test_one_of_many_workers_gets_a_letter(self, harness: StoreHarness) -> None:
        async with _letters(harness) as one, _letters(harness) as two:
            for number in range(8):
                await one.add(_letter(harness, f"t{number}"), ROOM)
            claims = [
                store.claim_due("checkout", f"c{number}", harness.now(), _until(harness))
                for number, store in enumerate([one, two] * 10)
            ]
            claimed = [letter.id for letter in await asyncio.gather(*claims) if letter is not None]
        assert len(claimed) == len(set(claimed)) == 8

    @in_loop
    async def test_a_claimed_letter_is_held_until_its_lease_ends(self, harness: StoreHarness) -> None:
        async with _letters(harness) as letters:
            id_, _ = await letters.add(_letter(harness), ROOM)
            held = await _claim_due(letters, harness, "one")
            assert held is not None
            assert (held.status, held.claim) == ("retrying", "one")
            assert await _claim_due(letters, harness, "two") is None
            assert await letters.claim(id_, "checkout", "three", harness.now(), _until(harness)) is None
            harness.advance(LEASE + 0.5)
            assert await _status(letters, harness, id_) == "pending"
            again = await _claim_due(letters, harness, "four")
            assert again is not None and again.id == id_

    @in_loop
    async def test_a_letter_of_a_killed_worker_is_retried(self, harness: StoreHarness) -> None:
        async with _letters(harness) as letters:
            id_, _ = await letters.add(_letter(harness), ROOM)
            harness.die(functools.partial(_claim_one, id_=id_))
            harness.advance(LEASE + 0.5)
            again = await _claim_due(letters, harness, "another")
            assert again is not None and again.id == id_

    @in_loop
    async def test_a_worker_whose_lease_ended_changes_nothing(self, harness: StoreHarness) -> None:
        async with _letters(harness) as letters:
            id_, _ = await letters.add(_letter(harness), ROOM)
            await _claim_due(letters, harness, "late")
            harness.advance(LEASE + 0.5)
            await _claim_due(letters, harness, "next")
            assert not await letters.renew(id_, "late", _until(harness))
            assert not await letters.settle(id_, "late", _settled("succeeded"), harness.now())
            assert await _status(letters, harness, id_) == "retrying"
            assert await letters.settle(id_, "next", _settled("succeeded"), harness.now())

    @in_loop
    async def test_a_renewed_lease_lasts_longer(self, harness: StoreHarness) -> None:
        async with _letters(harness) as letters:
            id_, _ = await letters.add(_letter(harness), ROOM)
            await _claim_due(letters, harness, "one")
            assert await letters.renew(id_, "one", _until(harness) + int(LEASE * SECOND))
            harness.advance(LEASE + 0.5)
            assert await _claim_due(letters, harness, "two") is None
            assert await letters.settle(id_, "one", _settled("succeeded"), harness.now())

    @in_loop
    async def test_a_letter_that_succeeded_is_never_claimed_again(self, harness: StoreHarness) -> None:
        async with _letters(harness) as letters:
            id_, _ = await letters.add(_letter(harness), ROOM)
            await _claim_due(letters, harness, "one")
            assert await letters.settle(id_, "one", _settled("succeeded"), harness.now())
            assert not await letters.settle(id_, "one", _settled("pending", harness.now()), harness.now())
            harness.advance(LEASE + 0.5)
            assert await _claim_due(letters, harness, "two") is None
            assert await letters.claim(id_, "checkout", "three", harness.now(), _until(harness)) is None
            assert await _status(letters, harness, id_) == "succeeded"

    @in_loop
    async def test_a_failed_retry_waits_until_it_is_due(self, harness: StoreHarness) -> None:
        async with _letters(harness) as letters:
            id_, _ = await letters.add(_letter(harness), ROOM)
            await _claim_due(letters, harness, "one")
            due = harness.now() + 2 * SECOND
            assert await letters.settle(id_, "one", _settled("pending", due, retries=1), harness.now())
            assert await _claim_due(letters, harness, "two") is None
            assert await letters.next_due("checkout", harness.now()) == due
            harness.advance(2.5)
            again = await _claim_due(letters, harness, "three")
            assert again is not None and again.retries == 1

    @in_loop
    async def test_an_engine_gets_only_its_own_letters(self, harness: StoreHarness) -> None:
        async with _letters(harness) as letters:
            id_, _ = await letters.add(_letter(harness, engine="billing"), ROOM)
            assert await _claim_due(letters, harness, "one") is None
            assert await letters.claim(id_, "checkout", "two", harness.now(), _until(harness)) is None
            assert await letters.next_due("checkout", harness.now()) is None
            assert await letters.claim_due("billing", "three", harness.now(), _until(harness)) is not None

    @in_loop
    async def test_the_letter_that_is_due_longest_comes_first(self, harness: StoreHarness) -> None:
        now = harness.now()
        async with _letters(harness) as letters:
            for task, ago in (("second", 20), ("first", 30), ("third", 10), ("never", -600)):
                await letters.add(_letter(harness, task, due_at=now - ago * SECOND), ROOM)
            await letters.add(_letter(harness, "by hand", due_at=None), ROOM)
            claimed = [await _claim_due(letters, harness, f"c{number}") for number in range(4)]
        assert [letter and letter.task for letter in claimed] == ["first", "second", "third", None]

    @in_loop
    async def test_letters_of_excluded_chains_wait(self, harness: StoreHarness) -> None:
        async with _letters(harness) as letters:
            await letters.add(_letter(harness, "down", order=("agno",)), ROOM)
            await letters.add(_letter(harness, "up", order=("prefect",)), ROOM)
            chains = await letters.chains_due("checkout", harness.now())
            assert set(chains) == {LetterChain(("agno",), "ai"), LetterChain(("prefect",), "ai")}
            excluded = [LetterChain(("agno",), "ai")]
            found = await letters.claim_due("checkout", "one", harness.now(), _until(harness), excluded)
            assert found is not None and found.task == "up"
            assert await letters.claim_due("checkout", "two", harness.now(), _until(harness), excluded) is None

    @in_loop
    async def test_an_exhausted_letter_is_claimed_only_by_its_id(self, harness: StoreHarness) -> None:
        async with _letters(harness) as letters:
            id_, _ = await letters.add(_letter(harness), ROOM)
            await _claim_due(letters, harness, "one")
            assert await letters.settle(id_, "one", _settled("exhausted"), harness.now())
            assert await _claim_due(letters, harness, "two") is None
            found = await letters.claim(id_, "checkout", "three", harness.now(), _until(harness))
            assert found is not None and found.was == "exhausted"

    @in_loop
    async def test_a_full_queue_refuses_a_letter_rather_than_losing_one(self, harness: StoreHarness) -> None:
        async with _letters(harness) as letters:
            small = Capacity(3, evict=True)
            ids = [(await letters.add(_letter(harness, f"t{number}"), small))[0] for number in range(3)]
            with pytest.raises(QueueFull):
                await letters.add(_letter(harness, "refused"), small)
            await letters.claim(ids[1], "checkout", "one", harness.now(), _until(harness))
            await letters.settle(ids[1], "one", _settled("succeeded"), harness.now())
            with pytest.raises(QueueFull):
                await letters.add(_letter(harness, "refused"), Capacity(3, evict=False))
            _, evicted = await letters.add(_letter(harness, "kept"), small)
            assert [(change.ids, change.before, change.after) for change in evicted] == [((ids[1],), "succeeded", "")]
            assert [letter.task for letter in await _found(letters, harness)] == ["kept", "t2", "t0"]

    @in_loop
    async def test_an_id_is_never_used_again(self, harness: StoreHarness) -> None:
        async with _letters(harness) as letters:
            first, _ = await letters.add(_letter(harness, "one"), ROOM)
            await letters.purge(LetterSelection(ids=(first,)), harness.now(), "ann")
            second, _ = await letters.add(_letter(harness, "two"), ROOM)
        assert second > first

    @in_loop
    async def test_an_operator_changes_no_letter_that_is_being_retried(self, harness: StoreHarness) -> None:
        async with _letters(harness) as letters:
            busy, _ = await letters.add(_letter(harness, "busy"), ROOM)
            await _claim_due(letters, harness, "one")
            idle, _ = await letters.add(_letter(harness, "idle"), ROOM)
            both = LetterSelection(ids=(busy, idle))
            archived = await letters.change("archive", both, harness.now(), "ann")
            assert [(change.ids, change.before, change.after) for change in archived] == [
                ((idle,), "pending", "archived")
            ]
            assert await letters.claim(idle, "checkout", "two", harness.now(), _until(harness)) is None
            await letters.change("unarchive", both, harness.now(), "ann")
            assert await _status(letters, harness, idle) == "pending"
            gone = await letters.purge(both, harness.now(), "ann")
            assert [change.ids for change in gone] == [(idle,)]
            assert [letter.id for letter in await _found(letters, harness)] == [busy]

    @in_loop
    async def test_letters_are_found_newest_first_and_in_pages(self, harness: StoreHarness) -> None:
        async with _letters(harness) as letters:
            for number in range(7):
                await letters.add(
                    _letter(harness, f"t{number}", category="network" if number % 2 else "transient"), ROOM
                )
            everything = LetterSelection()
            found = [page async for page in pages(letters, everything, harness.now(), size=3)]
            assert [[letter.task for letter in page] for page in found] == [
                ["t6", "t5", "t4"], ["t3", "t2", "t1"], ["t0"]
            ]  # fmt: skip
            chosen = LetterSelection(category="network")
            assert [letter.task for letter in await letters.find(chosen, harness.now(), 2)] == ["t5", "t3"]
            assert len(await letters.find(LetterSelection(statuses=("exhausted",)), harness.now())) == 0

    @in_loop
    async def test_statistics_count_every_letter(self, harness: StoreHarness) -> None:
        async with _letters(harness) as letters:
            for number in range(3):
                await letters.add(_letter(harness, f"t{number}"), ROOM)
            await _claim_due(letters, harness, "one")
            figures = await letters.statistics(harness.now(), 100)
            assert (figures.size, figures.utilization_pct) == (3, 3.0)
            assert (figures.by_status["pending"], figures.by_status["retrying"]) == (2, 1)
            assert (figures.by_category["transient"], figures.totals["enqueued"]) == (3, 3)


@contextlib.asynccontextmanager
async def _letters(harness: StoreHarness) -> AsyncIterator[DeadLetterStore]:
    letters = harness.connect().dead_letters()
    try:
        yield letters
    finally:
        await letters.close()


def _letter(harness: StoreHarness, task: str = "t", **fields: Any) -> NewLetter:
    now = harness.now()
    usual: dict[str, Any] = {
        "engine": "checkout", "task": task, "task_type": "ai", "form": "payload", "payload": '{"question":"why"}',
        "category": "transient", "created_at": now, "due_at": now, "error_type": "ConnectError", "error": "refused",
        "adapter": "prefect", "attempts": 3, "max_retries": 3,
    }  # fmt: skip
    return NewLetter(**{**usual, **fields})


def _settled(status: Status, due_at: int | None = None, retries: int = 0) -> RetryOutcome:
    return RetryOutcome(
        outcome="succeeded" if status == "succeeded" else "failed",
        status=status,
        due_at=due_at,
        retries=retries,
        deferrals=0,
        max_retries=3,
        detail="told",
        counts=("retry_success",) if status == "succeeded" else ("retry_failed",),
    )


def _until(harness: StoreHarness) -> int:
    return harness.now() + int(LEASE * SECOND)


async def _claim_due(letters: DeadLetterStore, harness: StoreHarness, claim: str) -> DeadLetter | None:
    return await letters.claim_due("checkout", claim, harness.now(), _until(harness))


async def _found(letters: DeadLetterStore, harness: StoreHarness) -> list[DeadLetter]:
    return await letters.find(LetterSelection(), harness.now())


async def _status(letters: DeadLetterStore, harness: StoreHarness, id_: int) -> Status | None:
    found = await letters.get(id_, harness.now())
    return None if found is None else found.status


def _add_one(harness: StoreHarness) -> None:
    async def add() -> None:
        await harness.connect().dead_letters().add(_letter(harness, "of the dead"), ROOM)

    asyncio.run(add())


def _claim_one(harness: StoreHarness, id_: int) -> None:
    async def claim() -> None:
        found = await _claim_due(harness.connect().dead_letters(), harness, "of the dead")
        assert found is not None and found.id == id_

    asyncio.run(claim())
