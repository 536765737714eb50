"""Arguments that are refused before any work begins, and words given in place of lists of words."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import Engine, LetterSelection, RetryPolicy, Task, Workflow
from fuseboard_engine.documents.loader import DocumentError
from fuseboard_engine.runtime.arguments import checked_seconds
from support.dead_letter_world import BY_HAND, DOWN, letter_of, world
from support.engine_world import HttpError, World, virtual

ONCE = RetryPolicy(max_attempts=1)
WRONG = [math.nan, -math.nan, float("nan") * -1, "2", b"2", "", True, [1], 1j, Decimal(1), {}]
Call = Callable[[World, Any], Coroutine[Any, Any, object]]


async def refuse(task: Any) -> None:
    raise ConnectionError("refused")


async def batch_of_tasks(engine: World, deadline: Any) -> object:
    return await engine.execute_batch([Task(), Task(deadline=deadline)])


async def stream(engine: World, deadline: Any) -> object:
    return engine.stream_with_fallback("x", deadline=deadline)


async def degraded(engine: World, timeout: Any) -> object:
    return engine.set_degraded("", "sorry", timeout=timeout)


CALLS: dict[str, Call] = {
    "execute_with_fallback": lambda engine, limit: engine.execute_with_fallback("x", deadline=limit),
    "deadline of the task": lambda engine, limit: engine.execute_with_fallback(Task(deadline=limit)),
    "stream_with_fallback": stream,
    "execute_parallel": lambda engine, limit: engine.execute_parallel("x", timeout=limit),
    "execute_batch": lambda engine, limit: engine.execute_batch(["x"], deadline=limit),
    "tasks of a batch": batch_of_tasks,
    "execute_workflow": lambda engine, limit: engine.execute_workflow("w", "ai", [{"a": 1}], deadline=limit),
    "set_degraded": degraded,
}


@pytest.mark.parametrize("limit", WRONG, ids=repr)
@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_a_time_limit_that_is_not_a_number_of_seconds_is_refused(call: Call, limit: Any) -> None:
    @virtual
    async def refused() -> None:
        engine = World()
        called = engine.script("a", "answer")
        engine.set_preference(["a"], "ai")
        with pytest.raises((TypeError, ValueError), match="seconds"):
            await call(engine, limit)
        assert called.calls == []

    refused()


@virtual
async def test_a_letter_with_a_wrong_deadline_is_refused() -> None:
    _, queue = world(**BY_HAND)
    with pytest.raises(ValueError, match="deadline must be a number of seconds, not NaN"):
        await queue.enqueue({"a": 1}, deadline=math.nan)


@pytest.mark.parametrize("seconds", [1, 2.5, -1.0, Fraction(1, 2), math.inf, -math.inf, 10**400])
def test_any_real_number_is_a_number_of_seconds(seconds: Any) -> None:
    limit = checked_seconds(seconds, "deadline")

    assert limit == min(seconds, 100 * 365 * 86_400)


@virtual
async def test_an_infinite_deadline_is_no_limit() -> None:
    engine = World(retry=RetryPolicy(max_attempts=2))
    engine.script("a", DOWN, "answer")

    assert (await engine.execute_with_fallback("x", deadline=math.inf)).success


@virtual
async def test_an_adapter_named_twice_in_an_order_is_called_once() -> None:
    engine = World(retry=ONCE)
    for name in "ab":
        engine.script(name, DOWN)
    engine.set_preference(["b", "a", "b"], "ai")

    for chain in (
        (await engine.execute_with_fallback("x", ["a", "b", "a", "a"])).fallback_chain,
        (await engine.execute_with_fallback("x", iter(["a", "b", "a"]))).fallback_chain,
        (await engine.execute_parallel("x", ["a", "b", "a"])).fallback_chain,
    ):
        assert chain == ["a", "b"]
    assert (await engine.execute_with_fallback({"task_type": "ai"})).fallback_chain == ["b", "a"]
    assert engine.registry.orders["ai"] == ("b", "a")


@virtual
async def test_one_name_is_an_order_in_every_call() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("gpt", DOWN)

    batch = await engine.execute_batch([{"n": 1}], preference_order="gpt", retries=0)
    letter = await queue.enqueue({"n": 1}, order="gpt")

    assert batch.parts[0].fallback_chain == ["gpt"]
    assert (await letter_of(queue, letter)).order == ("gpt",)


@pytest.mark.parametrize("tasks", ["abc", b"abc", {"prompt": "x"}, Task()], ids=lambda tasks: type(tasks).__name__)
@virtual
async def test_a_batch_of_a_single_task_is_refused(tasks: Any) -> None:
    with pytest.raises(TypeError, match="put it into a list"):
        await World().execute_batch(tasks)


@virtual
async def test_a_single_string_is_one_tag_and_one_attribution_row() -> None:
    engine = World(retry=ONCE)
    engine.script("small", HttpError(400, "maximum context length exceeded"))
    engine.script("other", "from other")
    big = engine.script("big", "from big", tags="llm", handles="context_window")

    route = await engine.execute_with_fallback("x")

    assert engine.registry["big"].tags == ("llm",)
    assert (route.adapter, len(big.calls)) == ("big", 1)


@virtual
async def test_the_fields_of_a_node_may_be_a_single_string() -> None:
    engine = World()
    workflow = Workflow("w", engine=engine)
    workflow.add_node("a", lambda fields: {"text": fields["prompt"]}, inputs="prompt", outputs="text")

    assert (workflow.graph().nodes["a"].inputs, workflow.graph().nodes["a"].outputs) == (("prompt",), ("text",))


def test_an_unknown_row_is_refused_where_it_is_named() -> None:
    engine = Engine("t")
    with pytest.raises(ValueError, match=r"handles of adapter 'a': no attribution row .*did you mean context_window\?"):
        engine.add_adapter("a", refuse, handles="context_windows")
    with pytest.raises(ValueError, match="no attribution row is called 'nonsense'"):
        engine.set_degraded("", "sorry", even_for=["nonsense"])

    assert "a" not in engine.registry


CONFIG = """
adapters:
  a:
    call: {module}:refuse
    handles: [{row}]
attribution:
  - {{name: too_busy, statuses: [599], only_handlers: true}}
"""


def test_a_configuration_may_name_its_own_rows_and_is_refused_with_the_line_of_an_unknown_one(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(CONFIG.format(module=__name__, row="too_busy"))
    assert Engine.from_config(file).registry["a"].handles == {"too_busy"}

    file.write_text(CONFIG.format(module=__name__, row="to_busy"))
    with pytest.raises(DocumentError, match=r"a\.yaml:5: adapters\.a\.handles: .*did you mean too_busy\?"):
        Engine.from_config(file)


@virtual
async def test_letters_are_selected_by_one_id_by_ids_or_by_a_selection() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("a", DOWN)
    ids = [await queue.enqueue({"n": number}) for number in range(6)]

    assert await queue.archive(ids[0]) == 1
    assert await queue.unarchive(ids[:1]) == 1
    assert await queue.discard([ids[1], ids[2]]) == 2
    assert [letter.id for letter in await queue.find(ids[3])] == [ids[3]]
    assert [result.id for result in await queue.retry_many(ids[3:5])] == ids[3:5]
    assert await queue.purge(ids[1]) == 1
    assert await queue.purge(LetterSelection(statuses="discarded")) == 1  # type: ignore[arg-type]
    assert len(await queue.find()) == 4
    await queue.stop()


@virtual
async def test_no_ids_select_no_letter() -> None:
    _, queue = world(**BY_HAND)
    await queue.enqueue({"n": 1})

    assert await queue.archive([]) == await queue.discard(iter(())) == await queue.purge(()) == 0
    assert await queue.find([]) == await queue.retry_many([]) == []
    await queue.stop()


@pytest.mark.parametrize("letters", ["1", True, [1, "2"], 1.0, None, LetterSelection(statuses=("gone",))])  # type: ignore[arg-type]
@virtual
async def test_any_other_selection_is_refused(letters: Any) -> None:
    _, queue = world(**BY_HAND)
    await queue.enqueue({"n": 1})

    with pytest.raises((TypeError, ValueError)):
        await queue.discard(letters)
    assert (await queue.find())[0].status == "pending"
