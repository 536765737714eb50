"""The settings of a whole configuration, and the checks across its sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, GetJsonSchemaHandler, create_model, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from fuseboard_engine.adapters.from_spec import KINDS
from fuseboard_engine.adapters.thread_pool import MAX_THREADS
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.config.presets import PresetName
from fuseboard_engine.config.sections import (
    ChainSection,
    DegradationSection,
    FaultToleranceSection,
    HealthSection,
    LoggingSection,
    RecordingSection,
    Reference,
    ReloadSection,
    RetrySection,
    RuleSection,
    Section,
    ShutdownSection,
)
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_engine.documents.toml_locations import Location
from fuseboard_engine.documents.validation_errors import did_you_mean, raise_errors
from fuseboard_engine.health.policy import HealthPolicy
from fuseboard_engine.parallel.policy import ExecutionPolicy
from fuseboard_engine.policy_base import Count
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.fallback import InvalidFallbackAnswer, marked
from fuseboard_engine.routing.policy import RoutingPolicy

if TYPE_CHECKING:
    _TargetFields = Section
else:
    _TargetFields = create_model(
        "_TargetFields",
        __base__=Section,
        **{name: (kind.type | None, Field(default=None, description=kind.description)) for name, kind in KINDS.items()},
    )
    """A section with one field per kind of adapter."""

_KIND_NAMES = f"{', '.join([*KINDS][:-1])} or {[*KINDS][-1]}"


class AdapterSection(_TargetFields):
    """An adapter: its target (one of the fields that `KINDS` names), and what differs in its policies.

    An adapter without a target is added in code.
    """

    options: dict[str, Any] = Field(default={}, description="options of that kind of adapter")
    preset: PresetName | None = Field(default=None, description="preset policies of this adapter")
    breaker: BreakerPolicy = Field(default_factory=BreakerPolicy, description="what differs from the section breaker")
    retry: RetrySection = Field(default_factory=RetrySection, description="what differs from the section retry")
    tags: tuple[str, ...] = Field(default=(), description="words that operators can filter by")
    handles: tuple[str, ...] = Field(default=(), description="attribution rows whose tasks it can take over")
    failed: Reference | None = Field(
        default=None, description="a function that takes a result and returns the text of its failure, or null"
    )
    health: Reference | None = Field(default=None, description="a health check function")
    health_monitoring: HealthSection | None = Field(
        default=None, description="what differs from the section health_monitoring; enabled unless `enabled` is false"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if errors := "\n".join(self._cross_section_errors()):
            raise ValueError(errors)
        return self

    def _cross_section_errors(self) -> Iterator[str]:
        if sum(getattr(self, kind) is not None for kind in KINDS) > 1:
            yield f"an adapter has only one target: {_KIND_NAMES}; keep one"
        for field in ("options", "failed", "health"):
            if getattr(self, field) and self.target is None:
                yield f"{field} needs a {_KIND_NAMES}; set it in code for an adapter that is added in code"

    @property
    def target(self) -> dict[str, Any] | None:
        """The adapter's spec, for `adapter_from`; None if the adapter is added in code."""
        for kind in KINDS:
            value = getattr(self, kind)
            if value is not None:
                return {kind: value, **self.options}
        return None

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "description": "its call or url alone"}, handler(core)]}


class Settings(Section):
    """A whole configuration as it takes effect, with presets and the environment merged."""

    name: str = Field(default="engine", min_length=1, description="the application's name, as operators know it")
    preset: PresetName | None = Field(default=None, description="preset policies")
    fault_tolerance: FaultToleranceSection = Field(default_factory=FaultToleranceSection, description="the main switch")
    breaker: BreakerPolicy = Field(default_factory=BreakerPolicy, description="for every adapter without its own")
    retry: RetrySection = Field(default_factory=RetrySection, description="for every adapter without its own")
    attribution: tuple[RuleSection, ...] = Field(default=(), description="rows that precede the built-in table")
    adapters: dict[str, AdapterSection] = Field(default={}, description="the adapters, by name")
    preferences: dict[str, ChainSection] = Field(
        default={}, description="the chain per task type; `default` for all others"
    )
    degraded: dict[str, Any] = Field(
        default={},
        description="what answers when a chain is exhausted, per task type; `default` for all others",
    )
    degradation: dict[str, DegradationSection] = Field(
        default={}, description="the same with options: a function, a timeout, for which errors"
    )
    routing: RoutingPolicy = Field(default_factory=RoutingPolicy, description="how chains are ordered")
    threads: Count = Field(default=MAX_THREADS, description="plain functions that may run concurrently")
    allow_faults: bool | None = Field(
        default=None, description="whether faults may be injected; null: as FUSEBOARD_ALLOW_FAULTS says"
    )
    execution: ExecutionPolicy = Field(default_factory=ExecutionPolicy, description="several adapters at once")
    health_monitoring: HealthSection = Field(default_factory=HealthSection, description="health checks")
    dead_letters: DeadLetterPolicy | None = Field(
        default=None, description="tasks that no adapter could do; null: none are kept"
    )
    recording: RecordingSection = Field(default_factory=RecordingSection, description="the file to record to")
    shutdown: ShutdownSection = Field(default_factory=ShutdownSection, description="how the application ends")
    reload: ReloadSection = Field(default_factory=ReloadSection, description="how this file is watched")
    logging: LoggingSection = Field(default_factory=LoggingSection, description="log lines")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in self.adapters:
            if not name.strip():
                raise ValueError("adapters: an adapter needs a name")
        raise_errors("Settings", cross_section_errors({name: getattr(self, name) for name in CROSS_CHECKED_SECTIONS}))
        return self

    def policies(self, adapter: str) -> tuple[BreakerPolicy, RetryPolicy]:
        """Return the breaker and retry policy of an adapter; without a section, those for all adapters."""
        own = self.adapters.get(adapter)
        return (self.breaker, self.retry) if own is None else (own.breaker, own.retry)

    def health_by_name(self) -> dict[str, HealthPolicy | None]:
        """Return the health policies of adapters that have their own; None if the adapter is not checked."""
        own = {name: part.health_monitoring for name, part in self.adapters.items()}
        return {name: section.policy() for name, section in own.items() if section is not None}

    def fallbacks(self) -> dict[str, DegradationSection]:
        """Return what answers for each task type whose chain is exhausted."""
        whole = {kind: DegradationSection(answer=answer) for kind, answer in self.degraded.items()}
        for kind, part in self.degradation.items():
            whole[kind] = part.model_copy(update={"answer": self.degraded[kind]}) if kind in self.degraded else part
        return whole

    def references(self) -> dict[Location, str]:
        """Return the Python objects that the settings name, by location; adapter targets are not included."""
        return references_in({name: getattr(self, name) for name in REFERENCING_SECTIONS})


REFERENCING_SECTIONS = ("adapters", "attribution", "degradation", "shutdown")
"""Sections that name Python objects."""


def references_in(data: Mapping[str, Any]) -> dict[Location, str]:
    """Return the Python objects that some data names, as `Settings.references` does.

    Args:
        data: the sections `REFERENCING_SECTIONS`, validated or as in the file; other values are skipped.
    """
    found: dict[Location, Any] = {}
    for name, part in _mapping(data.get("adapters")).items():
        found["adapters", name, "failed"] = _field(part, "failed")
        found["adapters", name, "health"] = _field(part, "health")
    for place, row in enumerate(_sequence(data.get("attribution"))):
        found["attribution", place, "when"] = _field(row, "when")
    for kind, answer in _mapping(data.get("degradation")).items():
        found["degradation", kind, "call"] = _field(answer, "call")
    shutdown = data.get("shutdown")
    for place, save in enumerate(_sequence(_field(shutdown, "save"))):
        found["shutdown", "save", place] = save
    found["shutdown", "hook"] = _field(shutdown, "hook")
    return {
        where: named
        for where, named in found.items()
        if isinstance(named, str) and ":" in named and not named.startswith(("http://", "https://"))
    }


CROSS_CHECKED_SECTIONS = ("adapters", "preferences", "degraded", "degradation")
"""Sections that may contradict each other."""


def cross_section_errors(data: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Find contradictions between sections that are valid by themselves.

    Args:
        data: the sections `CROSS_CHECKED_SECTIONS`, validated or as in the file.

    Returns:
        The location and the message of each error.
    """
    adapters, preferences, degraded, degradation = (_mapping(data.get(name)) for name in CROSS_CHECKED_SECTIONS)
    answers: list[tuple[Location, Any]] = [(("degraded", kind), answer) for kind, answer in degraded.items()]
    for kind, part in degradation.items():
        answer, call = _field(part, "answer"), _field(part, "call")
        answers.append((("degradation", kind, "answer"), answer))
        given = (answer is not None) + (call is not None) + (kind in degraded)
        if given != 1:
            more = "keep one of answer, call, and the entry under degraded" if given else "set answer or call"
            yield ("degradation", kind), f"a task type has only one fallback: {more}"
    for where, answer in answers:
        try:
            marked(answer)
        except InvalidFallbackAnswer as error:
            yield where, str(error)
    for kind, chain in preferences.items():
        short = isinstance(chain, list | tuple)
        order = chain if short else _field(chain, "order")
        for place, name in enumerate(_sequence(order)):
            if adapters and isinstance(name, str) and name not in adapters:
                location: Location = ("preferences", kind, place) if short else ("preferences", kind, "order", place)
                yield location, f"there is no adapter {name!r} here; {did_you_mean(name, adapters)}"


def _mapping(section: Any) -> Mapping[str, Any]:
    return section if isinstance(section, Mapping) else {}


def _sequence(section: Any) -> Sequence[Any]:
    return section if isinstance(section, list | tuple) else ()


def _field(section: Any, name: str) -> Any:
    return section.get(name) if isinstance(section, Mapping) else getattr(section, name, None)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration file, for editors.

    It covers fields, types, ranges and presets; `off` stands for null, which TOML lacks. It does not cover what
    `fuseboard config check` finds in addition: references that cannot be resolved, and values that contradict each
    other.
    """
    schema = Settings.model_json_schema()
    allow_off(schema)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Fuseboard configuration"
    return schema


def allow_off(part: Any) -> None:
    """Allow `off` wherever null is allowed."""
    if isinstance(part, list):
        for one in part:
            allow_off(one)
    elif isinstance(part, dict):
        options = part.get("anyOf")
        if isinstance(options, list) and {"type": "null"} in options:
            options.append({"const": "off"})
        for one in part.values():
            allow_off(one)
