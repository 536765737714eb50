"""The policy of parallel execution: strategy, timeout, hedge delay and concurrency."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fuseboard_engine.policy_base import Count, Policy, Seconds, SomeSeconds

ExecutionStrategy = Literal["all", "first_success", "best_effort", "hedged"]


class ExecutionPolicy(Policy):
    """Defaults of parallel execution; each call may override the first three.

    Raises:
        pydantic.ValidationError: a value is out of range, not finite, or unknown.
    """

    strategy: ExecutionStrategy = Field(default="all", description="which answers to wait for")
    timeout: SomeSeconds = Field(default=30.0, description="seconds in total: waiting, initialising and calling")
    hedge_delay: Seconds | Literal["p95"] = Field(
        default="p95",
        description="seconds until the next adapter is called too; p95: recent 95th percentile of the previous one",
    )
    max_concurrent_adapters: Count = Field(
        default=10, description="adapters that may work at a time, in all fan-outs together"
    )
    max_queued: int | None = Field(
        default=None, ge=0, description="adapters that may wait for a slot; None for any number"
    )
