"""The part of a scenario file that describes a workflow, and its contradictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from fuseboard_engine.documents.toml_locations import Location
from fuseboard_engine.documents.validation_errors import did_you_mean
from fuseboard_engine.scenario_file.part import JsonData, Part
from fuseboard_engine.workflow.graph import path_between

RESERVED = frozenset(("self", "name", "does", "task_type", "task_id", "inputs", "outputs"))
"""Names that a field of a node's task cannot have."""


class NodePart(Part):
    """A node of a workflow: what executes it, and the nodes that it waits for."""

    type: str = Field(default="", description="the type of its task, whose chain executes it")
    adapter: str = Field(default="", description="in place of type: the adapter that executes it")
    after: tuple[str, ...] = Field(default=(), description="nodes that are done before it begins")
    fallback: tuple[str, ...] = Field(default=(), description="nodes that run, in order, when it fails")
    params: dict[str, JsonData] = Field(default={}, description="fields of its task")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.type) == bool(self.adapter):
            raise ValueError("set one of type and adapter")
        for name in RESERVED.intersection(self.params):
            raise ValueError(f"params: no field can have the name {name!r}; choose another")
        return self


WorkflowPart = dict[str, NodePart]
"""The nodes of a workflow, by name."""


def workflow_contradictions(
    workflows: Mapping[str, Any], adapters: Mapping[str, Any]
) -> Iterator[tuple[Location, str]]:
    """Find nodes and adapters that are not there, and nodes that wait for themselves, in workflows as in the file."""
    for workflow, nodes in workflows.items():
        nodes = _mapping(nodes)
        where: Location = ("workflows", workflow)
        if not nodes:
            yield where, "a workflow needs a node"
        if not workflow:
            yield where, "a workflow needs a name"
        if "" in nodes:
            yield (*where, ""), "a node needs a name"
        waits = {name: _names(node, "after") for name, node in nodes.items()}
        stand_ins = {name: _names(node, "fallback") for name, node in nodes.items()}
        stand_in_names = {name for names in stand_ins.values() for name in names}
        for name, node in nodes.items():
            adapter = _mapping(node).get("adapter")
            if adapter and isinstance(adapter, str) and adapters and adapter not in adapters:
                yield (
                    (*where, name, "adapter"),
                    f"there is no adapter {adapter!r} here; {did_you_mean(adapter, adapters)}",
                )
            for field, edges in (("after", waits), ("fallback", stand_ins)):
                yield from _bad_edges((*where, name, field), name, edges)
            for place, other in enumerate(waits[name]):
                if name in stand_in_names or other in stand_in_names:
                    stands_in = name if name in stand_in_names else other
                    yield (*where, name, "after", place), f"{stands_in} is a fallback, so nothing waits for it, nor it"


def _bad_edges(where: Location, name: str, edges: Mapping[str, list[str]]) -> Iterator[tuple[Location, str]]:
    """Find edges of a node to one that is not there, or from which a path leads back."""
    for place, other in enumerate(edges[name]):
        if other not in edges:
            yield (*where, place), f"there is no node {other!r} here; {did_you_mean(other, edges)}"
        elif (path := path_between(other, name, lambda node: edges.get(node, []))) is not None:
            yield (*where, place), f"this closes a cycle: {' -> '.join([name, *path])}"
        elif other in edges[name][:place]:
            yield (*where, place), f"{other!r} is there twice; remove one"


def _names(node: Any, field: str) -> list[str]:
    names = _mapping(node).get(field)
    return [name for name in names if isinstance(name, str)] if isinstance(names, list | tuple) else []


def _mapping(part: Any) -> Mapping[str, Any]:
    return part if isinstance(part, Mapping) else {}
