"""The part of a scenario file that describes a stream of tasks."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fuseboard_engine.faults.table import Share
from fuseboard_engine.parallel.policy import ExecutionStrategy
from fuseboard_engine.policy_base import Seconds, SomeSeconds
from fuseboard_engine.scenario_file.part import JsonData, Part

Rate = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
"""Tasks a second."""


class BatchPart(Part):
    """A batch of tasks of which enough must succeed."""

    tasks: int = Field(ge=1, le=10_000, description="tasks in a batch")
    min_success_rate: Share = Field(default=0.5, description="share of them that must succeed, and is enough")
    rollback: bool = Field(default=False, description="whether what succeeded is undone when too few did")
    retries: int = Field(default=1, ge=0, le=1_000, description="how many more rounds there may be")
    max_concurrent: int = Field(default=10, ge=1, le=10_000, description="tasks in progress at a time")


class FanOutPart(Part):
    """A task that is given to several adapters at once. What is not set is as `execution` says."""

    adapters: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="the adapters; default: the chain of its type"
    )
    strategy: ExecutionStrategy | None = Field(default=None, description="which answers to wait for")
    timeout: SomeSeconds | None = Field(default=None, description="seconds in all")
    hedge_delay: Seconds | Literal["p95"] | None = Field(
        default=None, description="seconds until the next adapter is called too"
    )


KINDS = ("batch", "fan_out", "stream", "workflow")
"""The fields of which one says what arrives in place of a task."""


class TrafficPart(Part):
    """A stream of tasks of one type: so many a second, at rates that change, or at given times."""

    name: str = Field(default="", description="its name, for steps of the timeline that change it")
    engine: str | None = Field(
        default=None, description="the engine that is given the tasks; default: those that run, in turn"
    )
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

    payload: JsonData = Field(default=None, description="what the adapters are given")
    batch: BatchPart | None = Field(default=None, description="a batch arrives in place of each task")
    fan_out: FanOutPart | None = Field(default=None, description="each task is given to several adapters at once")
    stream: bool = Field(default=False, description="each task's answer is read item by item")
    workflow: str | None = Field(default=None, description="a run of this workflow begins in place of each task")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(bool(getattr(self, kind)) for kind in KINDS) > 1:
            raise ValueError(f"a stream has only one of {', '.join(KINDS)}; write a stream for each")
        if self.workflow and "type" in self.model_fields_set:
            raise ValueError("the nodes of the workflow have types of their own; remove type")
        if self.fan_out and self.deadline is not None:
            raise ValueError("write fan_out.timeout in place of deadline")
        if sum((self.per_second is not None, bool(self.rates), bool(self.times))) != 1:
            raise ValueError("set one of per_second, rates and times")
        return self
