"""Base class and field types of every policy. Values are validated once, when a policy is created."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LONGEST_WAIT = 100 * 365 * 86_400.0  # seconds; anything longer is a mistake and does not fit a timestamp

ENORMOUS = 1e300  # growth beyond this reaches the cap of any delay

Count = Annotated[int, Field(ge=1)]
WindowSize = Annotated[int, Field(ge=1, le=1_000_000)]  # a breaker keeps one byte per call
Seconds = Annotated[float, Field(ge=0, le=LONGEST_WAIT, allow_inf_nan=False)]
SomeSeconds = Annotated[float, Field(gt=0, le=LONGEST_WAIT, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class Policy(BaseModel):
    """Base class of policies: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def exponential_backoff(base: float, factor: float, steps: int, cap: float) -> float:
    """Return `base * factor ** steps`, at most `cap`, without overflow. All in seconds except `factor`."""
    if base <= 0 or base >= cap:
        return min(base, cap)
    if factor > 1 and steps * math.log(factor) >= math.log(min(cap / base, ENORMOUS)):
        return cap
    return float(min(base * factor**steps, cap))
