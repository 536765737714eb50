"""How often adapters' health is checked, and how much history is kept."""

from __future__ import annotations

from pydantic import Field

from fuseboard_engine.policy_base import Count, Policy, SomeSeconds


class HealthPolicy(Policy):
    """How often an adapter's health is checked, and how much of its history is kept.

    Raises:
        pydantic.ValidationError: a value is out of range, not finite, or contradicts another.
    """

    interval: SomeSeconds = Field(default=30.0, description="seconds from the end of one check to the next")
    timeout: SomeSeconds = Field(default=5.0, description="seconds a check may take; then it is a bad one")
    alert_after: Count = Field(default=3, description="bad checks in a row that raise an alert")
    critical: bool = Field(default=True, description="whether the whole is unhealthy when this adapter is")
    concurrency: Count = Field(default=10, description="checks that run at a time; of the engine's policy")
    history_size: int = Field(default=100, ge=1, le=10_000, description="calls kept per adapter")
    transition_size: int = Field(default=50, ge=1, le=10_000, description="changes of state kept per adapter")
    retention: SomeSeconds = Field(default=86_400.0, description="seconds after which both are let go")
