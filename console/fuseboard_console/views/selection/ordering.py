"""Which adapters are shown, and in which order: worked out anew only when that can have changed.

Ten thousand adapters are put in order in a few milliseconds. What is counted over the last seconds (rates, latencies)
is taken anew for as many of them as there is time for, and for the others the next time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.glyphs import LOOKS, Condition
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.adapter_view import breaker_condition
from fuseboard_console.views.adapters.chain_positions import ChainPlace, chain_places
from fuseboard_console.views.selection.filter import Term, test_of
from fuseboard_console.views.selection.grouping import GroupHead, Grouping, group_of, grouped
from fuseboard_console.views.selection.sorting import BY_STATE, CHEAP, WINDOWED, Sort, Value
from fuseboard_storage.board.board import AdapterKey, AdapterRow, Board, InstanceRow
from fuseboard_storage.board.presence import presence

PROBLEMS: Final = frozenset({"open", "held", "down", "ready", "probing", "silent"})
"""How an adapter stands that needs a person."""
FAULTS: Final = PROBLEMS | {"counting"}
"""The same, or it counts failures."""
BUDGET: Final = 0.005
"""Seconds that may be spent at a time on what is counted over the last seconds."""
LEAST: Final = 300
"""Adapters for which it is counted at a time, however long it takes."""
SHARE: Final = 20
"""An order is not worked out anew before so many times what the last one took, unless something was chosen."""


class Choice(NamedTuple):
    """What the operator wants to see of the adapters, and how."""

    sort: Sort = BY_STATE
    terms: tuple[Term, ...] = ()
    group: Grouping = ""
    faults: bool = False
    """Only those that need a person or count failures."""


def chosen_title(choice: Choice, typed: str, shown: int, of: int, marked: int, unseen: str = "") -> str:
    """Return the table's title: what was chosen, how many of all that shows, how many are marked.

    `unseen`: the column they are sorted by, where there is no room for it.
    """
    parts = ["Breakers"]
    if choice.terms:
        parts.append(f"/ {safe_text(typed, 40)}")
    if choice.faults:
        parts.append("faults only")
    if shown != of or choice.terms or choice.faults:
        parts.append(f"{shown:,} of {of:,}")
    if choice.group:
        parts.append("by engine" if choice.group == "instance" else f"by {choice.group}")
    if unseen:
        parts.append(f"sorted by {unseen}")
    if marked:
        parts.append(f"{marked:,} marked")
    return "  ".join(parts)


class Order(NamedTuple):
    """Which adapters are shown, in which order, and how many stand how."""

    keys: tuple[AdapterKey, ...]
    """Those that are shown."""
    counts: dict[Condition, int]
    """All of them, shown or not."""
    lines: tuple[AdapterKey | GroupHead, ...] = ()
    """The same as `keys`, with a heading before each group."""


def order_of(board: Board, now: int, sort: Sort = BY_STATE, terms: tuple[Term, ...] = ()) -> Order:
    """Return the adapters that fit the terms of a filter, sorted; by severity at first, then by name."""
    return Ordering(budget=float("inf")).order(board, now, Choice(sort, terms))


class Ordering:
    """Keeps adapters in order as their Board goes on.

    Args:
        budget: seconds that may be spent at a time on what is counted over the last seconds.
        clock: seconds, never going back.
    """

    def __init__(self, budget: float = BUDGET, clock: Callable[[], float] = time.perf_counter) -> None:
        self.places: dict[AdapterKey, tuple[ChainPlace, ...]] = {}
        """Where each adapter stands in the chains."""
        self._budget = budget
        self._clock = clock
        self._board: Board | None = None
        self._roster = -1
        self._keys: list[AdapterKey] = []
        self._rows: list[AdapterRow] = []
        self._instances: list[InstanceRow | None] = []
        self._counted = ""  # the column that `_values` are of
        self._values: list[Value] = []
        self._next = 0
        self._unsettled = 0
        self._mark: tuple[Any, ...] = ()
        self._order = Order((), {})
        self._began = self._ended = -1.0

    def order(self, board: Board, now: int, choice: Choice = Choice()) -> Order:  # noqa: B008 - a frozen value
        """Return the order as of `now` (UTC microseconds); the one before when nothing can have changed it."""
        chosen = (choice, board.roster_version, now // SECOND)
        mark = (*chosen, board.state_version)
        if board is self._board and not self._unsettled:
            if mark == self._mark:
                return self._order
            took = self._ended - self._began
            if chosen == self._mark[:3] and self._clock() < self._ended + SHARE * took:
                return self._order
        self._began = self._clock()
        self._take_roster(board)
        self._order = self._work_out(now, choice)
        self._mark = mark
        self._ended = self._clock()
        return self._order

    # ---------------------------------------------------------------- the roster

    def _take_roster(self, board: Board) -> None:
        """Take the adapters in the order of their names, when they are not those of the last time."""
        if board is self._board and board.roster_version == self._roster:
            return
        kept = dict(zip(self._keys, self._values, strict=False)) if board is self._board else {}
        rows = sorted(board.adapters.items(), key=lambda item: (item[0].adapter.casefold(), item[0]))
        self._keys = [key for key, _ in rows]
        self._rows = [row for _, row in rows]
        self._instances = [board.instances.get(key.instance) for key in self._keys]
        self._values = [kept.get(key) for key in self._keys]
        self._unsettled = len(rows) if self._counted else 0
        self._next = 0
        self.places = chain_places(board.chains)
        self._board, self._roster = board, board.roster_version

    # ---------------------------------------------------------------- the order

    def _work_out(self, now: int, choice: Choice) -> Order:
        stands, severities = self._stand(now)
        counts: dict[Condition, int] = dict(Counter(stands))
        shown: Iterable[int] = range(len(self._rows))
        if choice.faults:
            shown = [at for at in shown if stands[at] in FAULTS]
        for term in choice.terms:
            fits, wanted = test_of(term), not term.negated
            rows, instances, keys, places = self._rows, self._instances, self._keys, self.places
            shown = [
                at for at in shown if fits(rows[at], stands[at], instances[at], places.get(keys[at], ())) is wanted
            ]
        indexes = self._sorted(list(shown), severities, choice.sort, now)
        ordered = tuple([self._keys[at] for at in indexes])
        if not choice.group:
            return Order(ordered, counts, ordered)
        members = [
            (group_of(self._rows[at], self._instances[at], choice.group), self._keys[at], stands[at]) for at in indexes
        ]
        lines = grouped(members)
        return Order(tuple([line for line in lines if isinstance(line, AdapterKey)]), counts, lines)

    def _stand(self, now: int) -> tuple[list[Condition], list[int]]:
        """Return how each adapter stands, and how much it needs a person, the least number most."""
        assert self._board is not None
        stands = [breaker_condition(row, now) for row in self._rows]
        severities = [_SEVERITY[condition] for condition in stands]
        lost: dict[int, Condition] = {}
        for instance in self._board.instances.values():
            here = presence(instance, now)
            if here != "live":
                lost[instance.id] = "silent" if here == "silent" else "ended"
        if lost:
            for at, key in enumerate(self._keys):
                if key.instance in lost:  # among the lost, what was in trouble still comes first
                    stands[at] = lost[key.instance]
                    severities[at] += 20
        return stands, severities

    def _sorted(self, shown: list[int], severities: list[int], sort: Sort, now: int) -> list[int]:
        """Return the adapters sorted by a column, which keeps the order of names among equals."""
        column = sort.column
        windowed = WINDOWED.get(column)
        if windowed is None:
            self._counted = ""
            self._unsettled = 0
        values: list[Any]
        if column == "name":
            return shown[::-1] if sort.turned else shown
        if windowed is not None:
            self._count(column, now)
            values = list(self._values)
        elif column in CHEAP:
            value, places = CHEAP[column], self.places
            values = [
                value(row, instance, places.get(key, ()))
                for row, instance, key in zip(self._rows, self._instances, self._keys, strict=True)
            ]
        else:
            values = severities
        found = [at for at in shown if values[at] is not None]
        found.sort(key=values.__getitem__, reverse=sort.turned)
        if len(found) < len(shown):
            found += [at for at in shown if values[at] is None]
        return found

    def _count(self, column: str, now: int) -> None:
        """Count the last seconds of the adapters whose turn it is, as long as there is time."""
        if column != self._counted:
            self._counted = column
            self._values = [None] * len(self._rows)
            self._next, self._unsettled = 0, len(self._rows)
        value, rows, values = WINDOWED[column], self._rows, self._values
        end = self._clock() + self._budget
        at = self._next
        done = 0
        for done in range(1, len(rows) + 1):
            if at >= len(rows):
                at = 0
            values[at] = value(rows[at], now)
            at += 1
            if done >= LEAST and done % 50 == 0 and self._clock() > end:
                break
        self._next = at
        self._unsettled = max(0, self._unsettled - done)


_SEVERITY: Final = {condition: look.severity for condition, look in LOOKS.items()}
