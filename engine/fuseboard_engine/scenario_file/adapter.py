"""The part of a scenario file that describes a simulated adapter."""

from __future__ import annotations

from pydantic import Field

from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.config.sections import HealthSection
from fuseboard_engine.faults.table import Share
from fuseboard_engine.policy_base import SomeSeconds
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.scenario_file.part import Part
from fuseboard_engine.scenario_file.recorded_calls import RecordedCallsPart


class AdapterPart(Part):
    """A simulated adapter: its behaviour without a fault, and its policies."""

    latency: SomeSeconds = Field(default=0.05, description="median seconds of a call")
    spread: Share = Field(default=0.25, description="how much latency varies, as a share of the median")
    failure_rate: Share = Field(default=0.0, description="share of calls that fail without a fault")
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
