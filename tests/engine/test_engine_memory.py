"""The memory that an engine keeps for adapters, task types and names does not grow with the number it has seen."""

from __future__ import annotations

import gc
from typing import Any

from fuseboard_engine import HealthPolicy, RoutingPolicy
from fuseboard_engine.adapters.registry import Adapter
from fuseboard_engine.health.checker import STALE_ENTRIES
from support.engine_world import World, virtual

ROUNDS = 500


async def done(task: Any) -> str:
    return "done"


def healthy() -> bool:
    return True


@virtual
async def test_removed_adapters_are_forgotten_everywhere() -> None:
    routing = RoutingPolicy(adaptive=True, all_out="last_resort", max_out_by_tag={"cheap": 0.5})
    engine = World(routing=routing, health=HealthPolicy())
    engine.add_adapter("stays", done)
    async with engine:
        for number in range(ROUNDS):
            name = f"a{number}"
            engine.add_adapter(name, done, tags=["cheap"], health=healthy)
            engine.set_preference([name, "stays"], "changing", adaptive=True)
            await engine.execute_with_fallback({"task_type": "changing"})
            await engine.execute_parallel("task", [name, f"unheard of {number}"])
            engine.breaker(name).force_open()
            await engine.execute_with_fallback({"task_type": f"type {number}"}, [name])
            engine.remove_adapter(name)
            engine.emitted.clear()
        gc.collect()
        alive = {
            thing.name for thing in gc.get_objects() if type(thing) is Adapter and thing.breaker.wall == engine.wall
        }
        assert "stays" in alive
        assert len(alive) < STALE_ENTRIES + 10


@virtual
async def test_unknown_names_and_task_types_leave_no_state_behind() -> None:
    engine = World(routing=RoutingPolicy(adaptive=True, all_out="wait", max_wait=0.001))
    engine.add_adapter("a", done)
    await engine.execute_with_fallback("warm")
    before = sizes(engine)
    for number in range(ROUNDS):
        await engine.execute_with_fallback({"task_type": f"type {number}"})
        await engine.execute_with_fallback("task", [f"adapter {number}"])
        await engine.execute_parallel("task", [f"adapter {number}"])
    assert sizes(engine) == before


def sizes(engine: World) -> dict[str, int]:
    """Return the sizes of the engine's tables."""
    adaptive = engine.routing._adaptive
    return {
        "adapters": len(engine.registry),
        "orders": len(engine.registry.orders),
        "evidence": len(adaptive._evidence),
        "ranked": len(adaptive._orders),
        "recent failures": len(engine.get_recent_failures(1000)),
    }
