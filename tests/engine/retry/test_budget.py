"""The retry budget: what is paid in, taken out and refilled, to the token."""

from __future__ import annotations

import pytest

from fuseboard_engine.retry.budget import RetryBudget
from fuseboard_engine.retry.policy import RetryPolicy


def budget(ratio: float = 0.0, minimum: int = 10) -> RetryBudget:
    return RetryBudget(RetryPolicy(budget_ratio=ratio, budget_minimum=minimum))


def spend(budget: RetryBudget, at: float) -> int:
    """Withdraw until the budget is spent; return how many retries it allowed."""
    number = 0
    while budget.withdraw(at):
        number += 1
    return number


@pytest.mark.parametrize("minimum", [0, 1, 10])
def test_a_retry_budget_starts_with_the_minimum(minimum: int) -> None:
    assert budget(minimum=minimum).left_at(0) == minimum
    assert spend(budget(minimum=minimum), 0) == minimum


@pytest.mark.parametrize(("seconds", "back"), [(0.0, 0), (0.9, 0), (1.0, 1), (3.5, 3), (10.0, 10), (1000.0, 10)])
def test_the_minimum_of_a_retry_budget_refills_evenly_over_ten_seconds(seconds: float, back: int) -> None:
    spent = budget()
    spend(spent, 100)
    assert spent.left_at(100 + seconds) == pytest.approx(min(seconds, 10))
    assert spend(spent, 100 + seconds) == back


def test_reading_a_retry_budget_does_not_change_it() -> None:
    spent = budget()
    spend(spent, 0)
    for moment in range(1, 5):
        assert spent.left_at(moment) == pytest.approx(moment)
    assert spend(spent, 5) == 5


def test_a_refill_continues_from_the_last_withdrawal() -> None:
    spent = budget()
    spend(spent, 0)
    assert not spent.withdraw(0.5)
    assert spent.withdraw(1.0)
    assert spent.left_at(1.0) == pytest.approx(0.0)
    assert spent.left_at(2.0) == pytest.approx(1.0)


def test_first_attempts_deposit_their_exact_share() -> None:
    earning = budget(ratio=0.1, minimum=0)
    earning.first_attempts = 9
    assert not earning.withdraw(0)
    earning.first_attempts += 1
    assert earning.withdraw(0)
    assert not earning.withdraw(0)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 2.0])
def test_at_most_the_share_of_a_thousand_calls_and_the_minimum_are_saved(ratio: float) -> None:
    earning = budget(ratio=ratio, minimum=10)
    earning.first_attempts = 1_000_000
    assert earning.left_at(0) == pytest.approx(10 + ratio * 1000)
    assert spend(earning, 0) == 10 + round(ratio * 1000)


def test_deposits_of_a_retry_budget_add_to_its_minimum() -> None:
    earning = budget(ratio=1.0, minimum=10)
    earning.first_attempts = 5
    assert earning.withdraw(0)
    assert earning.left_at(0) == 14
    assert earning.left_at(100) == 14


def test_a_new_policy_keeps_the_balance_up_to_what_it_allows() -> None:
    earning = budget(ratio=1.0, minimum=10)
    earning.first_attempts = 50
    earning.update_policy(RetryPolicy(budget_ratio=0.01, budget_minimum=5))
    assert earning.left_at(0) == pytest.approx(15)
    assert earning.first_attempts == 0
    poor = budget(minimum=2)
    poor.update_policy(RetryPolicy(budget_ratio=1.0, budget_minimum=10))
    assert poor.left_at(0) == 2
    poor.first_attempts = 3
    assert poor.left_at(0) == 5
