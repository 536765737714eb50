"""The part of a scenario file that describes a stream of tasks."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fuseboard_engine.policy_base import Seconds, SomeSeconds
from fuseboard_engine.scenario_file.part import Part

Rate = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
"""Tasks a second."""


class TrafficPart(Part):
    """A stream of tasks of one type: so many a second, at rates that change, or at given times."""

    type: str = Field(default="task", description="the tasks' type")
    per_second: float | None = Field(
        default=None, gt=0, le=100_000, allow_inf_nan=False, description="tasks a second, on average"
    )
    rates: tuple[tuple[Seconds, Rate], ...] = Field(
        default=(), description="in place of per_second: from when on (seconds), and how many tasks a second"
    )
    times: tuple[Seconds, ...] = Field(default=(), description="in place of per_second: when each task arrives")
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

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum((self.per_second is not None, bool(self.rates), bool(self.times))) != 1:
            raise ValueError("set one of per_second, rates and times")
        return self
