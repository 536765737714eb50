"""A breaker's policy in words, from its fields as they were recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fuseboard_console.text.formatting import percent, plural

_WAITS = 3  # how many waits are spelt out before the longest


def policy_words(policy: Mapping[str, Any]) -> str:
    """Return what a policy does: `opens after 5 failures in a row; waits 1 s, 1.5 s, 2.25 s … 60 s; closes ...`.

    A field that was not recorded says nothing.
    """
    parts = [" or ".join(_opens(policy)), _waits(policy), _closes(policy)]
    return "; ".join(part for part in parts if part)


def _opens(policy: Mapping[str, Any]) -> list[str]:
    size, seconds = policy.get("window_size"), policy.get("window_seconds")
    window = f" within {plural(size, 'call')}" if size else f" within {seconds:g} s" if seconds else ""
    rules: list[str] = []
    if threshold := policy.get("failure_threshold"):
        rules.append(f"after {plural(threshold, 'failure')}{window or ' in a row'}")
    least = policy.get("minimum_calls")
    once = f" of {least} calls or more" if least else ""
    if rate := policy.get("failure_rate"):
        rules.append(f"when {percent(rate)} %{once} fail{window}")
    if rate := policy.get("slow_call_rate"):
        rules.append(
            f"when {percent(rate)} %{once} take longer than {policy.get('slow_call_seconds') or 0:g} s{window}"
        )
    return [f"opens {rules[0]}", *rules[1:]] if rules else ["never opens by itself"] if policy else []


def _waits(policy: Mapping[str, Any]) -> str:
    first, factor, most = (
        policy.get(name) for name in ("recovery_timeout", "backoff_multiplier", "max_recovery_timeout")
    )
    if first is None:
        return ""
    cap = max(first, most or 0)
    if not factor or factor <= 1 or not first or cap <= first:
        return f"waits {first:g} s each time"
    waits = [first * factor**step for step in range(_WAITS)]
    shown = ", ".join(f"{wait:.4g} s" for wait in waits if wait < cap)
    return f"waits {shown} … {cap:g} s"


def _closes(policy: Mapping[str, Any]) -> str:
    good, probes = policy.get("success_threshold"), policy.get("half_open_calls")
    if good and probes and probes > good:
        return f"closes after {good} good of {plural(probes, 'probe')}"
    if good:
        return f"closes after {plural(good, 'good probe')}"
    return f"closes when the rates over {plural(probes, 'probe')} allow it" if probes else ""
