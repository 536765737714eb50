"""The part of a scenario file that says what an engine's configuration says, with the same field names."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.config.presets import PresetName
from fuseboard_engine.config.sections import (
    ChainSection,
    DegradationSection,
    FaultToleranceSection,
    HealthSection,
    NamedException,
    RuleSection,
)
from fuseboard_engine.config.settings import cross_section_errors
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_engine.documents.toml_locations import Location
from fuseboard_engine.documents.validation_errors import did_you_mean
from fuseboard_engine.parallel.policy import ExecutionPolicy
from fuseboard_engine.retry.attribution import unknown_rule
from fuseboard_engine.retry.default_table import DEFAULT_TABLE
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.policy import RoutingPolicy
from fuseboard_engine.scenario_file.adapter import AdapterPart
from fuseboard_engine.scenario_file.part import Part


def _refuse(value: Any) -> Any:
    if value is not None:
        raise ValueError("a scenario imports no code; remove this")
    return value


def _check_built_in(name: Any) -> Any:
    if isinstance(name, str) and not hasattr(builtins, name):
        raise ValueError(f"{name}: a scenario imports no code; name a built-in exception, or write it under `named`")
    return name


Refused = Annotated[None, BeforeValidator(_refuse)]
"""A field of the configuration that would import code."""


class ScenarioRule(RuleSection):
    """A row of the attribution table; it names no code."""

    errors: tuple[Annotated[NamedException, BeforeValidator(_check_built_in)], ...] = Field(
        default=(), description="built-in exception types"
    )
    when: Refused = Field(default=None, description="not in a scenario")


class ScenarioDegradation(DegradationSection):
    """What answers when the chain of a task type is exhausted; it names no code."""

    call: Refused = Field(default=None, description="not in a scenario")


class EnginePart(Part):
    """What a scenario says about its engine."""

    preset: PresetName | None = Field(default=None, description="policies that those of the scenario change")
    fault_tolerance: FaultToleranceSection = Field(default_factory=FaultToleranceSection, description="the main switch")
    breaker: BreakerPolicy = Field(default_factory=BreakerPolicy, description="policy of every adapter without its own")
    retry: RetryPolicy = Field(default_factory=RetryPolicy, description="policy of every adapter without its own")
    adapters: dict[str, AdapterPart] = Field(default={}, description="the adapters by name, at least one")
    attribution: tuple[ScenarioRule, ...] = Field(default=(), description="rows that precede the built-in table")
    preference: dict[str, ChainSection] = Field(default={}, description="chain per task type; `default` for the rest")
    degraded: dict[str, Any] = Field(
        default={}, description="what answers when a chain is exhausted, per task type; `default` for all others"
    )
    degradation: dict[str, ScenarioDegradation] = Field(
        default={}, description="the same with options: a timeout, for which errors"
    )
    routing: RoutingPolicy = Field(default_factory=RoutingPolicy, description="how chains are ordered, and limits")
    execution: ExecutionPolicy = Field(default_factory=ExecutionPolicy, description="several adapters at once")
    health_monitoring: HealthSection = Field(default_factory=HealthSection, description="health checks")
    dead_letters: DeadLetterPolicy | None = Field(
        default=None, description="tasks that no adapter could do; null: none are kept"
    )


def engine_contradictions(data: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Find contradictions between what a scenario says about its engine and its adapters, as in the file."""
    adapters = _mapping(data.get("adapters"))
    for kind, chain in _mapping(data.get("preference")).items():
        order, where = (_mapping(chain).get("order"), ("order",)) if isinstance(chain, Mapping) else (chain, ())
        for place, name in enumerate(_sequence(order)):
            if adapters and isinstance(name, str) and name not in adapters:
                yield (
                    ("preference", kind, *where, place),
                    f"there is no adapter {name!r} here; " + did_you_mean(name, adapters),
                )
    yield from cross_section_errors({name: data.get(name) for name in ("degraded", "degradation")})
    tags = [tag for part in adapters.values() for tag in _sequence(_mapping(part).get("tags")) if isinstance(tag, str)]
    for tag in _mapping(_mapping(data.get("routing")).get("max_out_by_tag")):
        if adapters and tag not in tags:
            yield ("routing", "max_out_by_tag", tag), f"no adapter here has the tag {tag!r}; " + did_you_mean(tag, tags)
    yield from _unknown_rules(data, adapters)


def _unknown_rules(data: Mapping[str, Any], adapters: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Find names of attribution rows that do not exist."""
    known = [
        *(_mapping(row).get("name") for row in _sequence(data.get("attribution"))),
        *(rule.name for rule in DEFAULT_TABLE),
        *(
            _mapping(call).get("rule")
            for part in adapters.values()
            for call in _sequence(_mapping(part).get("recorded"))
        ),
    ]
    names = [name for name in known if isinstance(name, str) and name]
    listed: list[tuple[Location, Any]] = [
        *((("adapters", name, "handles"), _mapping(part).get("handles")) for name, part in adapters.items()),
        *(
            (("degradation", kind, "even_for"), _mapping(part).get("even_for"))
            for kind, part in _mapping(data.get("degradation")).items()
        ),
    ]
    for where, given in listed:
        for place, name in enumerate(_sequence(given)):
            if isinstance(name, str) and name not in names:
                yield (*where, place), unknown_rule(name, names)
    for name in _mapping(_mapping(data.get("dead_letters")).get("categories")):
        if name not in names:
            yield ("dead_letters", "categories", name), unknown_rule(name, names)


def _mapping(part: Any) -> Mapping[str, Any]:
    return part if isinstance(part, Mapping) else {}


def _sequence(part: Any) -> Sequence[Any]:
    return part if isinstance(part, list | tuple) else ()
