"""Contradictions between the parts of a scenario file, each with its place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fuseboard_engine.documents.toml_locations import Location
from fuseboard_engine.documents.validation_errors import did_you_mean
from fuseboard_engine.scenario_file.engine_part import engine_contradictions
from fuseboard_engine.scenario_file.expectation_checks import expectation_contradictions
from fuseboard_engine.scenario_file.proxy import proxy_contradictions
from fuseboard_engine.scenario_file.step import COMMANDS_WITHOUT_ADAPTER, PARAMETERS
from fuseboard_engine.scenario_file.workflow import workflow_contradictions

MOST_REPETITIONS = 10_000
"""How often a step of the timeline happens at most."""


def contradictions(data: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Find contradictions between the fields of a scenario; `data` is validated or as in the file."""
    adapters, end, timeline = _mapping(data.get("adapters")), data.get("duration"), _sequence(data.get("timeline"))
    named: list[tuple[Location, Any]] = [
        *((("timeline", place, "adapter"), _mapping(step).get("adapter")) for place, step in enumerate(timeline)),
    ]
    if "" in adapters:
        yield ("adapters", ""), "an adapter needs a name"
    for where, name in named:
        if adapters and isinstance(name, str) and name not in adapters:
            yield where, f"there is no adapter {name!r} here; {did_you_mean(name, adapters)}"
    for place, step in enumerate(timeline):
        at: Any = _mapping(step).get("at")
        if _both_numbers(at, end) and at > end:
            yield ("timeline", place, "at"), f"{at:g} s is after the end at {end:g} s"
        yield from _unused_fields(("timeline", place), _mapping(step))
        yield from _repetition(("timeline", place), _mapping(step), end)
        tag, tags = _mapping(step).get("tag"), _tags_of(adapters)
        if adapters and isinstance(tag, str) and tag not in tags:
            yield ("timeline", place, "tag"), f"no adapter here has the tag {tag!r}; {did_you_mean(tag, tags)}"
    yield from engine_contradictions(data)
    yield from expectation_contradictions(data.get("expect"), adapters, end)
    for name, part in adapters.items():
        yield from _recorded_calls(("adapters", name), _mapping(part))
    workflows = _mapping(data.get("workflows"))
    yield from workflow_contradictions(workflows, adapters)
    for place, stream in enumerate(_sequence(data.get("traffic"))):
        yield from _empty_traffic(("traffic", place), _mapping(stream), end)
        yield from _unknown_names(("traffic", place), _mapping(stream), adapters, workflows)
    yield from _changes_of_traffic(_sequence(data.get("traffic")), timeline)
    yield from _engines(data)
    yield from proxy_contradictions(data)


def _unused_fields(where: Location, step: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Find the fields of a step that have no meaning with its other fields."""
    fault, command = step.get("fault"), step.get("command")
    for name, kinds in PARAMETERS.items():
        if name in step and fault not in kinds:
            yield (*where, name), f"only fault: {' or '.join(kinds)} uses this; remove it"
    if step.get("seconds") is not None and command != "open_for":
        yield (*where, "seconds"), "only command: open_for uses this; remove it"
    for name in ("adapter", "tag"):
        if step.get(name) is not None and command == "reset_all":
            yield (*where, name), "reset_all applies to every adapter; remove this, or write command: reset"
        elif step.get(name) is not None and command in COMMANDS_WITHOUT_ADAPTER:
            yield (*where, name), f"{command} does not apply to an adapter; remove this"
    if any(step.get(name) is not None for name in ("for", "lasts")) and fault is None and not step.get("operator"):
        yield (*where, "for"), "only a fault uses this; remove it"
    if "down" in step and not step.get("kill"):
        yield (*where, "down"), "only a step with `kill` uses this; remove it"
    for name in ("adapter", "tag"):
        if step.get(name) is not None and step.get("kill"):
            yield (*where, name), "a kill ends the whole engine; remove this"
    if step.get("args") and command is None:
        yield (*where, "args"), "only a command uses this; remove it"
    for name in ("per_second", "paused"):
        if step.get(name) is not None and step.get("traffic") is None:
            yield (*where, name), "only a step with `traffic` uses this; name the stream of tasks that changes"
    if step.get("until") is not None and step.get("every") is None:
        yield (*where, "until"), "only a step with `every` uses this; remove it, or write `for` for a fault"


def _repetition(where: Location, step: Mapping[str, Any], end: Any) -> Iterator[tuple[Location, str]]:
    """Find a step that is repeated too often, or not at all."""
    at: Any = step.get("at")
    every: Any = step.get("every")
    until: Any = end if step.get("until") is None else step.get("until")
    if not (_both_numbers(at, every) and _both_numbers(until, end)) or every <= 0:
        return
    if at + every > min(until, end):
        yield (*where, "every"), f"it happens only once before {min(until, end):g} s; remove this"
    elif (min(until, end) - at) / every > MOST_REPETITIONS:
        yield (*where, "every"), f"it happens more than {MOST_REPETITIONS:,} times; write a longer time"


def _recorded_calls(where: Location, adapter: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Find recorded calls that are not in the order of their times, and fields that they make useless."""
    parts = [_mapping(part) for part in _sequence(adapter.get("recorded"))]
    for name in ("latency", "spread", "failure_rate"):
        if parts and name in adapter:
            yield (*where, name), "the recorded calls have this too; remove one of them"
    before = 0.0
    for place, part in enumerate(parts):
        at, until = part.get("at"), part.get("until")
        if _both_numbers(at, before) and at < before:  # type: ignore[operator]
            yield (*where, "recorded", place, "at"), f"{at:g} s is before the calls above; keep the order of time"
        if _both_numbers(at, until) and until < at:  # type: ignore[operator]
            yield (*where, "recorded", place, "until"), f"{until:g} s is before at: {at:g} s"
        before = at if isinstance(at, int | float) else before


def _tags_of(adapters: Mapping[str, Any]) -> list[str]:
    tags = (tag for part in adapters.values() for tag in _sequence(_mapping(part).get("tags")))
    return list(dict.fromkeys(tag for tag in tags if isinstance(tag, str)))


def _empty_traffic(where: Location, stream: Mapping[str, Any], end: Any) -> Iterator[tuple[Location, str]]:
    """Find a stream of tasks that ends before it starts."""
    start: Any = stream.get("start")
    until: Any = stream.get("until")
    if _both_numbers(start, until) and start >= until:
        yield (*where, "start"), f"{start:g} s is not before until: {until:g} s, so there is no task"
    elif _both_numbers(start, end) and start >= end:
        yield (*where, "start"), f"{start:g} s is not before the end at {end:g} s, so there is no task"
    for name in ("ramp_to", "burst", "arrivals"):
        if name in stream and (stream.get("times") or (name == "ramp_to" and stream.get("rates"))):
            yield (*where, name), "only a stream with `per_second` uses this; remove it"
    before = -1.0
    for place, rate in enumerate(_sequence(stream.get("rates"))):
        since: Any = next(iter(_sequence(rate)), None)
        if _both_numbers(since, before) and since <= before:
            yield (*where, "rates", place), f"{since:g} s is not after the one above; keep the order of time"
        before = since if isinstance(since, int | float) else before


def _changes_of_traffic(traffic: Sequence[Any], timeline: Sequence[Any]) -> Iterator[tuple[Location, str]]:
    """Find names that two streams of tasks have, and steps that change one that is not there."""
    named: dict[str, Mapping[str, Any]] = {}
    for place, stream in enumerate(map(_mapping, traffic)):
        name = stream.get("name")
        if isinstance(name, str) and name in named:
            yield ("traffic", place, "name"), f"another stream of tasks is called {name!r} too"
        if isinstance(name, str) and name:
            named[name] = stream
    for place, step in enumerate(map(_mapping, timeline)):
        name = step.get("traffic")
        if isinstance(name, str) and name not in named:
            known = did_you_mean(name, named) if named else "give a stream this name"
            yield ("timeline", place, "traffic"), f"no traffic here is called {name!r}; {known}"
        elif isinstance(name, str) and step.get("per_second") is not None and named[name].get("times"):
            yield (
                ("timeline", place, "per_second"),
                f"{name} has times in place of a rate; write paused",
            )


def _engines(data: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Find engines of the same name, and names of engines that are not there."""
    listed, name = _sequence(data.get("engines")), data.get("scenario")
    for place, engine in enumerate(listed):
        if engine in listed[:place]:
            yield ("engines", place), f"another engine is called {engine!r} too"
    known = [engine for engine in listed or (name,) if isinstance(engine, str)]
    for where, part in (
        *(timeline := list(_sections("timeline", data.get("timeline")))),
        *_sections("traffic", data.get("traffic")),
        *_sections("expect", data.get("expect")),
    ):
        engine = part.get("engine")
        if known and isinstance(engine, str) and engine not in known:
            yield (*where, "engine"), f"there is no engine {engine!r} here; {did_you_mean(engine, known)}"
    for where, step in timeline:
        if step.get("engine") is not None and step.get("traffic") is not None:
            yield (*where, "engine"), "traffic changes for all engines; remove this, or name the engine in the stream"


def _sections(field: str, value: Any) -> Iterator[tuple[Location, Mapping[str, Any]]]:
    """Yield what is a section itself, or each section of a list, with its location."""
    if isinstance(value, Mapping):
        yield (field,), value
    yield from (((field, place), _mapping(part)) for place, part in enumerate(_sequence(value)))


def _unknown_names(
    where: Location, stream: Mapping[str, Any], adapters: Mapping[str, Any], workflows: Mapping[str, Any]
) -> Iterator[tuple[Location, str]]:
    """Find adapters and workflows that a stream of tasks names and that are not there."""
    workflow = stream.get("workflow")
    if isinstance(workflow, str) and workflow not in workflows:
        known = did_you_mean(workflow, workflows) if workflows else "describe it under workflows"
        yield (*where, "workflow"), f"there is no workflow {workflow!r} here; {known}"
    for place, name in enumerate(_sequence(_mapping(stream.get("fan_out")).get("adapters"))):
        if adapters and isinstance(name, str) and name not in adapters:
            yield (
                (*where, "fan_out", "adapters", place),
                f"there is no adapter {name!r} here; " + did_you_mean(name, adapters),
            )


def _both_numbers(one: Any, other: Any) -> bool:
    return isinstance(one, int | float) and isinstance(other, int | float)


def _mapping(part: Any) -> Mapping[str, Any]:
    return part if isinstance(part, Mapping) else {}


def _sequence(part: Any) -> Sequence[Any]:
    return part if isinstance(part, list | tuple) else ()
