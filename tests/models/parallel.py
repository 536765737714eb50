"""Fan-outs as a slow and obvious model: what must come of scripts of durations and outcomes, from the rules alone.

Adapters have one attempt each, breakers never trip, and time is a number. Durations never meet each other, the hedge
delays or the timeout, so the order of events is never in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    """What an adapter does when asked: takes so long, then answers or fails. An `open` one refuses."""

    seconds: float
    answers: bool
    open: bool = False


@dataclass
class Expected:
    """When the fan-out returns, who answered in which order, and how each adapter's part ended."""

    at: float
    answered: list[str] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)


def expected(strategy: str, plans: dict[str, Plan], timeout: float, hedge: float, slots: int) -> Expected:
    """Return what must come of a fan-out that begins at 0."""
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
    """How one adapter's part ended; None: it never had its turn."""
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
    return "failure" if start == 0 and (strategy != "hedged" or first) else "ignored"  # had it all the time?


def _slotted_starts(plans: dict[str, Plan], timeout: float, slots: int) -> dict[str, float]:
    """When each begins: at once while there are slots, then each time one frees; an open one is refused at once."""
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
    """When each begins: the next when the last began `hedge` ago, when all so far have failed, or was refused."""
    starts: dict[str, float] = {}
    at = 0.0
    ends: list[float] = []
    for name, plan in plans.items():
        if at >= timeout or any(_answered_by(plans[n], s, at) for n, s in starts.items()):
            break
        starts[name] = at
        if plan.open:
            continue  # the next has its turn at once
        ends.append(at + plan.seconds)
        at = min(at + hedge, max(ends))
    return starts


def _answered_by(plan: Plan, start: float, at: float) -> bool:
    return plan.answers and not plan.open and start + plan.seconds <= at
