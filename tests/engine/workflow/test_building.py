"""Validation while a workflow is built: errors are raised where the mistake is made and name the nodes."""

from __future__ import annotations

from typing import Any

import pytest

from fuseboard_engine import Workflow, WorkflowError
from support.engine_world import World, virtual


def nothing(inputs: dict[str, Any]) -> dict[str, Any]:
    return inputs


def workflow_of(*names: str) -> Workflow:
    workflow = Workflow("pipeline", name="The pipeline")
    for name in names:
        workflow.add_node(name, nothing)
    return workflow


def test_a_cycle_is_refused_and_its_path_is_shown() -> None:
    workflow = workflow_of("fetch", "clean", "store")
    workflow.connect("fetch", "clean")
    workflow.connect("clean", "store")
    with pytest.raises(WorkflowError, match="closes a cycle: store → fetch → clean → store"):
        workflow.connect("store", "fetch")
    with pytest.raises(WorkflowError, match="closes a cycle: fetch → fetch"):
        workflow.connect("fetch", "fetch")


def test_an_unknown_node_is_refused_with_a_suggestion() -> None:
    workflow = workflow_of("fetch", "store")
    with pytest.raises(WorkflowError, match=r"no node 'fech'. Did you mean 'fetch'\? There are: fetch, store"):
        workflow.connect("fech", "store")
    for attempt in (
        lambda: workflow.add_fallback("fetch", "backup"),
        lambda: workflow.configure_retry("backup"),
        lambda: workflow.configure_circuit_breaker("backup"),
    ):
        with pytest.raises(WorkflowError, match="no node 'backup'"):
            attempt()


def test_a_duplicate_node_name_is_refused() -> None:
    workflow = workflow_of("fetch")
    with pytest.raises(WorkflowError, match="there is a node 'fetch' already"):
        workflow.add_node("fetch", nothing)
    with pytest.raises(WorkflowError, match="needs a name"):
        workflow.add_node("", nothing)
    with pytest.raises(WorkflowError, match="needs an id"):
        Workflow("")


def test_a_node_needs_an_executor() -> None:
    workflow = Workflow("pipeline")
    with pytest.raises(WorkflowError, match="say what executes it"):
        workflow.add_node("fetch")
    with pytest.raises(WorkflowError, match="int is not a function, adapter or task type"):
        workflow.add_node("fetch", 7)  # type: ignore[arg-type]


def test_mapping_an_input_twice_is_refused() -> None:
    workflow = workflow_of("left", "right", "join")
    workflow.connect("left", "join", {"data": "data"})
    with pytest.raises(WorkflowError, match="join gets its input 'data' from left already"):
        workflow.connect("right", "join", {"data": "data"})
    with pytest.raises(WorkflowError, match="connected already"):
        workflow.connect("left", "join", {"more": "more"})
    for wrong in ({"": "data"}, {"data": ""}, {"data": 3}, {"a..b": "data"}):
        with pytest.raises(WorkflowError, match=r"connect\('right', 'join'\)"):
            workflow.connect("right", "join", wrong)  # type: ignore[arg-type]


def test_fields_that_a_node_does_not_declare_are_refused() -> None:
    workflow = Workflow("pipeline")
    workflow.add_node("fetch", nothing, outputs=("response", "status"))
    workflow.add_node("store", nothing, inputs=("data",))
    with pytest.raises(WorkflowError, match=r"fetch has no output 'respnse'. Did you mean 'response'\?"):
        workflow.connect("fetch", "store", {"respnse.body": "data"})
    with pytest.raises(WorkflowError, match="store has no input 'date'"):
        workflow.connect("fetch", "store", {"response": "date"})
    workflow.connect("fetch", "store", {"response.body": "data"})


@virtual
async def test_an_input_without_a_source_is_refused_before_anything_runs() -> None:
    workflow = workflow_of("fetch")
    workflow.add_node("store", nothing, inputs=("data", "table"), table="orders")
    workflow.connect("fetch", "store")
    with pytest.raises(WorkflowError, match="store needs the input data, and no edge provides it"):
        World().add_workflow(workflow)


@virtual
async def test_a_fallback_needs_its_inputs_too() -> None:
    workflow = workflow_of("fetch", "store")
    workflow.add_node("store_elsewhere", nothing, inputs=("bucket",))
    workflow.connect("fetch", "store", {"data": "data"})
    workflow.add_fallback("store", "store_elsewhere")
    with pytest.raises(WorkflowError, match="store_elsewhere, which stands in for store, needs the input bucket"):
        World().add_workflow(workflow)


def test_a_loop_of_fallbacks_is_refused_and_shown() -> None:
    workflow = workflow_of("full", "basic", "minimal")
    workflow.add_fallback("full", "basic")
    workflow.add_fallback("basic", "minimal")
    with pytest.raises(WorkflowError, match="loop of fallbacks: minimal → full → basic → minimal"):
        workflow.add_fallback("minimal", "full")
    with pytest.raises(WorkflowError, match="loop of fallbacks: full → full"):
        workflow.add_fallback("full", "full")
    with pytest.raises(WorkflowError, match="already"):
        workflow.add_fallback("full", "basic")


def test_a_fallback_has_no_edges_of_its_own() -> None:
    workflow = workflow_of("fetch", "backup", "store")
    workflow.connect("fetch", "store")
    with pytest.raises(WorkflowError, match=r"store is connected \(fetch → store\)"):
        workflow.add_fallback("backup", "store")
    workflow.add_fallback("fetch", "backup")
    with pytest.raises(WorkflowError, match="backup stands in for fetch"):
        workflow.connect("backup", "store")


def test_parameters_must_be_json() -> None:
    with pytest.raises(WorkflowError, match=r"parameter fetch\.client is of type object"):
        Workflow("pipeline").add_node("fetch", nothing, client=object())


@virtual
async def test_a_name_that_is_neither_an_adapter_nor_a_task_type_is_refused() -> None:
    world = World()
    world.script("gpt", "x")
    workflow = Workflow("pipeline")
    workflow.add_node("ok", nothing)
    workflow.add_node("ask", "gtp")
    with pytest.raises(WorkflowError, match=r"node 'ask': the engine has no adapter 'gtp' .*; adapters: gpt;"):
        world.add_workflow(workflow)
    assert [adapter.name for adapter in world.registry] == ["gpt"]
    assert not world.workflows


@virtual
async def test_a_breaker_for_a_task_type_is_refused_because_its_adapters_have_theirs() -> None:
    world = World()
    world.script("gpt", "x")
    workflow = Workflow("pipeline")
    workflow.add_node("ask", task_type="plan")
    workflow.configure_circuit_breaker("ask")
    with pytest.raises(WorkflowError, match="its adapters have breakers of their own"):
        world.add_workflow(workflow)


@virtual
async def test_a_registered_workflow_cannot_be_changed_and_its_id_is_taken() -> None:
    world = World()
    workflow = world.add_workflow(workflow_of("fetch"))
    with pytest.raises(WorkflowError, match="'pipeline' is in use"):
        workflow.add_node("store", nothing)
    with pytest.raises(WorkflowError, match="registered already"):
        world.add_workflow(workflow_of("fetch"))
    world.remove_workflow("pipeline")
    assert len(world.registry) == 0
    with pytest.raises(WorkflowError, match="no workflow 'pipeline'"):
        world.remove_workflow("pipeline")


@virtual
async def test_a_workflow_needs_an_engine_and_a_node() -> None:
    with pytest.raises(WorkflowError, match="has no engine"):
        await workflow_of("fetch").execute()
    with pytest.raises(WorkflowError, match="no node to run"):
        World().add_workflow(Workflow("empty"))
