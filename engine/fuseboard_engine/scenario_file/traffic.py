"""The part of a scenario file that describes a stream of tasks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fuseboard_engine.policy_base import Seconds, SomeSeconds
from fuseboard_engine.scenario_file.part import Part


class TrafficPart(Part):
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
