"""Which adapters a route may call, calls without fault tolerance, and the tasks that a shutdown cancels."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine import DeadlineExceeded, RetryPolicy, SoftFailure
from fuseboard_engine.adapters.registry import DownMark
from fuseboard_engine.events import Attempt
from fuseboard_engine.routing.gates import BypassGate, InFlightTasks, OpenStreams, ShuttingDown
from fuseboard_engine.virtual_time import VirtualTimeLoop
from support.engine_world import HttpError, World, now, virtual

START = 1000.0
FOREVER = 1e6
ONCE = RetryPolicy(max_attempts=1)
OFF = "fault tolerance is off: it was called once, and nothing is held against it"


async def world(**options: Any) -> World:
    await asyncio.sleep(START)
    return World(**options)


async def unprotected(running: InFlightTasks | None = None) -> World:
    """Return an engine whose fault tolerance is switched off."""
    engine = await world()
    engine.router.attempts.gate = BypassGate(engine.clock, lambda: running, engine.registry.overdue)
    return engine


# ------------------------------------------------------------------ admission


@virtual
@pytest.mark.parametrize(("left", "answered_by"), [(0.5, "b"), (0.0, "a")])
async def test_an_adapter_that_a_health_check_found_down_is_skipped_until_the_mark_ends(
    left: float, answered_by: str
) -> None:
    engine = await world()
    engine.script("a", "from a")
    engine.script("b", "from b")
    engine.registry["a"].down = DownMark("no answer", now() + left)
    route = await engine.execute_with_fallback("task", ["a", "b"])
    assert route.adapter == answered_by
    if left:
        assert route.attempts[0] == Attempt(
            adapter="a", outcome="rejected", why="known down: no answer", retry_after=left
        )
    statistics = engine.get_adapter_statistics()["a"]
    assert (statistics["rejections"], statistics["calls"]) == ((1, 0) if left else (0, 1))


@virtual
async def test_only_an_adapter_that_handles_a_failure_gets_its_task() -> None:
    engine = await world()
    engine.script("a", HttpError(400, "maximum context length is 8192"))
    other = engine.script("b", "from b", handles=["content_policy"])
    engine.script("c", "from c", handles=["context_window", "content_policy"])
    route = await engine.execute_with_fallback("task", ["a", "b", "c"])
    assert (route.adapter, other.calls) == ("c", [])
    assert route.attempts[1] == Attempt(adapter="b", outcome="rejected", why="it does not handle context_window")


@virtual
async def test_an_adapter_that_took_a_task_over_is_retried_like_any_other() -> None:
    engine = await world(retry=RetryPolicy(max_attempts=2, base_delay=1))
    engine.script("a", HttpError(400, "maximum context length is 8192"))
    b = engine.script("b", ConnectionError("down"), "from b", handles=["context_window"])
    assert (await engine.execute_with_fallback("task", ["a", "b"])).adapter == "b"
    assert b.calls == [START, START + 1]


@virtual
async def test_a_deadline_that_passes_between_two_adapters_leaves_the_second_unreached() -> None:
    engine = await world(retry=ONCE)

    async def slow(task: Any) -> None:
        try:
            await asyncio.sleep(FOREVER)
        finally:
            raise ConnectionError("down") from None

    engine.add_adapter("a", slow, retry=RetryPolicy(max_attempts=1, attempt_timeout=2))
    b = engine.script("b", "from b")
    route = await engine.execute_with_fallback("task", ["a", "b"], deadline=2)
    assert (route.left, b.calls) == (("b",), [])
    assert engine.get_adapter_statistics()["b"]["rejections"] == 0


@virtual
async def test_a_call_that_begins_within_its_deadline_and_answers_at_once_is_a_success() -> None:
    engine = await world()
    a = engine.script("a", "from a")
    route = await engine.execute_with_fallback({"id": "t1"}, ["a"], deadline=1e-9)
    assert a.calls == [START]
    assert route.success


def held_up(seconds: float) -> None:
    """Let time pass as if the event loop had been busy."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop.advance(seconds)


@virtual
async def test_an_adapter_that_is_reached_after_the_deadline_is_not_called_and_the_error_says_so() -> None:
    engine = await world(retry=ONCE)

    async def busy(task: Any) -> None:
        held_up(2)
        raise ConnectionError("down")

    engine.add_adapter("a", busy)
    b = engine.script("b", "from b")
    route = await engine.execute_with_fallback({"id": "t1"}, ["a", "b"], deadline=2)
    assert isinstance(route.exception, DeadlineExceeded)
    assert route.error == "the deadline of task t1 passed before b was called"
    assert (route.left, b.calls) == (("b",), [])
    assert (engine.registry["b"].rejections, engine.registry["b"].failures) == (0, 0)


@virtual
async def test_a_retry_that_comes_after_the_deadline_is_not_made_and_the_task_counts_as_failed() -> None:
    engine = await world(retry=RetryPolicy(max_attempts=2, base_delay=1))
    a = engine.script("a", ConnectionError("down"))
    b = engine.script("b", "from b")
    asyncio.get_running_loop().call_later(0.5, held_up, 5)
    route = await engine.execute_with_fallback({"id": "t1"}, ["a", "b"], deadline=2)
    assert route.error == "the deadline of task t1 passed before a was called"
    assert (len(a.calls), b.calls, route.left) == (1, [], ("b",))
    assert engine.registry["a"].failures == 1


@virtual
async def test_a_retry_that_is_refused_counts_as_a_failed_task_and_keeps_the_adapters_own_error() -> None:
    engine = await world(retry=RetryPolicy(max_attempts=2, base_delay=1))
    own = ConnectionError("down")
    engine.script("a", own)
    asyncio.get_running_loop().call_later(0.5, engine.breaker("a").force_open)
    route = await engine.execute_with_fallback("task", ["a"])
    assert route.exception is own
    assert [attempt.outcome for attempt in route.attempts] == ["failure", "rejected"]
    statistics = engine.get_adapter_statistics()["a"]
    assert (statistics["failures"], statistics["rejections"], statistics["calls"]) == (1, 1, 1)


# ------------------------------------------------------------------ without fault tolerance


@virtual
async def test_without_fault_tolerance_each_adapter_is_called_once_and_every_call_is_recorded() -> None:
    engine = await unprotected()

    async def bad(task: Any) -> None:
        await asyncio.sleep(2)
        raise ConnectionError("down")

    async def good(task: Any) -> str:
        await asyncio.sleep(3)
        assert engine.registry["good"].in_flight == 1
        return f"did {task}"

    engine.add_adapter("bad", bad)
    engine.add_adapter("good", good)
    route = await engine.execute_with_fallback("it", ["bad", "good"])
    assert (route.adapter, route.result) == ("good", "did it")
    assert route.attempts == (
        Attempt(
            adapter="bad", outcome="ignored", number=1, duration=2, error_type="ConnectionError", error="down", why=OFF
        ),
        Attempt(adapter="good", outcome="success", number=1, duration=3, why=OFF),
    )
    assert [engine.registry[name].in_flight for name in ("bad", "good")] == [0, 0]
    assert engine.breaker("bad").snapshot().calls == 0


@virtual
async def test_without_fault_tolerance_a_soft_failure_is_still_a_failure() -> None:
    engine = await unprotected()
    engine.script("a", {"success": False, "error": "no"})
    route = await engine.execute_with_fallback("task", ["a"])
    assert isinstance(route.exception, SoftFailure)
    assert (route.error, route.attempts[0].outcome) == ("no", "ignored")


@virtual
@pytest.mark.parametrize(("deadline", "asked"), [(2.0, []), (2.5, [START + 2])])
async def test_without_fault_tolerance_the_next_adapter_is_called_only_within_the_deadline(
    deadline: float, asked: list[float]
) -> None:
    engine = await unprotected()

    async def bad(task: Any) -> None:
        await asyncio.sleep(2)
        raise ConnectionError("down")

    engine.add_adapter("bad", bad)
    b = engine.script("b", "from b")
    route = await engine.execute_with_fallback("task", ["bad", "b"], deadline=deadline)
    assert b.calls == asked
    assert route.success is bool(asked)


@virtual
async def test_without_fault_tolerance_a_call_ends_at_the_deadline() -> None:
    engine = await unprotected()
    a = engine.script("a", FOREVER)
    route = await engine.execute_with_fallback("task", ["a"], deadline=2)
    assert (now(), a.cancelled, route.success) == (START + 2, 1, False)


class Lazy:
    """An adapter that takes two seconds to initialise."""

    def __init__(self) -> None:
        self.initialised_at: list[float] = []

    async def initialize(self) -> None:
        await asyncio.sleep(2)
        self.initialised_at.append(now())

    async def call(self, task: Any) -> Any:
        await asyncio.sleep(task)
        return "did it"


@virtual
async def test_without_fault_tolerance_an_adapter_is_initialised_once_within_the_deadline() -> None:
    engine = await unprotected()
    lazy = Lazy()
    engine.add_adapter("a", lazy)
    assert (await engine.execute_with_fallback(2.5, ["a"], deadline=5)).success
    assert (now(), lazy.initialised_at) == (START + 4.5, [START + 2])
    assert (await engine.execute_with_fallback(4.5, ["a"], deadline=5)).success
    assert lazy.initialised_at == [START + 2]
    engine.add_adapter("b", Lazy())
    began = now()
    assert not (await engine.execute_with_fallback(4.0, ["b"], deadline=5)).success
    assert now() == began + 5  # of which the initialisation took two seconds


@virtual
async def test_without_fault_tolerance_a_call_in_flight_is_tracked_until_it_ends() -> None:
    running = InFlightTasks()
    engine = await unprotected(running)
    seen: list[int] = []

    async def call(task: Any) -> str:
        seen.append(len(running.tasks))
        return "yes"

    engine.add_adapter("a", call)
    await engine.execute_with_fallback("task", ["a"])
    assert (seen, running.tasks) == ([1], set())


# ------------------------------------------------------------------ what a shutdown cancels


@virtual
async def test_tasks_with_a_call_in_flight_are_cancelled_except_those_that_are_spared() -> None:
    running, ended = InFlightTasks(), list[str]()

    async def work(name: str) -> None:
        task = running.enter()
        assert task is asyncio.current_task()
        assert running.enter() is None  # an inner call does not count
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            ended.append(name)
            raise
        finally:
            running.leave(task)

    hanging, spared = (asyncio.create_task(work(name)) for name in ("hanging", "spared"))
    await asyncio.sleep(1)
    assert running.cancel(but=[spared]) == 1
    await asyncio.wait([hanging])
    assert (ended, running.tasks) == (["hanging"], {spared})
    assert running.cancel() == 1
    await asyncio.wait([spared])
    assert ended == ["hanging", "spared"]
    assert running.cancel() == 0


class OneStream:
    def __init__(self, reader: asyncio.Task[Any] | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.reader = reader
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1


@virtual
async def test_streams_are_stopped_first_and_their_readers_cancelled_afterwards() -> None:
    async def read() -> None:
        await asyncio.sleep(FOREVER)

    async def done() -> None:
        pass

    reading, ended = asyncio.create_task(read()), asyncio.create_task(done())
    await asyncio.sleep(1)
    streams = OpenStreams()
    several = [OneStream(reading), OneStream(ended), OneStream(None)]
    streams.streams.update(several)
    assert streams.stop() == {reading, ended}
    await asyncio.sleep(0)
    assert [stream.stops for stream in several] == [1, 1, 1]
    assert not reading.done()
    streams.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled() and not ended.cancelled()


def test_a_refusal_during_shutdown_says_so() -> None:
    assert str(ShuttingDown()) == "shutting down: no new work is taken"
    assert str(ShuttingDown("the stream was ended")) == "the stream was ended"
