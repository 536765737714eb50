"""What decides about a retry: a budget per adapter, and whether a failed attempt is repeated. Pure, no sleep."""

from __future__ import annotations

import functools
from collections.abc import Callable

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

    __slots__ = ("_cap", "_minimum", "_ratio", "_refilled", "_tokens", "first_attempts")

    def __init__(self, policy: RetryPolicy) -> None:
        self.first_attempts = 0
        """Those that have not paid in yet: whoever makes one adds it, and what they pay is reckoned when it counts."""
        self._refilled: float | None = None
        self._take(policy)
        self._tokens = float(policy.budget_minimum)

    def use(self, policy: RetryPolicy) -> None:
        """Go on with another policy. What is left stays, up to what the policy lets be saved."""
        tokens = self._paid_in()
        self.first_attempts = 0
        self._take(policy)
        self._tokens = min(tokens, self._cap)

    def _take(self, policy: RetryPolicy) -> None:
        self._ratio = policy.budget_ratio
        self._minimum = policy.budget_minimum
        self._cap = policy.budget_minimum + policy.budget_ratio * BUDGET_CALLS

    def _paid_in(self) -> float:
        return min(self._tokens + self._ratio * self.first_attempts, self._cap)

    def withdraw(self, now: float) -> bool:
        """Take leave for one retry at `now` (seconds of the engine's clock). False: the budget is spent."""
        self._tokens = self.left_at(now)
        self.first_attempts = 0
        self._refilled = now
        if self._tokens < 0.999_999:  # ten tenths add up to a little less than one
            return False
        self._tokens = max(0.0, self._tokens - 1)
        return True

    def left_at(self, now: float) -> float:
        """Return how many retries could be decided at `now` (seconds of the engine's clock)."""
        tokens = self._paid_in()
        if self._refilled is None or tokens >= self._minimum:
            return tokens
        back = (now - self._refilled) * self._minimum / BUDGET_SECONDS
        return min(tokens + back, float(self._minimum))


def unretried(rule: Rule, error: BaseException, policy: RetryPolicy, number: int) -> str:
    """Return why an adapter is not asked again after its `number`-th attempt (from 1) failed; empty: it may be.

    This much follows from what failed and how often; `next_attempt` looks at the time there is and at the budget.

    Args:
        rule: the attribution row that applied.
        error: what the attempt raised.
        policy: how often to retry, and what.
        number: which attempt on this adapter failed, from 1.
    """
    if not rule.retry:
        return rule.reason
    most = policy.max_attempts
    if number >= most:
        return _made(number, most)
    if isinstance(error, policy.give_up_on) or (policy.retry_on and not isinstance(error, policy.retry_on)):
        return f"the retry policy does not retry {type(error).__name__}"
    return ""


def next_attempt(
    policy: RetryPolicy,
    number: int,
    *,
    remaining: float | None,
    retry_after: float | None,
    open_for: float | None,
    budget: RetryBudget,
    now: float,
    random: Callable[[], float],
) -> tuple[float | None, str]:
    """Return in how many seconds an adapter is asked again after its `number`-th attempt failed; None: not; and why.

    Args:
        policy: how soon to retry.
        number: which attempt on this adapter failed, from 1.
        remaining: seconds until the task's deadline; None: there is none.
        retry_after: seconds the adapter asked to wait; None: it did not say.
        open_for: seconds its breaker, which this failure may have opened, stays open; None: it is not open.
        budget: what the adapter may still spend on retries; a decided retry takes from it.
        now: seconds of the engine's clock.
        random: gives a number from [0, 1) that places the delay within its jitter.
    """
    delay = policy.delay(number, random())
    if retry_after is not None:
        if remaining is None and retry_after > policy.max_delay:
            return None, f"it asked for {retry_after:.3g} s, longer than max_delay"
        delay = max(delay, retry_after)
    if remaining is not None and delay >= remaining:
        return None, f"the deadline comes before the next attempt in {delay:.3g} s"
    if open_for is not None and delay < open_for:
        return None, f"its breaker opened for {open_for:.3g} s"
    if not budget.withdraw(now):
        return None, "the retry budget is spent"
    return delay, _coming(number + 1, policy.max_attempts)


@functools.lru_cache(maxsize=256)  # a few numbers, over and over; writing them costs three times as much
def _made(number: int, most: int) -> str:
    return f"{number} of {most} attempts made"


@functools.lru_cache(maxsize=256)
def _coming(number: int, most: int) -> str:
    return f"attempt {number} of {most}"
