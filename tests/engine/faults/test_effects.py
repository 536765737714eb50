"""What each fault does to a call, in a scenario and in a live engine alike."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from fuseboard_engine import RetryPolicy
from fuseboard_engine.faults.table import FAULTS, values_of
from fuseboard_engine.retry.attribution import Table, retry_after_of
from fuseboard_engine.scenario_file.adapter import AdapterPart
from fuseboard_engine.scenario_file.step import StepPart
from fuseboard_engine.simulation.adapter import SimulatedAdapter
from support.engine_world import World, virtual

ONCE = RetryPolicy(max_attempts=1, attempt_timeout=5, item_timeout=5)
ROWS = {
    "refused": "connection",
    "error": "server",
    "flaky": "server",
    "rate_limited": "rate_limited",
    "credentials": "credentials",
    "corrupt": "error",
    "empty": "error",
    "wrong_charset": "error",
    "exception": "error",
    "quota": "quota",
    "context_window": "context_window",
    "content_policy": "content_policy",
    "flapping": "connection",
    "halving": "server",
    "stream_broken": "connection",
}
"""The attribution row of each fault that raises at once."""


def simulated(fault: str = "", part: dict[str, Any] | None = None, **values: Any) -> SimulatedAdapter:
    """Return a simulated adapter with a latency of 0.1 s that has a fault from now on."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    described = AdapterPart.model_validate({"latency": 0.1, "spread": 0, **(part or {})})
    adapter = SimulatedAdapter("a", described, Random(3), lambda: loop.time() - began)
    if fault:
        adapter.begin(StepPart.model_validate({"at": 0, "adapter": "a", "fault": fault, **values}))
    return adapter


async def seconds_of(adapter: SimulatedAdapter) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await adapter.call("task")
    return round(loop.time() - began, 3)


async def ending(adapter: SimulatedAdapter) -> str:
    """Return the error of a call; `answered` without one."""
    try:
        await adapter.call("task")
    except Exception as error:
        return str(error)
    return "answered"


@pytest.mark.parametrize("fault", ROWS)
@virtual
async def test_an_error_of_a_fault_has_the_attribution_of_a_real_one(fault: str) -> None:
    adapter = simulated(fault, **({"rate": 1.0} if fault == "flaky" else {}))
    with pytest.raises(Exception) as raised:
        await adapter.call("task")
    assert Table().attribute(raised.value).name == ROWS[fault]


@pytest.mark.parametrize(
    ("form", "wait"), [("attribute", 7.0), ("header", 7.0), ("milliseconds", 7.0), ("date", 7.0), ("none", None)]
)
@virtual
async def test_a_rate_limit_asks_to_wait_in_each_form(form: str, wait: float | None) -> None:
    with pytest.raises(Exception) as raised:
        await simulated("rate_limited", retry_after=7, retry_after_as=form).call("task")
    assert retry_after_of(raised.value) == wait


@virtual
async def test_an_adapter_gets_slower_up_to_a_limit() -> None:
    adapter = simulated("slow_ramp", limit=2.1, over=20)
    assert await seconds_of(adapter) == 0.1
    await asyncio.sleep(9.9)
    assert await seconds_of(adapter) == 1.1
    await asyncio.sleep(60)
    assert await seconds_of(adapter) == 2.1


@virtual
async def test_slow_by_a_factor_or_by_seconds() -> None:
    assert await seconds_of(simulated("slow", factor=4)) == 0.4
    assert await seconds_of(simulated("delayed", delay=1.5)) == 1.6


@virtual
async def test_a_brown_out_serves_only_some_calls_at_a_time() -> None:
    adapter = simulated("brown_out", capacity=2)
    found = await asyncio.gather(*(ending(adapter) for _ in range(5)))
    assert sorted(found) == ["503 Service Unavailable"] * 3 + ["answered"] * 2
    assert await ending(adapter) == "answered"


@virtual
async def test_a_brown_out_of_a_live_adapter_serves_only_some_calls_at_a_time() -> None:
    engine = World(retry=ONCE, allow_faults=True)

    async def call(task: Any) -> str:
        await asyncio.sleep(1)
        return "done"

    engine.add_adapter("a", call)
    engine.inject_fault("a", "brown_out", value=1)
    results = await asyncio.gather(*(engine.execute_with_fallback("task") for _ in range(3)))
    assert [result.success for result in results] == [True, False, False]


@virtual
async def test_a_flapping_adapter_refuses_and_answers_in_turn() -> None:
    adapter = simulated("flapping", down_for=3, up_for=1)
    seen = []
    for _ in range(8):
        seen.append(await ending(adapter) == "answered")
        await asyncio.sleep(1 - (0.1 if seen[-1] else 0.001))
    assert seen == [False, False, False, True] * 2


@virtual
async def test_an_adapter_recovers_by_halves() -> None:
    adapter = simulated("halving", half_life=10)
    shares = []
    for _ in range(4):
        found = await asyncio.gather(*(ending(adapter) for _ in range(2_000)))
        shares.append(sum(text != "answered" for text in found) / 2_000)
        await asyncio.sleep(9.9)
    assert shares[0] == 1
    assert [share == pytest.approx(0.5**step, abs=0.05) for step, share in enumerate(shares)] == [True] * 4


async def items_of(adapter: SimulatedAdapter, engine: World) -> tuple[list[str], str]:
    """Return the items that a stream yields, and how it ends."""
    items: list[str] = []
    try:
        async with engine.stream_with_fallback("task") as stream:
            async for item in stream:
                items.append(item)
    except Exception as error:
        return items, type(error).__name__
    return items, "ended"


@pytest.mark.parametrize("fault", ["stream_broken", "stream_stalled"])
@virtual
async def test_a_stream_ends_in_the_middle(fault: str) -> None:
    engine = World(retry=ONCE)
    adapter = simulated(fault, {"items": 5, "gap": 0.1}, after_items=2)
    engine.add_adapter("a", adapter)
    assert await items_of(adapter, engine) == (["item 1", "item 2"], "StreamBroken")
    adapter.begin(None)
    assert await items_of(adapter, engine) == ([f"item {n}" for n in range(1, 6)], "ended")


@virtual
async def test_a_stream_of_a_live_adapter_breaks_in_the_middle_and_goes_on_after_the_fault() -> None:
    engine = World(retry=ONCE, allow_faults=True)
    adapter = simulated(part={"items": 4, "gap": 0})
    engine.add_adapter("a", adapter)
    engine.inject_fault("a", "stream_broken", values={"after_items": 1})
    assert await items_of(adapter, engine) == (["item 1"], "StreamBroken")
    engine.inject_fault("a", "stream_stalled", 3, values={"after_items": 1})
    assert await items_of(adapter, engine) == ([f"item {n}" for n in range(1, 5)], "ended")


@virtual
async def test_an_adapter_has_a_mix_of_errors_without_a_fault() -> None:
    adapter = simulated(part={"errors": {"error": 0.1, "rate_limited": 0.2}, "failure_rate": 0.1})
    found = await asyncio.gather(*(ending(adapter) for _ in range(4_000)))
    shares = [sum(text.startswith(code) for text in found) / 4_000 for code in ("503", "429", "500")]
    assert shares == [pytest.approx(0.1, abs=0.02), pytest.approx(0.2, abs=0.02), pytest.approx(0.07, abs=0.02)]


@virtual
async def test_calls_beyond_the_capacity_wait_or_are_refused() -> None:
    loop = asyncio.get_running_loop()
    adapter = simulated(part={"capacity": 2})
    await asyncio.gather(*(adapter.call("task") for _ in range(6)))
    assert loop.time() == pytest.approx(0.3)
    refusing = simulated(part={"capacity": 2, "overload": "refuse"})
    found = await asyncio.gather(*(ending(refusing) for _ in range(5)))
    assert sum(text == "answered" for text in found) == 2


@virtual
async def test_latencies_follow_percentiles_or_a_list() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    spread = SimulatedAdapter(
        "a",
        AdapterPart.model_validate({"latency": {"p50": 1.0, "p90": 2.0, "p100": 4.0}}),
        Random(1),
        lambda: loop.time() - began,
    )
    found = sorted([await seconds_of(spread) for _ in range(2_000)])
    assert found[0] == 1.0 and found[-1] <= 4.0
    assert found[1_000] == pytest.approx(1.0, abs=0.05)
    assert found[1_800] == pytest.approx(2.0, abs=0.15)
    listed = SimulatedAdapter("a", AdapterPart(latency=(0.5, 2.0)), Random(1), lambda: 0.0)
    assert {await seconds_of(listed) for _ in range(50)} == {0.5, 2.0}


@pytest.mark.parametrize(
    ("fault", "given", "value", "reason"),
    [
        ("error", {"status": 200}, None, "greater than or equal to 400"),
        ("error", {"statsu": 500}, None, "the fault error has no value 'statsu'; did you mean status?"),
        ("exception", {"exception": "SystemExit"}, None, "exception (name of a built-in exception) cannot be"),
        ("hang", {}, 3, "the fault hang takes no value"),
        ("slow", [1], None, "values are given by name, not as [1]"),
        ("slow", {"factor": True}, None, "cannot be True"),
    ],
)
def test_values_that_a_fault_cannot_have_are_refused(fault: str, given: Any, value: Any, reason: str) -> None:
    with pytest.raises(ValueError) as raised:
        values_of(fault, given, value)
    assert reason in str(raised.value)


def test_the_sentence_of_a_fault_has_its_values() -> None:
    assert FAULTS["slow_ramp"].sentence(values_of("slow_ramp", {"limit": 8})) == (
        "gets slower over 30 seconds, up to 8 seconds a call"
    )
    assert FAULTS["error"].sentence(values_of("error", None, 502)) == "answers 502"
    assert not [name for name, fault in FAULTS.items() if "`" in fault.sentence(values_of(name, None))]


@virtual
async def test_a_fault_fails_the_health_check_of_an_adapter() -> None:
    adapter = simulated()
    assert await adapter.check_health()
    adapter.begin(StepPart.model_validate({"at": 0, "adapter": "a", "fault": "refused"}))
    with pytest.raises(ConnectionRefusedError):
        await adapter.check_health()
    adapter.begin(StepPart.model_validate({"at": 0, "adapter": "a", "fault": "soft_failure"}))
    assert not await adapter.check_health()
