"""Plain functions in threads: bounded, reported while they hang, and no obstacle to other calls or to program exit."""

from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy
from fuseboard_engine.adapters.thread_pool import ThreadPool
from fuseboard_engine.errors import NoThreadFree
from fuseboard_engine.events import Event, ThreadsStuck
from support.waiting import PATIENCE, TIMED_OUT

SOON = RetryPolicy(max_attempts=1, attempt_timeout=0.05)
LATER = RetryPolicy(max_attempts=1, attempt_timeout=30)
REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.002)


def engine_of(threads: int) -> tuple[Engine, list[ThreadsStuck], threading.Event]:
    """Return an engine with an adapter `hung` that blocks until the event is set."""
    engine = Engine("t", threads=threads, breaker=BreakerPolicy(failure_threshold=None))
    reported: list[ThreadsStuck] = []

    def listen(event: Event) -> None:
        if isinstance(event, ThreadsStuck):
            reported.append(event)

    engine.subscribe(listen)
    over = threading.Event()
    engine.add_adapter("hung", lambda task: over.wait(5 * PATIENCE), retry=SOON)
    engine.add_adapter("fine", lambda task: f"did {task}", retry=LATER)
    return engine, reported, over


async def test_a_function_that_hangs_times_out_and_its_late_result_is_dropped() -> None:
    engine, reported, over = engine_of(1)
    route = await engine.execute_with_fallback("it", ["hung"])
    assert route.attempts[0].rule in TIMED_OUT
    assert [(event.adapter, event.stuck, event.total, event.limit) for event in reported] == [("hung", 1, 1, 1)]
    over.set()
    await until(lambda: not engine.resources.threads.stuck)
    assert (reported[-1].stuck, reported[-1].total) == (0, 0)
    assert engine.get_adapter_statistics()["hung"]["successes"] == 0


async def test_a_hung_thread_is_replaced() -> None:
    engine, _, over = engine_of(2)
    await engine.execute_with_fallback("it", ["hung"])
    assert engine.resources.threads.stuck == {"hung": 1}
    both = threading.Barrier(2)
    engine.add_adapter("pair", lambda task: both.wait(PATIENCE) >= 0, retry=LATER)
    routes = await asyncio.gather(*(engine.execute_with_fallback(n, ["pair"]) for n in range(2)))
    assert all(route.success for route in routes)
    over.set()


async def test_a_call_is_refused_at_once_without_a_counted_failure_while_all_threads_hang() -> None:
    engine, _, over = engine_of(2)

    async def awaited(task: Any) -> str:
        return "from another"

    engine.add_adapter("async", awaited)
    await asyncio.gather(*(engine.execute_with_fallback("it", ["hung"]) for _ in range(2)))
    route = await engine.execute_with_fallback("it", ["fine", "async"])
    assert route.adapter == "async"
    assert (route.attempts[0].rule, route.attempts[0].outcome) == ("rejected", "ignored")
    assert route.attempts[0].error == "2 threads are stuck in abandoned calls: hung (2); no more are started"
    assert engine.breaker("fine").snapshot().failed == 0
    over.set()
    await until(lambda: not engine.resources.threads.stuck)
    assert (await engine.execute_with_fallback("it", ["fine"])).result == "did it"


async def test_a_call_that_times_out_before_a_thread_is_free_is_not_the_adapters_failure() -> None:
    engine, reported, over = engine_of(1)
    ran = []
    engine.add_adapter("late", ran.append, retry=SOON)
    busy = asyncio.create_task(engine.execute_with_fallback("it", ["hung"], retry=LATER))
    await until(lambda: engine.get_adapter_statistics()["hung"]["in_flight"] == 1)
    route = await engine.execute_with_fallback("it", ["late"])
    assert isinstance(route.exception, NoThreadFree)
    assert (route.attempts[0].rule, engine.breaker("late").snapshot().failed, reported) == ("rejected", 0, [])
    over.set()
    await busy
    assert (await engine.execute_with_fallback("it", ["fine"])).success
    assert ran == []


async def test_a_cancelled_caller_is_cancelled_whether_or_not_a_thread_was_free() -> None:
    engine, _, over = engine_of(1)
    calls = [asyncio.create_task(engine.execute_with_fallback(n, ["hung"], retry=LATER)) for n in range(2)]
    await until(lambda: engine.resources.threads.waiting == 1)
    for call in calls:
        call.cancel()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in done] == [asyncio.CancelledError] * 2
    over.set()
    await until(lambda: not engine.resources.threads.stuck)


async def test_calls_beyond_the_number_of_threads_wait() -> None:
    engine, _, over = engine_of(3)
    running, most, lock = 0, 0, threading.Lock()

    def count(task: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1
        return task

    engine.add_adapter("count", count, retry=LATER)
    routes = await asyncio.gather(*(engine.execute_with_fallback(n, ["count"]) for n in range(200)))
    assert [route.result for route in routes] == list(range(200))
    assert most <= 3
    over.set()


async def test_context_variables_reach_the_thread_but_changes_do_not_leave_it() -> None:
    threads = ThreadPool("t")

    def change() -> str:
        before = REQUEST.get()
        REQUEST.set("changed")
        return before

    REQUEST.set("r1")
    assert await threads.run("a", change) == "r1"
    assert REQUEST.get() == "r1"
    threads.close()


async def test_an_engine_that_was_closed_can_be_used_again() -> None:
    engine, _, _ = engine_of(2)
    for _ in range(2):
        async with engine:
            assert (await engine.execute_with_fallback("it", ["fine"])).result == "did it"


async def test_closing_does_not_wait_for_a_thread_that_hangs() -> None:
    engine, _, over = engine_of(2)
    await engine.execute_with_fallback("it", ["hung"])
    await asyncio.wait_for(engine.close(), PATIENCE)
    over.set()


def test_two_loops_can_use_one_engine_at_once() -> None:
    engine, _, _ = engine_of(2)
    both = threading.Barrier(2)
    engine.add_adapter("pair", lambda task: both.wait(PATIENCE) >= 0, retry=LATER)
    results: list[bool] = []

    def one_loop() -> None:
        results.append(asyncio.run(engine.execute_with_fallback("it", ["pair"])).success)

    loops = [threading.Thread(target=one_loop) for _ in range(2)]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join(PATIENCE)
    assert results == [True, True]


def test_a_program_exits_while_one_of_its_functions_hangs() -> None:
    program = """
import asyncio, threading
from fuseboard_engine import Engine, RetryPolicy
engine = Engine(retry=RetryPolicy(max_attempts=1, attempt_timeout=0.05))
engine.add_adapter("a", lambda task: threading.Event().wait())
print(asyncio.run(engine.execute_with_fallback("it")).error)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert (ran.returncode, ran.stdout) == (0, "timeout: a gave no answer within 0.05 s\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_starts_threads_of_its_own() -> None:
    program = """
import asyncio, os
from fuseboard_engine import Engine
engine = Engine()
engine.add_adapter("a", lambda task: f"did {task}")
print(asyncio.run(engine.execute_with_fallback("parent")).result, flush=True)
print(engine.sync.execute_with_fallback("parent").result, flush=True)
if os.fork() == 0:
    print(asyncio.run(engine.execute_with_fallback("child")).result, flush=True)
    print(engine.sync.execute_with_fallback("child").result, flush=True)
    os._exit(0)
print(os.wait()[1])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert ran.stdout.split("\n") == ["did parent"] * 2 + ["did child"] * 2 + ["0", ""], ran.stderr


def test_a_pool_needs_a_thread() -> None:
    with pytest.raises(ValueError, match="at least one thread, not 0"):
        Engine(threads=0)
