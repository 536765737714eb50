"""The delays of a retry policy."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fuseboard_engine import RetryPolicy


def delays(policy: RetryPolicy, retries: int = 4, random: float = 0.0) -> list[float]:
    return [policy.delay(n, random) for n in range(1, retries + 1)]


def test_the_default_waits_a_tenth_then_two_tenths_of_a_second_with_three_attempts() -> None:
    policy = RetryPolicy()
    assert policy.max_attempts == 3
    assert delays(policy, 2) == [0.1, 0.2]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("immediate", [0, 0, 0, 0]),
        ("linear", [1.5, 3, 4.5, 6]),
        ("exponential", [1.5, 3, 6, 12]),
        ("fibonacci", [1.5, 1.5, 3, 4.5]),
    ],
)
def test_each_strategy_grows_in_its_own_way(strategy: str, expected: list[float]) -> None:
    assert delays(RetryPolicy(strategy=strategy, base_delay=1.5)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("strategy", ["linear", "exponential", "fibonacci"])
def test_no_number_of_attempts_overflows_the_cap(strategy: str) -> None:
    policy = RetryPolicy(strategy=strategy, base_delay=1, max_delay=30)  # type: ignore[arg-type]
    assert policy.delay(1100) == 30
    assert policy.delay(10**9) == 30


def test_jitter_is_added_after_the_cap_so_that_clients_at_the_cap_still_spread_out() -> None:
    policy = RetryPolicy(base_delay=1, max_delay=10, jitter=0.5)
    assert policy.delay(50, 0.0) == 10
    assert policy.delay(50, 0.5) == 12.5


def test_full_jitter_is_anywhere_below_the_delay_and_equal_jitter_in_its_upper_half() -> None:
    full = RetryPolicy(base_delay=8, jitter_kind="full")
    equal = RetryPolicy(base_delay=8, jitter_kind="equal")
    assert [full.delay(1, r) for r in (0.0, 0.5)] == [0, 4]
    assert [equal.delay(1, r) for r in (0.0, 0.5)] == [4, 6]


@given(
    strategy=st.sampled_from(["immediate", "linear", "exponential", "fibonacci"]),
    kind=st.sampled_from(["proportional", "full", "equal"]),
    base=st.floats(0, 1e6),
    cap=st.floats(0, 1e6),
    jitter=st.floats(0, 1),
    retry=st.integers(0, 10**6),
    random=st.floats(0, 1, exclude_max=True),
)
def test_a_delay_is_finite_never_negative_and_at_most_the_cap_and_its_jitter(
    strategy: str, kind: str, base: float, cap: float, jitter: float, retry: int, random: float
) -> None:
    policy = RetryPolicy(
        strategy=strategy,  # type: ignore[arg-type]
        jitter_kind=kind,  # type: ignore[arg-type]
        base_delay=base,
        max_delay=max(base, cap),
        jitter=jitter,
    )
    delay = policy.delay(retry, random)
    assert math.isfinite(delay)
    assert 0 <= delay <= max(base, cap) * (1 + jitter) * (1 + 1e-9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"base_delay": -1},
        {"base_delay": math.inf},
        {"base_delay": math.nan},
        {"base_delay": 5, "max_delay": 1},
        {"jitter": 2},
        {"strategy": "cubic"},
        {"attempt_timeout": 0},
        {"budget_ratio": -0.1},
        {"budget_minimum": -1},
        {"max_atempts": 3},
    ],
)
def test_an_impossible_policy_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RetryPolicy(**wrong)  # type: ignore[arg-type]
