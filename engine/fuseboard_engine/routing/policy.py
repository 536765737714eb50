"""The routing policy: order of chains, behaviour when every adapter is unavailable, and ejection limits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fuseboard_engine.policy_base import Count, Policy, Rate, Seconds, SomeSeconds

AllOutPolicy = Literal["fail", "wait", "last_resort"]


class RoutingPolicy(Policy):
    """How an engine orders chains, and what it does when every adapter of a chain is unavailable.

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
