"""Tests of an application whose engine is made at import, in a test run of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.waiting import PATIENCE

SHOP = """
import asyncio

from fuseboard import BreakerPolicy, CircuitBreaker, DeadLetterPolicy, Engine, HealthPolicy, RetryPolicy, Workflow

engine = Engine(
    "shop",
    breaker=BreakerPolicy(failure_threshold=3, recovery_timeout=60, jitter=0),
    retry=RetryPolicy(max_attempts=3, base_delay=2, jitter=0),
    health=HealthPolicy(interval=10),
    dead_letters=DeadLetterPolicy(),
)
healthy = True
breaker = CircuitBreaker("alone", BreakerPolicy(failure_threshold=1, recovery_timeout=30, jitter=0))


async def gpt(task):
    await asyncio.sleep(1)
    return "gpt"


async def items(task):
    for number in range(3):
        await asyncio.sleep(1)
        yield number


engine.add_adapter("gpt", gpt, health=lambda: healthy)
engine.add_adapter("items", items)
engine.add_adapter("plain", lambda task: "plain")
engine.set_preference(["gpt"], task_type="ask")
engine.set_preference(["items"], task_type="read")
flow = Workflow("flow")
flow.add_node("first", "gpt")
flow.add_node("second", "plain")
flow.connect("first", "second")
engine.add_workflow(flow)
"""

TESTS = """
import asyncio
import time

import pytest
import shop
from shop import engine

from fuseboard import Recording, Task, record
from fuseboard.testing import virtual_time

ASK = Task(type="ask")


def now():
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("time", [1, 2])  # a test does not depend on what the one before did
@virtual_time
async def test_breakers_and_retries(faults_of, time):
    faults = faults_of(engine)
    faults.refuse("gpt", for_=30)
    assert not (await engine.execute_with_fallback(ASK)).success
    faults.assert_calls({"gpt": 3})
    assert 6 <= now() < 6.1  # delays of 2 s and 4 s
    await asyncio.sleep(60)
    assert (await engine.execute_with_fallback(ASK)).success
    faults.assert_states("gpt", ["closed", "open", "half_open"], at=[6, 66])
    engine.breaker("gpt").reset()


@pytest.mark.parametrize("time", [1, 2])
@virtual_time
async def test_health_checks(faults_of, time):
    faults = faults_of(engine)
    await engine.start()
    shop.healthy = False
    await asyncio.sleep(60)
    assert engine.get_adapter_health("gpt")["check"]["status"] == "unhealthy"
    assert "gpt" not in faults.answered_by()
    shop.healthy = True
    await asyncio.sleep(60)
    assert engine.get_adapter_health("gpt")["check"]["status"] == "healthy"


@virtual_time
async def test_streams():
    async with engine.stream_with_fallback(Task(type="read")) as stream:
        assert [item async for item in stream] == [0, 1, 2]
    assert now() == pytest.approx(3, abs=1e-3)


@virtual_time
async def test_workflows():
    result = await engine.workflows["flow"].execute({})
    assert result.state == "done"
    assert now() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("time", [1, 2])
@virtual_time
async def test_dead_letters(faults_of, time):
    faults = faults_of(engine)
    faults.refuse("gpt", for_=30)
    assert (await engine.execute_with_fallback(ASK)).dead_letter is not None
    await asyncio.sleep(3_600)
    faults.expect(dead_letters={"at_least": 1, "at_most": 1}, dead_letters_left={"at_most": 0})


@virtual_time
async def test_recordings(tmp_path, faults_of):
    faults = faults_of(engine)
    faults.hang("gpt", for_=600)
    async with record(engine, tmp_path / "shop.db"):
        await engine.execute_with_fallback(ASK)
        await asyncio.sleep(600)
    async with Recording.open(tmp_path / "shop.db") as recording:
        kinds = {entry.event.__struct_config__.tag for entry in await recording.events()}
    assert {"fault_injected", "fault_ended", "route_finished"} <= kinds


@virtual_time
async def test_a_breaker_of_its_own():
    with pytest.raises(ZeroDivisionError), shop.breaker.admit():
        1 / 0
    assert shop.breaker.state == "open"
    await asyncio.sleep(30)
    with shop.breaker.admit():
        pass
    assert shop.breaker.state == "half_open"


def test_real_time_afterwards():
    began = time.monotonic()
    assert asyncio.run(engine.execute_with_fallback("task", ["plain"])).adapter == "plain"
    assert engine.sync.execute_with_fallback("task", ["plain"]).adapter == "plain"
"""


@pytest.mark.parametrize("options", [(), ("-n", "2"), ("-p", "no:asyncio")], ids=["plain", "xdist", "no asyncio"])
def test_its_parts_follow_virtual_time_from_test_to_test(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "test_shop.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "11 passed" in done.stdout, done.stdout
