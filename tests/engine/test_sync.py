"""The engine used from threads and from synchronous code."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import AllAdaptersFailed, Engine, RetryPolicy
from fuseboard_engine.routing.stream_router import RestartMarker
from fuseboard_storage import Recording, record
from support.waiting import PATIENCE

REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")
ONCE = RetryPolicy(max_attempts=1)


def engine_of(**adapters: Any) -> Engine:
    engine = Engine("shop", retry=ONCE)
    for name, adapter in adapters.items():
        engine.add_adapter(name, adapter)
    return engine


async def echo(task: Any) -> str:
    await asyncio.sleep(0)
    return f"did {task}"


def loops() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fuseboard-shop-loop")]


def test_a_task_is_routed_without_await() -> None:
    engine = engine_of(a=echo)
    assert engine.sync.execute_with_fallback("it").unwrap() == "did it"
    engine.sync.close()


def test_the_private_loop_starts_on_first_use_and_ends_with_close() -> None:
    engine = engine_of(a=echo)
    assert loops() == []
    engine.sync.execute_with_fallback("it")
    engine.sync.execute_with_fallback("it")
    assert len(loops()) == 1
    engine.sync.close()
    assert loops() == []
    assert engine.sync.execute_with_fallback("again").success
    engine.sync.close()


def test_many_threads_can_call_at_once() -> None:
    engine = engine_of(a=echo)
    results: dict[int, Any] = {}

    def call(number: int) -> None:
        for _ in range(20):
            results[number] = engine.sync.execute_with_fallback(number).unwrap()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == {number: f"did {number}" for number in range(8)}
    assert len(loops()) == 1
    assert engine.get_adapter_statistics()["a"]["successes"] == 160
    engine.sync.close()


def test_the_callers_context_variables_reach_the_adapter() -> None:
    async def read(task: Any) -> str:
        return REQUEST.get()

    engine = engine_of(a=read)
    REQUEST.set("r7")
    assert engine.sync.execute_with_fallback("it").result == "r7"
    engine.sync.close()


async def test_a_running_engines_own_loop_is_used_from_other_threads() -> None:
    seen = []

    async def where(task: Any) -> None:
        seen.append(asyncio.get_running_loop())

    async with engine_of(a=where) as engine:
        route = await asyncio.to_thread(engine.sync.execute_with_fallback, "it")
        assert route.success
    assert seen == [asyncio.get_running_loop()]
    assert loops() == []


async def test_a_plain_adapter_can_use_its_own_engine() -> None:
    engine = engine_of(inner=echo)

    def outer(task: Any) -> Any:
        return engine.sync.execute_with_fallback(task, ["inner"]).unwrap()

    engine.add_adapter("outer", outer)
    async with engine:
        assert (await engine.execute_with_fallback("it", ["outer"])).result == "did it"


async def test_a_sync_call_inside_an_event_loop_is_refused() -> None:
    engine = engine_of(a=echo)
    for call in (
        lambda: engine.sync.execute_with_fallback("it"),
        lambda: engine.sync.start(),
        lambda: engine.sync.close(),
        lambda: next(engine.sync.stream_with_fallback("it")),
    ):
        with pytest.raises(RuntimeError, match="would block it; await the engine's own method"):
            call()
    assert loops() == []


def test_the_sync_engine_has_every_other_method_of_the_engine() -> None:
    engine = engine_of(a=echo)
    assert engine.sync.start() == {}
    assert engine.sync.get_health_status()["ready"]
    engine.sync.set_preference(["a"])
    assert engine.sync.name == "shop"
    with pytest.raises(AttributeError):
        engine.sync.nonsense  # noqa: B018
    engine.sync.close()


def test_a_with_block_starts_and_closes_the_engine() -> None:
    steps = []

    class Client:
        async def initialize(self) -> None:
            steps.append("initialised")

        async def call(self, task: Any) -> str:
            steps.append("called")
            return "done"

        async def close(self) -> None:
            steps.append("closed")

    engine = engine_of(a=Client())
    with engine.sync as sync:
        assert steps == ["initialised"]
        sync.execute_with_fallback("it")
    assert steps == ["initialised", "called", "closed"]
    assert loops() == []


async def test_closing_the_engine_from_a_loop_ends_the_private_one() -> None:
    engine = engine_of(a=echo)
    await asyncio.to_thread(engine.sync.execute_with_fallback, "it")
    assert len(loops()) == 1
    await engine.close()
    assert loops() == []


# ------------------------------------------------------------------ streams


async def numbers(task: Any) -> AsyncIterator[int]:
    for number in range(3):
        yield number


def test_a_stream_can_be_read_with_a_plain_for_loop() -> None:
    engine = engine_of(a=numbers)
    stream = engine.sync.stream_with_fallback("it")
    assert list(stream) == [0, 1, 2]
    assert stream.result is not None and stream.result.success
    engine.sync.close()


def test_leaving_a_stream_early_closes_it() -> None:
    closed = []

    async def watched(task: Any) -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(task)

    engine = engine_of(a=watched)
    with engine.sync.stream_with_fallback("it") as stream:
        assert next(stream) == 1
    assert closed == ["it"]
    engine.sync.close()


def test_errors_and_restarts_of_a_stream_reach_a_plain_for_loop() -> None:
    async def breaks(task: Any) -> AsyncIterator[int]:
        yield 1
        raise ConnectionError("down")

    engine = engine_of(a=breaks, b=numbers)
    assert list(engine.sync.stream_with_fallback("it", restartable=True)) == [1, RestartMarker("b", 1, "down"), 0, 1, 2]
    with pytest.raises(AllAdaptersFailed):
        list(engine.sync.stream_with_fallback("it"))
    engine.sync.close()


# ------------------------------------------------------------------ recorded, interrupted, ended


async def test_an_engine_can_be_recorded_in_a_plain_with_block(tmp_path: Path) -> None:
    engine = engine_of(a=echo)

    def work() -> None:
        with record(engine, tmp_path / "shop.db"):
            for number in range(5):
                engine.sync.execute_with_fallback(number)
        engine.sync.close()

    await asyncio.to_thread(work)
    async with Recording.open(tmp_path / "shop.db") as recording:
        assert (await recording.board()).tasks_ok == 5


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_raised_by_an_adapter_reaches_the_caller_and_the_loop_survives(kind: type[BaseException]) -> None:
    async def interrupted(task: Any) -> str:
        if task == "stop":
            raise kind("stop")
        return "fine"

    engine = engine_of(a=interrupted)
    with pytest.raises(kind, match="stop"):
        engine.sync.execute_with_fallback("stop")
    assert engine.sync.execute_with_fallback("it").result == "fine"
    assert engine.breaker("a").failures == 0
    engine.sync.close()


def test_closing_ends_a_running_call_in_another_thread() -> None:
    begun = threading.Event()
    raised: list[BaseException] = []

    async def hangs(task: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    engine = engine_of(a=hangs)

    def call() -> None:
        try:
            engine.sync.execute_with_fallback("it")
        except BaseException as error:
            raised.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    assert begun.wait(PATIENCE)
    engine.sync.close()
    caller.join(PATIENCE)
    assert not caller.is_alive()
    assert "closed while this call was running" in str(raised[0])


PROGRAM = """
import asyncio, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # the parent process may ignore it
from fuseboard_engine import Engine
engine = Engine()
@engine.adapter("a")
async def hangs(task):
    print("begun", flush=True)
    try:
        await asyncio.sleep(600)
    finally:
        print("cancelled", flush=True)
try:
    engine.sync.execute_with_fallback("it")
except KeyboardInterrupt:
    print("interrupted", engine.breaker("a").failures, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_ctrl_c_cancels_the_call_and_waits_for_its_end() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "begun\n"
        program.send_signal(signal.SIGINT)
        assert program.communicate(timeout=PATIENCE)[0] == "cancelled\ninterrupted 0\n"
    assert program.returncode == 0


def test_a_program_that_never_closes_the_engine_exits_cleanly() -> None:
    program = """
import asyncio
from fuseboard_engine import Engine
engine = Engine()
@engine.adapter("a")
async def quick(task):
    asyncio.ensure_future(asyncio.sleep(600))
    return "done"
print(engine.sync.execute_with_fallback("it").result)
"""
    ran = subprocess.run([sys.executable, "-X", "dev", "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "done\n", "")
