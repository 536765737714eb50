"""Validation of policies, and the limits of their waits."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.retry.policy import RetryPolicy

NOT_NUMBERS = [float("nan"), float("inf"), float("-inf")]


def test_the_defaults_are_the_documented_ones() -> None:
    breaker, retry = BreakerPolicy(), RetryPolicy()
    assert (breaker.failure_threshold, breaker.minimum_calls, breaker.success_threshold) == (5, 10, 3)
    assert (breaker.recovery_timeout, breaker.backoff_multiplier, breaker.max_recovery_timeout) == (1, 1.5, 60)
    assert (breaker.jitter, breaker.half_open_concurrency, breaker.probe_lease) == (0.1, 1, None)
    assert (retry.max_attempts, retry.strategy) == (3, "exponential")
    assert [retry.delay(1), retry.delay(2)] == [0.1, 0.2]


@pytest.mark.parametrize("value", [*NOT_NUMBERS, -1])
@pytest.mark.parametrize("field", list(BreakerPolicy.model_fields))
def test_a_breaker_policy_refuses_numbers_that_are_negative_or_not_finite(field: str, value: float) -> None:
    with pytest.raises(ValidationError):
        BreakerPolicy(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [*NOT_NUMBERS, -1])
@pytest.mark.parametrize("field", ["max_attempts", "base_delay", "max_delay", "jitter", "attempt_timeout"])
def test_a_retry_policy_refuses_numbers_that_are_negative_or_not_finite(field: str, value: float) -> None:
    with pytest.raises(ValidationError):
        RetryPolicy(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"window_size": 5, "window_seconds": 5}, "not both"),
        ({"slow_call_rate": 0.5}, "need each other"),
        ({"slow_call_seconds": 1}, "need each other"),
        ({"recovery_timeout": 10, "max_recovery_timeout": 5}, "below recovery_timeout"),
        ({"success_threshold": None}, "how many probes decide"),
        ({"success_threshold": None, "half_open_calls": 3}, "must be set"),
        ({"success_threshold": 4, "half_open_calls": 3}, "can never come"),
        ({"failure_threshold": 6, "window_size": 5}, "never fit the window"),
        ({"failure_rate": 0}, "greater than 0"),
        ({"failure_rate": 1.1}, "less than or equal to 1"),
        ({"window_size": 10**12}, "less than or equal to"),
        ({"recovery_timeout": 1e300}, "less than or equal to"),
        ({"recovery_timout": 1}, "Extra inputs"),
    ],
)
def test_contradictory_settings_are_refused_and_the_error_says_why(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        BreakerPolicy(**fields)


def test_the_default_threshold_does_not_forbid_a_small_window() -> None:
    assert BreakerPolicy(window_size=3, failure_rate=0.5).window_size == 3


def test_a_policy_is_immutable() -> None:
    with pytest.raises(ValidationError):
        BreakerPolicy().failure_threshold = 1  # type: ignore[misc]


def test_a_recovery_timeout_above_the_default_cap_is_its_own_cap() -> None:
    assert BreakerPolicy(recovery_timeout=600).wait(5) == 600


waits = st.floats(0, 1e9)


@given(waits, st.floats(1, 1e6), waits, st.integers(0, 10**12))
def test_a_wait_never_shrinks_and_stays_between_start_and_cap(
    start: float, factor: float, extra: float, openings: int
) -> None:
    policy = BreakerPolicy(recovery_timeout=start, backoff_multiplier=factor, max_recovery_timeout=start + extra)
    wait = policy.wait(openings)
    assert start <= wait <= start + extra
    assert policy.wait(openings + 1) >= wait


@given(
    st.sampled_from(["immediate", "linear", "exponential", "fibonacci"]),
    st.sampled_from(["none", "proportional", "full", "equal"]),
    waits,
    waits,
    st.floats(0, 1),
    st.integers(0, 10**12),
    st.floats(0, 1, exclude_max=True),
)
def test_a_delay_is_never_negative_and_never_beyond_its_cap_and_jitter(
    strategy: Any, kind: Any, base: float, extra: float, jitter: float, retry: int, random: float
) -> None:
    policy = RetryPolicy(strategy=strategy, jitter_kind=kind, base_delay=base, max_delay=base + extra, jitter=jitter)
    delay = policy.delay(retry, random)
    assert math.isfinite(delay)
    assert 0 <= delay <= (base + extra) * (1 + jitter)


def test_jitter_of_kind_none_adds_nothing() -> None:
    assert RetryPolicy(jitter_kind="none", jitter=1, base_delay=1).delay(1, 0.9) == 1
