"""A slow and simple model of fan-outs: the expected result of scripted durations and outcomes, from the rules alone.

Adapters have one attempt each, breakers never trip, and time is a number. Durations never meet each other, the hedge
delays or the timeout, so the order of events is never in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    """The behaviour of an adapter: takes `seconds`, then answers or fails. An `open` one rejects the call."""

    seconds: float
    answers: bool
    open: bool = False


@dataclass
class Expected:
    """The end time of a fan-out, the answering adapters in order, and the outcome of each adapter."""

    at: float
    answered: list[str] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)


def expected(strategy: str, plans: dict[str, Plan], timeout: float, hedge: float, slots: int) -> Expected:
    """Return the expected result of a fan-out that starts at 0."""
    starts = _hedged_starts(plans, timeout, hedge) if strategy == "hedged" else _slotted_starts(plans, timeout, slots)
    called = {name: at for name, at in starts.items() if not plans[name].open}
    ends = {name: at + plans[name].seconds for name, at in called.items()}
    in_time = sorted((at, name) for name, at in ends.items() if at < timeout and plans[name].answers)
    result = Expected(at=timeout)
    if strategy in ("first_success", "hedged") and in_time:
        result.at = in_time[0][0]
        in_time = in_time[:1]
    result.answered = [name for _, name in in_time]
    for name, plan in plans.items():
        outcome = _outcome(strategy, plan, starts.get(name), result, timeout, first=name == next(iter(plans)))
        if outcome is not None:
            result.outcomes[name] = outcome
    result.cancelled = {name for name, at in called.items() if at < result.at and ends[name] > result.at}
    waits_for_none = strategy in ("first_success", "hedged") and bool(in_time)
    if not waits_for_none and not result.cancelled and "rejected-late" not in result.outcomes.values():
        result.at = max((min(end, timeout) for end in ends.values()), default=0.0)
    result.outcomes = {name: outcome.removesuffix("-late") for name, outcome in result.outcomes.items()}
    return result


def _outcome(
    strategy: str, plan: Plan, start: float | None, result: Expected, timeout: float, *, first: bool
) -> str | None:
    """Return the outcome of one adapter; None if it was not called."""
    if plan.open and start is not None:
        return "rejected"
    if start is None:
        return "rejected-late" if strategy != "hedged" and result.at == timeout else None
    if start >= result.at and result.at < timeout:
        return None
    if start + plan.seconds <= result.at and start + plan.seconds < timeout:
        return "success" if plan.answers else "failure"
    if result.at < timeout or strategy == "best_effort":
        return "cancelled"
    return (
        "failure" if start == 0 and (strategy != "hedged" or first) else "ignored"
    )  # a failure only if it had the full time


def _slotted_starts(plans: dict[str, Plan], timeout: float, slots: int) -> dict[str, float]:
    """Return when each starts: at once while slots are free, then as one frees up; an open one is rejected at once."""
    starts: dict[str, float] = {}
    busy: list[float] = []
    for name, plan in plans.items():
        if plan.open:
            starts[name] = 0.0
            continue
        at = 0.0
        if len(busy) >= slots:
            busy.sort()
            at = busy.pop(0)
        if at < timeout:
            starts[name] = at
            busy.append(min(at + plan.seconds, timeout))
        else:
            busy.append(at)
    return starts


def _hedged_starts(plans: dict[str, Plan], timeout: float, hedge: float) -> dict[str, float]:
    """Return when each starts: `hedge` after the one before, once all so far failed, or once that was rejected."""
    starts: dict[str, float] = {}
    at = 0.0
    ends: list[float] = []
    for name, plan in plans.items():
        if at >= timeout or any(_answered_by(plans[n], s, at) for n, s in starts.items()):
            break
        starts[name] = at
        if plan.open:
            continue  # the next starts at once
        ends.append(at + plan.seconds)
        at = min(at + hedge, max(ends))
    return starts


def _answered_by(plan: Plan, start: float, at: float) -> bool:
    return plan.answers and not plan.open and start + plan.seconds <= at
