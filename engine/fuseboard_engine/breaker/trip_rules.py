"""Trip rules: when a closed breaker opens, and when a round of probes closes or reopens it. Pure functions.

A trip rule is a field of `BreakerPolicy` that turns it on, a function that evaluates it, and a phrase that describes
it. To add one, add the field and an entry in `TRIP_RULES`: the breaker and the console's wording follow from it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from fuseboard_engine.breaker.sliding_window import Window
from fuseboard_engine.runtime.formatting import percent, plural, slow_probe_text

if TYPE_CHECKING:
    from fuseboard_engine.breaker.policy import BreakerPolicy


class Counts(msgspec.Struct, gc=False, eq=False):
    """What a trip rule is evaluated on.

    Attributes:
        window: the outcomes in the current window.
        failures: failures that count towards `failure_threshold`: those in the policy's window, or in a row where
            the policy has no window.
        overdue: calls in flight that are already slow.
        minimum: how many calls the window must hold before a rate is judged.
    """

    window: Window
    failures: int
    overdue: int
    minimum: int


@dataclass(frozen=True, slots=True)
class TripRule:
    """One reason for a closed breaker to open.

    Attributes:
        field: the policy field that turns the rule on when it is not None.
        reason: the `reason` of the `StateChanged` event.
        evaluate: returns the `detail` of that event when the rule is met, otherwise an empty text.
        describe: returns the rule as a phrase that continues "opens", from a policy's fields as recorded.
        consecutive_only: whether a success only resets the count that the rule reads. The breaker takes its lock-free
            fast path while all active rules are of this kind.
    """

    field: str
    reason: str
    evaluate: Callable[[BreakerPolicy, Counts], str]
    describe: Callable[[Mapping[str, Any]], str]
    consecutive_only: bool = False


def has_window(policy: BreakerPolicy) -> bool:
    """Return whether a policy counts failures in a window; otherwise it counts failures in a row."""
    return policy.window_size is not None or policy.window_seconds is not None


def minimum_calls(policy: BreakerPolicy) -> int:
    """Return how many calls the window must hold before a rate is judged."""
    size = policy.window_size
    return policy.minimum_calls if size is None else min(policy.minimum_calls, size)


def _enough_failures(policy: BreakerPolicy, counts: Counts) -> str:
    threshold = policy.failure_threshold
    if threshold is None or counts.failures < threshold:
        return ""
    return f"{counts.failures} failures{'' if has_window(policy) else ' in a row'}"


def _failure_rate(policy: BreakerPolicy, counts: Counts) -> str:
    rate, calls, failed = policy.failure_rate, counts.window.calls, counts.window.failed
    # Division, not multiplication: 11 of 20 is a rate of 0.55, though 0.55 * 20 comes out above 11.
    if rate is None or calls < counts.minimum or failed / calls < rate:
        return ""
    return f"{failed} of {calls} calls failed"


def _slow_call_rate(policy: BreakerPolicy, counts: Counts) -> str:
    rate, calls, slow = policy.slow_call_rate, counts.window.calls + counts.overdue, counts.window.slow + counts.overdue
    if rate is None or calls < counts.minimum or slow / calls < rate:
        return ""
    return f"{slow} of {calls} calls were slower than {policy.slow_call_seconds} s"


def _window_phrase(fields: Mapping[str, Any]) -> str:
    size, seconds = fields.get("window_size"), fields.get("window_seconds")
    return f" within {plural(size, 'call')}" if size else f" within {seconds:g} s" if seconds else ""


def _rate_phrase(fields: Mapping[str, Any], rate: float, verb: str) -> str:
    least = fields.get("minimum_calls")
    return f"when {percent(rate)} %{f' of {least} calls or more' if least else ''} {verb}{_window_phrase(fields)}"


def _describe_failures(fields: Mapping[str, Any]) -> str:
    return f"after {plural(fields['failure_threshold'], 'failure')}{_window_phrase(fields) or ' in a row'}"


def _describe_failure_rate(fields: Mapping[str, Any]) -> str:
    return _rate_phrase(fields, fields["failure_rate"], "fail")


def _describe_slow_call_rate(fields: Mapping[str, Any]) -> str:
    limit = fields.get("slow_call_seconds") or 0
    return _rate_phrase(fields, fields["slow_call_rate"], f"take longer than {limit:g} s")


TRIP_RULES = (
    TripRule("failure_threshold", "failures", _enough_failures, _describe_failures, consecutive_only=True),
    TripRule("failure_rate", "failure_rate", _failure_rate, _describe_failure_rate),
    TripRule("slow_call_rate", "slow_call_rate", _slow_call_rate, _describe_slow_call_rate),
)
"""The trip rules in the order in which they are evaluated; the first that is met opens the breaker."""


@functools.cache
def _shared(rules: tuple[TripRule, ...]) -> tuple[TripRule, ...]:
    return rules


def active_rules(policy: BreakerPolicy) -> tuple[TripRule, ...]:
    """Return the rules that a policy turns on. Breakers with the same rules share one tuple."""
    return _shared(tuple(rule for rule in TRIP_RULES if getattr(policy, rule.field) is not None))


def describe_rules(fields: Mapping[str, Any]) -> list[str]:
    """Return a phrase for each rule that a recorded policy turns on: `after 5 failures in a row`."""
    return [rule.describe(fields) for rule in TRIP_RULES if fields.get(rule.field)]


class ProbeVerdict(NamedTuple):
    """What a round of probes decided. `closes`: the breaker closes, otherwise it opens again."""

    closes: bool
    detail: str


def probes_per_round(policy: BreakerPolicy) -> int:
    """Return how many probes a half-open round has at most."""
    return policy.half_open_calls or policy.success_threshold or 1


def judge_probes(
    policy: BreakerPolicy, window: Window, successes: int, slow: float | None = None
) -> ProbeVerdict | None:
    """Return the verdict of a round of probes as soon as it is certain; None before.

    Args:
        policy: `success_threshold` decides, or the rates over the round where it is None.
        window: the probes that have reported.
        successes: how many of them were neither failed nor slow.
        slow: how many seconds the probe that reported last took, if it was slow and did not fail.
    """
    probes = probes_per_round(policy)
    needed = policy.success_threshold
    if needed is not None:
        if successes >= needed:
            return ProbeVerdict(True, plural(successes, "good probe"))
        bad = window.calls - successes
        if bad > probes - needed:
            only_slow = bad - window.failed  # a probe that failed may have been slow too
            if only_slow == bad:
                return ProbeVerdict(False, _slow_probes_text(bad, f"at most {plural(probes, 'probe')}", policy, slow))
            how = "failed or were slow" if only_slow else "failed"
            return ProbeVerdict(False, f"{bad} of at most {plural(probes, 'probe')} {how}")
        return None
    rates = ((policy.failure_rate, window.failed), (policy.slow_call_rate, window.slow))
    (failure_rate, failed), (slow_rate, slow_ones) = rates
    if failure_rate is not None and failed / probes >= failure_rate:
        return ProbeVerdict(False, f"{failed} of {plural(probes, 'probe')} failed")
    if slow_rate is not None and slow_ones / probes >= slow_rate:
        return ProbeVerdict(False, _slow_probes_text(slow_ones, plural(probes, "probe"), policy, slow))
    left = probes - window.calls
    if all(rate is None or (count + left) / probes < rate for rate, count in rates):
        return ProbeVerdict(True, plural(window.calls, "good probe"))
    return None


def _slow_probes_text(count: int, of: str, policy: BreakerPolicy, last: float | None) -> str:
    """Return that `count` probes were slow. `last` is the seconds of the last one, if they are known."""
    limit = policy.slow_call_seconds
    took = "" if last is None or limit is None else slow_probe_text(last, limit)
    if took and count == 1:
        return took
    return f"{count} of {of} {'was' if count == 1 else 'were'} slow" + (f"; the last {took}" if took else "")
