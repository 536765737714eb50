"""The routing policy: order of chains, behaviour when every adapter is unavailable, and ejection limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from pydantic import Field

from fuseboard_engine.events import Attempt
from fuseboard_engine.policy_base import Count, Policy, Rate, Seconds, SomeSeconds
from fuseboard_engine.runtime.arguments import checked_count

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
        default=0.1, ge=0, le=100, allow_inf_nan=False, description="cost added per call in flight, as a share of it"
    )
    refresh_seconds: Seconds = Field(default=0.05, description="an order is computed at most this often")
    all_out: AllOutPolicy = Field(default="fail", description="what to do when every adapter of the chain refuses")
    max_wait: SomeSeconds = Field(default=30.0, description="seconds a task may wait for an adapter to come back")
    max_waiting: Count = Field(default=1000, description="tasks that may wait at a time; others fail at once")
    last_resort_every: Seconds = Field(
        default=1.0, description="seconds between two last-resort attempts on one adapter"
    )
    max_adapters: Count | None = Field(default=None, description="adapters a task may be given to; None: all")
    max_attempts: Count | None = Field(
        default=None, description="calls a task may cost on all adapters, retries included; None: no limit"
    )
    max_out_share: Rate | None = Field(
        default=None, description="share of all adapters that may be out by themselves; None: no cap"
    )
    max_out_by_tag: dict[str, Rate] = Field(default_factory=dict, description="the same, for the adapters of a tag")


class RouteLimits(msgspec.Struct, frozen=True, gc=False):
    """Limits of a task's route; None means no limit. Rejections count towards neither.

    `max_adapters` is the number of different adapters that are called, `max_attempts` the number of calls, retries
    included.
    """

    max_adapters: int | None = None
    max_attempts: int | None = None

    def no_attempt_reason(self, attempts: Sequence[Attempt]) -> str:
        """Return why no call may follow the one in hand; empty if one may. `attempts` are those before it."""
        limit = self.max_attempts
        if limit is None or limit > 1 + sum(attempt.outcome != "rejected" for attempt in attempts):
            return ""
        return f"the limit of {limit} attempt{'s' * (limit != 1)} per task is reached"

    def no_adapter_reason(self, attempts: Sequence[Attempt], adapter: str) -> str:
        """Return why no other adapter may be called after this one; empty if one may."""
        limit = self.max_adapters
        called = {attempt.adapter for attempt in attempts if attempt.outcome != "rejected"} | {adapter}
        if limit is None or limit > len(called):
            return ""
        return f"the limit of {limit} adapter{'s' * (limit != 1)} per task is reached"


def limits_of(max_adapters: int | None, max_attempts: int | None, default: RouteLimits | None) -> RouteLimits | None:
    """Return the limits of one task: those of the call, else the engine's.

    Raises:
        TypeError, ValueError: a limit is not a number from 1.
    """
    if max_adapters is None and max_attempts is None:
        return default
    if max_adapters is not None:
        checked_count(max_adapters, "max_adapters")
    if max_attempts is not None:
        checked_count(max_attempts, "max_attempts")
    other = default or RouteLimits()
    return RouteLimits(
        other.max_adapters if max_adapters is None else max_adapters,
        other.max_attempts if max_attempts is None else max_attempts,
    )
