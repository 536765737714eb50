"""What decides about a retry: a budget per adapter, and the next step after a failed attempt. Pure, no sleep."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

import msgspec

from fuseboard_engine.attribution import Rule
from fuseboard_engine.policy import RetryPolicy

BUDGET_SECONDS = 10.0
BUDGET_CALLS = 1000  # first attempts whose share of retries can be saved up


class RetryBudget:
    """Keeps retries a small share of the calls, so that they cannot become the outage.

    Each first attempt pays in `budget_ratio`, each retry takes one out when it is *decided*, so those still waiting
    count too. `budget_minimum` retries come back every ten seconds whatever the traffic. The idea is Finagle's
    retry budget.
    """

    __slots__ = ("_cap", "_minimum", "_ratio", "_refilled", "_tokens")

    def __init__(self, policy: RetryPolicy) -> None:
        self._tokens = float(policy.budget_minimum)
        self.use(policy)
        self._refilled: float | None = None

    def use(self, policy: RetryPolicy) -> None:
        """Go on with another policy. What is left stays, up to what the policy lets be saved."""
        self._ratio = policy.budget_ratio
        self._minimum = policy.budget_minimum
        self._cap = policy.budget_minimum + policy.budget_ratio * BUDGET_CALLS
        self._tokens = min(self._tokens, self._cap)

    def deposit(self) -> None:
        """A first attempt is made."""
        tokens = self._tokens + self._ratio
        self._tokens = tokens if tokens < self._cap else self._cap

    def withdraw(self, now: float) -> bool:
        """Take leave for one retry at `now` (seconds of the engine's clock). False: the budget is spent."""
        self._tokens = self.left_at(now)
        self._refilled = now
        if self._tokens < 0.999_999:  # ten tenths add up to a little less than one
            return False
        self._tokens = max(0.0, self._tokens - 1)
        return True

    @property
    def left(self) -> float:
        """How many retries could be decided, but for what came back since the last one."""
        return self._tokens

    def left_at(self, now: float) -> float:
        """Return how many retries could be decided at `now` (seconds of the engine's clock)."""
        if self._refilled is None or self._tokens >= self._minimum:
            return self._tokens
        back = (now - self._refilled) * self._minimum / BUDGET_SECONDS
        return min(self._tokens + back, float(self._minimum))


class Step(msgspec.Struct, frozen=True, gc=False):
    """What follows a failed attempt: `retry` after `delay` seconds, `failover`, or `stop`; and why."""

    then: Literal["retry", "failover", "stop"]
    delay: float
    why: str


def next_step(
    rule: Rule,
    error: BaseException,
    *,
    policy: RetryPolicy,
    number: int,
    others: bool,
    remaining: float | None,
    retry_after: float | None,
    open_for: float | None,
    budget: RetryBudget,
    now: float,
    random: Callable[[], float],
) -> Step:
    """Decide what follows the `number`-th failed attempt on an adapter.

    Args:
        rule: the attribution row that applied.
        error: what the attempt raised.
        policy: how often and how soon to retry.
        number: which attempt on this adapter failed, from 1.
        others: whether the chain has adapters left that may be asked.
        remaining: seconds until the task's deadline; None: there is none.
        retry_after: seconds the adapter asked to wait; None: it did not say.
        open_for: seconds its breaker, which this failure may have opened, stays open; None: it is not open.
        budget: what the adapter may still spend on retries; a decided retry takes from it.
        now: seconds of the engine's clock.
        random: gives a number from [0, 1) that places the delay within its jitter.
    """
    elsewhere: Literal["failover", "stop"] = "failover" if rule.failover and others else "stop"
    if not rule.retry or (rule.opens and others):
        return Step(elsewhere, 0.0, rule.reason)
    if isinstance(error, policy.give_up_on) or (policy.retry_on and not isinstance(error, policy.retry_on)):
        return Step(elsewhere, 0.0, f"the retry policy does not retry {type(error).__name__}")
    if number >= policy.max_attempts:
        return Step(elsewhere, 0.0, _made(number, policy.max_attempts))
    delay = policy.delay(number, random())
    if retry_after is not None:
        if remaining is None and retry_after > policy.max_delay:
            return Step(elsewhere, 0.0, f"it asked for {retry_after:.3g} s, longer than max_delay")
        delay = max(delay, retry_after)
    if remaining is not None and delay >= remaining:
        return Step(elsewhere, 0.0, f"the deadline comes before the next attempt in {delay:.3g} s")
    if open_for is not None and delay < open_for:
        return Step(elsewhere, 0.0, f"its breaker opened for {open_for:.3g} s")
    if not budget.withdraw(now):
        return Step(elsewhere, 0.0, "the retry budget is spent")
    return Step("retry", delay, _coming(number + 1, policy.max_attempts))


@functools.lru_cache(maxsize=256)  # a few numbers, over and over; writing them costs three times as much
def _made(number: int, most: int) -> str:
    return f"{number} of {most} attempts made"


@functools.lru_cache(maxsize=256)
def _coming(number: int, most: int) -> str:
    return f"attempt {number} of {most}"
