"""A whole scenario file, validated when read; every error has its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, StringConstraints, model_validator

from fuseboard_engine.config.loader import with_preset
from fuseboard_engine.config.off_values import off_to_null
from fuseboard_engine.config.settings import allow_off
from fuseboard_engine.documents.loader import read
from fuseboard_engine.documents.messages import NAME_PATTERN
from fuseboard_engine.documents.toml_locations import Location
from fuseboard_engine.documents.validation_errors import raise_errors
from fuseboard_engine.scenario_file.contradictions import contradictions
from fuseboard_engine.scenario_file.engine_part import EnginePart
from fuseboard_engine.scenario_file.expectations import Expectations
from fuseboard_engine.scenario_file.proxy import MOST_PROXIES, ProxyPart
from fuseboard_engine.scenario_file.settings import refused_changes
from fuseboard_engine.scenario_file.step import StepPart
from fuseboard_engine.scenario_file.traffic import TrafficPart
from fuseboard_engine.scenario_file.workflow import WorkflowPart

EngineName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""The name of an engine: lower case, digits, dashes."""

MOST_ENGINES: Final = 100
"""Engines of a scenario at most."""


class Scenario(EnginePart):
    """A whole scenario file."""

    scenario: str = Field(pattern=NAME_PATTERN, description="its name: lower case, digits, dashes")
    title: str = Field(description="one line for a list")
    about: str = Field(default="", description="what to watch")
    seed: int = Field(default=1, description="seed of its randomness")
    duration: float = Field(gt=0, le=86_400, allow_inf_nan=False, description="seconds it lasts")
    engines: tuple[EngineName, ...] = Field(
        default=(), max_length=MOST_ENGINES, description="names of the engines; default: one, of the scenario's name"
    )
    workflows: dict[str, WorkflowPart] = Field(default={}, description="workflows that traffic runs: nodes by name")
    traffic: tuple[TrafficPart, ...] = Field(default=(), description="the tasks, at least one stream")
    proxies: dict[str, ProxyPart] = Field(
        default={}, max_length=MOST_PROXIES, description="TCP proxies on real sockets, by name"
    )
    timeline: tuple[StepPart, ...] = Field(default=(), description="the steps")
    expect: Expectations = Field(default=(), description="the conditions under which it passes")

    @property
    def engine_names(self) -> tuple[str, ...]:
        """The names of its engines, at least one."""
        return self.engines or (self.scenario,)

    @model_validator(mode="before")
    @classmethod
    def _read_off_and_presets(cls, data: Any) -> Any:
        data = with_preset(off_to_null(data, cls))
        if isinstance(data, Mapping) and isinstance(adapters := data.get("adapters"), Mapping):
            data = {**data, "adapters": {name: with_preset(part) for name, part in adapters.items()}}
        return data

    @model_validator(mode="after")
    def _check(self) -> Self:
        data = self.model_dump(exclude_unset=True)  # as a file has it
        refused = refused_changes(self.engine_names, self, self.timeline)
        raise_errors("Scenario", [*self.cross_field_checks(data), *refused])
        return self

    @staticmethod
    def cross_field_checks(data: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
        """Find contradictions between fields; `data` is validated or as in the file."""
        return contradictions(data)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file, for editors.

    It covers fields, types and ranges, not what `fuseboard scenario check` finds in addition: names that are not there,
    and values that contradict each other.
    """
    made = Scenario.model_json_schema(by_alias=True)
    allow_off(made)
    made["anyOf"] = [{"required": ["adapters", "traffic"]}, {"required": ["proxies"]}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "Fuseboard scenario"}


def load(path: Path) -> Scenario:
    """Return the scenario in a file. Raises DocumentError with the line of each error."""
    return read(path, Scenario)
