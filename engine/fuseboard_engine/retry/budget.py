"""A retry budget per adapter: it keeps retries a small share of the calls. Pure; never sleeps."""

from __future__ import annotations

from fuseboard_engine.retry.policy import RetryPolicy

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
        """First attempts not yet credited. The caller adds to it; the credit is computed when the budget is read."""
        self._refilled: float | None = None
        self._take(policy)
        self._tokens = float(policy.budget_minimum)

    def update_policy(self, policy: RetryPolicy) -> None:
        """Replace the policy. The balance is kept, up to what the new policy allows to be saved."""
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
        """Withdraw one retry at `now` (seconds of the engine's clock). Return False if the budget is spent."""
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
