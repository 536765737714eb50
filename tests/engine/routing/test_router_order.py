"""Which adapters a task goes to, and in which order."""

from __future__ import annotations

from enum import Enum

import pytest

from fuseboard_engine import AllAdaptersFailed, RetryPolicy, Task, UnknownAdapter
from support.engine_world import NEVER_TRIPS, World, virtual

ONCE = RetryPolicy(max_attempts=1)
DOWN = ConnectionError("down")


@virtual
async def test_without_a_chain_adapters_are_called_in_order_of_registration() -> None:
    engine = World(retry=ONCE)
    engine.script("a", DOWN)
    engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert route.fallback_chain == ["a", "b"]
    assert route.result == "from b"
    assert route.why == "order of registration"


@virtual
async def test_the_default_chain_applies_to_every_type_without_its_own() -> None:
    engine = World(retry=ONCE)
    engine.script("a", "from a")
    engine.script("b", "from b")
    engine.set_preference(["b", "a"])
    for task in ("anything", {"task_type": "unheard of"}, Task(type="ai"), Task()):
        route = await engine.execute_with_fallback(task)
        assert (route.adapter, route.why) == ("b", "default preference")


@virtual
async def test_the_chain_of_a_task_type_overrides_the_default_chain() -> None:
    engine = World(retry=ONCE)
    engine.script("a", "from a")
    engine.script("b", "from b")
    engine.set_preference(["a", "b"])
    engine.set_preference(["b", "a"], "ai")
    for task in ({"task_type": "ai"}, {"type": "ai"}, Task(type="ai")):
        route = await engine.execute_with_fallback(task)
        assert (route.adapter, route.why, route.left) == ("b", "preference for ai", ("a",))


@virtual
async def test_the_order_of_a_call_overrides_all_chains() -> None:
    engine = World(retry=ONCE)
    for name in "abc":
        engine.script(name, f"from {name}")
    engine.set_preference(["a"], "ai")
    route = await engine.execute_with_fallback({"task_type": "ai"}, preference_order=["c", "a"])
    assert (route.adapter, route.why, route.left) == ("c", "order of this call", ("a",))


@virtual
async def test_one_name_is_a_chain_of_one() -> None:
    engine = World(retry=ONCE)
    engine.script("agno", "from agno")
    engine.script("prefect", "from prefect")
    assert (await engine.execute_with_fallback("task", "prefect")).adapter == "prefect"
    engine.set_preference("prefect", "urgent")
    assert engine.registry.orders == {"urgent": ("prefect",)}


class AdapterType(str, Enum):  # noqa: UP042 - in an f-string it is AdapterType.PREFECT
    PREFECT = "prefect"
    AGNO = "agno"


@virtual
async def test_a_chain_may_be_an_enumeration_and_is_reported_by_its_names() -> None:
    engine = World(retry=ONCE)
    engine.script("prefect", DOWN)
    engine.script("agno", "from agno")
    engine.set_preference([AdapterType.PREFECT, AdapterType.AGNO])
    for order in (None, [AdapterType.PREFECT, AdapterType.AGNO]):
        route = await engine.execute_with_fallback("task", order)
        assert [f"{name}" for name in (route.adapter, *route.fallback_chain)] == ["agno", "prefect", "agno"]


@virtual
async def test_an_unregistered_name_is_skipped_and_reported() -> None:
    engine = World(retry=ONCE)
    engine.script("a", "from a")
    route = await engine.execute_with_fallback("task", ["ghost", "a", "phantom"])
    assert route.fallback_chain == ["a"]
    assert route.total_attempts == 1
    assert "ghost is not registered" in route.why
    assert "phantom" not in route.why  # never come to
    assert route.left == ("phantom",)


@virtual
async def test_a_chain_of_nothing_but_unregistered_names_fails_and_names_them() -> None:
    engine = World()
    engine.script("a", "from a")
    route = await engine.execute_with_fallback("task", ["ghost", "phantom"])
    assert not route.success
    assert route.error == "no adapter of the chain is registered (ghost, phantom)"
    with pytest.raises(AllAdaptersFailed, match="ghost, phantom"):
        route.unwrap()


@virtual
async def test_an_engine_without_adapters_says_that_its_chain_is_empty() -> None:
    route = await World().execute_with_fallback("task")
    assert route.error == "no adapter of the chain is registered (it is empty)"


@virtual
async def test_a_preference_for_an_unknown_adapter_is_refused_and_changes_nothing() -> None:
    engine = World()
    engine.script("a", "from a")
    with pytest.raises(UnknownAdapter, match="no adapter is called 'b'; known adapters: a"):
        engine.set_preference(["a", "b"])
    assert (await engine.execute_with_fallback("task")).why == "order of registration"


@virtual
async def test_a_removed_adapter_is_not_called() -> None:
    engine = World(retry=ONCE)
    gone = engine.script("a", "from a")
    engine.script("b", "from b")
    engine.set_preference(["a", "b"])
    engine.remove_adapter("a")
    route = await engine.execute_with_fallback("task")
    assert route.adapter == "b"
    assert gone.calls == []


@virtual
async def test_names_are_unique_and_not_empty() -> None:
    engine = World()
    engine.script("a", 1)
    with pytest.raises(ValueError, match="called 'a' is registered already"):
        engine.script("a", 2)
    with pytest.raises(ValueError, match="needs a name"):
        engine.script("", 2)
    with pytest.raises(UnknownAdapter):
        engine.remove_adapter("b")


@virtual
async def test_an_adapter_gets_the_task_exactly_as_it_was_given() -> None:
    engine = World()
    adapter = engine.script("a", "done")
    task = {"task_type": "ai", "prompt": "hello"}
    await engine.execute_with_fallback(task)
    assert adapter.tasks[0] is task


@virtual
async def test_a_task_keeps_its_own_id_and_one_without_gets_one_of_its_own() -> None:
    engine = World()
    engine.script("a", "done")
    ids = [
        (await engine.execute_with_fallback(task)).task
        for task in (Task(id="t-1"), {"task_id": "t-2"}, {"id": 3}, "no id", {"prompt": "no id"})
    ]
    assert ids[:3] == ["t-1", "t-2", "3"]
    assert len(set(ids)) == 5
    assert all(ids)


@virtual
async def test_failover_continues_along_the_chain_until_an_adapter_answers() -> None:
    engine = World(retry=ONCE, breaker=NEVER_TRIPS)
    for name in "abc":
        engine.script(name, DOWN)
    engine.script("d", "from d")
    engine.script("e", "from e")
    route = await engine.execute_with_fallback("task")
    assert route.fallback_chain == ["a", "b", "c", "d"]
    assert route.left == ("e",)
    assert route.unwrap() == "from d"
