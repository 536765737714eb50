"""Faults that are injected into the adapters of a live engine."""

from __future__ import annotations

import asyncio
import os
import pickle
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fuseboard_engine import Engine, FaultsNotAllowed, RetryPolicy, UnknownAdapter
from fuseboard_engine.commands import Command
from fuseboard_engine.events import FaultEnded, FaultInjected
from fuseboard_engine.faults.table import FAULTS
from support.dead_letter_world import emitted_by
from support.engine_world import World, now, virtual

ONCE = RetryPolicy(max_attempts=1)


def world(**options: Any) -> World:
    engine = World(retry=ONCE, allow_faults=True, **options)
    engine.script("a", "from a")
    return engine


async def outcome(engine: Engine) -> str:
    route = await engine.execute_with_fallback("task")
    return route.result if route.success else route.attempts[-1].error


@virtual
async def test_calls_meet_the_fault_until_it_ends_by_itself() -> None:
    engine = world()
    engine.inject_fault("a", "refused", 30)
    assert await outcome(engine) == "[Errno 111] injected fault: Connection refused by a"
    await asyncio.sleep(30)
    assert await outcome(engine) == "from a"
    (begun,) = emitted_by(engine, FaultInjected)
    (ended,) = emitted_by(engine, FaultEnded)
    assert (begun.adapter, begun.fault, begun.share, begun.value) == ("a", "refused", 1.0, None)
    assert begun.until == begun.at + 30_000_000
    assert (ended.adapter, ended.fault, ended.reason) == ("a", "refused", "over")


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "brown_out"])  # which needs several calls
@virtual
async def test_every_fault_can_be_injected_and_healed(fault: str) -> None:
    engine = world()
    engine.inject_fault("a", fault, 60, value=1.0 if fault == "flaky" else None, actor="ann")
    await asyncio.sleep(9)  # one of them gets worse with time
    began = now()
    try:
        met = await asyncio.wait_for(outcome(engine), 5)
    except TimeoutError:
        met = "no answer"
    assert met != "from a" or now() > began + 0.4, "it behaved as without a fault"
    assert engine.heal_fault("a", actor="ben")
    engine.breaker("a").reset()
    assert await outcome(engine) == "from a"
    assert [(e.fault, e.reason, e.actor) for e in emitted_by(engine, FaultEnded)] == [(fault, "healed", "ben")]
    assert not engine.heal_fault("a")


@virtual
async def test_a_hanging_call_goes_to_the_service_when_the_fault_ends() -> None:
    engine = world()
    engine.inject_fault("a", "hang", 10)
    assert (await outcome(engine), now()) == ("from a", 10)
    engine.inject_fault("a", "hang", 3_600)
    hanging = asyncio.ensure_future(outcome(engine))
    await asyncio.sleep(1)
    engine.heal_fault("a")
    assert await hanging == "from a"
    assert now() < 12


@virtual
async def test_a_slow_adapter_takes_a_multiple_of_its_usual_time() -> None:
    engine = World(retry=ONCE, allow_faults=True)

    async def takes_two(task: Any) -> str:
        await asyncio.sleep(2)
        return "done"

    engine.add_adapter("a", takes_two)
    await outcome(engine)
    engine.inject_fault("a", "slow", 3_000, value=5)
    began = now()
    assert await outcome(engine) == "done"
    assert now() - began == pytest.approx(10)


@virtual
async def test_what_faults_add_is_not_the_usual_time_of_an_adapter() -> None:
    engine = World(retry=ONCE, allow_faults=True)

    async def takes_two(task: Any) -> str:
        await asyncio.sleep(2)
        return "done"

    engine.add_adapter("a", takes_two)
    await outcome(engine)
    engine.inject_fault("a", "hang", 20)
    assert await outcome(engine) == "done"
    assert now() == pytest.approx(24)
    for _ in range(2):
        engine.inject_fault("a", "slow", 3_000, value=5)
        for _ in range(4):
            began = now()
            assert await outcome(engine) == "done"
            assert now() - began == pytest.approx(10)


@virtual
async def test_a_share_of_the_calls_meets_the_fault() -> None:
    engine = world()
    engine.faults.rng = random.Random(5).random
    engine.breaker("a").disable()
    engine.inject_fault("a", "error", 60, share=0.2)
    met = [await outcome(engine) for _ in range(500)]
    assert 70 < sum(text != "from a" for text in met) < 130


@virtual
async def test_a_fault_is_attributed_and_opens_the_breaker_as_a_real_one() -> None:
    engine = world()
    engine.script("b", "from b")
    engine.inject_fault("a", "credentials")
    route = await engine.execute_with_fallback("task")
    assert (route.result, engine.breaker("a").state) == ("from b", "open")


@virtual
async def test_a_stream_meets_the_fault_before_its_first_item() -> None:
    engine = World(retry=ONCE, allow_faults=True)
    opened: list[str] = []

    async def items(task: Any) -> AsyncIterator[int]:
        opened.append("opened")
        for number in range(3):
            yield number

    engine.add_adapter("a", items)
    engine.inject_fault("a", "error", 5)
    with pytest.raises(Exception, match="injected fault"):
        [item async for item in engine.stream_with_fallback("task")]
    assert opened == []
    engine.inject_fault("a", "slow", 5)
    assert [item async for item in engine.stream_with_fallback("task")] == [0, 1, 2]
    assert (await engine.execute_with_fallback("task")).result == [0, 1, 2]
    engine.heal_fault("a")
    assert [item async for item in engine.stream_with_fallback("task")] == [0, 1, 2]


@virtual
async def test_the_answer_of_a_call_is_streamed_as_one_item_with_and_without_a_fault() -> None:
    engine = world()
    engine.inject_fault("a", "slow", 5)
    assert [item async for item in engine.stream_with_fallback("task")] == ["from a"]
    assert (await engine.execute_with_fallback("task")).result == "from a"


@virtual
async def test_another_fault_takes_the_place_of_the_first() -> None:
    engine = world()
    engine.inject_fault("a", "refused", 60)
    engine.inject_fault("a", "error", 10)
    assert "503" in await outcome(engine)
    await asyncio.sleep(10)
    assert await outcome(engine) == "from a"
    assert [e.reason for e in emitted_by(engine, FaultEnded)] == ["replaced", "over"]
    assert engine.faults.active() == ()


@virtual
async def test_a_fault_whose_time_is_over_ended_by_itself_whatever_comes_next() -> None:
    engine = world()
    for follows in (
        lambda: engine.inject_fault("a", "error", 10, actor="ben"),
        lambda: engine.heal_fault("a", actor="ben"),
        lambda: engine.faults.allow(False),
        lambda: engine.faults.allow(True),
        lambda: engine.inject_fault("a", "error", 10),
        lambda: engine.remove_adapter("a"),
    ):
        follows()
        await asyncio.sleep(10)
    assert [(e.reason, e.actor) for e in emitted_by(engine, FaultEnded)] == [("over", "")] * 2


@virtual
async def test_a_fault_ends_within_a_second_of_a_recording_although_no_task_runs() -> None:
    engine = world()
    engine.inject_fault("a", "error", 10)
    engine.gauges()
    assert emitted_by(engine, FaultEnded) == []
    await asyncio.sleep(10)
    engine.gauges()
    assert [e.reason for e in emitted_by(engine, FaultEnded)] == ["over"]
    assert await outcome(engine) == "from a"


@virtual
async def test_an_adapter_that_is_removed_takes_its_fault_along() -> None:
    engine = world()
    engine.inject_fault("a", "error", 60)
    engine.remove_adapter("a")
    engine.script("a", "from the new one")
    assert await outcome(engine) == "from the new one"
    assert engine.faults.active() == ()


@virtual
async def test_a_new_recording_is_told_of_faults_that_last() -> None:
    engine = world()
    engine.inject_fault("a", "flaky", 60, share=0.5, value=0.3, actor="ann")
    await asyncio.sleep(20)
    (described,) = [event for event in engine.describe() if type(event) is FaultInjected]
    assert (described.fault, described.value, described.share, described.actor) == ("flaky", 0.3, 0.5, "ann")
    assert described.until == described.at + 40_000_000


# ---------------------------------------------------------------- what is refused


def test_an_engine_takes_no_faults_unless_it_allows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FUSEBOARD_ALLOW_FAULTS", raising=False)
    engine = Engine()
    engine.add_adapter("a", lambda task: None)
    with pytest.raises(FaultsNotAllowed, match="allow_faults=True") as caught:
        engine.inject_fault("a", "error")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    done = engine.execute_command(Command(id=1, verb="inject", actor="ann", adapter="a", args={"fault": "error"}))
    assert done is not None
    assert (done.ok, "takes no faults" in done.detail) == (False, True)


@pytest.mark.parametrize("value, allowed", [("1", True), ("0", False), ("", False), ("yes", False)])
def test_the_environment_allows_faults_where_the_code_does_not_say(
    value: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUSEBOARD_ALLOW_FAULTS", value)
    for given, expected in ((None, allowed), (False, False), (True, True)):
        engine = Engine(allow_faults=given)
        engine.add_adapter("a", lambda task: None)
        if expected:
            engine.inject_fault("a", "error")
        else:
            with pytest.raises(FaultsNotAllowed):
                engine.inject_fault("a", "error")


@pytest.mark.parametrize(
    "given, text",
    [
        ({"fault": "explode"}, "there is no fault 'explode'; choose from refused, error"),
        ({"seconds": 0}, "above 0, at most 3600"),
        ({"seconds": 3_601}, "above 0, at most 3600"),
        ({"seconds": float("nan")}, "above 0, at most 3600"),
        ({"seconds": "30"}, "above 0, at most 3600"),
        ({"share": 0}, "above 0, at most 1"),
        ({"share": 1.5}, "above 0, at most 1"),
        ({"value": 3}, "status (HTTP status) cannot be 3: input should be greater than or equal to 400"),
        ({"fault": "hang", "value": 3}, "the fault hang takes no value"),
        ({"values": {"statsu": 500}}, "the fault error has no value 'statsu'; did you mean status?"),
        ({"fault": "hang", "values": {"factor": 1}}, "the fault hang has no value 'factor'; it takes none"),
        ({"values": [1]}, "values are given by name, not as [1]"),
        ({"fault": "flaky", "value": 2}, "rate (share of failing calls) cannot be 2"),
        ({"fault": "slow", "value": "x"}, "factor (times the usual latency) cannot be 'x'"),
        ({"fault": "slow", "value": True}, "factor (times the usual latency) cannot be True"),
        ({"fault": "slow", "value": float("inf")}, "factor (times the usual latency) cannot be inf"),
    ],
)
@virtual
async def test_what_cannot_be_is_refused_and_changes_nothing(given: dict[str, Any], text: str) -> None:
    engine = world()
    arguments = {"fault": "error", **given}
    with pytest.raises(ValueError) as caught:
        engine.inject_fault("a", **arguments)
    assert text in str(caught.value)
    done = engine.execute_command(Command(id=1, verb="inject", actor="ann", adapter="a", args=arguments))
    assert done is not None
    assert (done.ok, text in done.detail) == (False, True)
    assert engine.faults.active() == ()


@virtual
async def test_an_unknown_adapter_is_refused() -> None:
    with pytest.raises(UnknownAdapter):
        world().inject_fault("nope", "error")
    with pytest.raises(UnknownAdapter):
        world().heal_fault("nope")


# ---------------------------------------------------------------- operators, configuration, forks


@virtual
async def test_an_operator_injects_and_heals() -> None:
    engine = world()
    args = {"fault": "slow", "seconds": 20, "share": 0.5, "value": 4}
    done = engine.execute_command(Command(id=1, verb="inject", actor="ann", adapter="a", args=args))
    assert done is not None
    assert (done.ok, done.detail) == (True, "slow 4 in 50 % of the calls injected into a for 20 s")
    assert engine.faults.active()[0].actor == "ann"
    texts = []
    for number in (2, 3):
        done = engine.execute_command(Command(id=number, verb="heal", actor="ann", adapter="a"))
        assert done is not None
        texts.append(done.detail)
    assert texts == ["the fault of a ended", "a has no injected fault"]


@virtual
async def test_the_shortest_fault_is_reported_with_the_time_that_was_asked_for() -> None:
    engine = world()
    args = {"fault": "error", "seconds": 1e-9}
    done = engine.execute_command(Command(id=1, verb="inject", actor="ann", adapter="a", args=args))
    assert done is not None
    assert done.detail == "error 503 injected into a for 1e-09 s"


def test_a_configuration_allows_faults_and_takes_them_back(tmp_path: Any) -> None:
    path = tmp_path / "shop.toml"
    path.write_text("allow_faults = true\n")
    engine = Engine.from_config(path)
    engine.add_adapter("a", lambda task: None)
    engine.inject_fault("a", "error")
    assert engine.settings is not None
    engine.apply(engine.settings.model_copy(update={"allow_faults": False}))
    assert engine.faults.active() == ()
    with pytest.raises(FaultsNotAllowed):
        engine.inject_fault("a", "error")


def test_a_forked_child_meets_the_same_faults() -> None:
    engine = Engine(retry=ONCE, allow_faults=True)
    engine.add_adapter("a", lambda task: "from a")
    engine.inject_fault("a", "refused", 3_600)
    child = os.fork()
    if not child:
        text = engine.sync.execute_with_fallback("task").error or ""
        os._exit(0 if "injected fault" in text and engine.heal_fault("a") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(engine.faults.active()) == 1
