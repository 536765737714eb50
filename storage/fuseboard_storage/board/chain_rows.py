"""Chains on the Board: for each engine name and task type, how the tasks ended and which adapter answers them."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nsmallest
from operator import attrgetter
from typing import Final

import msgspec

from fuseboard_engine.events import Int64, RouteFinished
from fuseboard_storage.board.clock_move import ClockMove
from fuseboard_storage.board.metrics import SECOND
from fuseboard_storage.board.rows import InstanceRow

KEPT_SECONDS: Final = 120
KEPT_CHAINS: Final = 500

_REMOVED_AT_ONCE: Final = 50
_ANSWERER_SECONDS: Final = 3  # with answers, of which the adapter that gave most counts as the one that answers


class ChainSecond(msgspec.Struct, array_like=True):
    """The tasks of one type that ended in the second from `at` (UTC microseconds).

    `by` counts the answers of each adapter. `unanswered` counts the other tasks; `degraded` are those of them with a
    degraded answer, `letters` those that became dead letters.
    """

    at: Int64
    by: dict[str, Int64] = {}
    unanswered: Int64 = 0
    degraded: Int64 = 0
    letters: Int64 = 0

    @property
    def answered(self) -> int:
        """The number of tasks that an adapter answered."""
        return sum(self.by.values())

    @property
    def routed(self) -> int:
        """The number of tasks."""
        return self.answered + self.unanswered


class ChainRow(msgspec.Struct):
    """One chain of an engine name: the tasks of one type, second by second. Times are UTC microseconds."""

    engine: str
    task_type: str
    seconds: list[ChainSecond] = []
    """The latest seconds in which tasks ended, oldest first."""
    answerer: str = ""
    """The adapter that answered most tasks of the latest complete seconds; empty: none did yet."""
    answering_since: Int64 = 0
    """When `answerer` began to answer most tasks."""
    unanswered_since: Int64 | None = None
    """When the first task ended without an adapter's answer since the last answer; None: the last one had an answer."""

    def add(self, event: RouteFinished) -> None:
        """Count a route."""
        at = event.at
        seconds = self.seconds
        second = seconds[-1] if seconds and at < seconds[-1].at + SECOND else self._begin_second(at)
        if event.success and not event.degraded:
            by, adapter = second.by, event.adapter
            if adapter in by:
                by[adapter] += 1
            else:
                by[adapter] = 1
            if self.unanswered_since is not None:
                self.unanswered_since = None
            return
        second.unanswered += 1
        second.degraded += event.degraded
        second.letters += event.dead_letter is not None
        if self.unanswered_since is None:
            self.unanswered_since = at

    def add_answered(self, at: int, adapter: str, tasks: int) -> None:
        """Count tasks that an adapter answered."""
        seconds = self.seconds
        second = seconds[-1] if seconds and at < seconds[-1].at + SECOND else self._begin_second(at)
        second.by[adapter] = second.by.get(adapter, 0) + tasks
        self.unanswered_since = None

    def between(self, first: int, last: int) -> Iterator[ChainSecond]:
        """Return the seconds that begin in a time (UTC microseconds, the end exclusive), newest first."""
        for second in reversed(self.seconds):
            if second.at < first:
                return
            if second.at < last:
                yield second

    def move_times(self, change: ClockMove) -> None:
        """Express its times on a wall clock that was set."""
        change.move_seconds(self.seconds)
        self.seconds.sort(key=attrgetter("at"))
        self.answering_since = change.moved(self.answering_since)
        if self.unanswered_since is not None:
            self.unanswered_since = change.moved(self.unanswered_since)

    def end_at(self, at: int) -> None:
        """Forget the seconds after a time: another process counted them before it, too, saw that its clock was set."""
        while self.seconds and self.seconds[-1].at > at:
            del self.seconds[-1]
        self.answering_since = min(self.answering_since, at)
        if self.unanswered_since is not None:
            self.unanswered_since = min(self.unanswered_since, at)

    def _begin_second(self, at: int) -> ChainSecond:
        """Return the second of a time that is not in the newest one, nor before it."""
        self._choose_answerer()
        self.seconds.append(ChainSecond(at - at % SECOND))
        if len(self.seconds) > KEPT_SECONDS:
            del self.seconds[0]
        return self.seconds[-1]

    def _choose_answerer(self) -> None:
        counts: dict[str, int] = {}
        left = _ANSWERER_SECONDS
        for second in reversed(self.seconds):
            if not left:
                break
            if second.by:
                left -= 1
                for adapter, tasks in second.by.items():
                    counts[adapter] = counts.get(adapter, 0) + tasks
        if not counts:
            return
        most = max(counts.values())
        if counts.get(self.answerer) != most:
            self.answerer = next(adapter for adapter, tasks in counts.items() if tasks == most)
            self.answering_since = self._first_answer(self.answerer)

    def _first_answer(self, adapter: str) -> int:
        """Return the start of the latest seconds without a gap in which an adapter answered."""
        at = self.seconds[-1].at
        for second in reversed(self.seconds):
            if second.by and adapter not in second.by:
                break
            if adapter in second.by:
                at = second.at
        return at


Chains = dict[tuple[str, str], ChainRow]


def new_chain(chains: Chains, engine: str, task_type: str) -> ChainRow:
    """Add the row of a chain whose first task ended, and return it.

    If there are too many rows, remove those used least recently: some at a time, because an application may have a
    task type for each of its users.
    """
    if len(chains) >= KEPT_CHAINS:
        more = len(chains) - KEPT_CHAINS + _REMOVED_AT_ONCE
        for key in nsmallest(more, chains, lambda key: chains[key].seconds[-1].at if chains[key].seconds else 0):
            del chains[key]
    row = chains[engine, task_type] = ChainRow(engine, task_type)
    return row


def move_chains(chains: Chains, instances: dict[int, InstanceRow], reporter: int, change: ClockMove) -> None:
    """Express the times of an engine's chains on its wall clock, which was set.

    Each process of a name reports the change, and they share the chains: these are moved with the first one.
    """
    engine = instances.get(reporter)
    if engine is None or not change.set_by:
        return
    siblings = [i.id for i in instances.values() if i.name == engine.name and i.ended_at is None]
    for chain in chains.values():
        if chain.engine == engine.name:
            if engine.id == min(siblings, default=engine.id):
                chain.move_times(change)
            if change.set_by < 0:
                chain.end_at(change.at)
