"""A scenario file made from what was observed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.policy import RoutingPolicy
from fuseboard_engine.scenario_derivation.observation import Observation, ObservedAdapter, ObservedLetters
from fuseboard_engine.scenario_derivation.one_line import OneLine
from fuseboard_engine.scenario_derivation.policies import differing
from fuseboard_engine.scenario_derivation.recorded_parts import counted_parts, exact_parts, spans
from fuseboard_engine.scenario_derivation.timeline import timeline_of
from fuseboard_engine.scenario_derivation.traffic import UNTYPED, traffic_of
from fuseboard_engine.scenario_derivation.workflows import is_of_workflow, is_resume_adapter, workflows_of

MOST_EXACT: Final = 15_000
"""Tasks and calls up to which each of them is in the file; of more, spans of time are."""

MOST_SPANS: Final = 1_000
"""Spans in a file at most, shared by its adapters."""


def scenario_text(observation: Observation, name: str, title: str) -> str:
    """Return the scenario file that repeats what was observed. `name` is any text.

    Raises:
        ValueError: No task was observed.
    """
    if not observation.tasks:
        raise ValueError("it has no tasks")
    data = _document(observation, name, title)
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


class _Dumper(yaml.SafeDumper):
    """Writes mappings of a list on one line each, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    OneLine, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True)
)


def _document(observation: Observation, name: str, title: str) -> dict[str, Any]:
    calls = sum(len(adapter.calls.began) for adapter in observation.adapters.values())
    exact = not observation.counted and observation.tasks + calls <= MOST_EXACT
    duration = max(1.0, math.ceil(observation.ended * 10) / 10)
    adapters = {name: adapter for name, adapter in observation.adapters.items() if not is_resume_adapter(name, adapter)}
    breaker, retry = _usual(adapters)
    data: dict[str, Any] = {
        "scenario": slug(name),
        "title": title,
        "duration": duration,
        **_policies(breaker, retry),
        **({"routing": routing} if (routing := differing(RoutingPolicy, observation.routing)) else {}),
        "adapters": {
            name: _adapter(adapter, breaker, retry, exact, max(1, MOST_SPANS // len(adapters)))
            for name, adapter in adapters.items()
        },
    }
    workflows = {} if observation.counted else workflows_of(observation.traffic, adapters)
    if chains := dict(_chains(observation, adapters, workflows)):
        data["preference"] = chains
    if observation.degraded:
        data["degraded"] = {kind or UNTYPED: {"answer": "degraded"} for kind in sorted(observation.degraded)}
    if observation.letters is not None:
        data["dead_letters"] = _dead_letters(observation.letters)
    if workflows:
        data["workflows"] = workflows
    data["traffic"] = list(traffic_of(observation, adapters, exact, duration))
    if timeline := timeline_of(observation, duration):
        data["timeline"] = timeline
    if exact:
        data["expect"] = dict(_expectations(observation))
    return data


def _chains(
    observation: Observation, adapters: Mapping[str, ObservedAdapter], workflows: Mapping[str, dict[str, Any]]
) -> Iterator[tuple[str, Any]]:
    """Yield the chain of each type of task, without adapters that were never registered."""
    of_nodes = {f"{workflow}.{node}" for workflow, nodes in workflows.items() for node in nodes}
    typed = {node["type"] for nodes in workflows.values() for node in nodes.values() if "type" in node}
    for kind in observation.types_with_chains:
        order = [name for name in observation.chain_of(kind) or () if name in adapters]
        options = {
            name: True
            for name, kinds in (("adaptive", observation.adaptive), ("restartable", observation.restartable))
            if kind in kinds
        }
        if order and (kind in typed or kind not in of_nodes):
            yield kind or "default", {"order": order, **options} if options else order
    own = [name for name, adapter in adapters.items() if is_of_workflow(name, adapter)]
    if own and "" not in observation.types_with_chains and (others := [name for name in adapters if name not in own]):
        yield "default", others


def _dead_letters(letters: ObservedLetters) -> dict[str, Any]:
    if not letters.automatic:
        return {"automatic_retry": False}
    return {"first_retry": "scheduled" if letters.first_retry >= 1 else "at_once"}


def slug(name: str) -> str:
    """Return a name as scenarios have them: lower case, digits, dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "recorded"


def _usual(adapters: Mapping[str, ObservedAdapter]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the breaker and retry policies of the first adapter, as those of all that have no other."""
    first = next(iter(adapters.values()), ObservedAdapter())
    return differing(BreakerPolicy, first.breaker), differing(RetryPolicy, first.retry)


def _policies(breaker: dict[str, Any], retry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (("breaker", breaker), ("retry", retry)) if value}


def _adapter(
    adapter: ObservedAdapter, breaker: dict[str, Any], retry: dict[str, Any], exact: bool, most: int
) -> dict[str, Any]:
    own = differing(BreakerPolicy, adapter.breaker), differing(RetryPolicy, adapter.retry)
    part: dict[str, Any] = {}
    if own[0] != breaker:
        part["breaker"] = own[0]
    if own[1] != retry:
        part["retry"] = own[1]
    if adapter.tags:
        part["tags"] = list(adapter.tags)
    parts = exact_parts(adapter.calls) if exact else spans(adapter.calls, most)
    if parts := sorted([*parts, *counted_parts(adapter.calls, most)], key=lambda part: float(part["at"])):
        part["recorded"] = [OneLine(one) for one in parts]
    return part


def _expectations(observation: Observation) -> Iterator[tuple[str, Any]]:
    """Yield what the scenario expects: that as many tasks succeed, within a point, and the same changes of breakers.

    A scenario that is to show that something has become better expects more.
    """
    yield "success_rate", max(0.0, math.floor(observation.succeeded / observation.tasks * 100 - 1) / 100)
    states: dict[str, list[str]] = {}
    for change in observation.changes:
        if change.adapter in observation.adapters:
            states.setdefault(change.adapter, [change.before]).append(change.after)
    if states:
        yield "states", states
