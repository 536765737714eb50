"""Watches the failure rate of each adapter over the last seconds, and reports when it crosses a threshold."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from fuseboard_engine.events import AdapterRemoved, AttemptFailed, Event, FailureRateAlert, RouteFinished
from fuseboard_engine.health.policy import HealthPolicy

SLICES = 12  # of the window; calls leave it a slice at a time


class _Slice(msgspec.Struct, gc=False):
    number: int
    calls: int = 0
    failures: int = 0


class _Window(msgspec.Struct):
    slices: deque[_Slice]
    calls: int = 0
    failures: int = 0
    high: bool = False


class FailureRates:
    """The failure rates of an engine's adapters. Errors that do not count against an adapter are not counted as calls.

    Args:
        policy: the threshold, the window and the minimum of calls; its `failure_rate_alert` is not None.
        emit: receives an event when a rate reaches the threshold, and when it is below it again.
        clock: monotonic seconds. wall: UTC microseconds.
    """

    def __init__(
        self, policy: HealthPolicy, emit: Callable[[Event], None], clock: Callable[[], float], wall: Callable[[], int]
    ) -> None:
        self.policy = policy
        self._emit = emit
        self._clock = clock
        self._wall = wall
        self._windows: dict[str, _Window] = {}

    def observe(self, event: Event) -> None:
        """Count the calls of an event: a failure when it happens, a success when its route ends."""
        if type(event) is RouteFinished:
            for attempt in event.attempts:
                if attempt.outcome == "success":
                    self._count(attempt.adapter, 0)
        elif type(event) is AttemptFailed:
            if event.attempt.outcome == "failure":
                self._count(event.attempt.adapter, 1)
        elif type(event) is AdapterRemoved:
            self._windows.pop(event.adapter, None)

    def _count(self, adapter: str, failed: int) -> None:
        window = self._windows.get(adapter)
        if window is None:
            window = self._windows[adapter] = _Window(deque())
        policy = self.policy
        number = int(self._clock() * SLICES / policy.failure_rate_window)
        slices = window.slices
        while slices and slices[0].number <= number - SLICES:
            old = slices.popleft()
            window.calls -= old.calls
            window.failures -= old.failures
        if not slices or slices[-1].number < number:
            slices.append(_Slice(number))
        slices[-1].calls += 1
        slices[-1].failures += failed
        window.calls += 1
        window.failures += failed
        threshold, rate = policy.failure_rate_alert, window.failures / window.calls
        if threshold is None:
            return
        high = rate >= threshold and (window.high or window.calls >= policy.failure_rate_calls)
        if high != window.high:
            window.high = high
            self._emit(
                FailureRateAlert(
                    at=self._wall(),
                    adapter=adapter,
                    high=high,
                    rate=rate,
                    threshold=threshold,
                    calls=window.calls,
                    seconds=policy.failure_rate_window,
                )
            )
