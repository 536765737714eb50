"""A scenario file made from what was observed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.policy_base import Policy
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.policy import RoutingPolicy
from fuseboard_engine.scenario_derivation.calls import counted_parts, exact_parts, spans
from fuseboard_engine.scenario_derivation.observation import Observation, ObservedAdapter

MOST_EXACT: Final = 15_000
"""Tasks and calls up to which each of them is in the file; of more, spans of time are."""

MOST_SPANS: Final = 1_000
"""Spans in a file at most, shared by its adapters."""

RATE_SPANS: Final = 500
"""Spans of traffic of one type of task at most."""


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


class _OneLine(dict[str, Any]):
    """A mapping that is written as `{at: 1, ...}`."""


_Dumper.add_representer(
    _OneLine, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True)
)


def _document(observation: Observation, name: str, title: str) -> dict[str, Any]:
    calls = sum(len(adapter.calls.began) for adapter in observation.adapters.values())
    exact = not observation.counted and observation.tasks + calls <= MOST_EXACT
    duration = max(1.0, math.ceil(observation.ended * 10) / 10)
    breaker, retry = _usual(observation)
    data: dict[str, Any] = {
        "scenario": slug(name),
        "title": title,
        "duration": duration,
        **_policies(breaker, retry),
        **({"routing": routing} if (routing := _differing(RoutingPolicy, observation.routing)) else {}),
        "adapters": {
            name: _adapter(adapter, breaker, retry, exact, max(1, MOST_SPANS // len(observation.adapters)))
            for name, adapter in observation.adapters.items()
        },
    }
    if chains := dict(_chains(observation)):
        data["preference"] = chains
    if observation.degraded:
        data["degraded"] = {kind: {"answer": "degraded"} for kind in sorted(observation.degraded)}
    data["traffic"] = list(_traffic(observation, exact, duration))
    if timeline := _timeline(observation, duration):
        data["timeline"] = timeline
    if exact:
        data["expect"] = dict(_expectations(observation))
    return data


def _chains(observation: Observation) -> Iterator[tuple[str, list[str]]]:
    """Yield the chain of each type of task, without adapters that were never registered."""
    for kind, order in observation.chains.items():
        if there := [name for name in order if name in observation.adapters]:
            yield kind or "default", there


def slug(name: str) -> str:
    """Return a name as scenarios have them: lower case, digits, dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "recorded"


def _usual(observation: Observation) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the breaker and retry policies of the first adapter, as those of all that have no other."""
    first = next(iter(observation.adapters.values()), ObservedAdapter())
    return _differing(BreakerPolicy, first.breaker), _differing(RetryPolicy, first.retry)


def _differing(kind: type[Policy], policy: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a recorded policy that are not the default; none if this version does not know it."""
    fields = {name: value for name, value in policy.items() if name in kind.model_fields}
    try:
        made = kind(**fields)
    except ValueError:
        return {}
    return made.model_dump(mode="json", exclude_defaults=True)


def _policies(breaker: dict[str, Any], retry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (("breaker", breaker), ("retry", retry)) if value}


def _adapter(
    adapter: ObservedAdapter, breaker: dict[str, Any], retry: dict[str, Any], exact: bool, most: int
) -> dict[str, Any]:
    own = _differing(BreakerPolicy, adapter.breaker), _differing(RetryPolicy, adapter.retry)
    part: dict[str, Any] = {}
    if own[0] != breaker:
        part["breaker"] = own[0]
    if own[1] != retry:
        part["retry"] = own[1]
    if adapter.tags:
        part["tags"] = list(adapter.tags)
    parts = exact_parts(adapter.calls) if exact else spans(adapter.calls, most)
    if parts := sorted([*parts, *counted_parts(adapter.calls, most)], key=lambda part: float(part["at"])):
        part["recorded"] = [_OneLine(one) for one in parts]
    return part


def _traffic(observation: Observation, exact: bool, duration: float) -> Iterator[dict[str, Any]]:
    counted = {kind for span in observation.counted for kind in span.types}
    for kind in sorted({*observation.arrivals, *counted}):
        times = sorted(observation.arrivals.get(kind, ()))
        part: dict[str, Any] = {"type": kind} if kind else {}
        if exact and kind not in counted:
            yield {**part, "times": [round(at, 4) for at in times if at < duration]}
        else:
            yield {**part, "rates": [list(rate) for rate in _rates(observation, kind, times, duration)]}


def _rates(observation: Observation, kind: str, times: list[float], duration: float) -> Iterator[tuple[float, float]]:
    """Yield from when on (seconds) how many tasks a second there were, without spans like the one before."""
    width = duration / min(RATE_SPANS, max(1, math.ceil(duration)))
    tasks = [0.0] * math.ceil(duration / width - 1e-9)
    for at in times:
        if at < duration:
            tasks[min(len(tasks) - 1, int(at / width))] += 1
    for span in observation.counted:
        for place in range(len(tasks)):
            shared = min(span.until, (place + 1) * width) - max(span.since, place * width)
            if shared > 0 and span.until > span.since:
                tasks[place] += span.types.get(kind, 0) * shared / (span.until - span.since)
    before = -1.0
    for place, number in enumerate(tasks):
        rate = float(f"{number / width:.4g}")
        if rate != before:
            yield round(place * width, 3), rate
        before = rate


def _timeline(observation: Observation, duration: float) -> list[_OneLine]:
    """Return what the states of breakers tell, and what operators did, in order."""
    steps = [
        _OneLine(at=_at(change.at), say=f"{change.adapter} was {change.after.replace('_', '-')}")
        for change in observation.changes
        if change.reason not in ("by_hand", "reset", "restored")
    ]
    for command in observation.commands:
        step = _OneLine(at=_at(command.at), command=command.verb)
        if command.adapter in observation.adapters and command.verb != "reset_all":
            step["adapter"] = command.adapter
        elif command.verb != "reset_all":
            continue
        if command.seconds is not None:
            step["seconds"] = round(command.seconds, 3)
        steps.append(step)
    return sorted((step for step in steps if step["at"] <= duration), key=lambda step: float(step["at"]))


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


def _at(seconds: float) -> float:
    return max(0.0, round(seconds, 3))
