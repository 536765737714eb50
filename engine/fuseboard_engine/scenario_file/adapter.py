"""The part of a scenario file that describes a simulated adapter."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.config.presets import PresetName
from fuseboard_engine.config.sections import HealthSection
from fuseboard_engine.faults.table import Share
from fuseboard_engine.policy_base import Count, Seconds, SomeSeconds
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.scenario_file.part import Part
from fuseboard_engine.scenario_file.recorded_calls import RecordedCallsPart
from fuseboard_engine.scenario_file.step import FaultName

Percentile = Annotated[str, StringConstraints(pattern=r"^p(\d{1,2}(\.\d+)?|100)$")]
"""A percentile as `p50` or `p99.9`."""


class AdapterPart(Part):
    """A simulated adapter: its behaviour without a fault, and its policies."""

    latency: (
        SomeSeconds
        | Annotated[dict[Percentile, SomeSeconds], Field(min_length=1)]
        | Annotated[tuple[SomeSeconds, ...], Field(min_length=1)]
    ) = Field(
        default=0.05,
        description="seconds of a call: the median, percentiles (`{p50: 0.1, p99: 2}`), or a list to choose from",
    )
    spread: Share = Field(default=0.25, description="how much latency varies, as a share of the median; 0: not at all")
    failure_rate: Share = Field(default=0.0, description="share of calls that fail without a fault")
    errors: dict[FaultName, Share] = Field(
        default={}, description="share of calls that meet a fault without one in the timeline, by the fault's name"
    )
    items: int = Field(default=0, ge=0, le=100_000, description="items of a stream; 0: an answer is one item")
    gap: Seconds = Field(default=0.02, description="seconds between two items of a stream")
    capacity: Count | None = Field(default=None, description="calls at a time; default: any number")
    overload: Literal["wait", "refuse"] = Field(
        default="wait", description="what calls beyond the capacity do: wait for a place, or fail with 503"
    )
    stands_for: str = Field(default="", max_length=300, description="the function of the application it stands for")
    preset: PresetName | None = Field(default=None, description="policies that its own ones change")
    breaker: BreakerPolicy | None = Field(default=None, description="its own breaker policy")
    retry: RetryPolicy | None = Field(default=None, description="its own retry policy")
    tags: tuple[str, ...] = Field(default=(), description="words to filter by")
    handles: tuple[str, ...] = Field(default=(), description="attribution rows whose tasks it can take over")
    health_monitoring: HealthSection | None = Field(
        default=None, description="what differs from the section health_monitoring; enabled unless `enabled` is false"
    )
    recorded: tuple[RecordedCallsPart, ...] = Field(
        default=(), description="calls that it repeats, as they were recorded, in place of its latency and failure_rate"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(self.errors.values()) + self.failure_rate > 1 + 1e-9:
            raise ValueError("the shares of errors and failure_rate are above 1 together; lower some")
        if isinstance(self.latency, dict):
            seconds = [self.latency[name] for name in sorted(self.latency, key=lambda name: float(name[1:]))]
            if seconds != sorted(seconds):
                raise ValueError("latency: a higher percentile cannot take less time; check the seconds")
        if "spread" in self.model_fields_set and not isinstance(self.latency, float):
            raise ValueError("spread applies to a latency that is one number; remove it")
        if "overload" in self.model_fields_set and self.capacity is None:
            raise ValueError("overload needs a capacity; set it, or remove overload")
        if "gap" in self.model_fields_set and not self.items:
            raise ValueError("gap needs items; set how many a stream has, or remove gap")
        return self
