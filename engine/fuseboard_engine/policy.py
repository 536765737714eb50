"""Policies: how a breaker trips and recovers, how an attempt is retried. Checked once, where they come in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LONGEST_WAIT = 100 * 365 * 86_400.0  # seconds; whatever is longer is a mistake, and would not fit a time stamp

ENORMOUS = 1e300  # growth beyond this is at its cap for any delay there is

Count = Annotated[int, Field(ge=1)]
WindowSize = Annotated[int, Field(ge=1, le=1_000_000)]  # a breaker keeps one byte a call
Seconds = Annotated[float, Field(ge=0, le=LONGEST_WAIT, allow_inf_nan=False)]
SomeSeconds = Annotated[float, Field(gt=0, le=LONGEST_WAIT, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class Policy(BaseModel):
    """What all policies share: they never change, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BreakerPolicy(Policy):
    """When a breaker trips, how long it waits, and what closes it again.

    A trip rule that is None is off. Rules work alone or together: the first that is met opens the breaker. Without
    a window `failure_threshold` counts failures in a row; with one it counts those inside it. The rates judge the
    window once it holds `minimum_calls` (a count window can ask for no more than its size); without a window they
    judge the last 100 calls.

    Raises:
        pydantic.ValidationError: a value is out of range, not finite, or contradicts another.
    """

    failure_threshold: Count | None = Field(default=5, description="this many failures in a row, or in the window")
    failure_rate: Rate | None = Field(default=None, description="share of failed calls, 0..1, that opens")
    slow_call_rate: Rate | None = Field(default=None, description="share of slow calls, 0..1, that opens")
    slow_call_seconds: SomeSeconds | None = Field(default=None, description="a call longer than this is slow")
    minimum_calls: Count = Field(default=10, description="calls in the window before a rate is judged")
    window_size: WindowSize | None = Field(default=None, description="the window is the last n calls")
    window_seconds: SomeSeconds | None = Field(default=None, description="the window is the last s seconds")
    recovery_timeout: Seconds = Field(default=1.0, description="seconds the first opening lasts")
    backoff_multiplier: float = Field(
        default=1.5, ge=1, allow_inf_nan=False, description="growth at each opening in a row"
    )
    max_recovery_timeout: Seconds = Field(default=60.0, description="cap of that growth, before jitter")
    jitter: float = Field(
        default=0.1, ge=0, le=1, allow_inf_nan=False, description="up to this share is added to a wait"
    )
    success_threshold: Count | None = Field(default=3, description="good probes that close; None: the rates decide")
    half_open_calls: Count | None = Field(default=None, description="probes of one round; default: success_threshold")
    half_open_concurrency: Count = Field(default=1, description="probes in flight at a time")
    probe_lease: SomeSeconds | None = Field(default=None, description="seconds until a silent probe is given up")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if mistakes := "\n".join(self._contradictions()):
            raise ValueError(mistakes)
        return self

    def _contradictions(self) -> Iterator[str]:
        if self.window_size is not None and self.window_seconds is not None:
            yield "set window_size or window_seconds, not both"
        if (
            self.window_size is not None
            and self.failure_threshold is not None
            and "failure_threshold" in self.model_fields_set
            and self.failure_threshold > self.window_size
        ):
            yield "failure_threshold is above window_size; that many failures never fit the window"
        if (self.slow_call_rate is None) != (self.slow_call_seconds is None):
            yield "slow_call_rate and slow_call_seconds need each other; set both or neither"
        if "max_recovery_timeout" in self.model_fields_set and self.max_recovery_timeout < self.recovery_timeout:
            yield "max_recovery_timeout is below recovery_timeout; raise it or lower recovery_timeout"
        if self.success_threshold is None:
            if self.half_open_calls is None:
                yield "success_threshold is None, so half_open_calls must say how many probes decide"
            if self.failure_rate is None and self.slow_call_rate is None:
                yield "success_threshold is None, so failure_rate or slow_call_rate must be set"
        elif self.half_open_calls is not None and self.success_threshold > self.half_open_calls:
            yield "success_threshold is above half_open_calls; that many good probes can never come"

    def wait(self, openings: int) -> float:
        """Return how long the n-th opening in a row lasts, in seconds, before jitter (n from 1).

        recovery_timeout x backoff_multiplier^(n-1), capped. Never overflows, however large n is.
        """
        cap = max(self.max_recovery_timeout, self.recovery_timeout)
        return grown(self.recovery_timeout, self.backoff_multiplier, max(openings, 1) - 1, cap)


def grown(base: float, factor: float, steps: int, cap: float) -> float:
    """Return `base * factor ** steps`, at most `cap`, without ever overflowing. All in seconds but `factor`."""
    if base <= 0 or base >= cap:
        return min(base, cap)
    if factor > 1 and steps * math.log(factor) >= math.log(min(cap / base, ENORMOUS)):
        return cap
    return float(min(base * factor**steps, cap))


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
                delay = grown(self.base_delay, 2.0, nth - 1, cap)
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


def _fibonacci(nth: int, enough: float) -> float:
    """Return the n-th Fibonacci number, or any that is at least `enough`: a delay beyond its cap needs no more."""
    earlier, number = 0, 1
    for _ in range(nth - 1):
        if number >= enough:
            break
        earlier, number = number, earlier + number
    return number
