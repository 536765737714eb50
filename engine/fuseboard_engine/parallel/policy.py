"""The policy of parallel execution: which answers are waited for, how long, and how many adapters work at a time."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fuseboard_engine.policy_base import Count, Policy, Seconds, SomeSeconds

ExecutionStrategy = Literal["all", "first_success", "best_effort", "hedged"]


class ExecutionPolicy(Policy):
    """How a task is given to several adapters at once, unless a call says otherwise.

    Raises:
        pydantic.ValidationError: a value is out of range, not finite, or unknown.
    """

    strategy: ExecutionStrategy = Field(default="all", description="which answers are waited for")
    timeout: SomeSeconds = Field(default=30.0, description="seconds in all: waiting, initialising and calling")
    hedge_delay: Seconds | Literal["p95"] = Field(
        default="p95", description="seconds until the next adapter is asked too; p95: of the one before, lately"
    )
    max_concurrent_adapters: Count = Field(default=10, description="adapters at work at a time in all fan-outs")
    max_queued: int | None = Field(
        default=None, ge=0, description="adapters that may wait for a slot; None: any number"
    )
