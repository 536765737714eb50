"""The last calls and changes of state of each adapter, kept in memory to be looked at."""

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
    """One call of an adapter: when it ended (UTC microseconds), how, how long it took in seconds, for which task."""

    at: int
    outcome: str
    duration: float
    task: str
    error: str = ""


class Transition(msgspec.Struct, frozen=True, gc=False):
    """One change of an adapter: of its breaker's state, or of its health. `at` is UTC microseconds."""

    at: int
    what: str
    before: str
    after: str
    detail: str = ""


class _Kept(msgspec.Struct):
    calls: deque[Call]
    transitions: deque[Transition]


class History:
    """Keeps so many calls and transitions per adapter, and none longer than the policy's retention.

    Args:
        policy: how many, and how long.
    """

    def __init__(self, policy: HealthPolicy) -> None:
        self._policy = policy
        self._kept: dict[str, _Kept] = {}

    def update_policy(self, policy: HealthPolicy) -> None:
        """Go on with another policy; of more than it keeps, the oldest go."""
        self._policy = policy
        for name, kept in list(self._kept.items()):
            calls, transitions = deque(kept.calls, policy.history_size), deque(kept.transitions, policy.transition_size)
            self._kept[name] = _Kept(calls, transitions)

    def observe(self, event: Event) -> None:
        """Take in what an event says: a failure when it happens, any other call when its route ends."""
        if type(event) is RouteFinished:
            for attempt in event.attempts:
                if attempt.outcome in ("success", "cancelled"):
                    self._add_call(event.at, event.task, attempt)
        elif type(event) is AttemptFailed:
            self._add_call(event.at, event.task, event.attempt)
        elif type(event) is StateChanged:
            change = Transition(event.at, "breaker", event.before, event.after, event.detail or event.reason)
            self._of(event.adapter).transitions.append(change)
        elif type(event) is HealthChecked:
            change = Transition(event.at, "health", event.before, event.status, event.detail)
            self._of(event.adapter).transitions.append(change)
        elif type(event) is AdapterRemoved:
            self._kept.pop(event.adapter, None)

    def _add_call(self, at: int, task: str, attempt: Attempt) -> None:
        error = f"{attempt.error_type}: {attempt.error}" if attempt.error else attempt.error_type
        self._of(attempt.adapter).calls.append(Call(at, attempt.outcome, attempt.duration, task, error))

    def drop_expired(self, now: int) -> None:
        """Let go of what is older than the retention at `now`, UTC microseconds."""
        oldest = now - round(self._policy.retention * 1e6)
        for kept in list(self._kept.values()):
            _drop_before(kept.calls, oldest)
            _drop_before(kept.transitions, oldest)

    def calls(self, adapter: str, limit: int | None = None) -> list[Call]:
        """Return an adapter's last calls, oldest first; `limit` None: all that are kept."""
        kept = self._kept.get(adapter)
        return _last(kept.calls, limit) if kept is not None else []

    def transitions(self, adapter: str, limit: int | None = None) -> list[Transition]:
        """Return an adapter's last transitions, oldest first; `limit` None: all that are kept."""
        kept = self._kept.get(adapter)
        return _last(kept.transitions, limit) if kept is not None else []

    def _of(self, adapter: str) -> _Kept:
        kept = self._kept.get(adapter)
        if kept is None:
            policy = self._policy
            kept = self._kept[adapter] = _Kept(deque(maxlen=policy.history_size), deque(maxlen=policy.transition_size))
        return kept


def _drop_before(records: deque[Call] | deque[Transition], oldest: int) -> None:
    while records and records[0].at < oldest:
        records.popleft()


def _last(records: deque[T], limit: int | None) -> list[T]:
    found = list(records)
    return found if limit is None else found[max(0, len(found) - limit) :]
