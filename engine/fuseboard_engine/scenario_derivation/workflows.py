"""The workflows of a scenario, as their runs showed them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fuseboard_engine.scenario_derivation.observation import ObservedAdapter
from fuseboard_engine.scenario_derivation.observed_traffic import ObservedNode, ObservedTraffic
from fuseboard_engine.scenario_derivation.one_line import OneLine
from fuseboard_engine.workflow.failed_runs import resume_adapter


def workflows_of(traffic: ObservedTraffic, adapters: Mapping[str, ObservedAdapter]) -> dict[str, dict[str, Any]]:
    """Return the nodes of each workflow of which a run began, by name."""
    return {
        name: {node: OneLine(_node(f"{name}.{node}", part, adapters)) for node, part in workflow.nodes.items()}
        for name, workflow in traffic.workflows.items()
        if workflow.began and name and workflow.nodes and "" not in workflow.nodes
    }


def _node(own_type: str, node: ObservedNode, adapters: Mapping[str, ObservedAdapter]) -> dict[str, Any]:
    """Return what a scenario says about a node: its adapter, or the type of its tasks if it has several."""
    order = node.orders.most_common(1)[0][0] if node.orders else ()
    one_adapter = len(order) == 1 and order[0] in adapters and node.type in ("", own_type)
    part: dict[str, Any] = {"adapter": order[0]} if one_adapter else {"type": node.type or own_type}
    return {**part, "after": list(node.after)} if node.after else part


def is_of_workflow(name: str, adapter: ObservedAdapter) -> bool:
    """Return whether an adapter was added for a node of a workflow, so that it is in no default chain."""
    return len(adapter.tags) == 2 and adapter.tags[0] == "workflow" and name.startswith(f"{adapter.tags[1]}.")


def is_resume_adapter(name: str, adapter: ObservedAdapter) -> bool:
    """Return whether an adapter resumes the failed runs of a workflow; the workflow adds it by itself."""
    return is_of_workflow(name, adapter) and name == resume_adapter(adapter.tags[1])
