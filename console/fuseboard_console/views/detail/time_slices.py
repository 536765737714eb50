"""Cuts one adapter's past into slices of equal length, with calls and breaker state for each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.glyphs import APPEARANCES, Condition
from fuseboard_engine.events import State
from fuseboard_storage.board.histogram import merge, percentile
from fuseboard_storage.board.metrics import AdapterSecond
from fuseboard_storage.recording.history import AdapterPast

CONDITIONS: dict[State, Condition] = {
    "closed": "closed", "open": "open", "half_open": "probing",
    "forced_open": "held", "disabled": "disabled", "metrics_only": "watch",
}  # fmt: skip
"""The condition that a breaker state is shown as when its timing is unknown."""
_WORST = {state: APPEARANCES[condition].severity for state, condition in CONDITIONS.items()}


class Window(NamedTuple):
    """A time window of the charts: its seconds and its name."""

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
"""The index of the first window shown: it covers what a Board keeps."""


class Slice(NamedTuple):
    """An adapter's calls in one slice. `state` is the worst state of its breaker, or None if it is unknown.

    `lost` says that its engine did not run, after it had: nothing is known of that time.
    """

    calls: int
    failures: int
    rejections: int
    p50: float | None
    p95: float | None
    p99: float | None
    state: State | None
    lost: bool = False


class Cut(NamedTuple):
    """A time window cut into slices of whole seconds. `until` is the end of the last slice, UTC microseconds."""

    until: int
    seconds: int
    slices: int

    @property
    def each(self) -> int:
        """The seconds of one slice."""
        return self.seconds // self.slices

    @property
    def since(self) -> int:
        """The start of the first slice, UTC microseconds."""
        return self.until - self.seconds * SECOND

    def edges(self) -> list[int]:
        """Return the start of each slice and the end of the last."""
        return [self.since + place * self.each * SECOND for place in range(self.slices + 1)]


def cut_at(now: int, seconds: int, most: int, age: float = 0.0) -> Cut:
    """Return how a window is cut that contains `now` (UTC microseconds) in its last slice.

    Slices of more than two seconds begin at multiples of their length, so that they do not change as time passes.
    """
    count = count_of(seconds, most, age)
    each = seconds // count
    step = (each if each > 2 else 1) * SECOND
    return Cut(-(-now // step) * step, seconds, count)


def count_of(seconds: int, most: int, age: float) -> int:
    """Return into how many slices, at most `most`, a window of so many seconds is cut that lies `age` seconds back.

    All slices have the same whole number of seconds. No slice is shorter than the resolution of the metrics: seconds
    for an hour, then tens for a day, minutes for two weeks, hours (the default retention of a recording).
    """
    kept = 1 if age < 3_600 else 10 if age < 86_400 else 60 if age < 1_209_600 else 3_600
    return next((count for count in range(min(most, seconds // kept), 1, -1) if seconds % (count * kept) == 0), 1)


def slices_of(past: AdapterPast, until: int, seconds: int, count: int, added_at: int) -> list[Slice]:
    """Return the slices of the `seconds` before `until`, oldest first.

    Args:
        past: The past in that window. More does no harm.
        until: UTC microseconds.
        seconds: Length of the window.
        count: Number of slices.
        added_at: When this instance's adapter was added, with its breaker closed, in UTC microseconds.
    """
    whole = seconds * SECOND
    since = until - whole
    spans: list[list[AdapterSecond]] = [[] for _ in range(count)]
    for span in past.spans:
        place = (span.at - since) * count // whole
        if 0 <= place < count:
            spans[place].append(span)
    edges = [since + whole * place // count for place in range(count + 1)]
    states = states_of(past, edges, added_at)
    return [_slice(spans[place], *states[place]) for place in range(count)]


def states_of(past: AdapterPast, edges: Sequence[int], added_at: int) -> list[tuple[State | None, bool]]:
    """Return for each two edges the worst state, or None if it is unknown, and whether the engine was lost."""
    lives = _lives(past)
    states = _states(_changes(past, lives, added_at), edges)
    lost = [_is_lost(lives, start, end) for start, end in pairwise(edges)]
    return list(zip(states, lost, strict=True))


def _slice(spans: Sequence[AdapterSecond], state: State | None, lost: bool) -> Slice:
    latency = merge(span.latency for span in spans)
    return Slice(
        sum(span.calls for span in spans),
        sum(span.failures for span in spans),
        sum(span.rejections for span in spans),
        percentile(latency, 0.50),
        percentile(latency, 0.95),
        percentile(latency, 0.99),
        state,
        lost and not spans,
    )


def _lives(past: AdapterPast) -> list[tuple[int, int]]:
    """Return when the engine ran, in order and without overlaps. What is recorded is a sign of life too."""
    lives: list[tuple[int, int]] = []
    for start, end in sorted(past.lives):
        if lives and start <= lives[-1][1]:
            lives[-1] = (lives[-1][0], max(end, lives[-1][1]))
        else:
            lives.append((start, end))
    for sign in (*(at for at, _ in past.changes), *(span.at for span in past.spans)):
        place = bisect_right(lives, sign, key=itemgetter(0)) - 1
        if place >= 0 and sign > lives[place][1]:
            lives[place] = (lives[place][0], sign)
    return lives


def _is_lost(lives: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    """Return whether an engine that had run before did not run at any time from `start` until `end`."""
    place = bisect_left(lives, end, key=itemgetter(0)) - 1  # the last that began before the end
    return place >= 0 and lives[place][1] < start


def _changes(past: AdapterPast, lives: Sequence[tuple[int, int]], added_at: int) -> list[tuple[int, State | None]]:
    """Return the breaker's changes in order: None where its engine ended, closed where its engine started."""
    found: list[tuple[int, State | None]] = [(end + 1, None) for _, end in lives]
    signs = sorted((*(at for at, _ in past.changes), *(span.at for span in past.spans)))
    for start, end in lives:
        seen = bisect_right(signs, end) > bisect_left(signs, start)  # it had the adapter
        if seen and not start <= added_at <= end:
            found.append((start, "closed"))
    found.append((added_at, "closed"))
    return sorted((*found, *past.changes), key=itemgetter(0))  # equal times stay in their order


def _states(changes: Sequence[tuple[int, State | None]], edges: Sequence[int]) -> list[State | None]:
    """Return the worst state between each two edges, so that a short opening is visible too."""
    found: list[State | None] = []
    current: State | None = None
    at = 0
    for start, end in pairwise(edges):
        last = end == edges[-1]  # what happened at this very moment belongs to it
        seen = [current]
        while at < len(changes) and changes[at][0] < end + last:
            current = changes[at][1]
            seen = [*seen, current] if changes[at][0] > start else [current]
            at += 1
        worst = sorted((state for state in seen if state is not None), key=_WORST.__getitem__)[:1]
        found.append(worst[0] if worst else None)
    return found
