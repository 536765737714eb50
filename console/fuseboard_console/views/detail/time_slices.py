"""One adapter's past, cut into slices of equal length: what it did in each, and how its breaker stood."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.glyphs import LOOKS, Condition
from fuseboard_engine.events import State
from fuseboard_storage.board.histogram import merge, percentile
from fuseboard_storage.board.metrics import AdapterSecond
from fuseboard_storage.recording.history import AdapterPast

STANDS: dict[State, Condition] = {
    "closed": "closed", "open": "open", "half_open": "probing",
    "forced_open": "held", "disabled": "disabled", "metrics_only": "watch",
}  # fmt: skip
"""How a state of a breaker is shown where no clock says more."""
_WORST = {state: LOOKS[stands].severity for state, stands in STANDS.items()}


class Window(NamedTuple):
    """A length of time that the charts can show: seconds, and how it is called."""

    seconds: int
    title: str


WINDOWS = (
    Window(30, "last 30 s"),
    Window(120, "last 2 min"),
    Window(600, "last 10 min"),
    Window(3_600, "last hour"),
    Window(21_600, "last 6 h"),
    Window(86_400, "last 24 h"),
    Window(604_800, "last 7 d"),
)
"""Shortest first."""
FIRST = 1
"""The place of the one that is shown at first: what a Board keeps."""


class Slice(NamedTuple):
    """What an adapter did in one slice; `state` is the worst its breaker was in, None: it is not known."""

    calls: int
    failures: int
    rejections: int
    p50: float | None
    p95: float | None
    p99: float | None
    state: State | None


def count_of(seconds: int, most: int, age: float) -> int:
    """Return into how many slices, at most `most`, so many seconds are cut that lie `age` seconds back.

    None is shorter than what its metrics are kept by: seconds for an hour, then tens for a day, minutes for two weeks,
    hours (the retention of a recording by default).
    """
    kept = 1 if age < 3_600 else 10 if age < 86_400 else 60 if age < 1_209_600 else 3_600
    return max(1, min(most, seconds // kept))


def slices_of(past: AdapterPast, until: int, seconds: int, count: int, begun: int) -> list[Slice]:
    """Return the slices of the `seconds` before `until`, oldest first.

    Args:
        past: what happened then; more does no harm.
        until: UTC microseconds.
        seconds: how long it is.
        count: how many slices.
        begun: when this run's adapter was added, closed; UTC microseconds.
    """
    whole = seconds * SECOND
    since = until - whole
    spans: list[list[AdapterSecond]] = [[] for _ in range(count)]
    for span in past.spans:
        place = (span.at - since) * count // whole
        if 0 <= place < count:
            spans[place].append(span)
    edges = [since + whole * place // count for place in range(count + 1)]
    states = _states(past, edges, begun)
    return [_slice(spans[place], states[place]) for place in range(count)]


def _slice(spans: Sequence[AdapterSecond], state: State | None) -> Slice:
    latency = merge(span.latency for span in spans)
    return Slice(
        sum(span.calls for span in spans),
        sum(span.failures for span in spans),
        sum(span.rejections for span in spans),
        percentile(latency, 0.50),
        percentile(latency, 0.95),
        percentile(latency, 0.99),
        state,
    )


def _states(past: AdapterPast, edges: Sequence[int], begun: int) -> list[State | None]:
    """Return the worst state between each two edges: an opening of a moment is seen too."""
    added: tuple[int, State] = (begun, "closed")
    changes = sorted((added, *past.changes), key=lambda change: change[0])  # equal times stay in their order
    found: list[State | None] = []
    stands: State | None = None
    at = 0
    for start, end in pairwise(edges):
        last = end == edges[-1]  # what happened at this very moment belongs to it
        seen: list[State] = [stands] if stands is not None else []
        while at < len(changes) and changes[at][0] < end + last:
            stands = changes[at][1]
            seen = [*seen, stands] if changes[at][0] > start else [stands]
            at += 1
        worst: list[State] = sorted(seen, key=_WORST.__getitem__)[:1]
        found.append(worst[0] if worst else None)
    return found
