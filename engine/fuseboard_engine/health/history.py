"""The last calls and state changes of each adapter, kept in memory for inspection."""

from __future__ import annotations

from collections import deque
from typing import TypeVar

import msgspec

from fuseboard_engine.events import (
    AdapterRemoved,
    Attempt,
    AttemptFailed,
    Event,
    HealthChecked,
    RouteFinished,
    StateChanged,
)
from fuseboard_engine.health.policy import HealthPolicy

T = TypeVar("T")


class Call(msgspec.Struct, frozen=True, gc=False):
    """One call of an adapter: its end (UTC microseconds), outcome, duration in seconds, and task."""

    at: int
    outcome: str
    duration: float
    task: str
    error: str = ""


class Transition(msgspec.Struct, frozen=True, gc=False):
    """One change of an adapter's breaker state or health. `at` is UTC microseconds."""

    at: int
    what: str
    before: str
    after: str
    detail: str = ""


class _Records(msgspec.Struct):
    calls: deque[Call]
    transitions: deque[Transition]


class History:
    """Keeps a limited number of calls and transitions per adapter, none longer than the policy's retention.

    Args:
        policy: the limits.
    """

    def __init__(self, policy: HealthPolicy) -> None:
        self._policy = policy
        self._records: dict[str, _Records] = {}

    def update_policy(self, policy: HealthPolicy) -> None:
        """Apply another policy; the oldest records above its limits are dropped."""
        self._policy = policy
        for name, records in list(self._records.items()):
            self._records[name] = _Records(
                deque(records.calls, policy.history_size), deque(records.transitions, policy.transition_size)
            )

    def observe(self, event: Event) -> None:
        """Record an event: a failed call when it happens, any other call when its route ends."""
        if type(event) is RouteFinished:
            for attempt in event.attempts:
                if attempt.outcome in ("success", "cancelled"):
                    self._add_call(event.at, event.task, attempt)
        elif type(event) is AttemptFailed:
            self._add_call(event.at, event.task, event.attempt)
        elif type(event) is StateChanged:
            change = Transition(event.at, "breaker", event.before, event.after, event.detail or event.reason)
            self._records_of(event.adapter).transitions.append(change)
        elif type(event) is HealthChecked:
            change = Transition(event.at, "health", event.before, event.status, event.detail)
            self._records_of(event.adapter).transitions.append(change)
        elif type(event) is AdapterRemoved:
            self._records.pop(event.adapter, None)

    def _add_call(self, at: int, task: str, attempt: Attempt) -> None:
        error = f"{attempt.error_type}: {attempt.error}" if attempt.error else attempt.error_type
        self._records_of(attempt.adapter).calls.append(Call(at, attempt.outcome, attempt.duration, task, error))

    def drop_expired(self, now: int) -> None:
        """Drop records older than the retention at `now`, UTC microseconds."""
        oldest = now - round(self._policy.retention * 1e6)
        for records in list(self._records.values()):
            _drop_before(records.calls, oldest)
            _drop_before(records.transitions, oldest)

    def calls(self, adapter: str, limit: int | None = None) -> list[Call]:
        """Return an adapter's last calls, oldest first; with `limit` None all that are kept."""
        records = self._records.get(adapter)
        return _last(records.calls, limit) if records is not None else []

    def transitions(self, adapter: str, limit: int | None = None) -> list[Transition]:
        """Return an adapter's last transitions, oldest first; with `limit` None all that are kept."""
        records = self._records.get(adapter)
        return _last(records.transitions, limit) if records is not None else []

    def _records_of(self, adapter: str) -> _Records:
        records = self._records.get(adapter)
        if records is None:
            policy = self._policy
            records = self._records[adapter] = _Records(
                deque(maxlen=policy.history_size), deque(maxlen=policy.transition_size)
            )
        return records


def _drop_before(records: deque[Call] | deque[Transition], oldest: int) -> None:
    while records and records[0].at < oldest:
        records.popleft()


def _last(records: deque[T], limit: int | None) -> list[T]:
    found = list(records)
    return found if limit is None else found[max(0, len(found) - limit) :]
