"""The moments of a scenario at which a condition holds: the basis of `never` and `eventually`."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from fuseboard_engine.events import Event
from fuseboard_engine.scenario_file.expectations import EVENT_TYPES, MomentPart
from fuseboard_engine.scenario_outcome.outcome import Outcome, Scope


def moments(part: MomentPart, outcome: Outcome, scope: Scope) -> Iterator[float]:
    """Yield the seconds at which a condition begins to hold, in order; each must be in the scope."""
    yield from next(find for name, find in _FINDERS.items() if getattr(part, name) is not None)(part, outcome, scope)


def describe(part: MomentPart) -> str:
    """Return a condition as a clause, as in `gpt is open`."""
    if part.state is not None:
        return " and ".join(f"{name} is {state}" for name, state in part.state.items())
    if part.called is not None:
        return f"{part.called} is called"
    if part.success_rate_below is not None:
        return f"less than {part.success_rate_below:.1%} of the tasks of {part.over:g} s succeed"
    if part.slower_than is not None:
        return f"a task takes longer than {part.slower_than:g} s"
    where = ", ".join(f"{name}: {value}" for name, value in part.where.items())
    return f"an event {part.event}" + (where and f" with {where}")


def watched_events(parts: Iterator[MomentPart]) -> frozenset[type[Event]]:
    """Return the types of the events that conditions ask for."""
    return frozenset(EVENT_TYPES[part.event] for part in parts if part.event is not None)


def _states(part: MomentPart, outcome: Outcome, scope: Scope) -> Iterator[float]:
    states = part.state or {}
    periods = (outcome.periods(engine, states, scope) for engine in outcome.engines_in(scope))
    for since, _ in heapq.merge(*periods):
        yield max(since, 0.0)


def _calls(part: MomentPart, outcome: Outcome, scope: Scope) -> Iterator[float]:
    yield from outcome.calls(part.called or "", scope)


def _slow_tasks(part: MomentPart, outcome: Outcome, scope: Scope) -> Iterator[float]:
    for route in outcome.routes(scope):
        if route.ended - route.began > (part.slower_than or 0.0):
            yield route.ended


def _low_rates(part: MomentPart, outcome: Outcome, scope: Scope) -> Iterator[float]:
    over, least = part.over or 0.0, part.success_rate_below or 0.0
    window: deque[tuple[float, bool]] = deque()
    succeeded, low = 0, False
    for route in outcome.routes(scope):
        window.append((route.ended, route.kind.success))
        succeeded += route.kind.success
        while window[0][0] <= route.ended - over:
            succeeded -= window.popleft()[1]
        if route.ended - over < max(scope.since, 0.0):
            continue  # the window is not whole yet
        was_low, low = low, succeeded < least * len(window)
        if low and not was_low:
            yield route.ended


def _events(part: MomentPart, outcome: Outcome, scope: Scope) -> Iterator[float]:
    wanted = EVENT_TYPES[part.event or ""]
    for event, engine in outcome.kept:
        at = outcome.seconds(event)
        if scope.engine not in (None, engine):
            continue
        if type(event) is wanted and scope.covers(at) and _matches(event, part.where, scope):
            yield at


def _matches(event: Event, where: dict[str, Any], scope: Scope) -> bool:
    if scope.type is not None and getattr(event, "task_type", scope.type) != scope.type:
        return False
    fields = event.to_dict()
    return all(fields.get(name, getattr(event, name, None)) == value for name, value in where.items())


_FINDERS: dict[str, Callable[[MomentPart, Outcome, Scope], Iterator[float]]] = {
    "state": _states,
    "called": _calls,
    "success_rate_below": _low_rates,
    "slower_than": _slow_tasks,
    "event": _events,
}
"""What finds the moments of each condition, by its field."""
