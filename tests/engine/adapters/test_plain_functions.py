"""Functions that nothing awaits: an async `failed` or listener is refused, and never taken silently."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, CircuitBreaker, Engine, RetryPolicy
from fuseboard_engine.events import Event, ListenerFailed
from support.engine_world import World, virtual


async def judge(result: Any) -> str | None:
    return None


async def listen(event: Event) -> None: ...


class AsyncCall:
    async def __call__(self, value: Any) -> None: ...


@pytest.mark.parametrize("failed", [judge, functools.partial(judge), AsyncCall()])
def test_an_adapter_refuses_an_async_predicate(failed: Any) -> None:
    engine = Engine("test")
    with pytest.raises(TypeError, match="`failed` must be a plain function"):
        engine.add_adapter("a", lambda task: None, failed=failed)
    assert "a" not in engine.registry


@pytest.mark.parametrize("listener", [listen, functools.partial(listen), AsyncCall()])
def test_async_listeners_are_refused(listener: Any) -> None:
    with pytest.raises(TypeError, match="a listener must be a plain function"):
        Engine("test").subscribe(listener)
    with pytest.raises(TypeError, match="a listener must be a plain function"):
        CircuitBreaker("a", on_event=listener)


@virtual
async def test_a_predicate_that_returns_an_awaitable_fails_the_attempt_with_the_reason() -> None:
    engine = World()
    engine.script("a", "fine", failed=lambda result: judge(result))
    route = await engine.execute_with_fallback("task")
    assert not route.success
    assert route.attempts[0].error_type == "TypeError"
    with pytest.raises(Exception, match="plain function"):
        [item async for item in engine.stream_with_fallback("task")]


@virtual
@pytest.mark.parametrize(("answer", "success"), [(True, False), (False, True), (None, True), ("bad", False)])
async def test_a_predicate_may_return_a_boolean(answer: Any, success: bool) -> None:
    engine = World()
    engine.script("a", "fine", failed=lambda result: answer, breaker=BreakerPolicy(failure_threshold=None))
    route = await engine.execute_with_fallback("task")
    assert route.success is success
    if answer is True:
        assert route.error == "its result was judged a failure"


@virtual
async def test_a_listener_that_turns_out_to_be_async_is_reported() -> None:
    engine = World()
    engine.subscribe(lambda event: listen(event))  # type: ignore[arg-type,return-value]
    engine.script("a", "fine")
    assert (await engine.execute_with_fallback("task")).success
    told = [event for event in engine.emitted if isinstance(event, ListenerFailed)]
    assert told
    assert "plain function" in told[0].error


def test_a_timeout_that_a_busy_loop_noticed_late_is_not_the_adapters_fault() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        engine = Engine("test")
        engine.add_adapter("a", hangs, breaker=BreakerPolicy(failure_threshold=1))
        task = asyncio.create_task(engine.execute_with_fallback("task", deadline=30, retry=once(0.2)))
        await asyncio.sleep(0.05)
        end = loop.time() + 0.5
        while loop.time() < end:  # the loop is busy with something else when the limit passes
            pass
        route = await task
        attempt = route.attempts[0]
        assert (attempt.rule, attempt.outcome, attempt.error_type) == ("local", "ignored", "LateTimeout")
        assert "this process's event loop was" in attempt.error
        assert engine.breaker("a").snapshot().failed == 0
        while True:  # until the machine is not too busy to notice the limit in time
            late = await engine.execute_with_fallback("task", deadline=30, retry=once(0.05))
            if late.attempts[0].rule != "local":
                break
        assert (late.attempts[0].rule, engine.breaker("a").state) == ("timeout", "open")

    asyncio.run(main())


async def hangs(task: Any) -> None:
    await asyncio.sleep(10)


def once(limit: float) -> RetryPolicy:
    return RetryPolicy(max_attempts=1, attempt_timeout=limit)
