"""How tasks are ordered, what happens when all adapters are out, how health is checked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fuseboard_engine.policy import Count, Policy, Rate, Seconds, SomeSeconds

AllOutPolicy = Literal["fail", "wait", "last_resort"]


class RoutingPolicy(Policy):
    """How an engine chooses the order of a chain, and what it does when every adapter of it refuses.

    Raises:
        pydantic.ValidationError: a value is out of range, not finite, or contradicts another.
    """

    adaptive: bool = Field(default=False, description="order every chain by what was seen; else only those set so")
    half_life: SomeSeconds = Field(default=60.0, description="seconds after which an outcome weighs half")
    exploration: float = Field(
        default=0.02, ge=0, le=0.5, allow_inf_nan=False, description="share of first places each adapter keeps"
    )
    failure_seconds: Seconds = Field(
        default=1.0, description="what a failed attempt costs beyond its own time, in seconds"
    )
    load: float = Field(
        default=0.1, ge=0, le=100, allow_inf_nan=False, description="latency added per call in flight, as a share of it"
    )
    refresh_seconds: Seconds = Field(default=0.05, description="an order is computed at most this often")
    all_out: AllOutPolicy = Field(default="fail", description="what to do when every adapter of the chain refuses")
    max_wait: SomeSeconds = Field(default=30.0, description="seconds a task may wait for an adapter to come back")
    max_waiting: Count = Field(default=1000, description="tasks that may wait at a time; others fail at once")
    last_resort_every: Seconds = Field(
        default=1.0, description="seconds between two last-resort attempts on one adapter"
    )
    max_out_share: Rate | None = Field(
        default=None, description="share of all adapters that may be out by themselves; None: no cap"
    )
    max_out_by_tag: dict[str, Rate] = Field(default_factory=dict, description="the same, for the adapters of a tag")


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
