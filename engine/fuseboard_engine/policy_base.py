"""Base class and field types of every policy. Values are validated once, when a policy is created."""

from __future__ import annotations

import math
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

LONGEST_WAIT = 100 * 365 * 86_400.0  # seconds; anything longer is a mistake and does not fit a timestamp

ENORMOUS = 1e300  # growth beyond this reaches the cap of any delay

Count = Annotated[int, Field(ge=1)]
WindowSize = Annotated[int, Field(ge=1, le=1_000_000)]  # a breaker keeps one byte per call
Seconds = Annotated[float, Field(ge=0, le=LONGEST_WAIT, allow_inf_nan=False)]
SomeSeconds = Annotated[float, Field(gt=0, le=LONGEST_WAIT, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class NumbersAreNotBooleans(BaseModel):
    """Base of models in which true is no number: `seed: yes` is true in YAML, and would count as 1."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_boolean(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and info.field_name is not None:
            kinds = _kinds(cls.model_fields[info.field_name].annotation)
            if bool not in kinds and not kinds.isdisjoint((int, float)):
                written = "true, as YAML reads yes and on" if value else "false, as YAML reads no and off"
                raise ValueError(f"a number belongs here, not {written}")
        return value


def _kinds(kind: Any) -> set[Any]:
    """Return the types that a field takes."""
    if get_origin(kind) is Annotated:
        return _kinds(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return {one for option in get_args(kind) for one in _kinds(option)}
    return {kind}


class Policy(NumbersAreNotBooleans):
    """Base class of policies: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def exponential_backoff(base: float, factor: float, steps: int, cap: float) -> float:
    """Return `base * factor ** steps`, at most `cap`, without overflow. All in seconds except `factor`."""
    if base <= 0 or base >= cap:
        return min(base, cap)
    if factor > 1 and steps * math.log(factor) >= math.log(min(cap / base, ENORMOUS)):
        return cap
    return float(min(base * factor**steps, cap))
