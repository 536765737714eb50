"""Contradictions between the expectations of a scenario and its other parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any

from fuseboard_engine.documents.toml_locations import Location
from fuseboard_engine.documents.validation_errors import did_you_mean
from fuseboard_engine.scenario_file.expectations import EVENT_TYPES

_BY_ADAPTER = ("states", "end", "answered", "calls", "failover_within", "recovered_within")


def expectation_contradictions(expect: Any, adapters: Mapping[str, Any], end: Any) -> Iterator[tuple[Location, str]]:
    """Find names of adapters and events that are not there, and times after the end, in expectations as in a file."""
    for where, part in _listed(("expect",), expect):
        for place, name in _adapters_of(where, part):
            if adapters and isinstance(name, str) and name not in adapters:
                yield place, f"there is no adapter {name!r} here; {did_you_mean(name, adapters)}"
        between = part.get("between")
        for number, at in enumerate(between if isinstance(between, list | tuple) else ()):
            if isinstance(at, int | float) and isinstance(end, int | float) and end < at < inf:
                yield (*where, "between", number), f"{at:g} s is after the end at {end:g} s"
        for place, moment in _moments(where, part):
            yield from _unknown_fields(place, moment)


def _adapters_of(where: Location, part: Mapping[str, Any]) -> Iterator[tuple[Location, Any]]:
    for field in _BY_ADAPTER:
        for name in _mapping(part.get(field)):
            yield (*where, field, name), name
    route = part.get("route")
    for number, name in enumerate(route if isinstance(route, list | tuple) else ()):
        yield (*where, "route", number), name
    for place, moment in _moments(where, part):
        yield (*place, "called"), moment.get("called")
        for name in _mapping(moment.get("state")):
            yield (*place, "state", name), name


def _moments(where: Location, part: Mapping[str, Any]) -> Iterator[tuple[Location, Mapping[str, Any]]]:
    for field in ("never", "eventually"):
        yield from _listed((*where, field), part.get(field))


def _unknown_fields(where: Location, moment: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    kind = moment.get("event")
    if not isinstance(kind, str) or kind not in EVENT_TYPES:
        return
    fields = EVENT_TYPES[kind].__struct_fields__
    for name in _mapping(moment.get("where")):
        if name not in fields:
            yield (*where, "where", name), f"{kind} has no such field; {did_you_mean(name, fields)}"


def _listed(where: Location, value: Any) -> Iterator[tuple[Location, Mapping[str, Any]]]:
    """Yield what is a section itself, or each section of a list, with its location."""
    if isinstance(value, Mapping):
        yield where, value
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        yield from (((*where, number), item) for number, item in enumerate(value) if isinstance(item, Mapping))


def _mapping(part: Any) -> Mapping[str, Any]:
    return part if isinstance(part, Mapping) else {}
