"""Assertions on what an engine did."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from fuseboard import AllAdaptersFailed, BreakerPolicy, DeadLetterPolicy, Engine, RetryPolicy, Task
from fuseboard.testing import Faults, virtual_time
from fuseboard_engine.scenario_file.expectations import ExpectPart


def shop() -> Engine:
    engine = Engine(
        "shop",
        breaker=BreakerPolicy(failure_threshold=2, recovery_timeout=20, jitter=0),
        retry=RetryPolicy(max_attempts=1),
        dead_letters=DeadLetterPolicy(automatic_retry=False),
    )

    async def call(task: object) -> str:
        await asyncio.sleep(0.1)
        return "answer"

    engine.add_adapter("gpt", call)
    engine.add_adapter("claude", call)
    return engine


async def outage(*, both: bool = False) -> Faults:
    """Let gpt refuse connections for ten seconds of a minute with a task each second."""
    faults = Faults(shop())
    await asyncio.sleep(10)
    faults.refuse("gpt", for_=10)
    if both:
        faults.refuse("claude", for_=1)
    for _ in range(60):
        try:
            await faults.engine.execute_with_fallback(Task(type="ask"), ["gpt", "claude"])
        except AllAdaptersFailed:
            pass
        await asyncio.sleep(1)
    return faults


def failure(check: Callable[[], None]) -> str:
    with pytest.raises(AssertionError) as caught:
        check()
    return str(caught.value)


@virtual_time
async def test_what_is_as_asserted_passes() -> None:
    faults = await outage()
    faults.assert_states("gpt", ["closed", "open", "half_open", "closed"], at=[11.1, 32, 34.3])
    faults.assert_states("claude", ["closed"])
    faults.assert_route(["gpt", "claude"], between=(10, 30))
    faults.assert_answered({"gpt": 40, "claude": 20})
    faults.assert_calls({"gpt": 42})
    faults.assert_degraded(0)
    faults.assert_dead_letters(0)
    faults.expect(
        success_rate=1,
        states={"gpt": ["open", "closed"]},
        end={"gpt": "closed"},
        recovered_within={"gpt": 12.5},
        failover_within={"gpt": 0.2},
        never={"state": {"claude": "open"}},
        eventually=[{"state": {"gpt": "half_open"}}, {"event": "fault_ended"}],
    )


@virtual_time
async def test_states_that_differ_are_told_with_their_moments() -> None:
    faults = await outage()
    text = failure(lambda: faults.assert_states("gpt", ["closed", "open"]))
    assert text.startswith("gpt was closed → open at 11.1 s → half_open at 3")
    assert "; expected closed → open\n" in text
    text = failure(lambda: faults.assert_states("gpt", ["closed", "open", "half_open", "closed"], at=[1, 2, 3]))
    assert "expected changes at 1, 2, 3 s, within 0.5 s" in text


@virtual_time
async def test_a_failure_says_what_happened() -> None:
    faults = await outage(both=True)
    text = failure(lambda: faults.expect(answered={"claude": 30}, dead_letters={"at_most": 0}, end={"gpt": "open"}))
    assert "answered.claude: " in text and "expected 30 or more" in text
    assert "end.gpt: closed, expected open" in text
    assert "dead_letters: 1 dead letter, expected 0 or less" in text
    assert "\nWhat happened:\n  60 tasks ended\n" in text
    assert "  1 task: gpt → claude: no answer\n" in text
    assert "  gpt was closed → open at" in text


@virtual_time
async def test_counts_are_exact() -> None:
    faults = await outage()
    assert "40 tasks, expected 39 or less" in failure(lambda: faults.assert_answered({"gpt": 39}))
    assert "expected 50 or more" in failure(lambda: faults.assert_calls({"gpt": 50}))
    assert "expected 1 or more" in failure(lambda: faults.assert_dead_letters(1))
    assert "expected 1 or more" in failure(lambda: faults.assert_degraded(1))
    assert "no task ended" in failure(lambda: faults.assert_route(["gpt"], type="mail"))


@virtual_time
async def test_expectations_that_cannot_be_are_errors() -> None:
    faults = Faults(shop())
    with pytest.raises(ValueError, match=r"answered\.gtp: there is no adapter 'gtp' here; did you mean gpt"):
        faults.assert_answered({"gtp": 1})
    with pytest.raises(ValueError, match="success_rate"):
        faults.expect(success_rate=7)
    with pytest.raises(ValueError, match="exactly one of"):
        faults.expect(never={})


@virtual_time
async def test_each_expectation_of_a_scenario_has_an_argument() -> None:
    arguments: dict[str, Any] = dict(inspect.signature(Faults.expect).parameters)
    fields = [name for name in ExpectPart.model_fields if name != "engine"]  # a history is that of one engine
    assert [name for name in arguments if name != "self"] == fields


@virtual_time
async def test_moments_count_from_the_beginning_of_virtual_time() -> None:
    await asyncio.sleep(100)
    faults = Faults(shop())
    await faults.engine.execute_with_fallback("task")
    assert faults.moment_of(faults.events[-1]) == pytest.approx(100.1, abs=1e-5)
    assert faults.states("gpt") == ["closed"]
