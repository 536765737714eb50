"""The policy for health checks and call history."""

from __future__ import annotations

from pydantic import Field

from fuseboard_engine.policy_base import Count, Policy, Rate, SomeSeconds


class HealthPolicy(Policy):
    """How often adapters are checked, and how much of their history is kept.

    Raises:
        pydantic.ValidationError: a value is out of range, not finite, or contradicts another.
    """

    interval: SomeSeconds = Field(default=30.0, description="seconds from the end of one check to the next")
    timeout: SomeSeconds = Field(default=5.0, description="seconds a check may take; a longer one fails")
    alert_after: Count = Field(default=3, description="failed checks in a row that raise an alert")
    failure_rate_alert: Rate | None = Field(
        default=None, description="share of failed calls that raises an alert; None: none is raised"
    )
    failure_rate_window: SomeSeconds = Field(default=60.0, description="seconds over which that share is taken")
    failure_rate_calls: Count = Field(default=20, description="calls in that window below which no alert is raised")
    critical: bool = Field(default=True, description="whether this adapter, when unhealthy, makes the engine unhealthy")
    concurrency: Count = Field(default=10, description="checks that run concurrently; from the engine's policy")
    history_size: int = Field(default=100, ge=1, le=10_000, description="calls kept per adapter")
    transition_size: int = Field(default=50, ge=1, le=10_000, description="changes of state kept per adapter")
    retention: SomeSeconds = Field(default=86_400.0, description="seconds after which both are dropped")
