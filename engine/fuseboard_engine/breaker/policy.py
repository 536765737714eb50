"""When a breaker trips and how it recovers."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator

from fuseboard_engine.policy_base import Count, Policy, Rate, Seconds, SomeSeconds, WindowSize, exponential_backoff


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
    max_recovery_timeout: Seconds = Field(default=60.0, description="cap of a wait, jitter included")
    jitter: float = Field(
        default=0.1, ge=0, le=1, allow_inf_nan=False, description="how far waits spread, as a share of the shortest"
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
        return exponential_backoff(self.recovery_timeout, self.backoff_multiplier, max(openings, 1) - 1, cap)

    def wait_with_jitter(self, openings: int, random: float) -> float:
        """Return how long the n-th opening in a row lasts, in seconds; `random` is a number from [0, 1).

        It lies between the wait without jitter and `jitter` more. Where that would exceed the cap, the cap is the
        longest and the cap / (1 + jitter) the shortest, so that many clients at the cap still spread out.
        """
        wait, jitter = self.wait(openings), self.jitter
        cap = max(self.max_recovery_timeout, self.recovery_timeout)
        if wait * (1 + jitter) <= cap:
            return wait * (1 + jitter * random)
        return min(cap * (1 + jitter * random) / (1 + jitter), cap)


@functools.cache
def default_policy() -> BreakerPolicy:
    """Return the policy of breakers that have none of their own; all share it."""
    return BreakerPolicy()
