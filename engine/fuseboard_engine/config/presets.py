"""Presets: policies that belong together, for kinds of adapters. The fields of a file take precedence."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

PresetName = Literal["aggressive", "conservative", "llm", "http"]


class Preset(NamedTuple):
    """Policies by section and field, and a short description of their use."""

    about: str
    sections: dict[str, dict[str, Any]]


PRESETS: dict[PresetName, Preset] = {
    "aggressive": Preset(
        "Stops using a failing adapter quickly and returns to it soon. For many equal adapters and waiting callers: "
        "three failures open, one good probe closes, one short retry.",
        {
            "breaker": {
                "failure_threshold": 3,
                "success_threshold": 1,
                "recovery_timeout": 0.5,
                "max_recovery_timeout": 15.0,
            },
            "retry": {"max_attempts": 2, "base_delay": 0.05, "max_delay": 1.0, "attempt_timeout": 5.0},
        },
    ),
    "conservative": Preset(
        "Uses an adapter as long as possible, and waits long before it probes a failed one. For few adapters, batch "
        "work and services that suffer from every call: half of twenty calls must fail, waits grow to five minutes.",
        {
            "breaker": {
                "failure_threshold": 10,
                "failure_rate": 0.5,
                "minimum_calls": 20,
                "window_seconds": 120.0,
                "success_threshold": 5,
                "recovery_timeout": 30.0,
                "backoff_multiplier": 2.0,
                "max_recovery_timeout": 300.0,
            },
            "retry": {
                "max_attempts": 4,
                "base_delay": 0.5,
                "jitter_kind": "equal",
                "attempt_timeout": 60.0,
                "budget_ratio": 0.1,
            },
        },
    ),
    "llm": Preset(
        "For language models: answers are slow and their duration varies, rate limits are common and say how long to "
        "wait. Long attempts, few retries with full jitter, slow answers count.",
        {
            "breaker": {
                "failure_threshold": 5,
                "slow_call_seconds": 60.0,
                "slow_call_rate": 0.8,
                "minimum_calls": 10,
                "recovery_timeout": 10.0,
                "backoff_multiplier": 2.0,
                "max_recovery_timeout": 120.0,
                "success_threshold": 2,
            },
            "retry": {
                "max_attempts": 2,
                "base_delay": 1.0,
                "max_delay": 20.0,
                "jitter_kind": "full",
                "attempt_timeout": 120.0,
            },
        },
    ),
    "http": Preset(
        "For web services: many calls of less than a second, so failure rates say more than failures in a row. Half "
        "of the calls of the last thirty seconds open; three attempts with jitter.",
        {
            "breaker": {
                "failure_threshold": None,
                "failure_rate": 0.5,
                "minimum_calls": 10,
                "window_seconds": 30.0,
                "slow_call_seconds": 5.0,
                "slow_call_rate": 0.8,
                "recovery_timeout": 5.0,
                "max_recovery_timeout": 60.0,
                "success_threshold": 3,
            },
            "retry": {
                "max_attempts": 3,
                "base_delay": 0.2,
                "max_delay": 5.0,
                "jitter_kind": "equal",
                "attempt_timeout": 10.0,
            },
        },
    ),
}
