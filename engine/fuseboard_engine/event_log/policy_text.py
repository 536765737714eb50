"""A breaker policy as text, from its fields as an event or a recording holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fuseboard_engine.breaker.trip_rules import describe_rules
from fuseboard_engine.runtime.formatting import plural

MAX_FIGURE = 1e15
_LISTED_WAITS = 3  # waits named one by one before the longest


def policy_text(policy: Mapping[str, Any]) -> str:
    """Return what a policy does: `opens after 5 failures in a row; waits 1 s, 1.5 s, 2.25 s … 60 s; closes ...`.

    Fields that are missing in `policy` are left out.
    """
    policy = {name: value for name, value in policy.items() if _is_figure(value)}
    parts = [" or ".join(_trip_rules(policy)), _open_waits(policy), _closing_rule(policy)]
    return "; ".join(part for part in parts if part)


def _is_figure(value: object) -> bool:
    """Return whether a recorded value is a number that a policy can have. A damaged row may hold anything."""
    return type(value) in (int, float) and 0 <= value < MAX_FIGURE  # type: ignore[operator]


def _trip_rules(policy: Mapping[str, Any]) -> list[str]:
    rules = describe_rules(policy)
    return [f"opens {rules[0]}", *rules[1:]] if rules else ["never opens by itself"] if policy else []


def _open_waits(policy: Mapping[str, Any]) -> str:
    first, factor, longest = (
        policy.get(name) for name in ("recovery_timeout", "backoff_multiplier", "max_recovery_timeout")
    )
    if first is None:
        return ""
    cap = max(first, longest or 0)
    if not factor or factor <= 1 or not first or cap <= first:
        return f"waits {first:g} s each time"
    waits = [first * factor**step for step in range(_LISTED_WAITS)]
    listed = ", ".join(f"{wait:.4g} s" for wait in waits if wait < cap)
    return f"waits {listed} … {cap:g} s"


def _closing_rule(policy: Mapping[str, Any]) -> str:
    successes, probes = policy.get("success_threshold"), policy.get("half_open_calls")
    if successes and probes and probes > successes:
        return f"closes after {successes} good of {plural(probes, 'probe')}"
    if successes:
        return f"closes after {plural(successes, 'good probe')}"
    return f"closes when the rates over {plural(probes, 'probe')} allow it" if probes else ""
