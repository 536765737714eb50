"""Streams along a chain: one attempt from first item to last, failover before the first, early stops are no failure."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fuseboard_engine import AllAdaptersFailed, BreakerPolicy, CallerError, Engine, RetryPolicy, StreamBroken, Task
from fuseboard_engine.context import CURRENT, current
from fuseboard_engine.errors import AttemptTimeout, DeadlineExceeded
from fuseboard_engine.events import AttemptFailed, RouteFinished, StreamRestarted
from fuseboard_engine.routing.gates import BypassGate
from fuseboard_engine.routing.policy import RoutingPolicy
from fuseboard_engine.routing.stream_router import RestartMarker
from support.engine_world import NEVER_TRIPS, World, now, virtual
from support.stream_world import ScriptedStream, read
from support.waiting import PATIENCE

ONCE = RetryPolicy(max_attempts=1, attempt_timeout=10)
DOWN = ConnectionError("down")


def world(*, retry: RetryPolicy = ONCE, breaker: BreakerPolicy | None = None, **streams: ScriptedStream) -> World:
    engine = World(retry=retry, breaker=breaker or BreakerPolicy(failure_threshold=3))
    for name, stream in streams.items():
        engine.add_adapter(name, stream)
    return engine


# ------------------------------------------------------------------ reading


@virtual
async def test_items_come_as_the_adapter_makes_them() -> None:
    engine = world(a=ScriptedStream([1.0, "one", 2.0, "two"]))
    seen = []
    async with engine.stream_with_fallback("task") as stream:
        async for item in stream:
            seen.append((item, now()))
    assert seen == [("one", 1.0), ("two", 3.0)]


@virtual
async def test_a_stream_is_one_attempt_with_the_time_to_its_first_item_and_its_total_apart() -> None:
    engine = world(a=ScriptedStream([1.0, "one", 2.0, "two", 3.0]))
    stream = engine.stream_with_fallback("task")
    assert await read(stream) == ["one", "two"]
    route = stream.result
    assert route is not None and route.success
    (attempt,) = route.attempts
    assert (attempt.outcome, attempt.first_item, attempt.duration, attempt.items) == ("success", 1.0, 6.0, 2)
    assert engine.breaker("a").snapshot().calls == 1
    assert isinstance(engine.emitted[-1], RouteFinished)


@virtual
async def test_a_stream_starts_when_its_first_item_is_requested() -> None:
    a = ScriptedStream([1])
    engine = world(a=a)
    stream = engine.stream_with_fallback("task")
    await asyncio.sleep(5)
    await stream.aclose()
    assert (a.started, engine.story(), stream.result) == (0, [], None)


@virtual
async def test_a_stream_is_in_flight_until_its_end() -> None:
    engine = world(a=ScriptedStream([1, 2]))
    async for _ in engine.stream_with_fallback("task"):
        assert engine.get_adapter_statistics()["a"]["in_flight"] == 1
    statistics = engine.get_adapter_statistics()["a"]
    assert (statistics["in_flight"], statistics["successes"], statistics["calls"]) == (0, 1, 1)


@virtual
async def test_an_adapter_that_does_not_stream_gives_its_result_as_the_only_item() -> None:
    engine = World()
    engine.script("a", {"text": "all at once"})
    assert await read(engine.stream_with_fallback("task")) == [{"text": "all at once"}]


@virtual
async def test_a_call_that_returns_a_stream_is_read_and_closed() -> None:
    engine = World()
    inner = ScriptedStream([1, 2, 3])

    async def connect(task: Any) -> AsyncIterator[Any]:
        await asyncio.sleep(1)
        return inner(task)

    engine.add_adapter("a", connect)
    async with engine.stream_with_fallback("task") as stream:
        assert await anext(stream) == 1
    assert inner.closed == 1


@virtual
async def test_a_stream_called_for_one_result_returns_the_list_of_its_items() -> None:
    engine = world(a=ScriptedStream([1, DOWN]), b=ScriptedStream([1, 2, 3]))
    route = await engine.execute_with_fallback("task")
    assert (route.adapter, route.result) == ("b", [1, 2, 3])
    assert engine.breaker("a").failures == 1


@virtual
async def test_a_plain_generator_is_a_stream_whose_steps_run_in_threads() -> None:
    engine = World()
    closed = []

    @engine.adapter("a")
    def count(task: Any) -> Any:
        try:
            yield from range(3)
        finally:
            closed.append(task)

    assert await read(engine.stream_with_fallback("all")) == [0, 1, 2]
    async with engine.stream_with_fallback("some") as stream:
        assert await anext(stream) == 0
    assert closed == ["all", "some"]
    assert (await engine.execute_with_fallback("once")).result == [0, 1, 2]


@virtual
async def test_a_first_item_that_is_a_soft_failure_is_a_failure() -> None:
    engine = world(a=ScriptedStream([{"success": False, "error": "overloaded"}]), b=ScriptedStream(["fine"]))
    stream = engine.stream_with_fallback("task")
    assert await read(stream) == ["fine"]
    assert stream.result is not None and stream.result.attempts[0].rule == "soft_failure"


@virtual
async def test_a_stream_without_items_is_a_success() -> None:
    engine = world(a=ScriptedStream([1.0]))
    stream = engine.stream_with_fallback("task")
    assert await read(stream) == []
    assert stream.result is not None and stream.result.success
    assert stream.result.attempts[0].first_item is None


# ------------------------------------------------------------------ failover


@virtual
async def test_before_the_first_item_a_failed_stream_is_retried_and_failed_over_from() -> None:
    a, b = ScriptedStream([DOWN]), ScriptedStream([1, 2])
    engine = world(a=a, b=b, retry=RetryPolicy(max_attempts=2))
    stream = engine.stream_with_fallback("task")
    assert await read(stream) == [1, 2]
    assert (a.started, a.closed) == (2, 2)
    assert stream.result is not None
    assert [(x.adapter, x.outcome) for x in stream.result.attempts] == [
        ("a", "failure"),
        ("a", "failure"),
        ("b", "success"),
    ]


@virtual
async def test_after_the_first_item_the_route_ends_with_the_error_without_failover() -> None:
    b = ScriptedStream([1])
    engine = world(a=ScriptedStream([1, 2, DOWN]), b=b, retry=RetryPolicy(max_attempts=3))
    seen = []
    with pytest.raises(StreamBroken) as broken:
        async for item in engine.stream_with_fallback("task"):
            seen.append(item)
    assert (seen, broken.value.items, broken.value.__cause__) == ([1, 2], 2, DOWN)
    assert b.started == 0
    assert engine.breaker("a").failures == 1
    (failed,) = [event for event in engine.emitted if isinstance(event, AttemptFailed)]
    assert (failed.then, failed.attempt.items) == ("stop", 2)
    assert failed.attempt.why == "2 items were delivered, and this stream cannot start over"


@virtual
async def test_a_stream_whose_adapters_all_fail_before_the_first_item_raises_all_adapters_failed() -> None:
    engine = world(a=ScriptedStream([DOWN]), b=ScriptedStream([DOWN]))
    with pytest.raises(AllAdaptersFailed) as failed:
        await read(engine.stream_with_fallback("task"))
    assert not isinstance(failed.value, StreamBroken)
    assert failed.value.result.fallback_chain == ["a", "b"]


@virtual
async def test_an_open_breaker_is_skipped_and_an_invalid_task_counts_against_no_adapter() -> None:
    engine = world(a=ScriptedStream([1]), b=ScriptedStream([CallerError("no such thing")]), c=ScriptedStream([1]))
    engine.breaker("a").force_open()
    with pytest.raises(AllAdaptersFailed) as failed:
        await read(engine.stream_with_fallback("task"))
    assert [attempt.outcome for attempt in failed.value.result.attempts] == ["rejected", "ignored"]
    assert failed.value.result.left == ("c",)


@virtual
async def test_a_degraded_answer_is_the_only_item_and_no_success() -> None:
    engine = world(a=ScriptedStream([DOWN]))
    engine.set_degraded("", {"text": "later"})
    stream = engine.stream_with_fallback("task")
    assert await read(stream) == [{"text": "later", "degraded": True}]
    assert stream.result is not None and (stream.result.success, stream.result.degraded) == (False, True)


# ------------------------------------------------------------------ starting over


@virtual
async def test_a_restarted_stream_gives_its_consumer_a_restart_marker() -> None:
    engine = world(a=ScriptedStream([1, 2, DOWN]), b=ScriptedStream([1, 2, 3]))
    items = await read(engine.stream_with_fallback("task", restartable=True))
    assert items == [1, 2, RestartMarker("b", 2, "down"), 1, 2, 3]
    (told,) = [event for event in engine.emitted if isinstance(event, StreamRestarted)]
    assert (told.adapter, told.items, told.error) == ("b", 2, "down")


@virtual
async def test_a_chain_can_allow_its_streams_to_restart() -> None:
    engine = world(a=ScriptedStream([1, DOWN]), b=ScriptedStream([1]), breaker=NEVER_TRIPS)
    engine.set_preference(["a", "b"], "chat", restartable=True)
    assert len(await read(engine.stream_with_fallback({"task_type": "chat"}))) == 3
    with pytest.raises(StreamBroken):
        await read(engine.stream_with_fallback({"task_type": "other"}))
    with pytest.raises(StreamBroken):
        await read(engine.stream_with_fallback({"task_type": "chat"}, restartable=False))
    engine.set_preference(["a", "b"], "chat")
    with pytest.raises(StreamBroken):
        await read(engine.stream_with_fallback({"task_type": "chat"}))


@virtual
async def test_a_stream_can_restart_on_the_same_adapter() -> None:
    engine = world(a=ScriptedStream([1, DOWN], [DOWN], [1, 2]), retry=RetryPolicy(max_attempts=3))
    items = await read(engine.stream_with_fallback("task", restartable=True))
    assert items == [1, RestartMarker("a", 1, "down"), 1, 2]


@virtual
async def test_a_stream_whose_restarts_fail_is_broken() -> None:
    engine = world(a=ScriptedStream([1, 2, DOWN]), b=ScriptedStream([DOWN]))
    with pytest.raises(StreamBroken) as broken:
        await read(engine.stream_with_fallback("task", restartable=True))
    assert broken.value.items == 2


# ------------------------------------------------------------------ stopping early


@virtual
async def test_a_consumer_that_stops_early_is_not_a_failure() -> None:
    a, b = ScriptedStream([1, 2, 3]), ScriptedStream([1])
    engine = world(a=a, b=b, breaker=BreakerPolicy(failure_threshold=1))
    async with engine.stream_with_fallback("task") as stream:
        async for item in stream:
            if item == 2:
                break
    assert (a.closed, b.started) == (1, 0)
    assert engine.breaker("a").snapshot().calls == 0
    route = stream.result
    assert route is not None and route.success
    assert (route.attempts[0].outcome, route.attempts[0].why) == ("ignored", "the consumer stopped after 2 items")


@virtual
async def test_leaving_waits_until_the_adapters_stream_has_closed() -> None:
    engine = World()
    steps = []

    async def slow_to_close(task: Any) -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(5)
            steps.append("closed")

    engine.add_adapter("a", slow_to_close)
    async with engine.stream_with_fallback("task") as stream:
        await anext(stream)
    assert (steps, now()) == (["closed"], 5)


@virtual
async def test_a_consumer_that_stops_early_returns_its_probe_permit() -> None:
    engine = world(a=ScriptedStream([1, 2]))
    engine.breaker("a").half_open()
    async with engine.stream_with_fallback("task") as stream:
        await anext(stream)
        assert engine.breaker("a").snapshot().probes_in_flight == 1
    assert engine.breaker("a").snapshot().probes_in_flight == 0


async def test_a_break_without_async_with_ends_the_stream_soon_after() -> None:
    closed = asyncio.Event()
    engine = Engine()

    async def numbers(task: Any) -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.set()

    engine.add_adapter("a", numbers)
    async for _ in engine.stream_with_fallback("task"):
        break
    gc.collect()
    await asyncio.wait_for(closed.wait(), PATIENCE)
    while engine.get_adapter_statistics()["a"]["in_flight"]:
        await asyncio.sleep(0)


@virtual
async def test_an_error_of_the_consumer_is_not_attributed_to_the_adapter() -> None:
    engine = world(a=ScriptedStream([1, 2]), breaker=BreakerPolicy(failure_threshold=1))
    with pytest.raises(LookupError):
        async with engine.stream_with_fallback("task") as stream:
            async for _ in stream:
                raise LookupError
    assert engine.breaker("a").state == "closed"


@virtual
async def test_a_consumer_cancelled_while_waiting_gives_no_verdict_and_returns_the_permit() -> None:
    a = ScriptedStream([1, 1e6, 2])
    engine = world(a=a, breaker=BreakerPolicy(failure_threshold=1), retry=RetryPolicy(attempt_timeout=None))
    engine.breaker("a").half_open()
    reading = asyncio.create_task(read(engine.stream_with_fallback("task")))
    await asyncio.sleep(5)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert reading.cancelled()
    assert (a.closed, engine.breaker("a").snapshot().probes_in_flight) == (1, 0)
    told = engine.emitted[-1]
    assert isinstance(told, RouteFinished)
    assert (told.success, told.error, told.attempts[0].outcome) == (False, "the caller gave up", "cancelled")
    assert engine.get_adapter_statistics()["a"]["in_flight"] == 0


# ------------------------------------------------------------------ time


@virtual
async def test_the_first_item_and_the_gaps_between_items_have_limits_of_their_own() -> None:
    retry = RetryPolicy(max_attempts=1, first_item_timeout=5, item_timeout=1)
    engine = world(a=ScriptedStream([6.0, 1]), b=ScriptedStream([4.0, 1, 0.9, 2, 2.0, 3]), retry=retry)
    seen = []
    with pytest.raises(StreamBroken) as broken:
        async for item in engine.stream_with_fallback("task"):
            seen.append((item, round(now(), 3)))
    assert seen == [(1, 9.0), (2, 9.9)]
    assert isinstance(broken.value.__cause__, AttemptTimeout)
    assert [attempt.rule for attempt in broken.value.result.attempts] == ["timeout", "timeout"]
    assert round(now(), 3) == 10.9


@virtual
async def test_without_limits_of_their_own_both_are_the_attempts_timeout() -> None:
    engine = world(a=ScriptedStream([9.0, 1, 9.0, 2, 11.0, 3]))
    with pytest.raises(StreamBroken):
        await read(engine.stream_with_fallback("task"))
    assert now() == 28


@virtual
async def test_a_slow_consumer_makes_no_stream_time_out_or_count_as_slow() -> None:
    policy = BreakerPolicy(slow_call_rate=1, slow_call_seconds=5, minimum_calls=1, failure_threshold=None)
    engine = world(a=ScriptedStream([1.0, 1, 1.0, 2]), breaker=policy)
    async for _ in engine.stream_with_fallback("task"):
        await asyncio.sleep(100)
    assert engine.breaker("a").snapshot().slow == 0


@virtual
async def test_the_tasks_deadline_ends_a_stream_and_counts_against_no_adapter() -> None:
    engine = world(a=ScriptedStream([1, 5.0, 2]), b=ScriptedStream([1]), breaker=BreakerPolicy(failure_threshold=1))
    with pytest.raises(StreamBroken) as broken:
        await read(engine.stream_with_fallback("task", deadline=3))
    assert isinstance(broken.value.__cause__, DeadlineExceeded)
    assert (now(), engine.breaker("a").state) == (3, "closed")
    slow = engine.stream_with_fallback("task", deadline=3)
    with pytest.raises(StreamBroken):
        async for _ in slow:
            await asyncio.sleep(4)
    with pytest.raises(AllAdaptersFailed) as late:
        await read(engine.stream_with_fallback("task", deadline=0))
    assert late.value.result.left == ("a", "b")


# ------------------------------------------------------------------ with the engine's other parts


@virtual
async def test_with_all_adapters_unavailable_a_stream_can_wait_for_the_first_recovery() -> None:
    engine = World(retry=ONCE, routing=RoutingPolicy(all_out="wait", max_wait=60))
    engine.add_adapter("a", ScriptedStream([1, 2]))
    engine.breaker("a").open_for(5)
    assert await read(engine.stream_with_fallback("task")) == [1, 2]
    assert now() == pytest.approx(5, abs=0.1)
    engine.breaker("a").force_open()
    with pytest.raises(AllAdaptersFailed):
        await read(engine.stream_with_fallback("task"))


@virtual
async def test_the_ids_of_a_task_reach_every_step_of_its_stream_and_its_event() -> None:
    seen = []

    async def numbers(task: Any) -> AsyncIterator[int]:
        for number in range(2):
            ids = CURRENT.get() or {}
            seen.append(ids.get("user"))
            yield number

    engine = World(retry=ONCE)
    engine.add_adapter("a", numbers)
    await read(engine.stream_with_fallback("task", context={"user": "u1"}))
    assert seen == ["u1", "u1"]
    assert CURRENT.get() is None
    told = engine.emitted[-1]
    assert isinstance(told, RouteFinished)
    assert (told.context or {})["user"] == "u1"


@virtual
async def test_with_all_adapters_unavailable_a_stream_can_call_a_last_resort() -> None:
    trips = BreakerPolicy(failure_threshold=1, recovery_timeout=60)
    engine = World(retry=ONCE, breaker=trips, routing=RoutingPolicy(all_out="last_resort"))
    engine.add_adapter("a", ScriptedStream([DOWN], [1, 2]))
    with pytest.raises(AllAdaptersFailed):
        await read(engine.stream_with_fallback("task"))
    assert engine.breaker("a").state == "open"
    assert await read(engine.stream_with_fallback("task")) == [1, 2]
    assert now() == 0.0


@virtual
async def test_a_stream_that_is_closed_early_still_has_the_ids_of_its_task() -> None:
    seen = []

    async def numbers(task: Any) -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            seen.append(current().get("request"))

    engine = World(retry=ONCE)
    engine.add_adapter("a", numbers)
    async with engine.stream_with_fallback(Task(context={"request": "r-1"})) as stream:
        await anext(stream)
        assert dict(current()) == {}
    assert seen == ["r-1"]


@virtual
async def test_during_shutdown_no_stream_starts_and_running_ones_may_end() -> None:
    engine = world(a=ScriptedStream([1, 2.0, 2]))
    under_way = engine.stream_with_fallback("task")
    assert await anext(under_way) == 1
    ending = asyncio.create_task(engine.shutdown())
    await asyncio.sleep(1)
    with pytest.raises(AllAdaptersFailed, match="shutting down"):
        await read(engine.stream_with_fallback("late"))
    assert await read(under_way) == [2]
    await ending
    assert under_way.result is not None and under_way.result.success


@virtual
async def test_with_protection_off_the_items_still_come() -> None:
    engine = world(a=ScriptedStream([1, 2]))
    engine.script("b", [1, 2])
    engine.router.attempts.gate = BypassGate(engine.clock, lambda: None, engine.registry.overdue)
    assert await read(engine.stream_with_fallback("task", ["a"])) == [1, 2]
    assert await read(engine.stream_with_fallback("task", ["b"])) == [[1, 2]]


# ------------------------------------------------------------------ context and thread

SPAN: contextvars.ContextVar[str] = contextvars.ContextVar("span", default="none")


async def traced(task: Any) -> AsyncIterator[str]:
    token = SPAN.set("mine")
    try:
        yield SPAN.get()
        await asyncio.sleep(0)
        yield SPAN.get()
    finally:
        SPAN.reset(token)  # raises in any other context


def traced_plainly(task: Any) -> Iterator[str]:
    token = SPAN.set("mine")
    try:
        yield SPAN.get()
        yield SPAN.get()
    finally:
        SPAN.reset(token)


class TracedObject:
    """An async iterator that is not a generator."""

    def __init__(self) -> None:
        self.items = 0

    async def call(self, task: Any) -> str:
        return "all"

    def stream(self, task: Any) -> TracedObject:
        return self

    def __aiter__(self) -> TracedObject:
        return self

    async def __anext__(self) -> str:
        if not self.items:
            self.token = SPAN.set("mine")
        self.items += 1
        if self.items > 2:
            SPAN.reset(self.token)
            raise StopAsyncIteration
        return SPAN.get()


def traced_engine() -> Engine:
    engine = Engine(retry=RetryPolicy(max_attempts=1, attempt_timeout=30))
    engine.add_adapter("async", traced)
    engine.add_adapter("plain", traced_plainly)
    engine.add_adapter("object", TracedObject())
    return engine


TRACED = pytest.mark.parametrize("name", ["async", "plain", "object"])


@TRACED
async def test_a_stream_keeps_one_context_whatever_tasks_read_it(name: str) -> None:
    engine = traced_engine()
    async with engine.stream_with_fallback("task", [name], context={"user": "ann"}) as stream:
        items = [await asyncio.create_task(stream.__anext__()) for _ in range(2)]  # type: ignore[arg-type]
        assert SPAN.get() == "none", "the variable of the adapter stays its own"
        with pytest.raises(StopAsyncIteration):
            await asyncio.create_task(stream.__anext__())  # type: ignore[arg-type]
    assert items == ["mine", "mine"]


@TRACED
def test_a_stream_keeps_one_context_without_await(name: str) -> None:
    engine = traced_engine()
    with engine.sync.stream_with_fallback("task", [name]) as stream:
        assert list(stream) == ["mine", "mine"]
    engine.sync.close()


@pytest.mark.parametrize("name", ["async", "plain"])
async def test_a_stream_that_is_left_early_is_closed_in_its_context(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = traced_engine()
    stream = engine.stream_with_fallback("task", [name])
    assert await asyncio.create_task(stream.__anext__()) == "mine"  # type: ignore[arg-type]
    await asyncio.create_task(stream.aclose())
    assert not caplog.records


async def test_each_attempt_of_a_stream_has_a_context_of_its_own() -> None:
    seen: list[str] = []

    async def fails(task: Any) -> AsyncIterator[str]:
        seen.append(SPAN.get())
        SPAN.set("first")
        raise ConnectionError
        yield ""

    engine = traced_engine()
    engine.add_adapter("fails", fails)
    SPAN.set("caller")
    retry = RetryPolicy(max_attempts=2, strategy="immediate", attempt_timeout=30)
    async with engine.stream_with_fallback("task", ["fails", "async"], retry=retry) as stream:
        assert [item async for item in stream] == ["mine", "mine"]
    assert seen == ["caller", "caller"]


async def test_a_plain_generator_keeps_one_thread_and_others_have_theirs() -> None:
    threads: dict[str, set[int]] = {}

    def local(task: str) -> Iterator[int]:
        mine = threads.setdefault(task, set())
        try:
            for number in range(5):
                mine.add(threading.get_ident())
                yield number
        finally:
            mine.add(threading.get_ident())

    engine = Engine(threads=1, retry=RetryPolicy(max_attempts=1, attempt_timeout=30))
    engine.add_adapter("local", local)
    engine.add_adapter("function", lambda task: task)
    async with engine.stream_with_fallback("a") as first, engine.stream_with_fallback("b") as second:
        for _ in range(3):
            await anext(first)
            await anext(second)
        call = await engine.execute_with_fallback("it", ["function"])
        assert call.success, "open streams keep no function from running"
    assert [len(found) for found in threads.values()] == [1, 1]
    assert threads["a"].isdisjoint(threads["b"])


async def test_more_open_streams_of_plain_generators_than_allowed_are_rejected_and_threads_end() -> None:
    engine = Engine(threads=1, retry=RetryPolicy(max_attempts=1, attempt_timeout=30))
    engine.add_adapter("a", lambda task: None)

    def endless(task: str) -> Iterator[int]:
        while True:
            yield 1

    engine.add_adapter("endless", endless)
    streams = [engine.stream_with_fallback("task", ["endless"]) for _ in range(9)]
    for stream in streams[:8]:
        assert await anext(stream) == 1
    with pytest.raises(AllAdaptersFailed, match="8 streams of plain generators are open"):
        await anext(streams[8])
    assert engine.breaker("endless").snapshot().failures == 0
    for stream in streams:
        await stream.aclose()
    async with asyncio.timeout(60):
        while any("-stream_" in thread.name for thread in threading.enumerate()):
            await asyncio.sleep(0.01)


async def test_a_plain_generator_that_hangs_is_closed_when_its_step_ends() -> None:
    release, closed = threading.Event(), threading.Event()

    def hangs(task: str) -> Iterator[int]:
        try:
            release.wait(60)
            yield 1
        finally:
            closed.set()

    engine = Engine(threads=2, retry=RetryPolicy(max_attempts=1, attempt_timeout=0.05))
    engine.add_adapter("hangs", hangs)
    with pytest.raises(AllAdaptersFailed):
        await anext(engine.stream_with_fallback("task"))
    assert engine.resources.threads.stuck == {"hangs": 1}
    release.set()
    assert await asyncio.to_thread(closed.wait, 60)
    async with asyncio.timeout(60):
        while engine.resources.threads.stuck:
            await asyncio.sleep(0.01)
