"""Presets: policies that go together, for kinds of adapters. What a file says itself wins over them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

PresetName = Literal["aggressive", "conservative", "llm", "http"]


class Preset(NamedTuple):
    """Policies by section and field, and in a sentence or two what they are for."""

    about: str
    sections: dict[str, dict[str, Any]]


PRESETS: dict[PresetName, Preset] = {
    "aggressive": Preset(
        "Gives up on an adapter quickly and is back soon. For many equal adapters and callers who wait: three failures "
        "open, one good probe closes, one short retry.",
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
        "Keeps to an adapter as long as it can, and leaves one that is out alone for long. For few adapters, batch "
        "work and services that are hurt by every call: half of twenty calls must fail, waits grow to five minutes.",
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
        "For language models: answers take long and their time varies, rate limits are common and say when to come "
        "back. Long attempts, few retries with full jitter, slow answers count.",
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
        "For web services: calls take less than seconds and there are many, so shares say more than failures in a row. "
        "Half of the calls of the last thirty seconds open; three attempts with jitter.",
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
