"""When the next branch of a fan-out starts, which branches are cut, and the failure that is reported for the whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine import CircuitOpen
from support.engine_world import NEVER_TRIPS, World, now, virtual
from support.fan_outs import fan

DOWN = ConnectionError("down")


def slow_to_end(seconds: float) -> Any:
    """An adapter that never answers, and takes `seconds` to end when it is cancelled."""

    async def call(task: Any) -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            await asyncio.sleep(seconds)

    return call


@virtual
async def test_no_hedge_starts_while_the_losers_of_an_answered_task_end() -> None:
    engine, timed = fan({"b": (1.0, "b"), "c": (1.0, "c")})
    engine.add_adapter("a", slow_to_end(10))
    result = await engine.execute_parallel("task", ["a", "b", "c"], strategy="hedged", hedge_delay=2, timeout=60)
    assert (result.adapter, timed["b"].calls, now()) == ("b", [2], 13)
    assert (timed["c"].calls, result.left) == ([], ("c",))


@virtual
async def test_no_hedge_starts_once_the_caller_has_given_up() -> None:
    engine, timed = fan({"b": (1.0, "b")})
    engine.add_adapter("a", slow_to_end(10))
    running = asyncio.create_task(
        engine.execute_parallel("task", ["a", "b"], strategy="hedged", hedge_delay=2, timeout=60)
    )
    await asyncio.sleep(1)
    running.cancel()
    await asyncio.wait([running])
    assert (now(), timed["b"].calls) == (11, [])


@pytest.mark.parametrize("strategy", ["all", "first_success", "best_effort", "hedged"])
@pytest.mark.parametrize("passes", range(8))
@virtual
async def test_a_caller_may_give_up_before_or_just_after_its_calls_begin(strategy: Any, passes: int) -> None:
    engine, timed = fan({"a": (5.0,), "b": (5.0,)})
    running = asyncio.create_task(engine.execute_parallel("task", strategy=strategy, hedge_delay=9, timeout=60))
    for _ in range(passes):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert now() == 0
    assert [adapter.ended for adapter in timed.values()] == [len(adapter.calls) for adapter in timed.values()]
    assert [engine.registry[name].in_flight for name in timed] == [0, 0]
    assert (await engine.execute_parallel("task")).complete  # and its slots are free


@virtual
async def test_a_caller_that_gives_up_just_as_the_answer_comes_waits_for_no_branch_that_did_not_begin() -> None:
    engine, timed = fan({"b": (5.0,)})
    answered = asyncio.Event()

    async def a(task: Any) -> str:
        await asyncio.sleep(2 - 5e-10)  # in one pass of the loop with the hedge, whose task has not begun then
        answered.set()
        return "from a"

    async def give_up() -> None:
        await answered.wait()
        running.cancel()

    engine.add_adapter("a", a)
    running = asyncio.create_task(engine.execute_parallel("task", ["a", "b"], strategy="hedged", hedge_delay=2))
    giving_up = asyncio.create_task(give_up())
    await asyncio.wait([running], timeout=100)
    await giving_up
    ended = running.done()
    if not ended:
        running.get_coro().close()  # it ignores cancellations, and the test would not end either
    assert ended and running.cancelled()
    assert timed["b"].calls == []


@virtual
async def test_the_slots_of_branches_that_were_never_started_are_free_again() -> None:
    engine, _ = fan({"a": (5.0,), "b": (5.0,)})
    slots = engine.parallel.slots
    running = asyncio.create_task(engine.execute_parallel("task", timeout=60))
    await asyncio.sleep(1)
    assert slots.taken == 2
    running.cancel()
    await asyncio.wait([running])
    assert (slots.taken, slots.waiting) == (0, 0)


@virtual
async def test_the_failure_of_an_adapter_is_reported_rather_than_a_later_refusal() -> None:
    engine, _ = fan({"a": (1.0, DOWN), "b": (1.0,)})
    engine.breaker("b").force_open()
    result = await engine.execute_parallel("task", ["a", "b"], strategy="hedged", hedge_delay=9)
    assert [(attempt.adapter, attempt.outcome) for attempt in result.attempts] == [
        ("a", "failure"),
        ("b", "rejected"),
    ]
    assert (result.exception, result.error) == (DOWN, "down")


@virtual
async def test_the_last_of_several_failures_is_reported() -> None:
    last = ValueError("the last")
    engine, _ = fan({"a": (2.0, last), "b": (1.0, DOWN)})
    result = await engine.execute_parallel("task", ["a", "b"])
    assert (result.exception, result.error) == (last, "the last")


@virtual
async def test_a_refusal_is_reported_if_no_adapter_was_called() -> None:
    engine, _ = fan({"a": (1.0,), "b": (1.0,)})
    for name in ("a", "b"):
        engine.breaker(name).force_open()
    result = await engine.execute_parallel("task")
    assert isinstance(result.exception, CircuitOpen)
    assert result.skipped.keys() == {"a", "b"}


@virtual
async def test_each_hedge_names_all_adapters_that_had_not_answered() -> None:
    engine, _ = fan({"a": (9.0,), "b": (9.0,), "c": (1.0, "c")})
    result = await engine.execute_parallel("task", strategy="hedged", hedge_delay=2)
    assert result.adapter == "c"
    assert "b was called as well: a had not answered" in result.why
    assert "c was called as well: a, b had not answered" in result.why


@pytest.mark.parametrize(("failed_at", "asked"), [(4.0, [4.0]), (5.0, [])])
@virtual
async def test_after_a_failure_the_next_adapter_is_called_only_before_the_timeout(
    failed_at: float, asked: list[float]
) -> None:
    engine, timed = fan({"a": (failed_at, DOWN), "b": (0.5, "b")})
    result = await engine.execute_parallel("task", ["a", "b"], strategy="hedged", hedge_delay=9, timeout=5)
    assert timed["b"].calls == asked
    assert result.success is bool(asked)


@virtual
async def test_a_hedge_of_an_adapter_that_a_task_needs_handles_it_too() -> None:
    engine = World(breaker=NEVER_TRIPS)

    class TooLong(Exception):
        status_code = 400

    async def small(task: Any) -> None:
        raise TooLong("maximum context length is 8192")

    engine.add_adapter("small", small)
    plain = engine.script("plain", "from plain")
    engine.script("large", "from large", handles=["context_window"])
    result = await engine.execute_parallel("task", ["small", "plain", "large"], strategy="hedged", hedge_delay=9)
    assert (result.adapter, plain.calls) == ("large", [])


@virtual
async def test_the_time_that_a_branch_waits_for_a_slot_and_works_is_reported() -> None:
    engine, timed = fan({"a": (2.0, "a"), "b": (3.0, "b")})
    engine.parallel.slots.resize(1)
    await asyncio.sleep(10)
    result = await engine.execute_parallel("task", ["a", "b"], timeout=60)
    assert timed["b"].calls == [12]
    figures = {name: (part.waited, part.duration) for name, part in result.results.items()}
    assert figures == {"a": (0, 2), "b": (2, 3)}
