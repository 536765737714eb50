"""Callables as adapters: async functions, coroutines, futures and plain functions."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable, Generator
from typing import Any
from unittest.mock import AsyncMock

import pytest

from fuseboard_engine import Engine, RetryPolicy
from support.engine_world import virtual
from support.waiting import PATIENCE, TIMED_OUT

REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")


async def function(task: Any) -> str:
    await asyncio.sleep(0)
    return f"did {task}"


async def with_options(option: str, task: Any) -> str:
    return f"did {task}" if option == "yes" else "wrong"


class Client:
    async def method(self, task: Any) -> str:
        return f"did {task}"

    @staticmethod
    async def static(task: Any) -> str:
        return f"did {task}"

    @classmethod
    async def of_class(cls, task: Any) -> str:
        return f"did {task}"

    def plain(self, task: Any) -> str:
        return f"did {task}"


class AsyncCallable:
    async def __call__(self, task: Any) -> str:
        return f"did {task}"


class SyncCallable:
    def __call__(self, task: Any) -> str:
        return f"did {task}"


class Promise:
    """An awaitable that is not a coroutine."""

    def __init__(self, value: str) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, None, str]:
        yield from asyncio.sleep(0).__await__()
        return self.value


def decorated(inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(inner)
    def wrapper(task: Any) -> Any:
        return inner(task)

    return wrapper


@pytest.mark.parametrize(
    "adapter",
    [
        function,
        functools.partial(with_options, "yes"),
        functools.partial(functools.partial(with_options), "yes"),
        functools.partial(AsyncCallable()),
        Client().method,
        Client.static,
        Client.of_class,
        AsyncCallable(),
        lambda task: function(task),
        decorated(function),
        lambda task: Promise(f"did {task}"),
        AsyncMock(return_value="did it"),
        Client().plain,
        SyncCallable(),
        lambda task: f"did {task}",
    ],
)
async def test_every_kind_of_callable_is_called_correctly(adapter: Callable[[Any], Any]) -> None:
    engine = Engine()
    engine.add_adapter("a", adapter)
    assert (await engine.execute_with_fallback("it")).unwrap() == "did it"


@pytest.mark.parametrize("limit", [None, 5])
async def test_a_future_of_the_loop_is_awaited(limit: float | None) -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[str] = loop.create_future()
    loop.call_soon(future.set_result, "in time")
    engine = Engine(retry=RetryPolicy(attempt_timeout=limit))
    engine.add_adapter("a", lambda task: future)
    assert (await engine.execute_with_fallback("it")).unwrap() == "in time"


@pytest.mark.parametrize("adapter", [lambda task: Promise("x"), decorated(function), AsyncCallable()])
async def test_errors_of_every_kind_of_callable_count_as_failures(adapter: Any) -> None:
    engine = Engine(retry=RetryPolicy(max_attempts=1))

    async def failing(task: Any) -> str:
        await adapter(task)
        raise ValueError("wrong")

    engine.add_adapter("a", decorated(failing))
    route = await engine.execute_with_fallback("it")
    assert (route.success, route.error) == (False, "wrong")


@virtual
async def test_a_coroutine_can_await_repeatedly_catch_exceptions_and_use_the_current_task() -> None:
    engine = Engine()
    own = asyncio.current_task()

    async def busy(task: Any) -> str:
        assert asyncio.current_task() is own
        for _ in range(5):
            await asyncio.sleep(1)
        failing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(failing.set_exception, KeyError("thrown in"))
        try:
            await failing
        except KeyError:
            pass
        async with asyncio.TaskGroup() as group:
            inner = group.create_task(asyncio.sleep(1, "inner"))
        return inner.result()

    engine.add_adapter("a", busy)
    assert (await engine.execute_with_fallback("it")).unwrap() == "inner"


async def test_an_async_adapter_runs_in_the_callers_context() -> None:
    engine = Engine()

    async def reader(task: Any) -> str:
        first = REQUEST.get()
        await asyncio.sleep(0)
        return first + REQUEST.get()

    engine.add_adapter("a", reader)
    REQUEST.set("r1")
    assert (await engine.execute_with_fallback("it")).unwrap() == "r1r1"


# ------------------------------------------------------------------ plain functions


async def test_a_plain_function_runs_in_a_thread_with_the_callers_context() -> None:
    engine = Engine("shop")

    def reader(task: Any) -> tuple[str, str]:
        return threading.current_thread().name, REQUEST.get()

    engine.add_adapter("a", reader)
    REQUEST.set("r2")
    thread, request = (await engine.execute_with_fallback("it")).unwrap()
    assert thread.startswith("fuseboard-shop")
    assert request == "r2"


async def test_a_plain_function_does_not_block_the_loop() -> None:
    engine = Engine()
    loop_went_on = threading.Event()
    engine.add_adapter("a", lambda task: loop_went_on.wait(PATIENCE))
    asyncio.get_running_loop().call_soon(loop_went_on.set)
    assert (await engine.execute_with_fallback("it")).unwrap() is True


async def test_a_plain_function_that_hangs_times_out_and_the_next_adapter_answers() -> None:
    engine = Engine(retry=RetryPolicy(max_attempts=1, attempt_timeout=0.05))
    over = threading.Event()
    engine.add_adapter("hung", lambda task: over.wait(30))
    engine.add_adapter("b", lambda task: "from b")
    try:
        route = await engine.execute_with_fallback("it")
        assert route.adapter == "b"
        assert route.attempts[0].rule in TIMED_OUT
    finally:
        over.set()


async def test_the_error_of_a_plain_function_reaches_the_result_unchanged() -> None:
    engine = Engine(retry=RetryPolicy(max_attempts=1))
    error = ValueError("wrong")

    def failing(task: Any) -> None:
        raise error

    engine.add_adapter("a", failing)
    assert (await engine.execute_with_fallback("it")).exception is error


@pytest.mark.timeout(20)
async def test_a_plain_function_that_raises_stop_iteration_fails_instead_of_hanging() -> None:
    engine = Engine(retry=RetryPolicy(max_attempts=1, attempt_timeout=None))
    engine.add_adapter("a", lambda task: next(iter(())))
    route = await engine.execute_with_fallback("it")
    assert route.error == "the adapter raised StopIteration"


async def test_the_decorator_registers_the_function_and_returns_it_unchanged() -> None:
    engine = Engine()

    @engine.adapter("gpt", tags=["eu"])
    async def gpt(task: Any) -> str:
        return f"did {task}"

    assert await gpt("alone") == "did alone"
    assert (await engine.execute_with_fallback("it")).adapter == "gpt"
    assert engine.registry["gpt"].tags == ("eu",)


async def test_two_plain_functions_run_concurrently() -> None:
    engine = Engine()
    both = threading.Barrier(2)
    engine.add_adapter("a", lambda task: both.wait(PATIENCE))
    routes = await asyncio.gather(engine.execute_with_fallback(1), engine.execute_with_fallback(2))
    assert all(route.success for route in routes)
