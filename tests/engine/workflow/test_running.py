"""Workflow runs: nodes wait only for their dependencies, and failed ones are retried or replaced by fallbacks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine import Workflow, WorkflowError, WorkflowFailed
from fuseboard_engine.events import NodeChanged, RouteFinished, WorkflowFinished, WorkflowStarted
from support.engine_world import NEVER_TRIPS, Script, World, now, virtual


class Work:
    """A node that takes a second and keeps its inputs."""

    def __init__(self, answer: Any = None, seconds: float = 1.0) -> None:
        self.answer = answer
        self.seconds = seconds
        self.given: list[Any] = []
        self.began: list[float] = []

    async def __call__(self, inputs: Any) -> Any:
        self.given.append(inputs)
        self.began.append(now())
        await asyncio.sleep(self.seconds)
        return self.answer


def nodes_told(world: World) -> list[tuple[str, str]]:
    return [(event.node, event.state) for event in world.emitted if isinstance(event, NodeChanged)]


@virtual
async def test_a_node_gets_mapped_fields_its_parameters_and_the_input_of_the_workflow() -> None:
    world = World()
    fetch, process = Work({"response": {"items": [{"id": 7}]}}), Work("stored")
    workflow = Workflow("pipeline", engine=world)
    workflow.add_node("fetch", fetch, url="https://api.example.com/{path}")
    workflow.add_node("process", process, table="orders", prompt="Store {data}")
    workflow.connect("fetch", "process", {"response.items.0.id": "data", ".": "whole"})
    result = await workflow.execute({"path": "data"})
    assert fetch.given == [{"url": "https://api.example.com/data", "path": "data"}]
    whole = {"response": {"items": [{"id": 7}]}}
    assert process.given == [{"table": "orders", "prompt": "Store 7", "data": 7, "whole": whole}]
    assert (result.success, result.output, result.unwrap()) == (True, "stored", "stored")
    assert result.results == {"fetch": whole, "process": "stored"}
    assert result.fallback_chain == ["pipeline.fetch", "pipeline.process"]
    assert (result.adapter, result.total_attempts) == ("pipeline.process", 2)


class Nightly(Workflow):
    """A workflow as an application's own plain class."""

    def __init__(self, *, fetch: Any, backup: Any) -> None:
        super().__init__("nightly", name="Nightly")
        self.add_node("fetch", fetch)
        self.add_node("backup", backup)
        self.configure_retry("fetch", max_retries=1, strategy="immediate")
        self.configure_circuit_breaker("fetch", failure_threshold=2)
        self.add_fallback("fetch", "backup")


@virtual
async def test_an_application_class_gets_all_of_a_workflows_resilience() -> None:
    world = World()
    down = Script(ConnectionError("down"))
    workflow = Nightly(fetch=down, backup=Work("from the backup"))
    world.add_workflow(workflow)
    result = await workflow.execute({})
    assert (result.success, result.output, len(down.calls)) == (True, "from the backup", 2)
    assert workflow.get_resilience_metrics()["circuit_breakers"]["fetch"] == "open"


@virtual
async def test_branches_run_concurrently_and_the_join_waits_for_both() -> None:
    world = World()
    left, right, join = Work("l", 2), Work("r", 5), Work("j", 1)
    workflow = Workflow("pipeline", engine=world)
    for name, work in {"left": left, "right": right, "join": join}.items():
        workflow.add_node(name, work)
    workflow.connect("left", "join", {".": "left"})
    workflow.connect("right", "join", {".": "right"})
    await workflow.execute()
    assert (left.began, right.began, join.began) == ([0], [0], [5])
    assert join.given == [{"left": "l", "right": "r"}]
    assert now() == 6


@virtual
async def test_the_number_of_concurrent_nodes_is_limited() -> None:
    world = World()
    workflow = Workflow("pipeline", engine=world)
    works = [Work() for _ in range(7)]
    for number, work in enumerate(works):
        workflow.add_node(f"n{number}", work)
    await workflow.execute(max_concurrent=3)
    assert [work.began[0] for work in works] == [0, 0, 0, 1, 1, 1, 2]
    with pytest.raises(WorkflowError, match="at least 1"):
        await workflow.execute(max_concurrent=0)


@virtual
async def test_nodes_after_a_failed_node_are_skipped_and_the_others_run() -> None:
    world = World(breaker=NEVER_TRIPS)
    workflow = Workflow("pipeline", engine=world)
    workflow.add_node("bad", Script(ConnectionError("refused")))
    workflow.add_node("after", Work())
    workflow.add_node("later", Work())
    workflow.add_node("other", Work("fine"))
    workflow.connect("bad", "after")
    workflow.connect("after", "later")
    result = await workflow.execute()
    assert {name: node.state for name, node in result.nodes.items()} == {
        "bad": "failed",
        "after": "skipped",
        "later": "skipped",
        "other": "done",
    }
    assert result.failed == {"bad": "refused"}
    assert result.error == "bad: refused"
    with pytest.raises(WorkflowFailed, match="bad: refused") as raised:
        result.unwrap()
    assert raised.value.result is result
    (failure,) = workflow.get_failures()
    assert (failure.node, failure.attempts, failure.error, failure.run) == ("bad", 3, "refused", result.run)
    assert workflow.clear_failures() == 1
    assert workflow.get_failures() == []


@virtual
async def test_a_node_is_retried_as_configured() -> None:
    world = World(breaker=NEVER_TRIPS)
    flaky = Script(ConnectionError("1"), ConnectionError("2"), ConnectionError("3"), "at last")
    wrong = Script(ValueError("not to be retried"))
    workflow = Workflow("pipeline", engine=world)
    workflow.add_node("flaky", flaky)
    workflow.add_node("wrong", wrong)
    workflow.configure_retry("flaky", max_retries=3, strategy="linear", base_delay=2.0)
    workflow.configure_retry("wrong", retry_on=[ConnectionError, TimeoutError])
    result = await workflow.execute()
    assert flaky.calls == [0, 2, 6, 12]
    assert result.nodes["flaky"].attempts == 4
    assert len(wrong.calls) == 1


@virtual
async def test_fallbacks_run_in_order_with_the_nodes_inputs_and_their_own_parameters() -> None:
    world = World(breaker=NEVER_TRIPS)
    full, basic = Script(ConnectionError("down")), Script(ConnectionError("down too"))
    minimal = Work({"analysis": "basic"})
    workflow = Workflow("analysis", engine=world)
    workflow.add_node("load", Work({"text": "hello"}))
    workflow.add_node("full", full, model="gpt-4", prompt="Analyse: {text}")
    workflow.add_node("basic", basic, model="gpt-3.5", prompt="Briefly: {text}")
    workflow.add_node("minimal", minimal, confidence=0.5)
    workflow.add_fallback("full", "basic")
    workflow.add_fallback("basic", "minimal")
    workflow.connect("load", "full", {"text": "text"})
    result = await workflow.execute()
    assert full.tasks[0] == {"model": "gpt-4", "prompt": "Analyse: hello", "text": "hello"}
    assert basic.tasks[0] == {"model": "gpt-3.5", "prompt": "Briefly: hello", "text": "hello"}
    assert minimal.given == [{"confidence": 0.5, "text": "hello"}]
    assert (result.success, result.nodes["full"].answered) == (True, "analysis.minimal")
    assert result.output == {"analysis": "basic"}
    assert set(result.nodes) == {"load", "full"}


@virtual
async def test_a_node_with_an_open_breaker_is_not_called_and_its_fallback_answers() -> None:
    world = World()
    fetch, backup = Script(ConnectionError("down")), Work("from backup")
    workflow = Workflow("pipeline", engine=world)
    workflow.add_node("fetch", fetch)
    workflow.add_node("backup", backup)
    workflow.add_fallback("fetch", "backup")
    workflow.configure_retry("fetch", max_retries=0)
    workflow.configure_circuit_breaker("fetch", failure_threshold=2, success_threshold=1, timeout=60)
    for _ in range(3):
        assert (await workflow.execute()).success
    assert len(fetch.calls) == 2
    metrics = workflow.get_resilience_metrics()
    assert metrics["circuit_breakers"] == {"fetch": "open", "backup": "closed"}
    assert metrics["adapters"]["fetch"]["rejections"] == 1
    assert metrics["runs"] == {"done": 3}
    assert metrics["nodes"] == {"fetch": {"done": 3}}
    assert metrics["fallbacks"] == {"fetch": ["backup"]}
    assert metrics["retry_policies"]["fetch"]["max_attempts"] == 1
    assert metrics["failures_kept"] == 0


@virtual
async def test_a_node_shares_its_adapters_breaker_unless_it_has_its_own_policies() -> None:
    world = World()
    gpt = world.script("gpt", {"plan": "x"})
    world.breaker("gpt").force_open()
    shared = Workflow("shared", engine=world)
    shared.add_node("ask", "gpt", prompt="?")
    assert "held open" in (await shared.execute()).error
    own = Workflow("own", engine=world)
    own.add_node("ask", "gpt", prompt="?")
    own.configure_circuit_breaker("ask")
    result = await own.execute()
    assert result.success
    assert gpt.tasks == [{"prompt": "?", "task_id": f"{result.run}:ask", "task_type": "own.ask"}]


@virtual
async def test_a_node_of_a_task_type_uses_the_chain_of_that_type() -> None:
    world = World(breaker=NEVER_TRIPS)
    world.script("gpt", ConnectionError("down"))
    world.script("claude", "planned")
    world.set_preference(["gpt", "claude"], "plan")
    workflow = Workflow("pipeline", engine=world)
    workflow.add_node("by name", "plan")
    workflow.add_node("by type", task_type="plan")
    workflow.configure_retry("by type", max_retries=0)
    result = await workflow.execute()
    assert [(node.answered, node.attempts) for node in result.nodes.values()] == [("claude", 4), ("claude", 2)]


@virtual
async def test_R26_a_run_continues_after_a_degraded_node_but_is_not_a_success() -> None:
    world = World(breaker=NEVER_TRIPS)
    world.set_degraded("pipeline.plan", {"milestones": ["Analyse {goal}"]})
    build = Work("built")
    workflow = Workflow("pipeline", engine=world)
    workflow.add_node("plan", Script(ConnectionError("down")), goal="search")
    workflow.add_node("build", build)
    workflow.connect("plan", "build", {"milestones": "steps"})
    result = await workflow.execute()
    assert (result.success, result.degraded, result.state) == (False, True, "degraded")
    assert result.nodes["plan"].state == "degraded"
    assert build.given == [{"steps": ["Analyse search"]}]
    assert result.unwrap() == "built"


@virtual
async def test_a_missing_result_field_fails_the_node_that_needs_it_and_names_both() -> None:
    world = World()
    workflow = Workflow("pipeline", engine=world)
    workflow.add_node("fetch", Work({"body": {"rows": [1]}}))
    workflow.add_node("store", Work())
    workflow.add_node("count", Work())
    workflow.connect("fetch", "store", {"body.lines": "data"})
    workflow.connect("fetch", "count", {"body.rows.3": "data"})
    result = await workflow.execute()
    assert result.failed["store"].startswith("the result of fetch.body has no field 'lines' (wanted: body.lines)")
    assert "has 1 items, so there is no 3" in result.failed["count"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (object(), "the result of fetch is of type object"),
        ({"rows": [1, {2}]}, "the result of fetch.rows.1 is of type set"),
        ({"rate": float("nan")}, "the result of fetch.rate is nan"),
        ({1: "one"}, "has the key 1; JSON keys must be strings"),
        ("\ud800", "holds a lone surrogate"),
    ],
)
def test_a_result_that_is_not_json_is_refused_with_its_place(answer: Any, reason: str) -> None:
    @virtual
    async def scene() -> None:
        workflow = Workflow("pipeline", engine=World())
        workflow.add_node("fetch", Work(answer))
        result = await workflow.execute()
        assert reason in result.failed["fetch"]

    scene()


@virtual
async def test_a_result_that_contains_itself_is_refused_too() -> None:
    endless: list[Any] = []
    endless.append(endless)
    workflow = Workflow("pipeline", engine=World())
    workflow.add_node("fetch", Work(endless))
    assert "contains itself" in (await workflow.execute()).failed["fetch"]


@virtual
async def test_the_input_must_be_json_and_contain_what_the_first_nodes_need() -> None:
    workflow = Workflow("pipeline", engine=World())
    workflow.add_node("fetch", Work(), inputs=("url",))
    with pytest.raises(WorkflowError, match="fetch needs the input url; the workflow was given nothing"):
        await workflow.execute()
    with pytest.raises(WorkflowError, match=r"the input\.url is of type bytes"):
        await workflow.execute({"url": b"x"})


@virtual
async def test_a_deadline_cancels_running_nodes_and_starts_no_more() -> None:
    world = World()
    last = Work()
    workflow = Workflow("pipeline", engine=world)
    workflow.add_node("quick", Work("q", 1))
    workflow.add_node("slow", Work("s", 60))
    workflow.add_node("last", last)
    workflow.connect("quick", "slow")
    workflow.connect("slow", "last")
    result = await workflow.execute(deadline=5)
    assert now() == 5
    assert [node.state for node in result.nodes.values()] == ["done", "failed", "skipped"]
    assert "deadline" in result.failed["slow"]
    assert last.given == []


@virtual
async def test_progress_is_emitted_as_events() -> None:
    world = World(breaker=NEVER_TRIPS)
    workflow = Workflow("pipeline", name="The pipeline", engine=world)
    workflow.add_node("a", Work("a"))
    workflow.add_node("b", Script(ConnectionError("down")))
    workflow.add_node("c", Work())
    workflow.connect("a", "b")
    workflow.connect("b", "c")
    result = await workflow.execute(run="run-1")
    reported = [e for e in world.emitted if isinstance(e, WorkflowStarted | NodeChanged | WorkflowFinished)]
    first, last = reported[0], reported[-1]
    assert isinstance(first, WorkflowStarted)
    assert isinstance(last, WorkflowFinished)
    assert (first.run, first.name, first.nodes) == ("run-1", "The pipeline", ("a", "b", "c"))
    assert first.edges == (("a", "b"), ("b", "c"))
    assert nodes_told(world) == [
        ("a", "running"),
        ("a", "done"),
        ("b", "running"),
        ("b", "failed"),
        ("c", "skipped"),
    ]
    assert (last.state, last.error, last.duration) == ("failed", "b: down", pytest.approx(result.duration))
    routes = [event.task for event in world.emitted if isinstance(event, RouteFinished)]
    assert routes == ["run-1:a", "run-1:b"]


@virtual
async def test_a_cancelled_run_leaves_no_task_and_reports_the_cancellation() -> None:
    world = World()
    workflow = Workflow("pipeline", engine=world)
    workflow.add_node("a", Work("a", 60))
    workflow.add_node("b", Work("b", 60))
    run = asyncio.create_task(workflow.execute())
    await asyncio.sleep(1)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    last = world.emitted[-1]
    assert isinstance(last, WorkflowFinished)
    assert last.state == "interrupted"


@virtual
async def test_a_list_of_tasks_can_run_as_a_workflow() -> None:
    world = World(breaker=NEVER_TRIPS)
    world.script("prefect", ConnectionError("down"))
    agno = world.script("agno", "done")
    world.set_preference(["prefect", "agno"], "ai_task")
    tasks = [{"prompt": "Analyse data", "task_type": "other"}, {"name": "{x}"}]
    result = await world.execute_workflow("my_workflow", "ai_task", tasks)
    assert (result.success, result.adapter) == (True, "agno")
    assert (result.fallback_chain, result.total_attempts) == (["prefect", "agno"], 8)
    assert agno.tasks == [
        {"prompt": "Analyse data", "task_id": f"{result.run}:1", "task_type": "ai_task"},
        {"name": "{x}", "task_id": f"{result.run}:2", "task_type": "ai_task"},
    ]
    failing = await world.execute_workflow("my_workflow", "nobody", [{}, {}], in_order=True, deadline=0)
    assert [node.state for node in failing.nodes.values()] == ["failed", "skipped"]


@virtual
async def test_the_adapters_of_nodes_are_called_for_their_nodes_only() -> None:
    world = World(breaker=NEVER_TRIPS)
    node = Work("x")
    workflow = Workflow("pipeline")
    workflow.add_node("fetch", node)
    world.add_workflow(workflow)
    world.script("gpt", ConnectionError("down"))
    result = await world.execute_with_fallback({"prompt": "?"})
    assert (result.fallback_chain, node.given) == (["gpt"], [])
    assert (await world.execute_with_fallback({"prompt": "?"}, ["pipeline.fetch"])).success
    world.remove_workflow("pipeline")
    world.script("pipeline.fetch", "mine")
    assert (await world.execute_with_fallback({})).adapter == "pipeline.fetch"


@virtual
async def test_tasks_of_a_list_can_run_concurrently() -> None:
    world = World()
    world.add_adapter("agno", Work("x", 3))
    await world.execute_workflow("w", "t", [{}, {}, {}], in_order=False)
    assert now() == 3


def test_a_plain_function_is_a_node_and_runs_in_a_thread() -> None:
    from fuseboard_engine import Engine

    workflow = Workflow("pipeline", engine=Engine("app"))
    workflow.add_node("double", lambda inputs: {"twice": inputs["n"] * 2})
    assert asyncio.run(workflow.execute({"n": 21})).output == {"twice": 42}
