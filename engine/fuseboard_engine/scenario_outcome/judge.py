"""Compares what happened in a scenario with its expectations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

from fuseboard_engine.dead_letters.letter import ACTIVE
from fuseboard_engine.events import Event, State
from fuseboard_engine.scenario_file.expectations import CountLimits, ExpectPart, Limits, MomentPart, ShareLimits
from fuseboard_engine.scenario_outcome.moments import describe, moments, watched_events
from fuseboard_engine.scenario_outcome.outcome import Fault, Outcome, Route, Scope


class Failure(NamedTuple):
    """An expectation that failed: its place in the file, what happened instead, and when; `at` is None if never."""

    place: str
    text: str
    at: float | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def judge(expect: Sequence[ExpectPart], duration: float, outcome: Outcome) -> tuple[Failure, ...]:
    """Return the expectations of a scenario that failed. One in which no task ran fails, whatever it expects.

    Args:
        expect: the sets of expectations.
        duration: the seconds that the scenario lasts.
        outcome: what happened in it.
    """
    if not outcome.kinds():
        return (Failure("traffic", "no task ran; raise per_second or duration"),)
    failures: list[Failure] = []
    for number, part in enumerate(expect):
        prefix = "" if len(expect) == 1 else f"expect.{number}."
        failures.extend(failures_of(part, outcome, duration, prefix))
    return tuple(failures)


def failures_of(part: ExpectPart, outcome: Outcome, duration: float = inf, prefix: str = "") -> Iterator[Failure]:
    """Yield the expectations of one set that failed; their places begin with `prefix`."""
    scope, suffix = scope_of(part, duration), _limits_text(part)
    for name, check in _CHECKS.items():
        value = getattr(part, name)
        if value is None or value == {} or value == ():
            continue
        for failure in check(value, outcome, scope):
            place = ".".join(filter(None, (name, failure.place)))
            yield Failure(f"{prefix}{place}{suffix}", failure.text, failure.at)


def scope_of(part: ExpectPart, duration: float) -> Scope:
    """Return what counts for a set of expectations. The end of the scenario includes the tasks that end after it."""
    since, until = part.between or (-inf, inf)
    return Scope(part.type, since, inf if until >= duration else until, part.engine)


def events_to_keep(expect: Iterable[ExpectPart]) -> frozenset[type[Event]]:
    """Return the types of the events that the expectations ask for."""
    return watched_events(moment for part in expect for moment in (*part.never, *part.eventually))


def _limits_text(part: ExpectPart) -> str:
    between = "" if part.between is None else f"{part.between[0]:g} to {part.between[1]:g} s"
    limits = ", ".join(filter(None, (part.engine, part.type, between)))
    return f" ({limits})" if limits else ""


# ---------------------------------------------------------------- numbers


def _outside(limits: Limits, number: float) -> str:
    """Return what was expected if a number is outside limits; an empty text if it is within them."""
    write = "{:.1%}".format if isinstance(limits, ShareLimits) else "{:g}".format
    if limits.at_least is not None and number < limits.at_least:
        return f"expected {write(limits.at_least)} or more"
    if limits.at_most is not None and number > limits.at_most:
        return f"expected {write(limits.at_most)} or less"
    return ""


def _share(
    limits: ShareLimits, routes: list[Route], meets: Callable[[Route], bool], words: tuple[str, str]
) -> Iterator[Failure]:
    """Check the share of routes that meet a condition; `words` call the first that does not, and that does."""
    if not routes:
        yield Failure("", "no task ended")
        return
    good = [route.ended for route in routes if meets(route)]
    if expected := _outside(limits, share := len(good) / len(routes)):
        bad = [route.ended for route in routes if not meets(route)]
        low = limits.at_least is not None and share < limits.at_least
        at = (bad if low else good)[0]
        text = f"{share:.1%} of {len(routes)} tasks, {expected}; the first {words[0 if low else 1]} {moment(at)}"
        yield Failure("", text, at)


def _count(limits: CountLimits, found: list[float], noun: str, place: str = "") -> Iterator[Failure]:
    """Check a number of things that happened."""
    if expected := _outside(limits, len(found)):
        text, at = f"{len(found)} {noun}{'' if len(found) == 1 else 's'}, {expected}", None
        if limits.at_most is not None and len(found) > limits.at_most:
            at = found[int(limits.at_most)]
            text += f"; one more than that {moment(at)}"
        elif found:
            at = found[-1]
            text += f"; the last one {moment(at)}"
        yield Failure(place, text, at)


def _success_rate(limits: ShareLimits, outcome: Outcome, scope: Scope) -> Iterator[Failure]:
    words = ("without an answer", "with an answer")
    yield from _share(limits, list(outcome.routes(scope)), lambda route: route.kind.success, words)


def _degraded_rate(limits: ShareLimits, outcome: Outcome, scope: Scope) -> Iterator[Failure]:
    words = ("without a degraded answer", "with a degraded answer")
    yield from _share(limits, list(outcome.routes(scope)), lambda route: route.kind.degraded, words)


def _degraded(limits: CountLimits, outcome: Outcome, scope: Scope) -> Iterator[Failure]:
    yield from _count(limits, [route.ended for route in outcome.routes(scope) if route.kind.degraded], "task")


def _answered(limits: Mapping[str, CountLimits], outcome: Outcome, scope: Scope) -> Iterator[Failure]:
    for adapter, limit in limits.items():
        found = [route.ended for route in outcome.answers(scope) if route.kind.adapter == adapter]
        yield from _count(limit, found, "task", adapter)


def _calls(limits: Mapping[str, CountLimits], outcome: Outcome, scope: Scope) -> Iterator[Failure]:
    for adapter, limit in limits.items():
        yield from _count(limit, outcome.calls(adapter, scope), "call", adapter)


def _dead_letters(limits: CountLimits, outcome: Outcome, scope: Scope) -> Iterator[Failure]:
    yield from _count(limits, _letters(outcome, scope), "dead letter")


def _dead_letters_left(limits: CountLimits, outcome: Outcome, scope: Scope) -> Iterator[Failure]:
    yield from _count(limits, _letters(outcome, scope, ACTIVE), "dead letter")


def _letters(outcome: Outcome, scope: Scope, statuses: tuple[str, ...] | None = None) -> list[float]:
    return sorted(
        letter.at
        for letter in outcome.letters.values()
        if scope.covers(letter.at)
        and scope.includes(letter.engine, letter.type)
        and (statuses is None or letter.status in statuses)
    )


# ---------------------------------------------------------------- breakers


def _states(expected: Mapping[str, tuple[State, ...]], outcome: Outcome, scope: Scope) -> Iterator[Failure]:
    for adapter, states in expected.items():
        for engine in outcome.engines_in(scope):
            seen = [state for _, state in outcome.states(engine, adapter, scope)]
            remaining = iter(seen)
            if not all(state in remaining for state in states):
                at = _last_change(outcome, engine, adapter, scope)
                text = f"was {' → '.join(seen)}, expected {' → '.join(states)} within it; {_change_text(at)}"
                yield Failure(adapter, _in_engine(engine, outcome, scope) + text, at)


def _end(expected: Mapping[str, State], outcome: Outcome, scope: Scope) -> Iterator[Failure]:
    for adapter, state in expected.items():
        for engine in outcome.engines_in(scope):
            last = outcome.states(engine, adapter, scope)[-1][1]
            if last != state:
                at = _last_change(outcome, engine, adapter, scope)
                text = f"{last}, expected {state}; {_change_text(at)}"
                yield Failure(adapter, _in_engine(engine, outcome, scope) + text, at)


def _in_engine(engine: str, outcome: Outcome, scope: Scope) -> str:
    """Return the beginning of a text about an engine, where several count."""
    return f"in {engine}: " if len(outcome.engines_in(scope)) > 1 else ""


def _last_change(outcome: Outcome, engine: str, adapter: str, scope: Scope) -> float | None:
    changes = [change.at for change in outcome.changes.get((engine, adapter), []) if change.at <= scope.until]
    return changes[-1] if changes else None


def _change_text(at: float | None) -> str:
    return "its state never changed" if at is None else f"its last change {moment(at)}"


# ---------------------------------------------------------------- routes and faults


def _route(expected: tuple[str, ...], outcome: Outcome, scope: Scope) -> Iterator[Failure]:
    routes = list(outcome.routes(scope))
    others = [route for route in routes if not route.kind.success or route.kind.tried != expected]
    if not routes:
        yield Failure("", "no task ended")
    elif others:
        first = others[0]
        tried = " → ".join(first.kind.tried) or "no adapter"
        end = "" if first.kind.success else ", and no answer"
        text = f"{len(others)} of {len(routes)} tasks went another way, expected {' → '.join(expected)}; the first "
        yield Failure("", f"{text}{moment(first.ended)}: {tried}{end}", first.ended)


def _failover_within(expected: Mapping[str, float], outcome: Outcome, scope: Scope) -> Iterator[Failure]:
    over = [route for route in outcome.answers(_always(scope)) if len(route.kind.tried) > 1]
    for adapter, seconds in expected.items():
        taken = [route for route in over if adapter in route.kind.tried and route.kind.adapter != adapter]
        faults = _faults(adapter, outcome, scope)
        if not faults:
            yield Failure(adapter, "it had no fault")
        for fault in faults:
            ends = (route.ended for route in taken if route.kind.engine == fault.engine and route.began >= fault.began)
            end = next(ends, inf)
            yield from _in_time(adapter, "its fault began", fault.began, end, seconds, "another adapter answered")


def _recovered_within(expected: Mapping[str, float], outcome: Outcome, scope: Scope) -> Iterator[Failure]:
    for adapter, seconds in expected.items():
        answers = [route for route in outcome.answers(_always(scope)) if route.kind.adapter == adapter]
        faults = [fault for fault in _faults(adapter, outcome, scope) if fault.ended is not None]
        if not faults:
            yield Failure(adapter, "no fault of it ended")
        for fault in faults:
            end = inf if fault.ended is None else fault.ended
            after = (route.ended for route in answers if route.kind.engine == fault.engine and route.ended >= end)
            yield from _in_time(adapter, "its fault ended", end, next(after, inf), seconds, "it answered again")


def _always(scope: Scope) -> Scope:
    """Return a scope of any time."""
    return scope._replace(since=-inf, until=inf)


def _faults(adapter: str, outcome: Outcome, scope: Scope) -> list[Fault]:
    return [
        fault
        for fault in outcome.faults
        if fault.adapter == adapter and scope.covers(fault.began) and scope.engine in (None, fault.engine)
    ]


def _in_time(adapter: str, began: str, since: float, until: float, seconds: float, what: str) -> Iterator[Failure]:
    if until == inf:
        yield Failure(adapter, f"{began} {moment(since)}; {what}: never, expected within {seconds:g} s", since)
    elif until - since > seconds:
        took = f"{what} after {until - since:.2f} s, expected within {seconds:g} s"
        yield Failure(adapter, f"{began} {moment(since)}; {took}", since)


# ---------------------------------------------------------------- moments


def _never(parts: tuple[MomentPart, ...], outcome: Outcome, scope: Scope) -> Iterator[Failure]:
    for number, part in enumerate(parts):
        at = next(moments(part, outcome, scope), None)
        if at is not None:
            yield Failure(_number(number, parts), f"{describe(part)} {moment(at)}", at)


def _eventually(parts: tuple[MomentPart, ...], outcome: Outcome, scope: Scope) -> Iterator[Failure]:
    for number, part in enumerate(parts):
        if next(moments(part, outcome, scope), None) is None:
            until = None if scope.until == inf else scope.until
            yield Failure(_number(number, parts), f"at no moment {describe(part)}", until)


def _number(number: int, parts: tuple[MomentPart, ...]) -> str:
    return "" if len(parts) == 1 else str(number)


def moment(at: float) -> str:
    """Return a moment as a phrase, as in `at 2.4 s`."""
    return f"at {at:.1f} s"


_CHECKS: dict[str, Callable[[Any, Outcome, Scope], Iterator[Failure]]] = {
    "success_rate": _success_rate,
    "states": _states,
    "end": _end,
    "answered": _answered,
    "calls": _calls,
    "route": _route,
    "failover_within": _failover_within,
    "recovered_within": _recovered_within,
    "degraded": _degraded,
    "degraded_rate": _degraded_rate,
    "dead_letters": _dead_letters,
    "dead_letters_left": _dead_letters_left,
    "never": _never,
    "eventually": _eventually,
}
"""What checks each field of a set of expectations."""
