"""A batch goes on when enough of its parts succeeded; too few are rolled back and tried again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine import BatchResult, RetryPolicy
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_engine.events import BatchFinished, RouteFinished
from support.engine_world import NEVER_TRIPS, World, now, virtual

ONCE = RetryPolicy(max_attempts=1)


class Files:
    """An adapter that fails for the files it is told to, each for so many calls."""

    def __init__(self, **failures: int) -> None:
        self.failures = failures
        self.calls: list[str] = []
        self.in_flight = 0
        self.most_in_flight = 0

    async def __call__(self, task: dict[str, str]) -> str:
        name = task["file"]
        self.calls.append(name)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(1)
        self.in_flight -= 1
        if self.failures.get(name, 0) > 0:
            self.failures[name] -= 1
            raise ConnectionError(f"{name} failed")
        return name.upper()


def world_with(files: Files) -> World:
    world = World(retry=ONCE, breaker=NEVER_TRIPS)
    world.add_adapter("coder", files)
    return world


def parts(*names: str) -> list[dict[str, str]]:
    return [{"file": name} for name in names]


@virtual
async def test_two_of_three_parts_suffice_and_each_part_has_its_outcome() -> None:
    world = world_with(Files(b=9))
    result = await world.execute_batch(parts("a", "b", "c"))
    assert result.accepted
    assert result.success_rate == pytest.approx(2 / 3)
    assert result.results == ["A", None, "C"]
    assert [part.error for part in result.failed] == ["b failed"]
    event = world.emitted[-1]
    assert isinstance(event, BatchFinished)
    assert (event.parts, event.succeeded, event.failed, event.accepted, event.rounds) == (3, 2, 1, True, 1)


@virtual
async def test_the_event_names_every_task_that_was_sent_out() -> None:
    world = world_with(Files(b=1))
    await world.execute_batch(parts("a", "b"), min_success_rate=1.0)
    event = world.emitted[-1]
    assert isinstance(event, BatchFinished)
    routes = [route.task for route in world.emitted if isinstance(route, RouteFinished)]
    assert len(routes) == 3
    assert event.tasks == tuple(dict.fromkeys(routes))


@virtual
async def test_a_batch_at_exactly_the_minimum_rate_is_accepted() -> None:
    files = Files(b=9)
    assert (await world_with(files).execute_batch(parts("a", "b"))).accepted
    assert files.calls == ["a", "b"]


@virtual
async def test_the_minimum_rate_is_compared_without_rounding() -> None:
    assert (await world_with(Files(b=9, c=9)).execute_batch(parts("a", "b", "c"), min_success_rate=1 / 3)).accepted
    assert (await world_with(Files(b=9)).execute_batch(parts(*"abcdefghij"), min_success_rate=0.9)).accepted


@virtual
async def test_without_a_rollback_only_failed_parts_are_tried_again() -> None:
    files = Files(a=1, b=1)
    result = await world_with(files).execute_batch(parts("a", "b", "c"))
    assert files.calls == ["a", "b", "c", "a", "b"]
    assert (result.accepted, result.rounds, result.rolled_back) == (True, 2, 0)
    assert result.results == ["A", "B", "C"]


@virtual
async def test_after_a_rollback_every_part_is_tried_again() -> None:
    files = Files(a=1, b=1)
    undone: list[Any] = []

    async def rollback(result: BatchResult) -> None:
        await asyncio.sleep(1)
        undone.append([part.result for part in result.succeeded])

    result = await world_with(files).execute_batch(parts("a", "b", "c"), rollback=rollback)
    assert undone == [["C"]]
    assert files.calls == ["a", "b", "c", "a", "b", "c"]
    assert (result.accepted, result.rounds, result.rolled_back) == (True, 2, 1)


@virtual
async def test_the_parts_to_try_again_can_be_chosen() -> None:
    files = Files(a=1, b=1)
    await world_with(files).execute_batch(parts("a", "b", "c"), rollback=lambda result: None, again="failed")
    assert files.calls == ["a", "b", "c", "a", "b"]


@virtual
async def test_the_last_insufficient_round_is_rolled_back() -> None:
    files = Files(a=99, b=99)
    world = world_with(files)
    rolled: list[int] = []
    result = await world.execute_batch(
        parts("a", "b", "c"), retries=2, rollback=lambda result: rolled.append(result.rounds), name="nightly"
    )
    assert (result.accepted, result.rounds, rolled) == (False, 3, [1, 2, 3])
    assert result.error == "1 of 3 succeeded, 50% are needed"
    event = world.emitted[-1]
    assert isinstance(event, BatchFinished)
    assert (event.batch, event.accepted, event.rolled_back) == ("nightly", False, 3)


@virtual
async def test_a_failed_rollback_ends_the_batch_as_the_undone_parts_are_unknown() -> None:
    files = Files(a=1, b=1)

    def rollback(result: BatchResult) -> None:
        raise OSError("disk gone")

    result = await world_with(files).execute_batch(parts("a", "b"), rollback=rollback)
    assert (result.accepted, result.rounds) == (False, 1)
    assert result.error == "the rollback failed: OSError: disk gone"


@virtual
async def test_no_more_than_the_limit_run_at_once() -> None:
    files = Files()
    result = await world_with(files).execute_batch(parts(*"abcdefgh"), max_concurrent=3)
    assert files.most_in_flight == 3
    assert now() == 3
    assert result.results == list("ABCDEFGH")


@virtual
async def test_a_degraded_part_is_not_a_success() -> None:
    world = world_with(Files(a=99, b=99))
    world.set_degraded("", {"note": "by hand"})
    result = await world.execute_batch(parts("a", "b", "c"), retries=0)
    assert not result.accepted
    assert (len(result.succeeded), len(result.degraded), len(result.failed)) == (1, 2, 0)


@virtual
async def test_only_a_part_that_finally_failed_becomes_one_dead_letter() -> None:
    files = Files(a=1, b=99, c=1)
    world = World(retry=ONCE, breaker=NEVER_TRIPS, dead_letters=DeadLetterPolicy(automatic_retry=False))
    world.add_adapter("coder", files)
    result = await world.execute_batch(parts("a", "b", "c"))
    assert result.accepted
    assert world.dead_letters is not None
    (letter,) = await world.dead_letters.find()
    assert (letter.id, letter.payload, letter.error) == (result.dead_letters[0], '{"file":"b"}', "b failed")
    assert result.failed[0].dead_letter == letter.id
    await world.dead_letters.stop()


@virtual
async def test_an_empty_batch_is_accepted_and_numbers_out_of_range_are_refused() -> None:
    world = world_with(Files())
    assert (await world.execute_batch([])).accepted
    with pytest.raises(ValueError, match="from 0 to 1"):
        await world.execute_batch([], min_success_rate=1.5)
    with pytest.raises(ValueError, match="at least 1"):
        await world.execute_batch([], max_concurrent=0)


@virtual
async def test_a_cancelled_batch_leaves_no_task_behind() -> None:
    files = Files()
    world = world_with(files)
    batch = asyncio.create_task(world.execute_batch(parts(*"abcdef"), max_concurrent=2))
    await asyncio.sleep(1.5)
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    assert len(files.calls) == 4
    assert sum(isinstance(event, RouteFinished) for event in world.emitted) == 4
