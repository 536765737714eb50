"""The part of a scenario file that describes its expected results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator
from pydantic.annotated_handlers import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from fuseboard_engine.events import AnyEvent, Event, State
from fuseboard_engine.faults.table import Share
from fuseboard_engine.policy_base import Seconds, SomeSeconds
from fuseboard_engine.scenario_file.part import Part

EVENT_TYPES: dict[str, type[Event]] = {kind.__struct_config__.tag: kind for kind in get_args(AnyEvent)}
"""The event types by the name that `event` takes."""

if TYPE_CHECKING:
    EventName = str
else:
    EventName = Literal[*EVENT_TYPES]
    """A name in `EVENT_TYPES`."""

Number = Annotated[int, Field(ge=0)]


class Limits(Part):
    """What a number must be. A number in its place is what it must be at least."""

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_number(cls, value: Any) -> Any:
        return value if isinstance(value, Mapping | cls) else {"at_least": value}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("write a number, or at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least: {self.at_least:g} is above at_most: {self.at_most:g}")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "number", "minimum": 0}, handler(schema)]}


class CountLimits(Limits):
    """What a count must be; a whole number is what it must be at least."""

    at_least: Number | None = Field(default=None, description="it is this or more")
    at_most: Number | None = Field(default=None, description="it is this or less")


class ShareLimits(Limits):
    """What a share must be, 0..1; a number is what it must be at least."""

    at_least: Share | None = Field(default=None, description="it is this or more")
    at_most: Share | None = Field(default=None, description="it is this or less")


class MomentPart(Part):
    """Something that can be so at a moment: exactly one of its conditions."""

    state: dict[str, State] | None = Field(
        default=None, min_length=1, description="these breakers are in these states, all at the same time"
    )
    called: str | None = Field(default=None, description="this adapter is called")
    success_rate_below: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = Field(
        default=None, description="a smaller share of the tasks of the last `over` seconds succeeds"
    )
    over: SomeSeconds | None = Field(default=None, description="for success_rate_below: the seconds")
    slower_than: Seconds | None = Field(default=None, description="a task takes longer than these seconds")
    event: EventName | None = Field(default=None, description="an event of this type is recorded")
    where: dict[str, Any] = Field(default={}, description="for event: its fields have these values")

    @model_validator(mode="after")
    def _check(self) -> Self:
        values = (self.state, self.called, self.success_rate_below, self.slower_than, self.event)
        if sum(value is not None for value in values) != 1:
            raise ValueError("write exactly one of state, called, success_rate_below, slower_than and event")
        if (self.success_rate_below is None) != (self.over is None):
            raise ValueError("success_rate_below and over belong together: write both, or remove one")
        if self.where and self.event is None:
            raise ValueError("only event uses where; remove it")
        return self


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Moments = Annotated[
    tuple[MomentPart, ...], BeforeValidator(_as_list, json_schema_input_type=MomentPart | tuple[MomentPart, ...])
]
"""One condition, or a list of them."""


class ExpectPart(Part):
    """A set of conditions under which the scenario passes; `type`, `engine` and `between` limit all of them."""

    type: str | None = Field(default=None, description="only tasks of this type count")
    engine: str | None = Field(default=None, description="only what happens in this engine counts")
    between: tuple[Seconds, Seconds] | None = Field(
        default=None, description="only what happens between these seconds counts"
    )
    success_rate: ShareLimits | None = Field(default=None, description="the share of tasks that succeed")
    degraded: CountLimits | None = Field(default=None, description="the number of tasks with a degraded answer")
    degraded_rate: ShareLimits | None = Field(default=None, description="the share of tasks with a degraded answer")
    answered: dict[str, CountLimits] = Field(default={}, description="the tasks that each adapter answers")
    calls: dict[str, CountLimits] = Field(default={}, description="the calls that each adapter gets")
    route: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="every task tries these adapters in this order; the last one answers"
    )
    states: dict[str, tuple[State, ...]] = Field(default={}, description="states each breaker goes through, in order")
    end: dict[str, State] = Field(default={}, description="the state each breaker ends in")
    failover_within: dict[str, SomeSeconds] = Field(
        default={}, description="seconds from a fault of the adapter until another adapter answers one of its tasks"
    )
    recovered_within: dict[str, SomeSeconds] = Field(
        default={}, description="seconds from the end of a fault of the adapter until it answers again"
    )
    dead_letters: CountLimits | None = Field(default=None, description="the number of tasks that become dead letters")
    dead_letters_left: CountLimits | None = Field(
        default=None, description="the number of dead letters that are not resolved or discarded at the end"
    )
    never: Moments = Field(default=(), description="what is never so")
    eventually: Moments = Field(default=(), description="what is so at some moment")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.between is not None and self.between[0] >= self.between[1]:
            raise ValueError(f"between: {self.between[0]:g} s is not before {self.between[1]:g} s")
        if self.type is not None:
            for name in ("states", "end"):
                if getattr(self, name):
                    raise ValueError(f"{name}: a breaker is that of all types; move this to a set without type")
            if any(moment.state is not None for moment in (*self.never, *self.eventually)):
                raise ValueError("state: a breaker is that of all types; move this to a set without type")
        return self


Expectations = Annotated[
    tuple[ExpectPart, ...], BeforeValidator(_as_list, json_schema_input_type=ExpectPart | tuple[ExpectPart, ...])
]
"""One set of conditions, or a list of them."""
