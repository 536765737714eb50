"""Fallback answers when every adapter is unavailable, and how they are marked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine import CallerError, InvalidFallbackAnswer, RetryPolicy, Task
from fuseboard_engine.events import RouteFinished
from support.engine_world import NEVER_TRIPS, HttpError, World, virtual

ONCE = RetryPolicy(max_attempts=1)


def dead_world() -> World:
    world = World(retry=ONCE, breaker=NEVER_TRIPS)
    world.script("gpt", ConnectionError("refused"))
    world.script("claude", TimeoutError("silent"))
    return world


def finished(world: World) -> RouteFinished:
    event = world.emitted[-1]
    assert isinstance(event, RouteFinished)
    return event


@virtual
async def test_a_template_answers_when_the_chain_is_exhausted_and_is_not_a_success() -> None:
    world = dead_world()
    world.set_degraded("plan", {"milestones": ["Analyse {goal}", "{steps}"], "confidence": 0.5})
    result = await world.execute_with_fallback({"task_type": "plan", "goal": "search", "steps": [1, 2]})
    assert (result.success, result.degraded, result.adapter) == (False, True, None)
    assert result.result == {"milestones": ["Analyse search", [1, 2]], "confidence": 0.5, "degraded": True}
    assert result.unwrap() == result.result
    assert result.error == "silent"
    event = finished(world)
    assert (event.success, event.degraded, event.adapter) == (False, True, "")
    assert event.why.endswith("the chain is exhausted, template for plan answered")


@virtual
async def test_a_callable_answers_with_the_task_and_may_be_plain_or_async() -> None:
    world = dead_world()

    async def manual(task: Any) -> str:
        await asyncio.sleep(1)
        return f"# Manual work required: {task['goal']}"

    world.set_degraded("code", manual)
    world.set_degraded("review", lambda task: {"approved": False, "note": task["goal"]}, name="static review")
    code = await world.execute_with_fallback({"task_type": "code", "goal": "x"})
    assert (code.result, code.degraded) == ("# Manual work required: x", True)
    assert "manual answered" in finished(world).why
    review = await world.execute_with_fallback({"task_type": "review", "goal": "x"})
    assert review.result == {"approved": False, "note": "x", "degraded": True}
    assert "static review answered" in finished(world).why


@virtual
async def test_R26_a_degraded_answer_is_never_a_success_and_never_an_approval() -> None:
    world = dead_world()
    with pytest.raises(InvalidFallbackAnswer, match="'approved' is true"):
        world.set_degraded("review", {"approved": True, "note": "manual review recommended"})
    world.set_degraded("review", lambda task: {"approved": True})
    result = await world.execute_with_fallback({"task_type": "review"})
    assert (result.success, result.degraded, result.result) == (False, False, None)
    assert "InvalidFallbackAnswer" in (result.error or "")
    world.set_degraded("review", {"approved": False})
    result = await world.execute_with_fallback({"task_type": "review"})
    assert (result.success, result.degraded, result.result["approved"]) == (False, True, False)


@virtual
async def test_a_fallback_that_fails_itself_is_reported_beside_what_failed_before_it() -> None:
    world = dead_world()

    def broken(task: Any) -> None:
        raise KeyError("template lost")

    world.set_degraded("plan", broken)
    result = await world.execute_with_fallback({"task_type": "plan"})
    assert (result.success, result.degraded) == (False, False)
    assert result.error == "silent; the fallback broken failed: KeyError: 'template lost'"
    assert "the fallback broken failed" in finished(world).why


@virtual
async def test_a_fallback_that_hangs_is_cut_short() -> None:
    world = dead_world()

    async def endless(task: Any) -> None:
        await asyncio.Event().wait()

    world.set_degraded("plan", endless, timeout=3)
    result = await world.execute_with_fallback({"task_type": "plan"})
    assert not result.degraded
    assert "no answer within 3 s" in (result.error or "")


@virtual
async def test_an_error_of_the_caller_or_a_deadline_is_not_degraded_unless_asked() -> None:
    world = World(retry=ONCE)
    world.script("strict", CallerError("no such field"))
    world.script("slow", 60.0)
    world.set_degraded("", {"answer": "later"})
    assert not (await world.execute_with_fallback({}, ["strict"])).degraded
    assert not (await world.execute_with_fallback({}, ["slow"], deadline=1)).degraded
    world.set_degraded("", {"answer": "later"}, even_for=("caller", "deadline"))
    assert (await world.execute_with_fallback({}, ["strict"])).degraded
    assert (await world.execute_with_fallback({}, ["slow"], deadline=1)).degraded


@virtual
async def test_a_chain_of_open_breakers_or_unknown_adapters_is_degraded() -> None:
    world = dead_world()
    world.set_degraded("", {"answer": "later"})
    world.breaker("gpt").force_open()
    assert (await world.execute_with_fallback({}, ["gpt"])).degraded
    assert (await world.execute_with_fallback({}, ["nobody"])).degraded


@virtual
async def test_a_task_that_only_some_adapters_could_take_is_degraded_when_none_of_them_does() -> None:
    world = World(retry=ONCE)
    world.script("small", HttpError(400, "maximum context length is 8192"))
    world.set_degraded("", {"answer": "too long"})
    assert (await world.execute_with_fallback({})).degraded


@virtual
async def test_a_types_fallback_overrides_the_general_one_and_none_removes_it() -> None:
    world = dead_world()
    world.set_degraded("", "for all")
    world.set_degraded("plan", "for plans: {error}")
    assert (await world.execute_with_fallback(Task(type="plan"))).result == "for plans: silent"
    assert (await world.execute_with_fallback(Task(type="code"))).result == "for all"
    world.set_degraded("", None)
    assert not (await world.execute_with_fallback(Task(type="code"))).degraded


@virtual
async def test_a_placeholder_for_a_missing_field_stays_in_the_text() -> None:
    world = dead_world()
    world.set_degraded("", ["{user.name} wants {what}", '{"json": 1}', "{user}"])
    result = await world.execute_with_fallback(Task(payload={"user": {"name": "Ada"}}))
    assert result.result == ["Ada wants {what}", '{"json": 1}', {"name": "Ada"}]


@virtual
async def test_nothing_degrades_while_an_adapter_answers() -> None:
    world = World()
    world.script("gpt", "done")
    world.set_degraded("", "never")
    result = await world.execute_with_fallback({})
    assert (result.success, result.degraded, result.result) == (True, False, "done")
