"""The metrics stream: what each adapter did in each second, folded from the events."""

from __future__ import annotations

from fuseboard_engine.events import Attempt, AttemptFailed, Event, RouteFinished
from fuseboard_engine.histogram import bucket_of

SECOND = 1_000_000  # microseconds


class AdapterSecond:
    """One adapter's calls in one span of time (a second, or more once rolled up).

    `at` is the span's start in UTC microseconds. `calls` were made; `successes`, `failures` and the rest (ignored or
    cancelled) add up to it. `timeouts` are among the failures. `rejections` were refused without a call.
    `latency` is a histogram of the calls' durations (see `fuseboard_engine.histogram`).
    """

    __slots__ = ("adapter", "at", "calls", "failures", "latency", "rejections", "successes", "timeouts")

    def __init__(self, at: int, adapter: str) -> None:
        self.at = at
        self.adapter = adapter
        self.calls = 0
        self.successes = 0
        self.failures = 0
        self.timeouts = 0
        self.rejections = 0
        self.latency: dict[int, int] = {}

    def add(self, attempt: Attempt) -> None:
        """Count one attempt."""
        outcome = attempt.outcome
        if outcome == "rejected":
            self.rejections += 1
            return
        self.calls += 1
        if outcome == "success":
            self.successes += 1
        elif outcome == "failure":
            self.failures += 1
            if attempt.rule == "timeout":
                self.timeouts += 1
        bucket = bucket_of(attempt.duration)
        self.latency[bucket] = self.latency.get(bucket, 0) + 1


def attempts_of(event: Event) -> tuple[Attempt, ...]:
    """Return the attempts an event tells for the first time.

    A failed attempt is told at once by `AttemptFailed`, and again in its route; it is counted when first told.
    """
    if isinstance(event, AttemptFailed):
        return (event.attempt,)
    if isinstance(event, RouteFinished):
        return tuple(a for a in event.attempts if a.outcome != "failure")
    return ()
