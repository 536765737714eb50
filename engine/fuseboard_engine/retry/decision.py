"""Decides whether and when a failed attempt is repeated. Pure; never sleeps."""

from __future__ import annotations

import functools
from collections.abc import Callable

from fuseboard_engine.retry.attribution import Rule
from fuseboard_engine.retry.budget import RetryBudget
from fuseboard_engine.retry.policy import RetryPolicy

ROUNDING = 1e-9
"""Seconds by which a breaker's remaining wait may be off: it is the difference of two times of a clock."""


def no_retry_reason(rule: Rule, error: BaseException, policy: RetryPolicy, number: int) -> str:
    """Return why an adapter is not retried after its `number`-th attempt (from 1) failed; empty if it may be.

    Looks only at the error and the number of attempts; `retry_delay` considers the remaining time and the budget.

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
        return _attempts_made(number, most)
    if isinstance(error, policy.give_up_on) or (policy.retry_on and not isinstance(error, policy.retry_on)):
        return f"the retry policy does not retry {type(error).__name__}"
    return ""


def retry_delay(
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
    """Return the seconds until an adapter is retried after its `number`-th attempt failed, or None, and the reason.

    Args:
        policy: how soon to retry.
        number: which attempt on this adapter failed, from 1.
        remaining: seconds until the task's deadline; None without a deadline.
        retry_after: seconds the adapter asked to wait; None if it did not ask.
        open_for: seconds its breaker, which this failure may have opened, stays open; None if it is not open.
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
    if open_for is not None and delay < open_for - ROUNDING:
        return None, f"its breaker opened for {open_for:.3g} s"
    if not budget.withdraw(now):
        return None, "the retry budget is spent"
    return delay, _next_attempt(number + 1, policy.max_attempts)


@functools.lru_cache(maxsize=256)  # a few numbers, over and over; writing them costs three times as much
def _attempts_made(number: int, most: int) -> str:
    return f"{number} of {most} attempts made"


@functools.lru_cache(maxsize=256)
def _next_attempt(number: int, most: int) -> str:
    return f"attempt {number} of {most}"
