"""Base class and field types of every policy. Values are validated once, when a policy is made."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LONGEST_WAIT = 100 * 365 * 86_400.0  # seconds; whatever is longer is a mistake, and would not fit a time stamp

ENORMOUS = 1e300  # growth beyond this is at its cap for any delay there is

Count = Annotated[int, Field(ge=1)]
WindowSize = Annotated[int, Field(ge=1, le=1_000_000)]  # a breaker keeps one byte a call
Seconds = Annotated[float, Field(ge=0, le=LONGEST_WAIT, allow_inf_nan=False)]
SomeSeconds = Annotated[float, Field(gt=0, le=LONGEST_WAIT, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class Policy(BaseModel):
    """What all policies share: they never change, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def exponential_backoff(base: float, factor: float, steps: int, cap: float) -> float:
    """Return `base * factor ** steps`, at most `cap`, without ever overflowing. All in seconds but `factor`."""
    if base <= 0 or base >= cap:
        return min(base, cap)
    if factor > 1 and steps * math.log(factor) >= math.log(min(cap / base, ENORMOUS)):
        return cap
    return float(min(base * factor**steps, cap))
