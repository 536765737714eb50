"""What followed operators' commands on breakers: the calls since then, and the next change of state.

A follow-up begins with the outcome of a command and ends with the next change of the breaker's state, or when its
adapter or engine goes. Until then its figures are differences of the adapter's counters, so calls cost nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from fuseboard_engine.events import AttemptFailed, CommandDone, Int64, State, StateChanged
from fuseboard_storage.board.clock_move import ClockMove
from fuseboard_storage.board.metrics import SECOND
from fuseboard_storage.board.rows import AdapterKey, AdapterRow

KEPT_FOLLOW_UPS: Final = 1000
EXPECTED: Final[dict[str, State]] = {
    "reset": "closed",
    "reset_all": "closed",
    "enable": "closed",
    "half_open": "half_open",
    "open_for": "open",
    "force_open": "forced_open",
    "disable": "disabled",
    "metrics_only": "metrics_only",
}
"""The state in which each followed verb leaves a breaker."""


class Figures(NamedTuple):
    """Calls that succeeded, calls that failed, and rejections."""

    successes: Int64 = 0
    failed: Int64 = 0
    rejections: Int64 = 0

    @classmethod
    def of(cls, row: AdapterRow) -> Figures:
        """Return the counters of an adapter."""
        return cls(row.successes, row.failed, row.rejections)

    def since(self, earlier: Figures) -> Figures:
        """Return how much was counted since `earlier`."""
        return Figures(*(max(0, new - old) for new, old in zip(self, earlier, strict=True)))


class FollowUp(msgspec.Struct, array_like=True):
    """What followed one command on one adapter. Times are UTC microseconds of its engine's clock.

    `command` is its number; 0 outside the mailbox. `done_at` tells commands without a number apart. `at` is when the
    breaker was put into the state of the `verb`. `before` are the adapter's counters then.

    The other fields are set at its end: `ended_at`, the `figures` since `at`, and what ended it. `after` is the
    breaker's new state, with the `reason`, the `detail`, and the `ended_by` of that change; empty if the adapter or
    its engine went. `error` is the failure that opened the breaker.
    """

    command: Int64
    done_at: Int64
    instance: Int64
    adapter: str
    verb: str
    actor: str
    at: Int64
    before: Figures
    ended_at: Int64 | None = None
    figures: Figures = Figures()
    after: str = ""
    reason: str = ""
    detail: str = ""
    ended_by: str = ""
    error: str = ""

    @property
    def key(self) -> AdapterKey:
        """The key of its adapter."""
        return AdapterKey(self.instance, self.adapter)

    def figures_now(self, row: AdapterRow | None) -> Figures:
        """Return the figures since the command; `row` is its adapter's."""
        return self.figures if self.ended_at is not None or row is None else Figures.of(row).since(self.before)


class FollowUps:
    """The follow-ups of a Board, newest first."""

    def __init__(self, rows: Iterable[FollowUp] = ()) -> None:
        known = (row for row in rows if row.verb in EXPECTED)  # a damaged file may contain anything
        self.rows: deque[FollowUp] = deque(known, KEPT_FOLLOW_UPS)
        self._open = {row.key: row for row in reversed(self.rows) if row.ended_at is None}
        self._opened: dict[AdapterKey, FollowUp] = {}  # ended because the breaker opened; the error comes next

    def begin(self, event: CommandDone, adapters: Iterable[AdapterRow]) -> None:
        """Follow a command with a verb of `EXPECTED`. `adapters` are those of its engine that it may concern."""
        expected = EXPECTED[event.verb]
        for row in adapters:
            if not event.ok or not (_was_reset(row, event) if event.verb == "reset_all" else row.name == event.adapter):
                continue
            if event.verb == "enable" and row.state != expected:
                continue  # it has no effect on an open breaker
            if len(self.rows) == KEPT_FOLLOW_UPS:
                self._drop(self.rows[-1])
            follow_up = FollowUp(
                event.command, event.at, row.key.instance, row.name, event.verb, event.actor, event.at, Figures.of(row)
            )
            if (earlier := self._open.get(row.key)) is not None:
                earlier.after, earlier.ended_by = expected, event.actor
                earlier.reason = "reset" if expected == "closed" and event.verb != "enable" else "by_hand"
                self._end(earlier, row, event.at)
            self.rows.appendleft(follow_up)
            self._open[row.key] = follow_up
            if row.state != expected and 0 <= event.at - row.since < SECOND:  # it has changed again already
                follow_up.after, follow_up.reason, follow_up.detail = row.state, row.reason, row.detail
                follow_up.ended_by, follow_up.error = row.actor, row.last_error if row.state == "open" else ""
                self._end(follow_up, row, row.since)

    def change(self, row: AdapterRow, event: StateChanged) -> None:
        """End the follow-up of an adapter whose breaker changed its state."""
        follow_up = self._open.get(row.key)
        if follow_up is None:
            return
        own = event.actor == follow_up.actor and event.after == EXPECTED[follow_up.verb]
        if own and abs(event.at - follow_up.at) < SECOND:
            # The change that the command itself made, recorded after its outcome.
            follow_up.at, follow_up.before = event.at, Figures.of(row)
            return
        if follow_up.verb == "open_for" and event.after == "half_open" and not event.actor:
            return  # its time is over; the probes tell how it goes on
        follow_up.after, follow_up.reason, follow_up.detail = event.after, event.reason, event.detail
        follow_up.ended_by = event.actor
        self._end(follow_up, row, event.at)
        if event.after == "open" and not event.actor:
            self._opened[row.key] = follow_up

    def fail(self, row: AdapterRow, event: AttemptFailed) -> None:
        """Give the follow-up that a failure has just ended its error. The breaker reports before the attempt does."""
        follow_up = self._opened.pop(row.key, None) if self._opened else None
        if follow_up is not None and event.at - (follow_up.ended_at or 0) < SECOND:
            follow_up.error = row.last_error
            follow_up.figures = Figures.of(row).since(follow_up.before)

    def leave(self, rows: Iterable[AdapterRow], at: int) -> None:
        """End the follow-ups of adapters that were removed, or whose engine ended."""
        for row in rows:
            self._end(self._open.get(row.key), row, at)

    def move_times(self, instance: int, change: ClockMove) -> None:
        """Express the times of an engine's follow-ups on its wall clock that was set."""
        for row in self.rows:
            if row.instance == instance:
                row.at = change.moved(row.at)
                if row.ended_at is not None:
                    row.ended_at = change.moved(row.ended_at)

    def _end(self, follow_up: FollowUp | None, row: AdapterRow, at: int) -> None:
        if follow_up is not None:
            follow_up.ended_at, follow_up.figures = at, Figures.of(row).since(follow_up.before)
            self._open.pop(follow_up.key, None)

    def _drop(self, oldest: FollowUp) -> None:
        for kept in (self._open, self._opened):
            if kept.get(oldest.key) is oldest:
                del kept[oldest.key]


def _was_reset(row: AdapterRow, event: CommandDone) -> bool:
    """Return whether a `reset_all` has just reset an adapter's breaker. The event does not list the adapters."""
    return row.reason == "reset" and row.actor == event.actor and abs(event.at - row.since) < SECOND
