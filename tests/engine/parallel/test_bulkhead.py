"""How many adapters work at a time: a slot that frees starts the next at once, and waiting costs time."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from pydantic import ValidationError

from fuseboard_engine import Engine, ExecutionPolicy
from fuseboard_engine.parallel.bulkhead import Bulkhead
from support.engine_world import World, now, virtual
from support.fan_outs import fan


def two_at_a_time(**options: Any) -> ExecutionPolicy:
    return ExecutionPolicy(max_concurrent_adapters=2, **options)


@virtual
async def test_a_slot_that_frees_starts_the_next_at_once_not_in_batches() -> None:
    engine, timed = fan({"a": (1.0,), "b": (5.0,), "c": (1.0,), "d": (1.0,)}, execution=two_at_a_time())
    result = await engine.execute_parallel("task")
    assert [adapter.calls for adapter in timed.values()] == [[0], [0], [1], [2]]
    assert now() == 5
    assert [r.waited for r in result.results.values()] == [0, 0, 1, 2]
    assert [r.duration for r in result.results.values()] == [1, 5, 1, 1]


@virtual
async def test_the_limit_holds_for_all_fan_outs_of_an_engine_together() -> None:
    engine = World(execution=two_at_a_time())
    at_work, most = 0, 0

    async def call(task: Any) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(1)
        at_work -= 1

    for name in "abc":
        engine.add_adapter(name, call)
    results = await asyncio.gather(*(engine.execute_parallel("task") for _ in range(4)))
    assert all(result.complete for result in results)
    assert most == 2
    assert now() == 6


@virtual
async def test_waiting_counts_towards_the_timeout_but_against_no_adapter() -> None:
    engine, timed = fan({"a": (9.0,), "b": (9.0,), "c": (1.0,)}, execution=two_at_a_time(timeout=3))
    result = await engine.execute_parallel("task")
    assert now() == 3
    assert timed["c"].calls == []
    assert result.results["c"].outcome == "rejected"
    assert result.results["c"].error == "none of the 2 slots was free within 3 s"
    assert engine.get_adapter_statistics()["c"]["failures"] == 0
    assert engine.parallel.slots.taken == 0


@virtual
async def test_an_adapter_that_got_its_slot_late_has_no_timeout_counted() -> None:
    engine, _ = fan({"a": (2.0,), "b": (2.0,), "c": (9.0,)}, execution=two_at_a_time(timeout=3))
    result = await engine.execute_parallel("task")
    assert result.results["c"].outcome == "ignored"
    assert engine.breaker("c").snapshot().failures == 0


@virtual
async def test_a_full_queue_refuses_with_its_reason() -> None:
    policy = two_at_a_time(max_queued=1)
    engine, timed = fan({"a": (1.0,), "b": (1.0,), "c": (1.0,), "d": (1.0,)}, execution=policy)
    result = await engine.execute_parallel("task")
    assert result.skipped == {"d": "all 2 slots are taken and 1 wait already"}
    assert (timed["c"].calls, timed["d"].calls) == ([1], [])


@virtual
async def test_an_open_adapter_waits_for_no_slot() -> None:
    engine, _ = fan({"a": (1.0,), "b": (1.0,), "c": (1.0,)}, execution=two_at_a_time())
    engine.breaker("c").force_open()
    result = await engine.execute_parallel("task")
    assert now() == 1
    assert result.attempts[0].adapter == "c"
    assert result.results["c"].outcome == "rejected"


@virtual
async def test_a_caller_that_stops_waiting_takes_no_slot() -> None:
    engine, timed = fan({"a": (1.0, "a"), "b": (9.0,), "c": (1.0,)}, execution=two_at_a_time())
    result = await engine.execute_parallel("task", strategy="first_success")
    assert (timed["c"].calls, result.left) == ([], ("c",))
    assert (engine.parallel.slots.taken, engine.parallel.slots.waiting) == (0, 0)


@virtual
async def test_a_new_limit_applies_from_its_change() -> None:
    engine, timed = fan({"a": (9.0,), "b": (9.0,), "c": (1.0,)}, execution=two_at_a_time())
    running = asyncio.create_task(engine.execute_parallel("task"))
    await asyncio.sleep(2)
    engine.parallel.policy = ExecutionPolicy(max_concurrent_adapters=3)
    await running
    assert timed["c"].calls == [2]


@virtual
async def test_a_slot_that_comes_as_its_waiter_leaves_goes_to_the_next() -> None:
    slots = Bulkhead(1)
    assert slots.acquire()
    leaving = asyncio.create_task(slots.wait(None))
    staying = asyncio.create_task(slots.wait(None))
    await asyncio.sleep(0)
    slots.release()
    leaving.cancel()
    await asyncio.wait([leaving, staying])
    assert leaving.cancelled() and not staying.cancelled()
    assert slots.taken == 1
    slots.release()
    assert slots.acquire()


def test_the_limit_holds_across_event_loops() -> None:
    engine = Engine(execution=ExecutionPolicy(max_concurrent_adapters=1))
    lock, at_work, most = threading.Lock(), 0, 0

    async def call(task: Any) -> str:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        await asyncio.sleep(0.001)
        with lock:
            at_work -= 1
        return "done"

    engine.add_adapter("a", call)
    engine.add_adapter("b", call)
    results: list[bool] = []

    def work() -> None:
        async def several() -> None:
            for _ in range(10):
                results.append((await engine.execute_parallel("task")).complete)

        asyncio.run(several())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [True] * 40
    assert most == 1
    assert engine.parallel.slots.taken == 0


@pytest.mark.parametrize(
    "wrong",
    [{"strategy": "any"}, {"timeout": 0}, {"max_concurrent_adapters": 0}, {"max_queued": -1}, {"hedge_delay": "p99"}],
)
def test_an_invalid_policy_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ExecutionPolicy(**wrong)
