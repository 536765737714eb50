"""A call within a time limit: what a cancellation from inside or outside becomes, and calls that do not end."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fuseboard_engine.adapters.timeouts import InContext, in_context, within, within_context
from fuseboard_engine.errors import AdapterCancelled, AttemptTimeout, LateTimeout, NoThreadFree
from fuseboard_engine.runtime.overdue_calls import OverdueCalls
from fuseboard_engine.virtual_time import VirtualTimeLoop
from support.engine_world import now, virtual

FOREVER = 1e6
LIMITS = pytest.mark.parametrize("limit", [None, 60.0])


async def limited(
    call: Callable[[Any], Awaitable[Any]], limit: float | None, overdue: OverdueCalls | None = None
) -> Any:
    return await within(call, "task", "a", limit, OverdueCalls() if overdue is None else overdue)


@LIMITS
@pytest.mark.parametrize("waits", [False, True])
@virtual
async def test_a_call_that_cancels_itself_has_failed_with_its_reason(limit: float | None, waits: bool) -> None:
    async def call(task: Any) -> None:
        if waits:
            await asyncio.sleep(1)
        raise asyncio.CancelledError("the pool is closed")

    with pytest.raises(AdapterCancelled) as caught:
        await limited(call, limit)
    assert str(caught.value) == "a cancelled its own work: the pool is closed"
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)


@LIMITS
@virtual
async def test_an_error_raised_for_a_part_that_was_cancelled_is_that_error(limit: float | None) -> None:
    async def call(task: Any) -> None:
        part = asyncio.create_task(asyncio.sleep(FOREVER))
        await asyncio.sleep(1)
        part.cancel()
        try:
            await part
        except asyncio.CancelledError:
            raise ValueError("the part is gone") from None

    with pytest.raises(ValueError, match="the part is gone"):
        await limited(call, limit)


@LIMITS
@virtual
async def test_an_error_in_place_of_the_callers_cancellation_is_the_cancellation(limit: float | None) -> None:
    async def call(task: Any) -> None:
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            try:
                raise KeyError("closing")
            except KeyError:
                raise ConnectionError("closed") from None

    running = asyncio.create_task(limited(call, limit))
    await asyncio.sleep(1)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


@LIMITS
@virtual
async def test_an_error_after_the_callers_cancellation_was_swallowed_is_that_error(limit: float | None) -> None:
    async def call(task: Any) -> None:
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            pass
        await asyncio.sleep(1)
        raise ConnectionError("closed")

    running = asyncio.create_task(limited(call, limit))
    await asyncio.sleep(1)
    running.cancel()
    await asyncio.wait([running])
    assert isinstance(running.exception(), ConnectionError)


@virtual
async def test_a_caller_cancelled_twice_passes_both_on_and_awaits_the_call() -> None:
    seen: list[float] = []

    async def call(task: Any) -> str:
        for _ in range(2):
            try:
                await asyncio.sleep(FOREVER)
            except asyncio.CancelledError:
                seen.append(now())
        await asyncio.sleep(3)
        return "done all the same"

    overdue = OverdueCalls()
    running = asyncio.create_task(limited(call, 60, overdue))
    for _ in range(2):
        await asyncio.sleep(1)
        running.cancel()
    assert await running == "done all the same"
    assert (seen, now(), len(overdue)) == ([1, 2], 5, 0)


@virtual
async def test_a_call_that_waits_for_another_task_passes_its_limit_on_to_it() -> None:
    ended: list[float] = []

    async def part() -> None:
        try:
            await asyncio.sleep(FOREVER)
        finally:
            ended.append(now())

    async def call(task: Any) -> None:
        await asyncio.create_task(part())

    overdue = OverdueCalls()
    with pytest.raises(AttemptTimeout) as caught:
        await limited(call, 2, overdue)
    assert (ended, now(), len(overdue)) == ([2], 2, 0)
    assert not isinstance(caught.value, LateTimeout)
    assert (caught.value.adapter, caught.value.seconds) == ("a", 2)


@pytest.mark.parametrize(("gives_up_at", "limit", "returns_at", "left"), [(1, 60, 4, 0), (None, 2, 2, 1)])
@virtual
async def test_a_part_that_takes_long_to_end_is_awaited_for_a_caller_and_left_behind_at_a_limit(
    gives_up_at: float | None, limit: float, returns_at: float, left: int
) -> None:
    async def part() -> None:
        try:
            await asyncio.sleep(FOREVER)
        finally:
            await asyncio.sleep(3)

    async def call(task: Any) -> None:
        await asyncio.create_task(part())

    overdue = OverdueCalls()
    running = asyncio.create_task(limited(call, limit, overdue))
    if gives_up_at is not None:
        asyncio.get_running_loop().call_later(gives_up_at, running.cancel)
    await asyncio.wait([running])
    assert (now(), len(overdue)) == (returns_at, left)
    assert running.cancelled() or isinstance(running.exception(), AttemptTimeout)
    assert running.cancelled() is (gives_up_at is not None)
    await asyncio.sleep(10)
    assert len(overdue) == 0


@virtual
async def test_a_limit_that_passed_leaves_the_callers_task_uncancelled() -> None:
    async def call(task: Any) -> None:
        await asyncio.sleep(FOREVER)

    task = asyncio.current_task()
    assert task is not None
    for limit in (0.0, 2.0):
        with pytest.raises(AttemptTimeout):
            await limited(call, limit)
        assert task.cancelling() == 0
    await asyncio.sleep(1)
    assert now() == 3


@virtual
async def test_a_call_that_does_not_end_is_left_behind_at_its_limit_and_counted() -> None:
    async def call(task: Any) -> None:
        try:
            await asyncio.sleep(FOREVER)
        finally:
            await asyncio.sleep(5)

    overdue = OverdueCalls()
    with pytest.raises(AttemptTimeout):
        await limited(call, 2, overdue)
    assert (now(), overdue.of("a"), overdue.of("b")) == (2, 1, 0)
    await asyncio.sleep(5.5)
    assert (len(overdue), overdue.total) == (0, 1)


@virtual
async def test_a_cancelled_caller_gets_its_cancellation_although_the_limit_passes_meanwhile() -> None:
    async def call(task: Any) -> None:
        try:
            await asyncio.sleep(FOREVER)
        finally:
            await asyncio.sleep(5)

    overdue = OverdueCalls()
    running = asyncio.create_task(limited(call, 2, overdue))
    await asyncio.sleep(1)
    running.cancel()
    await asyncio.wait([running])
    assert (running.cancelled(), now(), len(overdue)) == (True, 2, 1)
    await asyncio.sleep(10)
    assert len(overdue) == 0


@pytest.mark.parametrize(("held_up", "blamed"), [(2.05, True), (2.15, False)])
@virtual
async def test_a_limit_that_a_busy_event_loop_noticed_late_is_not_the_calls_fault(held_up: float, blamed: bool) -> None:
    async def call(task: Any) -> None:
        await asyncio.sleep(FOREVER)

    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop.call_soon(loop.advance, held_up)
    with pytest.raises(AttemptTimeout) as caught:
        await limited(call, 2)
    assert isinstance(caught.value, LateTimeout) is not blamed
    assert str(caught.value).startswith("timeout: a gave no answer within 2 s")
    assert blamed or str(caught.value).endswith("but this process's event loop was 0.15 s late")


@pytest.mark.parametrize(("late", "blamed"), [(0.0999, True), (0.1, False)])
@virtual
async def test_a_limit_noticed_a_tenth_of_a_second_late_is_late(late: float, blamed: bool) -> None:
    async def call(task: Any) -> None:
        await asyncio.sleep(FOREVER)

    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop.call_soon(loop.advance, late)  # in the pass of the loop in which the limit ends
    with pytest.raises(AttemptTimeout) as caught:
        await limited(call, 0)
    assert isinstance(caught.value, LateTimeout) is not blamed


@pytest.mark.parametrize("wrapped", [False, True])
@virtual
async def test_a_call_that_had_not_begun_at_its_limit_is_refused(wrapped: bool) -> None:
    refusal = NoThreadFree("all threads are busy")

    async def call(task: Any) -> None:
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            try:
                raise asyncio.CancelledError from refusal
            except asyncio.CancelledError:
                if wrapped:
                    raise RuntimeError("closed") from None
                raise

    with pytest.raises(NoThreadFree) as caught:
        await limited(call, 2)
    assert caught.value is refusal
    assert now() == 2


# ------------------------------------------------------------------ a context of its own

SPAN: contextvars.ContextVar[str] = contextvars.ContextVar("span", default="none")


@LIMITS
@virtual
async def test_every_step_of_a_call_runs_in_its_own_context(limit: float | None) -> None:
    seen: list[str] = []

    async def call() -> str:
        token = SPAN.set("mine")
        await asyncio.sleep(1)
        seen.append(SPAN.get())
        SPAN.reset(token)  # raises in any other context
        return "yes"

    context = contextvars.copy_context()
    assert await within_context(context, call(), "a", limit, OverdueCalls()) == "yes"
    assert await in_context(context, call) == "yes"
    assert (seen, SPAN.get()) == (["mine", "mine"], "none")


@pytest.mark.parametrize("waits", [False, True])
@virtual
async def test_a_call_in_its_own_context_that_cancels_itself_has_failed(waits: bool) -> None:
    async def call() -> None:
        if waits:
            await asyncio.sleep(1)
        raise asyncio.CancelledError

    with pytest.raises(AdapterCancelled, match="a cancelled its own work"):
        await within_context(contextvars.copy_context(), call(), "a", 60, OverdueCalls())


async def test_a_coroutine_that_has_begun_in_its_context_cannot_be_awaited() -> None:
    async def call() -> None:
        await asyncio.sleep(0)

    coroutine = call()
    begun = InContext(contextvars.copy_context(), coroutine)
    with pytest.raises(TypeError, match="it has begun"):
        await begun
    begun.close()
    assert coroutine.cr_frame is None
