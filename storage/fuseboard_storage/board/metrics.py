"""Metrics per adapter and second, folded from the events."""

from __future__ import annotations

import msgspec

from fuseboard_engine.events import Attempt, AttemptFailed, Event, RouteFinished
from fuseboard_storage.board.histogram import add_histogram, bucket_of

SECOND = 1_000_000  # microseconds


class AdapterSecond(msgspec.Struct, gc=False):
    """One adapter's calls in one span of time (a second, or more once rolled up).

    `at` is the span's start in UTC microseconds. `calls` counts the calls made: `successes`, `failures`, and those that
    were ignored or cancelled. `timeouts` are among the failures. `rejections` were refused without a call. `latency`
    is a histogram of the calls' durations (see `fuseboard_storage.board.histogram`), `first_item` a histogram of the
    seconds until a stream's first item.

    With ten thousand busy adapters there are a million spans. They refer to numbers only, so the garbage collector
    need not track them.
    """

    at: int
    adapter: str
    calls: int = 0
    successes: int = 0
    failures: int = 0
    timeouts: int = 0
    rejections: int = 0
    latency: dict[int, int] = {}
    first_item: dict[int, int] = {}

    def add(self, attempt: Attempt, number: int = 1, bucket: int | None = None) -> int | None:
        """Count an attempt.

        Args:
            attempt: The attempt.
            number: How many such attempts there were.
            bucket: The bucket of their durations; None: of the attempt's.

        Returns:
            The bucket; None if the attempt was rejected.
        """
        outcome = attempt.outcome
        if outcome == "rejected":
            self.rejections += number
            return None
        self.calls += number
        if outcome == "success":
            self.successes += number
        elif outcome == "failure":
            self.failures += number
            if attempt.rule == "timeout":
                self.timeouts += number
        if bucket is None:
            bucket = bucket_of(attempt.duration)
        self.latency[bucket] = self.latency.get(bucket, 0) + number
        if attempt.first_item is not None:
            first = bucket_of(attempt.first_item)
            self.first_item[first] = self.first_item.get(first, 0) + number
        return bucket

    def merge(self, other: AdapterSecond) -> None:
        """Add the counts of another span of the same adapter."""
        self.calls += other.calls
        self.successes += other.successes
        self.failures += other.failures
        self.timeouts += other.timeouts
        self.rejections += other.rejections
        add_histogram(self.latency, other.latency)
        add_histogram(self.first_item, other.first_item)


Spans = dict[tuple[int, str], AdapterSecond]
"""Spans of several adapters, by start and adapter."""


def count(spans: Spans, event: Event) -> None:
    """Count the attempts that an event reports first, in the second of the event."""
    for attempt in attempts_of(event):
        span_at(spans, event.at - event.at % SECOND, attempt.adapter).add(attempt)


def span_at(spans: Spans, second: int, adapter: str) -> AdapterSecond:
    """Return the span of an adapter that starts at a second; add it if there is none."""
    span = spans.get((second, adapter))
    if span is None:
        span = spans[second, adapter] = AdapterSecond(second, adapter)
    return span


def merge_spans(spans: Spans, others: Spans) -> None:
    """Add `others` to `spans`."""
    for key, other in others.items():
        span_at(spans, *key).merge(other)


def attempts_of(event: Event) -> tuple[Attempt, ...]:
    """Return the attempts that an event reports first.

    `AttemptFailed` reports a failed attempt at once, whatever it is attributed to; `RouteFinished` repeats it. It is
    counted once, at the first report.
    """
    type_ = type(event)
    if type_ is RouteFinished:
        attempts: tuple[Attempt, ...] = event.attempts  # type: ignore[attr-defined]
        for attempt in attempts:
            if _reported_before(attempt):
                return tuple([a for a in attempts if not _reported_before(a)])
        return attempts
    if type_ is AttemptFailed:
        return (event.attempt,)  # type: ignore[attr-defined]
    return ()


def _reported_before(attempt: Attempt) -> bool:
    """Return whether an `AttemptFailed` has reported the attempt, as it does if a rule attributed the failure."""
    return attempt.outcome == "failure" or (attempt.outcome == "ignored" and attempt.rule != "")
