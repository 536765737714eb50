"""`Engine` is an ordinary class: its methods are defined and documented in it, and can be overridden."""

from __future__ import annotations

import asyncio
import inspect
import pydoc
import re
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from fuseboard_engine import DeadLetterPolicy, Engine, RetryPolicy, RouteResult, RouteStream, Workflow
from fuseboard_engine.commands import Command
from fuseboard_engine.events import CommandDone, Event, PreferenceSet
from support.engine_world import virtual

METHODS = [
    "adapter",
    "add_adapter",
    "add_adapter_from",
    "add_http_adapter",
    "add_process_adapter",
    "add_workflow",
    "apply",
    "begin_background",
    "breaker",
    "check_health",
    "close",
    "default_policies",
    "describe",
    "emit",
    "execute_batch",
    "execute_command",
    "execute_parallel",
    "execute_with_fallback",
    "execute_workflow",
    "gauges",
    "get_adapter_health",
    "get_adapter_statistics",
    "get_health_status",
    "get_recent_failures",
    "get_routing_statistics",
    "halt_background",
    "heal_fault",
    "inject_fault",
    "log_events",
    "remove_adapter",
    "remove_workflow",
    "resume",
    "resume_left",
    "set_degraded",
    "set_preference",
    "shutdown",
    "start",
    "stop_background",
    "stream_with_fallback",
    "subscribe",
]

COROUTINES = [
    "check_health",
    "close",
    "execute_batch",
    "execute_parallel",
    "execute_with_fallback",
    "execute_workflow",
    "resume",
    "resume_left",
    "shutdown",
    "start",
    "stop_background",
]


@pytest.mark.parametrize("name", METHODS)
def test_each_method_is_defined_in_the_class_with_a_docstring_and_a_signature_of_its_own(name: str) -> None:
    method = vars(Engine)[name]
    assert inspect.isfunction(method)
    assert (method.__module__, method.__qualname__) == ("fuseboard_engine.engine", f"Engine.{name}")
    assert method.__doc__
    parameters = list(inspect.signature(method).parameters.values())
    assert parameters[0].name == "self"
    assert all(p.annotation is not inspect.Parameter.empty for p in parameters[1:])
    assert inspect.iscoroutinefunction(method) == (name in COROUTINES)


def test_no_public_method_is_missing_from_the_list() -> None:
    found = [name for name, value in vars(Engine).items() if inspect.isfunction(value) and not name.startswith("_")]
    assert sorted(found) == sorted(METHODS)


def test_help_and_mocks_see_every_method() -> None:
    text = pydoc.plain(pydoc.render_doc(Engine))
    double = mock.create_autospec(Engine, instance=True)
    for name in METHODS:
        assert re.search(rf" {name}\([\s|]*self", text)  # a long signature has a line for each parameter in Python 3.13
        assert callable(getattr(double, name))
    for name in COROUTINES:
        assert isinstance(getattr(double, name), mock.AsyncMock)
    with pytest.raises(TypeError):
        double.set_preference(orders=["a"])


@virtual
async def test_an_engine_routes_without_the_cost_of_delegation_unless_the_method_is_overridden() -> None:
    engine = Engine()
    assert engine.execute_with_fallback == engine.router.execute_with_fallback
    assert inspect.iscoroutinefunction(engine.execute_with_fallback)
    assert Recorded().execute_with_fallback.__func__ is Recorded.execute_with_fallback  # type: ignore[attr-defined]


@virtual
async def test_a_method_patched_in_the_class_is_called() -> None:
    with mock.patch.object(Engine, "execute_with_fallback", autospec=True, return_value="patched"):
        assert await Engine().execute_with_fallback({}) == "patched"


class Recorded(Engine):
    """An engine that records the arguments of its overridden methods."""

    def __init__(self, **options: Any) -> None:
        self.routed: list[Any] = []
        self.streamed: list[Any] = []
        self.published: list[Event] = []
        super().__init__("recorded", **options)

    async def execute_with_fallback(self, task: Any, *args: Any, **options: Any) -> RouteResult:
        self.routed.append(task)
        return await super().execute_with_fallback(task, *args, **options)

    def stream_with_fallback(self, task: Any, *args: Any, **options: Any) -> RouteStream:
        self.streamed.append(task)
        return super().stream_with_fallback(task, *args, **options)

    def emit(self, event: Event) -> None:
        self.published.append(event)
        super().emit(event)


def recorded(call: Callable[[Any], Any] | None = None) -> Recorded:
    async def answer(task: Any) -> str:
        return "answered"

    policy = DeadLetterPolicy() if call else None
    engine = Recorded(dead_letters=policy, retry=RetryPolicy(max_attempts=1))
    engine.add_adapter("a", call or answer)
    return engine


@virtual
async def test_an_overridden_route_gets_the_tasks_of_batches_and_workflows() -> None:
    engine = recorded()
    await engine.execute_with_fallback("direct")
    await engine.execute_batch(["one", "two"])
    workflow = Workflow("w")
    workflow.add_node("n", "a")
    engine.add_workflow(workflow)
    assert (await workflow.execute({})).success
    assert (await engine.execute_workflow("list", "any", [{"x": 1}])).success
    assert engine.routed[:3] == ["direct", "one", "two"]
    assert [task["task_id"].split(":")[1] for task in engine.routed[3:]] == ["n", "1"]


@virtual
async def test_an_overridden_route_gets_the_retries_of_dead_letters() -> None:
    answers: list[Any] = [OSError("down"), "up"]

    async def flaky(task: Any) -> Any:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    engine = recorded(flaky)
    failed = await engine.execute_with_fallback({"n": 1})
    assert failed.dead_letter == 1
    assert engine.dead_letters is not None
    assert (await engine.dead_letters.retry(1)).success
    assert engine.routed == [{"n": 1}, {"n": 1}]
    await engine.close()


def test_the_sync_engine_calls_what_is_overridden() -> None:
    engine = recorded()
    with engine.sync as sync:
        assert sync.execute_with_fallback("plain").result == "answered"
        assert list(sync.stream_with_fallback("items")) == ["answered"]
    assert (engine.routed, engine.streamed) == (["plain"], ["items"])


@virtual
async def test_an_overridden_emit_sees_every_event_of_the_engine() -> None:
    engine = recorded()
    heard: list[Event] = []
    engine.subscribe(heard.append)
    engine.set_preference(["a"])
    await engine.execute_with_fallback("task")
    engine.execute_command(Command(id=1, verb="reset", actor="ann", adapter="a"))
    assert engine.published[1:] == heard  # the first one was the adapter's, before the subscription
    assert {"PreferenceSet", "RouteFinished", "CommandDone"} <= {type(event).__name__ for event in heard}


@virtual
async def test_an_overridden_resume_carries_out_the_operators_command() -> None:
    resumed: list[str] = []

    class Resuming(Engine):
        async def resume(self, run: str, **options: Any) -> Any:
            resumed.append(run)
            raise ValueError("not today")

    engine = Resuming()
    done: list[CommandDone] = []
    engine.subscribe(lambda event: done.append(event) if isinstance(event, CommandDone) else None)
    engine.begin_background()
    assert engine.execute_command(Command(id=1, verb="resume", actor="ann", args={"run": "r1"})) is None
    while not done:
        await asyncio.sleep(0)
    assert resumed == ["r1"]
    assert (done[0].ok, done[0].detail) == (False, "ValueError: not today")
    await engine.close()


def test_set_preference_with_none_removes_a_chain() -> None:
    engine = recorded()
    engine.set_preference(["a"], "invoice", restartable=True)
    engine.set_preference(None, "invoice")
    assert engine.registry.orders == {}
    assert not engine.registry.can_restart("invoice")
    reported = [event for event in engine.published if isinstance(event, PreferenceSet)]
    assert [event.order for event in reported] == [("a",), ()]


def test_a_chain_of_an_unknown_adapter_is_refused_and_nothing_changes() -> None:
    engine = recorded()
    with pytest.raises(KeyError, match="no adapter is called 'b'"):
        engine.set_preference(["a", "b"])
    assert engine.registry.orders == {}
    assert not [event for event in engine.published if isinstance(event, PreferenceSet)]
