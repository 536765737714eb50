"""The structure of a workflow: what identifies a node, chains of fallbacks, and how definitions differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from fuseboard_engine.workflow.graph import Edge, Graph, Node, changes, path_between


def fetch(inputs: dict[str, Any]) -> dict[str, Any]:
    return inputs


class Service:
    def call(self, inputs: Any) -> Any:
        return inputs


@pytest.mark.parametrize(
    ("node", "target"),
    [
        (Node("n", call=fetch), "call fetch"),
        (Node("n", call=Service()), "call Service"),
        (Node("n", call=Service().call), "call Service.call"),
        (Node("n", adapter="gpt"), "adapter gpt"),
        (Node("n", task_type="chat"), "task type chat"),
        (Node("n", adapter="gpt", task_type="chat"), "adapter gpt"),
    ],
)
def test_a_node_is_identified_by_what_executes_it(node: Node, target: str) -> None:
    assert node.target == target


def graph(edges: tuple[Edge, ...] = (), fallbacks: Mapping[str, tuple[str, ...]] | None = None, **nodes: Any) -> Graph:
    given = {name: Node(name, adapter="x") for name in "abcd"} | nodes
    return Graph(given, edges, fallbacks or {})


def test_a_chain_tries_a_fallback_and_those_of_it_before_the_next_and_each_once() -> None:
    found = graph(fallbacks={"a": ("b", "d"), "b": ("c", "d")})
    assert found.chain("a") == ["a", "b", "c", "d"]
    assert found.chain("b") == ["b", "c", "d"]
    assert found.chain("d") == ["d"]
    assert found.steps() == ["a"]


def test_the_edges_into_a_node_are_those_that_end_there() -> None:
    edges = (Edge("a", "c"), Edge("b", "c"), Edge("c", "d"))
    assert graph(edges).into("c") == [*edges[:2]]
    assert graph(edges).into("a") == []


@pytest.mark.parametrize(
    "changed",
    [
        graph(a=Node("a", adapter="y")),
        graph(a=Node("a", adapter="x", task_type="chat")),
        graph(a=Node("a", adapter="x", params={"k": 1})),
        graph(fallbacks={"a": ("b",)}),
        graph(edges=(Edge("b", "a"),)),
    ],
    ids=["adapter", "type", "params", "fallbacks", "edges"],
)
def test_a_definition_differs_in_all_that_a_result_depends_on(changed: Graph) -> None:
    assert changes(graph().definition(), changed.definition()) == "a was changed"


def test_a_definition_differs_by_the_fields_of_an_edge_but_not_by_any_order() -> None:
    first = graph(edges=(Edge("b", "a", {"x": "p", "y": "q"}), Edge("c", "a")), a=Node("a", params={"k": 1, "l": 2}))
    again = graph(edges=(Edge("c", "a"), Edge("b", "a", {"y": "q", "x": "p"})), a=Node("a", params={"l": 2, "k": 1}))
    assert changes(first.definition(), again.definition()) == ""
    other = graph(edges=(Edge("b", "a", {"x": "q", "y": "p"}), Edge("c", "a")), a=Node("a", params={"k": 1, "l": 2}))
    assert changes(first.definition(), other.definition()) == "a was changed"


def test_the_changes_of_a_definition_name_changed_added_and_removed_nodes() -> None:
    assert changes({"a": "1", "b": "1", "c": "1"}, {"a": "2", "c": "1", "d": "1"}) == (
        "a was changed, b was removed, d was added"
    )


def test_a_path_follows_the_edges_or_is_empty() -> None:
    follows = {"a": ["b", "c"], "b": ["d"], "c": ["d", "a"], "d": []}
    assert path_between("a", "a", follows.__getitem__) == ["a"]
    assert path_between("b", "d", follows.__getitem__) == ["b", "d"]
    assert path_between("c", "b", follows.__getitem__) == ["c", "a", "b"]
    assert path_between("d", "a", follows.__getitem__) is None


def test_nodes_edges_and_graphs_cannot_be_changed() -> None:
    for value, name in ((Node("n"), "adapter"), (Edge("a", "b"), "source"), (graph(), "edges")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, "")
