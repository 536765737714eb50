"""Ordinary routes: which routes are ordinary, and their counts, which a recording keeps in place of each of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fuseboard_engine.events import (
    AdapterAdded,
    AdapterRemoved,
    EngineStarted,
    EngineStopped,
    Event,
    RouteCounts,
    RouteFinished,
    RoutesCounted,
    StateChanged,
    TripSuppressed,
)
from fuseboard_storage.board.metrics import AdapterSecond, attempts_of

SLOW: Final = 5.0
"""Seconds above which a route is not ordinary."""

BARRIERS: Final[frozenset[type[Event]]] = frozenset((EngineStarted, EngineStopped, AdapterAdded, AdapterRemoved))
"""Events across which routes are not counted together, because they add or remove adapters."""


def is_ordinary(event: Event, slow: float = SLOW) -> bool:
    """Return whether an event is an ordinary route: one that its first adapter answered at once.

    Args:
        event: Any event.
        slow: Seconds; a route that took longer is not ordinary.
    """
    if type(event) is not RouteFinished:
        return False
    attempts = event.attempts
    return (
        event.success
        and len(attempts) == 1
        and not event.degraded
        and event.letter is None
        and event.duration <= slow
        and attempts[0].outcome == "success"
        and attempts[0].adapter == event.adapter
        and attempts[0].number <= 1
    )


def span_of(adapter: str, counts: RouteCounts) -> AdapterSecond:
    """Return the calls that counts of an adapter's ordinary routes stand for."""
    return AdapterSecond(
        0, adapter, counts.calls, counts.calls, latency=dict(counts.latency), first_item=dict(counts.first_item)
    )


class _Sum:
    __slots__ = ("busy", "failures", "span")

    def __init__(self, adapter: str) -> None:
        self.span = AdapterSecond(0, adapter)
        self.busy = 0.0
        self.failures: int | None = None

    def copy(self) -> _Sum:
        other = _Sum(self.span.adapter)
        other.span.merge(self.span)
        other.busy, other.failures = self.busy, self.failures
        return other


class RouteCounter:
    """Counts the ordinary routes of one engine instance.

    Folding the event of `take` has the same result as folding the routes, if `note` gets every other event between
    them, and `take` is called before an event of `BARRIERS`.
    """

    def __init__(self) -> None:
        self._since = 0
        self._at = 0
        self._sums: dict[str, _Sum] = {}
        self._types: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._sums)

    def copy(self) -> RouteCounter:
        """Return a copy that can be added to."""
        other = RouteCounter()
        other._since, other._at = self._since, self._at
        other._sums = {adapter: sums.copy() for adapter, sums in self._sums.items()}
        other._types = dict(self._types)
        return other

    def add(self, event: RouteFinished) -> None:
        """Count an ordinary route."""
        self._extend(event.at, event.at)
        self._types[event.task_type] = self._types.get(event.task_type, 0) + 1
        (attempt,) = event.attempts
        sums = self._sum(attempt.adapter)
        sums.span.add(attempt)
        sums.busy += attempt.duration
        sums.failures = attempt.failures

    def merge(self, event: RoutesCounted) -> None:
        """Add routes that were counted before."""
        self._extend(event.since, event.at)
        for task_type, tasks in event.types.items():
            self._types[task_type] = self._types.get(task_type, 0) + tasks
        for adapter, counts in event.adapters.items():
            sums = self._sum(adapter)
            sums.span.merge(span_of(adapter, counts))
            sums.busy += counts.busy
            sums.failures = counts.failures

    def note(self, event: Event) -> None:
        """Record that an event is kept: this event, not an earlier route, determines its adapters' breakers."""
        if type(event) is StateChanged or type(event) is TripSuppressed:
            self._decided(event.adapter)
        for attempt in attempts_of(event):
            self._decided(attempt.adapter)

    def take(self) -> RoutesCounted:
        """Return the counts as an event, and start new ones."""
        adapters = {
            adapter: RouteCounts(
                calls=sums.span.calls,
                busy=round(sums.busy, 9),
                latency=sums.span.latency,
                first_item=sums.span.first_item,
                failures=sums.failures,
            )
            for adapter, sums in self._sums.items()
        }
        event = RoutesCounted(at=self._at, since=self._since, adapters=adapters, types=self._types)
        self._sums, self._types = {}, {}
        return event

    def _extend(self, since: int, at: int) -> None:
        self._since = min(self._since, since) if self._sums else since
        self._at = max(self._at, at) if self._sums else at

    def _sum(self, adapter: str) -> _Sum:
        sums = self._sums.get(adapter)
        if sums is None:
            sums = self._sums[adapter] = _Sum(adapter)
        return sums

    def _decided(self, adapter: str) -> None:
        sums = self._sums.get(adapter)
        if sums is not None:
            sums.failures = None


def notable(events: Iterable[Event], counter: RouteCounter, *, end: bool) -> tuple[list[Event], RouteCounter]:
    """Count the ordinary routes among an instance's events, and return the others.

    Args:
        events: The next events, in order.
        counter: The routes counted before; it is not changed.
        end: Whether to end the count with these events.

    Returns:
        The other events and, where a count ends, its `RoutesCounted`; and the routes counted since then.
    """
    counter, kept = counter.copy(), list[Event]()
    for event in events:
        if is_ordinary(event):
            counter.add(event)  # type: ignore[arg-type]
            continue
        if counter and type(event) in BARRIERS:
            kept.append(counter.take())
        else:
            counter.note(event)
        kept.append(event)
    if counter and end:
        kept.append(counter.take())
    return kept, counter
