"""The structure of a workflow as immutable values, and its validation. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from fuseboard_engine.workflow.errors import WorkflowError
from fuseboard_engine.workflow.json_values import WHOLE_VALUE


@dataclass(frozen=True)
class Node:
    """One step of a workflow.

    It is executed by `call` (a function of its inputs, or an object with a `call` method), by `adapter` (one of the
    engine's), or, without both, by the chain of `task_type`. `inputs` and `outputs` name its declared fields; None: any
    field.
    """

    name: str
    call: Any = None
    adapter: str = ""
    task_type: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None

    @property
    def target(self) -> str:
        """A text that identifies what executes the node, and stays the same as long as that does."""
        if self.call is not None:
            # Without the module: its name depends on how the program is started.
            return f"call {getattr(self.call, '__qualname__', None) or type(self.call).__qualname__}"
        return f"adapter {self.adapter}" if self.adapter else f"task type {self.task_type}"


@dataclass(frozen=True)
class Edge:
    """`target` begins when `source` is done, and gets fields of its result: output path to input name."""

    source: str
    target: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """Nodes in the order they were added, their edges, and the fallbacks of each node."""

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    fallbacks: Mapping[str, tuple[str, ...]]

    def steps(self) -> list[str]:
        """Return the nodes that are not fallbacks of others."""
        stand_ins = {name for names in self.fallbacks.values() for name in names}
        return [name for name in self.nodes if name not in stand_ins]

    def into(self, node: str) -> list[Edge]:
        """Return the edges that end at a node."""
        return [edge for edge in self.edges if edge.target == node]

    def chain(self, node: str) -> list[str]:
        """Return a node and its fallbacks, in the order they are tried, each once."""
        found: list[str] = []
        stack = [node]
        while stack:
            name = stack.pop()
            if name not in found:
                found.append(name)
                stack.extend(reversed(self.fallbacks.get(name, ())))
        return found

    def definition(self) -> dict[str, str]:
        """Return, for each node, a text of all that its saved result depends on, for comparison."""
        return {
            name: json.dumps(
                {
                    "does": node.target,
                    "type": node.task_type,
                    "params": node.params,
                    "fallbacks": self.fallbacks.get(name, ()),
                    "from": sorted([edge.source, *sorted(edge.fields.items())] for edge in self.into(name)),
                },
                sort_keys=True,
            )
            for name, node in self.nodes.items()
        }


def known(name: str, names: Iterable[str], where: str) -> None:
    """Raise WorkflowError if a name is unknown; the error lists the known ones and suggests the nearest."""
    choices = list(names)
    if name in choices:
        return
    near = get_close_matches(str(name), choices, 1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    raise WorkflowError(f"{where}: there is no node {name!r}.{meant} There are: {', '.join(choices) or 'none yet'}.")


def path_between(start: str, end: str, following: Callable[[str], Iterable[str]]) -> list[str] | None:
    """Return a path from one name to another, both included, or None."""
    came_from: dict[str, str] = {}
    stack, seen = [start], {start}
    while stack:
        name = stack.pop()
        if name == end:
            path = [end]
            while path[-1] != start:
                path.append(came_from[path[-1]])
            return path[::-1]
        for after in following(name):
            if after not in seen:
                seen.add(after)
                came_from[after] = name
                stack.append(after)
    return None


def check_edge(nodes: Mapping[str, Node], edges: Iterable[Edge], edge: Edge) -> None:
    """Raise WorkflowError if an edge is invalid: unknown nodes, a cycle, a field that is invalid or taken."""
    where = f"connect({edge.source!r}, {edge.target!r})"
    known(edge.source, nodes, where)
    known(edge.target, nodes, where)
    others = list(edges)
    path = path_between(edge.target, edge.source, lambda name: [e.target for e in others if e.source == name])
    if path is not None:
        raise WorkflowError(f"{where} closes a cycle: {' → '.join([edge.source, *path])}")
    if any(e.source == edge.source and e.target == edge.target for e in others):
        raise WorkflowError(f"{where}: these two are connected already; give all fields at once")
    taken = {name: e.source for e in others if e.target == edge.target for name in e.fields.values()}
    for output, name in edge.fields.items():
        if not (isinstance(output, str) and isinstance(name, str) and output and name):
            raise WorkflowError(f"{where}: a field is a text that is not empty, and {output!r}: {name!r} is none")
        if output != WHOLE_VALUE and "" in output.split("."):
            raise WorkflowError(f"{where}: {output!r} is not a path of fields such as 'items.0.name'")
        _declared(where, edge.source, "output", output.split(".")[0] if output != WHOLE_VALUE else None, nodes)
        _declared(where, edge.target, "input", name, nodes)
        if name in taken:
            raise WorkflowError(f"{where}: {edge.target} gets its input {name!r} from {taken[name]} already")
        taken[name] = edge.source


def _declared(where: str, node: str, kind: str, name: str | None, nodes: Mapping[str, Node]) -> None:
    names = nodes[node].outputs if kind == "output" else nodes[node].inputs
    if name is None or names is None or name in names:
        return
    near = get_close_matches(name, names, 1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    raise WorkflowError(f"{where}: {node} has no {kind} {name!r}.{meant} It has: {', '.join(names) or 'none'}.")


def check_fallback(fallbacks: Mapping[str, tuple[str, ...]], edges: Iterable[Edge], node: str, other: str) -> None:
    """Raise WorkflowError if `other` cannot be a fallback of `node`: a loop, or it has edges of its own."""
    where = f"add_fallback({node!r}, {other!r})"
    path = path_between(other, node, lambda name: fallbacks.get(name, ()))
    if path is not None:
        raise WorkflowError(f"{where} closes a loop of fallbacks: {' → '.join([node, *path])}")
    if other in fallbacks.get(node, ()):
        raise WorkflowError(f"{where}: it is a fallback of it already")
    for edge in edges:
        if other in (edge.source, edge.target):
            raise WorkflowError(
                f"{where}: {other} is connected ({edge.source} → {edge.target}); a node that stands in for another "
                "gets its inputs and has no edges of its own"
            )


def check_inputs(graph: Graph) -> None:
    """Raise WorkflowError if a node declares an input that no edge provides.

    A node without incoming edges gets the input of the workflow, which is checked when a run begins.
    """
    if not graph.steps():
        raise WorkflowError("the workflow has no node to run")
    for name in graph.steps():
        edges = graph.into(name)
        if not edges:
            continue
        given = {field for edge in edges for field in edge.fields.values()}
        for one in graph.chain(name):
            node = graph.nodes[one]
            missing = [field for field in node.inputs or () if field not in given and field not in node.params]
            if missing:
                for_whom = f", which stands in for {name}," if one != name else ""
                raise WorkflowError(f"{one}{for_whom} needs the input {', '.join(missing)}, and no edge provides it")


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return a text that names the nodes in which two definitions differ; empty if they are equal."""
    found = [f"{name} was changed" for name in before if name in after and before[name] != after[name]]
    found += [f"{name} was removed" for name in before if name not in after]
    found += [f"{name} was added" for name in after if name not in before]
    return ", ".join(found)
