"""Context ids reach adapters, threads, events and results; a missing request id is generated."""

from __future__ import annotations

import asyncio
from typing import Any

from fuseboard_engine import Engine, RetryPolicy, Task, context
from fuseboard_engine.events import AttemptFailed, RouteFinished
from support.engine_world import NEVER_TRIPS, World, virtual

IDS = {"request": "r-1", "trace": "t-1", "user": "ann", "session": "s-1", "correlation": "c-1"}
ONCE = RetryPolicy(max_attempts=1)


class Witness:
    """An adapter that records the ids it sees."""

    def __init__(self, error: Exception | None = None) -> None:
        self.seen: list[dict[str, str]] = []
        self.error = error

    async def __call__(self, task: Any) -> str:
        self.seen.append(dict(context.current()))
        if self.error is not None:
            raise self.error
        return "done"


@virtual
async def test_PA05_all_five_ids_reach_the_adapter_the_events_and_the_result() -> None:
    engine = World(breaker=NEVER_TRIPS, retry=ONCE)
    down, good = Witness(ConnectionError("down")), Witness()
    engine.add_adapter("down", down)
    engine.add_adapter("good", good)
    result = await engine.execute_with_fallback("task", context=IDS)
    assert down.seen == good.seen == [IDS]
    assert result.context == IDS
    reported = [event.context for event in engine.emitted if isinstance(event, AttemptFailed | RouteFinished)]
    assert reported == [IDS, IDS]


@virtual
async def test_PA05_a_request_id_is_generated_when_the_context_has_none() -> None:
    engine = World()
    witness = Witness()
    engine.add_adapter("a", witness)
    first = await engine.execute_with_fallback("task", context={"user": "ann"})
    second = await engine.execute_with_fallback("task", context={})
    assert first.context is not None and second.context is not None
    assert first.context["user"] == "ann"
    assert first.context["request"] != second.context["request"]
    assert witness.seen == [first.context, second.context]


@virtual
async def test_the_context_of_a_task_is_used_when_the_call_gives_none() -> None:
    engine = World()
    witness = Witness()
    engine.add_adapter("a", witness)
    task = Task(payload="x", context={"request": "of the task"})
    await engine.execute_with_fallback(task)
    await engine.execute_with_fallback(task, context={"request_id": "of the call"})
    assert [ids["request"] for ids in witness.seen] == ["of the task", "of the call"]


@virtual
async def test_a_route_inside_another_and_a_with_block_pass_their_ids_on() -> None:
    engine = World()
    witness = Witness()
    engine.add_adapter("inner", witness)

    async def outer(task: Any) -> Any:
        return (await engine.execute_with_fallback("part", ["inner"], context={"session": "s-2"})).result

    engine.add_adapter("outer", outer)
    with context.use(request="r-1", user="ann"):
        result = await engine.execute_with_fallback("task", ["outer"])
    assert result.context == {"request": "r-1", "user": "ann"}
    assert witness.seen == [{"request": "r-1", "user": "ann", "session": "s-2"}]
    assert context.current() == {}


@virtual
async def test_concurrent_routes_do_not_see_each_others_ids() -> None:
    engine = World()
    seen: dict[str, str] = {}

    async def slow(task: str) -> None:
        await asyncio.sleep(1)
        seen[task] = context.current()["request"]

    engine.add_adapter("a", slow)
    await asyncio.gather(*(engine.execute_with_fallback(n, context={"request": n}) for n in ("1", "2", "3")))
    assert seen == {"1": "1", "2": "2", "3": "3"}


@virtual
async def test_without_any_context_there_are_no_ids() -> None:
    engine = World()
    witness = Witness()
    engine.add_adapter("a", witness)
    result = await engine.execute_with_fallback("task")
    assert witness.seen == [{}]
    assert result.context is None


def test_a_plain_function_sees_the_ids_in_its_thread() -> None:
    engine = Engine()
    seen: list[dict[str, str]] = []
    engine.add_adapter("a", lambda task: seen.append(dict(context.current())))
    asyncio.run(engine.execute_with_fallback("task", context=IDS))
    assert seen == [IDS]


def test_sync_code_passes_its_ids_to_the_calls_it_waits_for() -> None:
    engine = Engine()
    witness = Witness()
    engine.add_adapter("a", witness)
    with engine.sync, context.use(request="r-1"):
        assert engine.sync.execute_with_fallback("task").context == {"request": "r-1"}
        assert engine.sync.execute_parallel("task").context == {"request": "r-1"}
    assert witness.seen == [{"request": "r-1"}] * 2
