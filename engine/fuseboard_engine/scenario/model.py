"""The format of scenario files, validated when read; every error has its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_validator

from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.commands import VERBS
from fuseboard_engine.documents.loader import read
from fuseboard_engine.documents.messages import NAME_PATTERN
from fuseboard_engine.documents.toml_locations import Location
from fuseboard_engine.documents.validation_errors import did_you_mean, raise_errors
from fuseboard_engine.events import State
from fuseboard_engine.faults.table import FAULTS, Share
from fuseboard_engine.policy_base import Seconds, SomeSeconds
from fuseboard_engine.retry.policy import RetryPolicy

if TYPE_CHECKING:
    FaultName = str
else:
    FaultName = Literal[*FAULTS]
    """A name in `FAULTS`."""

MOST_REPETITIONS = 10_000
"""How often a step of the timeline happens at most."""

PARAMETERS = {fault.parameter.name: kind for kind, fault in FAULTS.items() if fault.parameter is not None}
"""The fault that takes each parameter, by the parameter's name."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class AdapterPart(_Part):
    """A simulated adapter: its behaviour without a fault, and its policies."""

    latency: SomeSeconds = Field(default=0.05, description="median seconds of a call")
    spread: Share = Field(default=0.25, description="how much latency varies, as a share of the median")
    failure_rate: Share = Field(default=0.0, description="share of calls that fail without a fault")
    breaker: BreakerPolicy | None = Field(default=None, description="its own breaker policy")
    retry: RetryPolicy | None = Field(default=None, description="its own retry policy")
    tags: tuple[str, ...] = Field(default=(), description="words to filter by")


class TrafficPart(_Part):
    """A stream of tasks of one type."""

    type: str = Field(default="task", description="the tasks' type")
    per_second: float = Field(gt=0, le=100_000, allow_inf_nan=False, description="tasks a second, on average")
    ramp_to: float | None = Field(
        default=None, ge=0, le=100_000, allow_inf_nan=False, description="tasks a second at the end, reached evenly"
    )
    arrivals: Literal["even", "constant", "poisson"] = Field(
        default="even", description="gaps between tasks: within 40 % of each other, all equal, or at random"
    )
    burst: int = Field(default=1, ge=1, le=10_000, description="tasks that arrive at once")
    start: Seconds = Field(default=0.0, description="seconds from the beginning")
    until: SomeSeconds | None = Field(default=None, description="seconds from the beginning; default: the end")
    deadline: SomeSeconds | None = Field(default=None, description="seconds each task may take")


if TYPE_CHECKING:
    _FaultParameters = _Part
else:
    _FaultParameters = create_model(
        "_FaultParameters",
        __base__=_Part,
        **{
            fault.parameter.name: (
                fault.parameter.type,
                Field(default=fault.parameter.default, description=f"for {kind}: {fault.parameter.description}"),
            )
            for kind, fault in FAULTS.items()
            if fault.parameter is not None
        },
    )
    """A part with one field per parameter of a fault."""


class StepPart(_FaultParameters):
    """One step of the timeline: a fault begins, a fault ends, or an operator gives a command."""

    at: Seconds = Field(description="seconds from the beginning")
    say: str = Field(default="", description="text for spectators")
    fault: FaultName | None = Field(default=None, description="the fault that begins")
    heal: bool = Field(default=False, description="the fault ends")
    command: str | None = Field(default=None, description="an operator's command")
    adapter: str | None = Field(default=None, description="the adapter it applies to")
    tag: str | None = Field(default=None, description="it applies to every adapter with this tag")
    lasts: SomeSeconds | None = Field(default=None, alias="for", description="seconds that the fault lasts")
    every: SomeSeconds | None = Field(default=None, description="seconds after which it happens again, and again")
    until: Seconds | None = Field(default=None, description="when it happens for the last time; default: the end")
    seconds: Seconds | None = Field(default=None, description="for open_for: how long; default: its policy's wait")

    @field_validator("command")
    @classmethod
    def _check_verb(cls, command: str | None) -> str | None:
        if command is not None and command not in VERBS:
            raise ValueError(f"there is no command {command!r}; {did_you_mean(command, VERBS)}")
        return command

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum((self.fault is not None, self.heal, self.command is not None)) > 1:
            raise ValueError("a step has only one of fault, heal and command; write a step for each")
        if self.adapter is not None and self.tag is not None:
            raise ValueError("a step has only one of adapter and tag")
        if (self.fault or self.heal) and self.adapter is None and self.tag is None:
            raise ValueError("set the adapter of this step, or a tag")
        if self.command not in (None, "reset_all") and self.adapter is None and self.tag is None:
            raise ValueError(f"set the adapter to {self.command}, or a tag")
        return self


class ExpectPart(_Part):
    """The conditions at the end under which the scenario passes."""

    success_rate: Share | None = Field(default=None, description="at least this share of tasks succeeds")
    states: dict[str, tuple[State, ...]] = Field(default={}, description="states each breaker goes through, in order")
    end: dict[str, State] = Field(default={}, description="the state each breaker ends in")
    answered: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default={}, description="each adapter answers at least this many tasks"
    )


class Scenario(_Part):
    """A whole scenario file."""

    scenario: str = Field(pattern=NAME_PATTERN, description="its name: lower case, digits, dashes")
    title: str = Field(description="one line for a list")
    about: str = Field(default="", description="what to watch")
    seed: int = Field(default=1, description="seed of its randomness")
    duration: float = Field(gt=0, le=86_400, allow_inf_nan=False, description="seconds it lasts")
    breaker: BreakerPolicy = Field(default_factory=BreakerPolicy, description="policy of every adapter without its own")
    retry: RetryPolicy = Field(default_factory=RetryPolicy, description="policy of every adapter without its own")
    adapters: dict[str, AdapterPart] = Field(min_length=1, description="the adapters by name")
    preference: dict[str, tuple[str, ...]] = Field(
        default={}, description="chain per task type; `default` for the rest"
    )
    traffic: tuple[TrafficPart, ...] = Field(min_length=1, description="the tasks")
    timeline: tuple[StepPart, ...] = Field(default=(), description="the steps")
    expect: ExpectPart = Field(default_factory=ExpectPart, description="conditions at the end")

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise_errors("Scenario", self.cross_field_checks(self.model_dump(exclude_unset=True)))  # as a file has it
        return self

    @staticmethod
    def cross_field_checks(data: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
        """Find contradictions between fields; `data` is validated or as in the file."""
        return _contradictions(data)


def _contradictions(data: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    adapters, end, timeline = _mapping(data.get("adapters")), data.get("duration"), _sequence(data.get("timeline"))
    expect = _mapping(data.get("expect"))
    named: list[tuple[Location, Any]] = [
        *(
            (("preference", kind, place), name)
            for kind, order in _mapping(data.get("preference")).items()
            for place, name in enumerate(_sequence(order))
        ),
        *((("timeline", place, "adapter"), _mapping(step).get("adapter")) for place, step in enumerate(timeline)),
        *(
            (("expect", part, name), name)
            for part in ("states", "end", "answered")
            for name in _mapping(expect.get(part))
        ),
    ]
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
    for place, stream in enumerate(_sequence(data.get("traffic"))):
        yield from _empty_traffic(("traffic", place), _mapping(stream), end)


def _unused_fields(where: Location, step: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Find the fields of a step that have no meaning with its other fields."""
    fault, command = step.get("fault"), step.get("command")
    for name, kind in PARAMETERS.items():
        if name in step and fault != kind:
            yield (*where, name), f"only fault: {kind} uses this; remove it"
    if step.get("seconds") is not None and command != "open_for":
        yield (*where, "seconds"), "only command: open_for uses this; remove it"
    for name in ("adapter", "tag"):
        if step.get(name) is not None and command == "reset_all":
            yield (*where, name), "reset_all applies to every adapter; remove this, or write command: reset"
    if any(step.get(name) is not None for name in ("for", "lasts")) and fault is None:
        yield (*where, "for"), "only a fault uses this; remove it"
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


def _both_numbers(one: Any, other: Any) -> bool:
    return isinstance(one, int | float) and isinstance(other, int | float)


def _mapping(part: Any) -> Mapping[str, Any]:
    return part if isinstance(part, Mapping) else {}


def _sequence(part: Any) -> Sequence[Any]:
    return part if isinstance(part, list | tuple) else ()


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file, for editors.

    It covers fields, types and ranges, not what `fuseboard scenario check` finds in addition: names that are not there,
    and values that contradict each other.
    """
    made = Scenario.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "Fuseboard scenario"}


def load(path: Path) -> Scenario:
    """Return the scenario in a file. Raises DocumentError with the line of each error."""
    return read(path, Scenario)
