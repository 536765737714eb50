"""How often and how soon a failed attempt is repeated on the same adapter."""

from __future__ import annotations

from typing import Literal, Self

import msgspec
from pydantic import Field, model_validator

from fuseboard_engine.policy_base import (
    ENORMOUS,
    LONGEST_WAIT,
    Count,
    Policy,
    Seconds,
    SomeSeconds,
    exponential_backoff,
)
from fuseboard_engine.runtime.arguments import checked_count, checked_seconds

Strategy = Literal["immediate", "linear", "exponential", "fibonacci"]
Jitter = Literal["none", "proportional", "full", "equal"]


class RetryPolicy(Policy):
    """How often and how soon a failed attempt is repeated on the same adapter.

    `max_attempts` counts the first call. The n-th retry waits, by `strategy`: nothing; `base_delay` x n;
    `base_delay` x 2^(n-1); `base_delay` x the n-th Fibonacci number (1, 1, 2, 3 ...); at most `max_delay`. Jitter is
    added after the cap, so that many clients at the cap still spread out.

    Raises:
        pydantic.ValidationError: a value is out of range, not finite, or contradicts another.
    """

    max_attempts: Count = Field(default=3, description="calls per adapter and task, the first included")
    strategy: Strategy = Field(default="exponential", description="how the delay grows")
    base_delay: Seconds = Field(default=0.1, description="seconds before the first retry")
    max_delay: Seconds = Field(default=30.0, description="cap of a delay in seconds, before jitter")
    jitter: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False, description="share of the delay that is random")
    jitter_kind: Jitter = Field(
        default="proportional",
        description="proportional: up to `jitter` on top; full: 0..delay; equal: half fixed, half random",
    )
    retry_on: tuple[type[Exception], ...] = Field(default=(), description="only these are retried; empty: all that may")
    give_up_on: tuple[type[Exception], ...] = Field(default=(), description="never retried; wins over retry_on")
    attempt_timeout: SomeSeconds | None = Field(
        default=30.0, description="seconds one attempt may take; None: no limit"
    )
    initialize_share: float = Field(
        default=0.3, gt=0, lt=1, description="share of attempt_timeout for initialising, where an attempt has to"
    )
    first_item_timeout: SomeSeconds | None = Field(
        default=None, description="seconds until a stream's first item; None: attempt_timeout"
    )
    item_timeout: SomeSeconds | None = Field(
        default=None, description="seconds between two items of a stream; None: attempt_timeout"
    )
    budget_ratio: float = Field(
        default=0.2, ge=0, le=10, allow_inf_nan=False, description="retries allowed per first attempt, lately"
    )
    budget_minimum: int = Field(default=10, ge=0, description="retries always allowed in each ten seconds")

    max_retry_after: Seconds = Field(
        default=300.0, description="longest wait in seconds that an adapter may ask for; longer ones are cut to it"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if "max_delay" in self.model_fields_set and self.max_delay < self.base_delay:
            raise ValueError("max_delay is below base_delay; raise it or lower base_delay")
        return self

    def delay(self, retry: int, random: float = 0.0) -> float:
        """Return the seconds to wait before the n-th retry (n from 1; 0 counts as 1).

        `random` is a number from [0, 1) that places the delay within its jitter.
        """
        nth = max(retry, 1)
        cap = max(self.max_delay, self.base_delay)
        match self.strategy:
            case "immediate":
                return 0.0
            case "linear":
                delay = min(self.base_delay * nth, cap)
            case "exponential":
                delay = exponential_backoff(self.base_delay, 2.0, nth - 1, cap)
            case "fibonacci":
                delay = min(
                    self.base_delay * _fibonacci(nth, min(cap / self.base_delay, ENORMOUS) if self.base_delay else 1),
                    cap,
                )
        if self.jitter_kind == "none":
            return delay
        if self.jitter_kind == "full":
            return delay * random
        if self.jitter_kind == "equal":
            return delay / 2 + delay / 2 * random
        return delay * (1 + self.jitter * random)


class RetryOverrides(msgspec.Struct, frozen=True):
    """What one call changes in the retry policy of each adapter; None changes nothing.

    Args:
        max_attempts: calls per adapter, the first included.
        base_delay: seconds before the first retry.

    Raises:
        TypeError, ValueError: a value is out of range.
    """

    max_attempts: int | None = None
    base_delay: float | None = None

    def __post_init__(self) -> None:
        if self.max_attempts is not None:
            checked_count(self.max_attempts, "max_retries")
        if self.base_delay is not None and not 0 <= checked_seconds(self.base_delay, "retry_delay_base") < LONGEST_WAIT:
            raise ValueError(f"retry_delay_base must be a number of seconds from 0, not {self.base_delay!r}")

    def applied_to(self, policy: RetryPolicy) -> RetryPolicy:
        """Return a policy with these changes."""
        fields = {"max_attempts": self.max_attempts, "base_delay": self.base_delay}
        return policy.model_copy(update={name: value for name, value in fields.items() if value is not None})


Retry = RetryPolicy | RetryOverrides | None
"""What a call says about retries: a policy for every adapter, changes of each adapter's own, or nothing."""


def policy_for(own: RetryPolicy, retry: Retry) -> RetryPolicy:
    """Return the policy that applies to an adapter whose own policy is `own`."""
    if retry is None:
        return own
    return retry.applied_to(own) if isinstance(retry, RetryOverrides) else retry


def retry_of_call(retry: RetryPolicy | None, max_retries: int | None, retry_delay_base: float | None) -> Retry:
    """Return what a call says about retries, from its arguments; see `TaskRouter.execute_with_fallback`."""
    if max_retries is None and retry_delay_base is None:
        return retry
    changes = RetryOverrides(max_retries, retry_delay_base)
    return changes if retry is None else changes.applied_to(retry)


def _fibonacci(nth: int, enough: float) -> float:
    """Return the n-th Fibonacci number, or any that is at least `enough`: a delay beyond its cap needs no more."""
    earlier, number = 0, 1
    for _ in range(nth - 1):
        if number >= enough:
            break
        earlier, number = number, earlier + number
    return number
