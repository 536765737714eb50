"""What a Retry-After does: who is asked meanwhile, how long the breaker stays open, and storms of rate limits."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, RetryPolicy
from fuseboard_engine.events import StateChanged
from support.engine_world import HttpError, World, now, virtual


@virtual
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_retry_after_is_not_waited_for_while_another_adapter_accepts_calls(status: int) -> None:
    engine = World()
    a = engine.script("a", HttpError(status, retry_after="20"), "back")
    engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert (route.adapter, now(), len(a.calls)) == ("b", 0.0, 1)
    assert engine.breaker("a").snapshot().retry_after == 20
    await asyncio.sleep(19.9)
    assert (await engine.execute_with_fallback("task")).skipped.keys() == {"a"}
    await asyncio.sleep(0.2)
    assert (await engine.execute_with_fallback("task")).adapter == "a"


@virtual
async def test_a_stream_fails_over_at_once_after_a_retry_after() -> None:
    engine = World()
    engine.script("a", HttpError(503, retry_after="20"))
    engine.script("b", "from b")
    assert [item async for item in engine.stream_with_fallback("task")] == ["from b"]
    assert now() == 0.0


@virtual
async def test_a_retry_after_is_waited_for_if_no_other_adapter_accepts_calls() -> None:
    engine = World()
    engine.script("a", "unused")
    engine.breaker("a").force_open()
    b = engine.script("b", HttpError(503, retry_after="7"), "back")
    engine.script("c", "unused")
    engine.breaker("c").open_for(60)
    route = await engine.execute_with_fallback("task", ["a", "b", "c"])
    assert (route.adapter, b.calls) == ("b", [0.0, 7.0])
    assert engine.breaker("b").state == "closed"  # it was the last that takes calls


@virtual
async def test_a_route_goes_back_to_an_earlier_adapter_that_takes_calls_again() -> None:
    engine = World()
    engine.script("a", "from a")
    engine.breaker("a").open_for(1)
    engine.add_adapter("b", limited_after(2.0, "30"))
    c = engine.script("c", "from c")
    engine.breaker("c").open_for(60)
    route = await engine.execute_with_fallback("task", ["a", "b", "c"])
    assert (route.adapter, now(), c.calls) == ("a", 2.0, [])
    assert [(attempt.adapter, attempt.outcome) for attempt in route.attempts] == [
        ("a", "rejected"),
        ("b", "failure"),
        ("a", "success"),
    ]
    assert route.left == ("c",)


@virtual
async def test_a_stream_goes_back_to_an_earlier_adapter() -> None:
    engine = World()
    engine.script("a", "from a")
    engine.breaker("a").open_for(1)
    engine.add_adapter("b", limited_after(2.0, "30"))
    assert [item async for item in engine.stream_with_fallback("task", ["a", "b"])] == ["from a"]
    assert now() == 2.0


@virtual
async def test_after_going_back_the_rest_of_the_chain_is_still_tried() -> None:
    engine = World(retry=RetryPolicy(max_attempts=1))
    engine.script("a", RuntimeError("no"))
    engine.breaker("a").open_for(1)
    engine.add_adapter("b", limited_after(2.0, "30"))
    engine.script("c", "from c")
    engine.breaker("c").open_for(2.5)

    async def late() -> None:
        await asyncio.sleep(2.0)
        engine.breaker("c").open_for(0.5)

    waiting = asyncio.create_task(late())
    route = await engine.execute_with_fallback("task", ["a", "b", "c"])
    await waiting
    assert not route.success
    assert [attempt.adapter for attempt in route.attempts] == ["a", "b", "a", "c"]


@virtual
@pytest.mark.parametrize("stream", [False, True])
async def test_a_route_whose_adapter_opens_during_its_wait_goes_back(stream: bool) -> None:
    engine = World()
    engine.script("a", "from a")
    engine.breaker("a").open_for(1)
    b = engine.script("b", HttpError(429, retry_after="2"), "unused")

    async def open_b() -> None:
        await asyncio.sleep(1.5)
        engine.breaker("b").open_for(60)

    opening = asyncio.create_task(open_b())
    if stream:
        assert [item async for item in engine.stream_with_fallback("task", ["a", "b"])] == ["from a"]
    else:
        route = await engine.execute_with_fallback("task", ["a", "b"])
        assert (route.adapter, route.left) == ("a", ())
    await opening
    assert (b.calls, now()) == ([0.0], 2.0)


def limited_after(seconds: float, wait: str) -> Any:
    async def call(task: Any) -> Any:
        await asyncio.sleep(seconds)
        raise HttpError(429, retry_after=wait)

    return call


@virtual
async def test_a_capped_wait_is_noted_on_the_attempt() -> None:
    engine = World()
    engine.script("a", HttpError(429, retry_after="86400"))
    engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert engine.breaker("a").snapshot().retry_after == 300
    assert route.attempts[0].retry_after == 300
    assert route.attempts[0].why.endswith("it asked for 8.64e+04 s, and max_retry_after is 300 s")


@virtual
async def test_the_policy_sets_the_cap_of_a_wait() -> None:
    engine = World(retry=RetryPolicy(max_retry_after=5))
    a = engine.script("a", HttpError(429, retry_after="60"), "back")
    assert (await engine.execute_with_fallback("task")).success
    assert a.calls == [0.0, 5.0]


@virtual
async def test_an_adapter_alone_opens_for_as_long_as_it_asked_when_a_rule_opens_it() -> None:
    engine = World(retry=RetryPolicy(max_attempts=1), breaker=BreakerPolicy(failure_threshold=3))
    engine.script("a", HttpError(503, retry_after="40"))
    for failures in (1, 2):
        await engine.execute_with_fallback("task")
        assert (engine.breaker("a").state, engine.breaker("a").failures) == ("closed", failures)
    await engine.execute_with_fallback("task")
    assert engine.breaker("a").snapshot().retry_after == 40
    assert not engine.breaker("a").half_open_early("checked")


@virtual
async def test_a_shorter_wait_does_not_shorten_the_policys() -> None:
    engine = World(retry=RetryPolicy(max_attempts=1), breaker=BreakerPolicy(failure_threshold=1, recovery_timeout=9))
    engine.script("a", HttpError(503, retry_after="2"))
    await engine.execute_with_fallback("task")
    assert engine.breaker("a").snapshot().retry_after == 9


@virtual
async def test_refused_credentials_and_spent_quotas_open_at_once_even_alone() -> None:
    for status, reason in ((401, "credentials"), (402, "quota")):
        engine = World()
        a = engine.script("a", HttpError(status))
        await engine.execute_with_fallback("task")
        assert (engine.breaker("a").state, len(a.calls)) == ("open", 1)
        assert [event.reason for event in engine.story() if isinstance(event, StateChanged)] == [reason]


@virtual
async def test_rate_limits_never_open_the_last_adapter_that_takes_calls_however_many() -> None:
    engine = World(retry=RetryPolicy(max_attempts=1))
    a = engine.script("a", HttpError(429))
    for _ in range(20):
        assert not (await engine.execute_with_fallback("task")).success
    assert (len(a.calls), engine.breaker("a").state, engine.breaker("a").failures) == (20, "closed", 0)
    assert engine.get_adapter_statistics()["a"]["failures"] == 20


@virtual
async def test_a_half_open_adapter_does_not_count_as_one_that_takes_calls() -> None:
    engine = World(retry=RetryPolicy(max_attempts=1))
    engine.script("a", HttpError(429, retry_after="2"))
    engine.script("b", HttpError(429, retry_after="2"))
    await engine.execute_with_fallback("task", ["a", "b"])
    assert (engine.breaker("a").state, engine.breaker("b").state) == ("open", "closed")
    engine.breaker("a").half_open()
    await engine.execute_with_fallback("task", ["b", "a"])
    assert engine.breaker("b").state == "closed"


@virtual
@pytest.mark.parametrize("latency", [0.02, 0.1])
@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
async def test_default_policies_answer_every_task_during_a_storm_of_rate_limits(share: float, latency: float) -> None:
    """Three equal upstreams; each answers 429 with Retry-After 2 to a share of its calls."""
    engine = World()
    for number in range(3):
        dice = random.Random(number)

        async def call(task: Any, dice: random.Random = dice) -> str:
            if dice.random() < share:
                await asyncio.sleep(latency / 10)
                raise HttpError(429, retry_after="2")
            await asyncio.sleep(latency)
            return "hi"

        engine.add_adapter(f"u{number}", call)
    engine.set_preference(["u0", "u1", "u2"])

    async def one(number: int) -> bool:
        await asyncio.sleep(number / 200)
        return (await engine.execute_with_fallback({"n": number})).success

    answered = await asyncio.gather(*(one(number) for number in range(2000)))
    assert sum(answered) >= 0.99 * len(answered)
