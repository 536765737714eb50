"""Retries of dead letters while a chain is unavailable: one letter probes it, and the others wait."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, DeadLetterPolicy, HealthPolicy, RetryPolicy, RoutingPolicy
from fuseboard_engine.dead_letters.operator_retry import summary
from fuseboard_engine.dead_letters.queue import DeadLetters
from fuseboard_engine.events import AttemptFailed, DeadLetterChanged, ProbeChanged, RouteFinished
from support.engine_world import HOUR, World, now, virtual

ONCE = RetryPolicy(max_attempts=1, attempt_timeout=None)
DOWN = ConnectionError("refused")
TEN_MINUTES = BreakerPolicy(failure_threshold=1, recovery_timeout=600, jitter=0, success_threshold=1)
MINUTE = 60.0


def world(breaker: BreakerPolicy = TEN_MINUTES, dice: float = 0.0, **policy: Any) -> tuple[World, DeadLetters]:
    engine = World(dead_letters=DeadLetterPolicy(**policy), retry=ONCE, breaker=breaker, dice=dice)
    assert engine.dead_letters is not None
    return engine, engine.dead_letters


def retries(engine: World) -> list[RouteFinished]:
    """Return the events of routes that retried a dead letter."""
    return [event for event in engine.emitted if isinstance(event, RouteFinished) and event.letter is not None]


class Service:
    """An adapter that takes 10 ms while it is up, and counts concurrent calls."""

    def __init__(self) -> None:
        self.up = True
        self.calls = self.at_once = self.most = 0

    async def __call__(self, task: Any) -> Any:
        self.calls += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(0.01)
        finally:
            self.at_once -= 1
        if not self.up:
            raise DOWN
        return "done"


@virtual
async def test_letters_of_an_unavailable_chain_cost_no_more_than_its_probes() -> None:
    engine, queue = world(BreakerPolicy(), dice=0.5)
    services = [Service() for _ in range(3)]
    for number, service in enumerate(services):
        service.up = False
        engine.add_adapter(f"a{number}", service)
    for number in range(300):
        assert (await engine.execute_with_fallback({"n": number})).dead_letter is not None
    engine.emitted.clear()
    await asyncio.sleep(10 * MINUTE)
    probes = sum(isinstance(event, ProbeChanged) and event.what == "admitted" for event in engine.emitted)
    kinds = Counter(type(event) for event in engine.emitted)
    failed = len(retries(engine))
    assert 10 < failed <= probes < 100
    assert kinds[RouteFinished] == failed
    assert kinds[AttemptFailed] == probes
    assert kinds[DeadLetterChanged] == 2 * failed
    assert (await queue.statistics()).totals["deferred"] == 0

    for service in services:
        service.up = True
        service.most = 0
    await asyncio.sleep(2 * MINUTE)
    by_status = (await queue.statistics()).by_status
    assert (by_status["succeeded"], by_status["exhausted"]) == (300, 0)
    assert max(service.most for service in services) == 1
    assert sum(isinstance(event, RouteFinished) for event in engine.emitted) == 300 + failed


@virtual
async def test_new_letters_of_an_unavailable_chain_wait_behind_the_others() -> None:
    engine, queue = world()
    script = engine.script("a", DOWN, "fine")
    for _ in range(100):
        await engine.execute_with_fallback({})
        await asyncio.sleep(1)
    assert retries(engine) == []
    first = await queue.get(1)
    assert first is not None
    assert (first.status, first.retries, first.due_at) == ("pending", 0, first.created_at)
    await asyncio.sleep(501)
    assert script.calls[:2] == [0, 600]
    assert (await queue.statistics()).by_status["succeeded"] == 100


@virtual
async def test_a_failed_probe_counts_as_a_retry_of_its_own_letter_only() -> None:
    engine, queue = world()
    engine.script("a", DOWN)
    for _ in range(5):
        await engine.execute_with_fallback({})
    await asyncio.sleep(601)
    assert [letter.retries for letter in await queue.find()] == [0, 0, 0, 0, 1]
    await queue.stop()


@virtual
async def test_letters_of_another_chain_are_still_retried() -> None:
    engine, queue = world()
    engine.script("a", DOWN)
    mended = engine.script("b", DOWN, "fine", breaker=BreakerPolicy())
    await engine.execute_with_fallback({"n": 1}, ["a"])
    await engine.execute_with_fallback({"n": 2}, ["b"])
    engine.set_preference(["a"], "ai")
    await engine.execute_with_fallback({"n": 3, "task_type": "ai"})
    await asyncio.sleep(1)
    assert len(mended.calls) == 2
    assert [letter.status for letter in await queue.find()] == ["pending", "succeeded", "pending"]
    await queue.stop()


@virtual
async def test_a_chain_with_one_callable_adapter_is_available() -> None:
    engine, queue = world()
    engine.script("a", DOWN)
    engine.script("b", DOWN, "fine", breaker=BreakerPolicy())
    await engine.execute_with_fallback({})
    await asyncio.sleep(1)
    assert (await queue.statistics()).by_status["succeeded"] == 1


@virtual
async def test_letters_are_retried_soon_after_an_operator_restores_an_adapter() -> None:
    engine, queue = world()
    engine.script("a", DOWN, "fine")
    for _ in range(3):
        await engine.execute_with_fallback({})
    await asyncio.sleep(20)
    engine.breaker("a").reset(actor="ann")
    await asyncio.sleep(DeadLetterPolicy().poll)
    assert (await queue.statistics()).by_status["succeeded"] == 3


@virtual
async def test_no_route_is_made_while_an_adapter_is_held_open() -> None:
    engine, queue = world()
    engine.script("a", DOWN, "fine")
    await engine.execute_with_fallback({})
    engine.breaker("a").force_open(actor="ann")
    await asyncio.sleep(24 * HOUR)
    assert retries(engine) == []
    engine.breaker("a").enable(actor="ann")
    await asyncio.sleep(10)
    assert (await queue.statistics()).by_status["succeeded"] == 1


@virtual
async def test_letters_wait_for_an_adapter_that_a_health_check_finds_down() -> None:
    engine, queue = world(BreakerPolicy(failure_threshold=None))
    well = False

    async def health() -> bool:
        return well

    engine.script("a", "fine", health=health, health_policy=HealthPolicy(interval=1))
    async with engine:
        await asyncio.sleep(5)
        await queue.enqueue({"n": 1})
        await asyncio.sleep(MINUTE)
        assert retries(engine) == []
        well = True
        await asyncio.sleep(10)
        assert (await queue.statistics()).by_status["succeeded"] == 1


@virtual
async def test_a_probe_that_hangs_delays_letters_no_longer_than_its_lease() -> None:
    engine, queue = world(TEN_MINUTES.model_copy(update={"probe_lease": 30.0}))
    engine.script("a", DOWN, HOUR, "fine")
    await engine.execute_with_fallback({})
    engine.breaker("a").half_open(actor="ann")
    hanging = asyncio.create_task(engine.execute_with_fallback({}))
    await asyncio.sleep(29)
    assert retries(engine) == []
    await asyncio.sleep(7)
    assert (await queue.statistics()).by_status["succeeded"] == 1
    await hanging


@virtual
async def test_retries_of_a_chain_without_adapters_fail_with_the_reason() -> None:
    engine, queue = world()
    engine.script("a", DOWN)
    await engine.execute_with_fallback({})
    engine.remove_adapter("a")
    await asyncio.sleep(10)
    kept = await queue.get(1)
    assert kept is not None
    assert kept.retries == 1
    await queue.stop()


# ------------------------------------------------------------------ refused all the same


@virtual
async def test_a_rejection_defers_a_letter_and_is_not_an_attempt() -> None:
    engine, queue = world()
    script = engine.script("a", DOWN, "fine")
    result = await engine.execute_with_fallback({})
    assert result.dead_letter is not None
    refused = await queue.retry(result.dead_letter, actor="ann")
    kept = await queue.get(result.dead_letter)
    assert kept is not None
    assert (refused.outcome, kept.status, kept.retries, kept.deferrals) == ("deferred", "pending", 0, 1)
    assert kept.due_at == kept.created_at + 600_000_000
    await asyncio.sleep(601)
    assert script.calls == [0, 600]
    assert (await queue.statistics()).by_status["succeeded"] == 1


@virtual
async def test_of_many_manual_retries_one_probes_an_unavailable_chain_and_the_others_are_deferred() -> None:
    engine, queue = world(automatic_retry=False)
    script = engine.script("a", DOWN, "fine")
    engine.script("b", DOWN, "fine", breaker=BreakerPolicy())
    for _ in range(50):
        await engine.execute_with_fallback({}, ["a"])
    await engine.execute_with_fallback({}, ["b"])
    engine.emitted.clear()
    outcomes = await queue.retry_many(actor="ann")
    assert Counter(one.outcome for one in outcomes) == {"deferred": 50, "succeeded": 1}
    refused = "50 deferred, as every adapter refused: a is open (last error: ConnectionError: refused)"
    assert summary(outcomes) == f"51 dead letters retried: 1 succeeded, {refused}"
    assert summary(outcomes[:50]) == f"no dead letter was retried: {refused}"
    assert len(retries(engine)) == 2
    statuses = Counter((e.before, e.status) for e in engine.emitted if isinstance(e, DeadLetterChanged))
    assert statuses == {
        ("pending", "retrying"): 2,
        ("retrying", "pending"): 1,
        ("pending", "pending"): 49,
        ("retrying", "succeeded"): 1,
    }
    assert {letter.actor for letter in await queue.find()} == {"ann"}
    engine.breaker("a").reset()
    await asyncio.sleep(10)
    assert {one.outcome for one in await queue.retry_many()} == {"succeeded"}
    assert len(script.calls) == 51


@virtual
async def test_a_manual_retry_still_calls_a_last_resort_adapter() -> None:
    engine, queue = world(automatic_retry=False)
    engine.routing.update_policy(RoutingPolicy(all_out="last_resort"))
    engine.script("a", DOWN, "fine")
    result = await engine.execute_with_fallback({})
    await asyncio.sleep(10)
    assert result.dead_letter is not None
    assert (await queue.retry(result.dead_letter)).success
    assert now() == 10


# ------------------------------------------------------------------ events


@virtual
async def test_the_route_of_a_retry_names_its_letter_and_is_not_a_new_task() -> None:
    engine, queue = world(automatic_retry=False)
    engine.script("a", DOWN, "fine", breaker=BreakerPolicy())
    result = await engine.execute_with_fallback({"id": "t1"})
    assert result.dead_letter is not None
    await queue.retry(result.dead_letter)
    await engine.execute_with_fallback({"id": "t2"})
    routes = [event for event in engine.emitted if isinstance(event, RouteFinished)]
    assert [(route.task, route.letter, route.dead_letter) for route in routes] == [
        ("t1", None, 1),
        ("t1", 1, None),
        ("t2", None, None),
    ]
    figures = engine.get_routing_statistics()
    assert (figures["tasks"], figures["succeeded"], figures["failed"]) == (2, 1, 1)


@pytest.mark.parametrize("outcome", [DOWN, "fine"])
def test_a_failed_retry_names_its_letter(outcome: Any) -> None:
    @virtual
    async def play() -> None:
        engine, queue = world(BreakerPolicy(failure_threshold=None), automatic_retry=False)
        engine.script("a", DOWN, outcome)
        await engine.execute_with_fallback({})
        await queue.retry(1)
        assert [route.letter for route in retries(engine)] == [1]

    play()
