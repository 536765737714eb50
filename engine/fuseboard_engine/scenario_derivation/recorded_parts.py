"""Recorded calls as the parts of a scenario: those in a row that went alike, or those of a span of time together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, TypeVar

from fuseboard_engine.scenario_derivation.observed_calls import Failure, ObservedCalls

T = TypeVar("T")

LONGEST_RUN: Final = 100
"""Calls in one part at most, so that a latency that changes slowly keeps its order."""

SAMPLE: Final = 20
"""Durations that stand for the calls of a span."""


def exact_parts(calls: ObservedCalls) -> list[dict[str, Any]]:
    """Return one part for each run of calls that ended alike, with the duration of every call."""
    parts = []
    for (place, _), run in groupby(_in_order(calls), key=lambda n: (calls.outcomes[n], calls.first_items[n] >= 0)):
        numbers = list(run)
        for first in range(0, len(numbers), LONGEST_RUN):
            some = numbers[first : first + LONGEST_RUN]
            parts.append(_part(calls, some, calls.failures[place], some))
    return parts


def spans(calls: ObservedCalls, most: int) -> list[dict[str, Any]]:
    """Return at most `most` parts, each for about as many calls: some of their durations, and the share that failed."""
    numbers = _in_order(calls)
    size = max(1, -(-len(numbers) // most))
    parts = []
    for first in range(0, len(numbers), size):
        some = numbers[first : first + size]
        failed = Counter(calls.outcomes[n] for n in some if calls.outcomes[n])
        failure = calls.failures[failed.most_common(1)[0][0]] if failed else calls.failures[0]
        part = _part(calls, some, failure, _sample(some, calls.seconds.__getitem__))
        if failed and failed.total() < len(some):
            part["failing"] = _rounded(failed.total() / len(some))
        if len(part["seconds"]) < len(some):
            part["calls"] = len(some)
        parts.append(part)
    return parts


def counted_parts(calls: ObservedCalls, most: int) -> list[dict[str, Any]]:
    """Return at most `most` parts for the calls of which a recording holds only the number."""
    size = max(1, -(-len(calls.counted) // most))
    parts = []
    for first in range(0, len(calls.counted), size):
        some = calls.counted[first : first + size]
        seconds = [_rounded(one.mean) for one in _sample(some, lambda one: one.mean)]
        number = max(sum(one.calls for one in some), len(seconds))
        times = {"at": round(some[0].since, 4), "until": round(some[-1].until, 4)}
        parts.append({**times, "calls": number, "seconds": seconds})
    return parts


def _in_order(calls: ObservedCalls) -> list[int]:
    return sorted(range(len(calls.began)), key=calls.began.__getitem__)


def _part(calls: ObservedCalls, numbers: Sequence[int], failure: Failure, shown: Sequence[int]) -> dict[str, Any]:
    """Return the part for calls of these numbers, with the durations of those that are shown."""
    part: dict[str, Any] = {"at": round(calls.began[numbers[0]], 4)}
    if len(numbers) > 1:
        part["until"] = round(calls.began[numbers[-1]], 4)
    part |= dict(_described(failure))
    part["seconds"] = [_rounded(calls.seconds[n]) for n in shown]
    if any(calls.first_items[n] >= 0 for n in shown):
        part["items"] = [calls.items[n] for n in shown]
        part["first_item"] = [min(_rounded(calls.first_items[n]), _rounded(calls.seconds[n])) for n in shown]
    return part


def _described(failure: Failure) -> Iterator[tuple[str, Any]]:
    if not failure.rule:
        return
    yield "rule", failure.rule
    if failure.error_type.isidentifier() and failure.error_type.isascii():
        yield "error", failure.error_type[:100]
    if failure.error:
        yield "text", failure.error[:1_000]
    if failure.retry_after is not None and failure.retry_after >= 0:
        yield "retry_after", failure.retry_after


def _sample(found: Sequence[T], size: Callable[[T], float]) -> list[T]:
    """Return all, or `SAMPLE` of them, spread evenly over those in order of size."""
    if len(found) <= SAMPLE:
        return list(found)
    ordered = sorted(found, key=size)
    return [ordered[(2 * n + 1) * len(ordered) // (2 * SAMPLE)] for n in range(SAMPLE)]


def _rounded(number: float) -> float:
    """Return a number with three significant digits, which is less than any latency repeats itself."""
    return float(f"{max(0.0, number):.3g}")
