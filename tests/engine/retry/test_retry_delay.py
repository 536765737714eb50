"""Whether a failed attempt is repeated, when, and what a call changes in the policy."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fuseboard_engine import RetryPolicy
from fuseboard_engine.retry.budget import RetryBudget
from fuseboard_engine.retry.decision import no_retry_reason, retry_delay
from fuseboard_engine.retry.policy import RetryOverrides, policy_for, retry_of_call
from fuseboard_engine.retry.rule import Rule

RETRIED = Rule(name="transient", reason="it may work again")
NOT_RETRIED = Rule(name="caller", reason="the caller's mistake", retry=False)


@pytest.mark.parametrize(
    ("rule", "error", "options", "number", "reason"),
    [
        (RETRIED, OSError(), {}, 1, ""),
        (RETRIED, OSError(), {}, 2, ""),
        (RETRIED, OSError(), {}, 3, "3 of 3 attempts made"),
        (RETRIED, OSError(), {"max_attempts": 1}, 1, "1 of 1 attempts made"),
        (NOT_RETRIED, OSError(), {}, 1, "the caller's mistake"),
        (NOT_RETRIED, OSError(), {}, 3, "the caller's mistake"),
        (RETRIED, KeyError(), {"retry_on": (OSError,)}, 1, "the retry policy does not retry KeyError"),
        (RETRIED, ConnectionError(), {"retry_on": (KeyError, OSError)}, 1, ""),
        (RETRIED, ConnectionError(), {"give_up_on": (OSError,)}, 1, "the retry policy does not retry ConnectionError"),
        (RETRIED, KeyError(), {"give_up_on": (OSError,)}, 1, ""),
        (
            RETRIED,
            ConnectionError(),
            {"retry_on": (OSError,), "give_up_on": (ConnectionError,)},
            1,
            "the retry policy does not retry ConnectionError",
        ),
    ],
)
def test_an_attempt_is_repeated_unless_its_rule_number_or_error_forbids_it(
    rule: Rule, error: Exception, options: dict[str, Any], number: int, reason: str
) -> None:
    assert no_retry_reason(rule, error, RetryPolicy(**options), number) == reason


def decided(policy: RetryPolicy, number: int = 1, *, budget: RetryBudget | None = None, **known: float) -> Any:
    options: dict[str, Any] = {"remaining": None, "retry_after": None, "open_for": None, **known}
    return retry_delay(
        policy,
        number,
        budget=budget or RetryBudget(RetryPolicy(budget_minimum=10)),
        now=0.0,
        random=lambda: 0.5,
        **options,
    )


POLICY = RetryPolicy(base_delay=2, max_delay=8, max_attempts=5)


@pytest.mark.parametrize(
    ("number", "known", "delay", "reason"),
    [
        (1, {}, 2, "attempt 2 of 5"),
        (2, {}, 4, "attempt 3 of 5"),
        # What the adapter asked for counts if it is longer, and within a deadline even beyond the cap.
        (1, {"retry_after": 1}, 2, "attempt 2 of 5"),
        (1, {"retry_after": 5}, 5, "attempt 2 of 5"),
        (1, {"retry_after": 8}, 8, "attempt 2 of 5"),
        (1, {"retry_after": 8.5}, None, "it asked for 8.5 s, longer than max_delay"),
        (1, {"retry_after": 8.5, "remaining": 9}, 8.5, "attempt 2 of 5"),
        (1, {"retry_after": 8.5, "remaining": 8.5}, None, "the deadline comes before the next attempt in 8.5 s"),
        (1, {"remaining": 2}, None, "the deadline comes before the next attempt in 2 s"),
        (1, {"remaining": 2.1}, 2, "attempt 2 of 5"),
        (1, {"open_for": 2.1}, None, "its breaker opened for 2.1 s"),
        (1, {"open_for": 2.000_000_000_1}, 2, "attempt 2 of 5"),  # the difference of two times of a clock is rounded
        (1, {"open_for": 2}, 2, "attempt 2 of 5"),
        (1, {"open_for": 5, "retry_after": 5}, 5, "attempt 2 of 5"),
        (1, {"open_for": 5, "remaining": 1}, None, "the deadline comes before the next attempt in 2 s"),
    ],
)
def test_a_retry_comes_after_its_delay_unless_something_else_comes_first(
    number: int, known: dict[str, float], delay: float | None, reason: str
) -> None:
    assert decided(POLICY, number, **known) == (delay, reason)


def test_the_delay_is_placed_within_its_jitter() -> None:
    assert decided(POLICY.model_copy(update={"jitter": 0.5}))[0] == 2.5
    assert decided(POLICY.model_copy(update={"jitter": 0.5, "jitter_kind": "none"}))[0] == 2


def test_only_a_retry_that_is_made_takes_from_the_budget() -> None:
    budget = RetryBudget(RetryPolicy(budget_minimum=1))
    assert decided(POLICY, budget=budget, remaining=1)[0] is None
    assert decided(POLICY, budget=budget, open_for=9)[0] is None
    assert decided(POLICY, budget=budget) == (2, "attempt 2 of 5")
    assert decided(POLICY, budget=budget) == (None, "the retry budget is spent")


# ---------------------------------------------------------------- policies


@pytest.mark.parametrize("retry", [0, 1])
def test_the_retry_before_the_first_counts_as_the_first(retry: int) -> None:
    assert POLICY.delay(retry) == 2


def test_fibonacci_delays_continue_to_the_cap_and_stay_nothing_without_a_base() -> None:
    policy = RetryPolicy(strategy="fibonacci", base_delay=1, max_delay=20)
    assert [policy.delay(n) for n in range(1, 10)] == [1, 1, 2, 3, 5, 8, 13, 20, 20]
    assert RetryPolicy(strategy="fibonacci", base_delay=0).delay(9) == 0


def test_a_base_delay_above_the_default_cap_is_its_own_cap() -> None:
    assert RetryPolicy(base_delay=60).delay(3) == 60
    assert RetryPolicy(base_delay=5, max_delay=5).delay(3) == 5


@pytest.mark.parametrize(("strategy", "fifth"), [("immediate", 0), ("linear", 8), ("exponential", 8), ("fibonacci", 8)])
def test_every_strategy_ends_at_the_cap(strategy: Any, fifth: float) -> None:
    assert RetryPolicy(strategy=strategy, base_delay=2, max_delay=8).delay(5) == fifth


OWN = RetryPolicy(max_attempts=4, base_delay=1)


@pytest.mark.parametrize(
    ("retry", "max_retries", "base", "expected"),
    [
        (None, None, None, (4, 1)),
        (None, 2, None, (2, 1)),
        (None, None, 0.5, (4, 0.5)),
        (None, 2, 0.0, (2, 0.0)),
        (RetryPolicy(max_attempts=7, base_delay=3), None, None, (7, 3)),
        (RetryPolicy(max_attempts=7, base_delay=3), 2, None, (2, 3)),
        (RetryPolicy(max_attempts=7, base_delay=3), None, 0.5, (7, 0.5)),
    ],
)
def test_a_call_replaces_the_policy_or_changes_single_values_of_it(
    retry: RetryPolicy | None, max_retries: int | None, base: float | None, expected: tuple[int, float]
) -> None:
    policy = policy_for(OWN, retry_of_call(retry, max_retries, base))
    assert (policy.max_attempts, policy.base_delay) == expected
    assert (OWN.max_attempts, OWN.base_delay) == (4, 1)


@pytest.mark.parametrize("wrong", [{"max_attempts": 0}, {"base_delay": -0.1}, {"base_delay": math.inf}])
def test_an_impossible_change_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"retry_delay_base|max_retries"):
        RetryOverrides(**wrong)


@pytest.mark.parametrize(
    "allowed", [{"initialize_share": 0.9}, {"jitter": 0}, {"jitter": 1}, {"budget_ratio": 0}, {"budget_minimum": 0}]
)
def test_values_up_to_the_ends_of_a_range_are_allowed(allowed: dict[str, Any]) -> None:
    RetryPolicy(**allowed)


@pytest.mark.parametrize("wrong", [{"jitter": -0.1}, {"jitter": 1.1}, {"budget_ratio": 11}, {"initialize_share": 0}])
def test_values_beyond_a_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        RetryPolicy(**wrong)


def test_the_defaults_are_the_documented_ones() -> None:
    policy = RetryPolicy()
    assert (policy.strategy, policy.max_delay, policy.jitter, policy.attempt_timeout) == ("exponential", 30, 0, 30)
    assert (policy.initialize_share, policy.budget_ratio, policy.budget_minimum) == (0.3, 0.2, 10)
    assert policy.max_retry_after == 300
