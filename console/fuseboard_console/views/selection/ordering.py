"""Selects and orders the adapters that are shown. Recomputes only when the result can have changed.

Sorting ten thousand adapters takes a few milliseconds. Figures of the last seconds (rates, latencies) are recounted for
as many adapters as the time budget allows, and for the others at the next call.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.glyphs import APPEARANCES, PROBLEMS, Condition
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.adapter_view import breaker_condition
from fuseboard_console.views.adapters.chain_positions import ChainPosition, chain_positions
from fuseboard_console.views.selection.filter import Term, test_of
from fuseboard_console.views.selection.grouping import UNFOLDED, Folds, GroupHead, Grouping, group_name, grouped
from fuseboard_console.views.selection.sorting import BY_STATE, PLAIN_KEYS, WINDOWED, Sort, Value
from fuseboard_storage.board.board import AdapterKey, AdapterRow, Board, InstanceRow
from fuseboard_storage.board.presence import presence

FAULTS: Final = PROBLEMS | {"counting"}
"""Those, and adapters that count failures."""
BUDGET: Final = 0.005
"""Seconds that one call may spend on figures of the last seconds."""
MIN_COUNTED: Final = 300
"""Adapters that one call counts at least, however long it takes."""
SHARE: Final = 20
"""An order is not recomputed before this multiple of its last duration has passed, unless the choice changed."""


class Choice(NamedTuple):
    """The operator's choice: sort order, filter, grouping, folds, and whether only faults are shown."""

    sort: Sort = BY_STATE
    terms: tuple[Term, ...] = ()
    group: Grouping = ""
    faults: bool = False
    """Show only adapters that need an operator or count failures."""
    folds: Folds = UNFOLDED
    """Which groups are folded."""


def chosen_title(choice: Choice, typed: str, shown: int, of: int, marked: int, unseen: str = "") -> str:
    """Return the table's title: what was chosen, how many adapters of all that shows, and how many are marked.

    `unseen` is the sort column if it is not visible.
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
    """The adapters shown, in order, and the number in each condition."""

    keys: tuple[AdapterKey, ...]
    """The adapters that are shown, those of folded groups included."""
    counts: dict[Condition, int]
    """The number of adapters in each condition, shown or not."""
    lines: tuple[AdapterKey | GroupHead, ...] = ()
    """The same as `keys`, with a heading before each group, and without the adapters of folded groups."""


def order_of(board: Board, now: int, sort: Sort = BY_STATE, terms: tuple[Term, ...] = ()) -> Order:
    """Return the adapters that match a filter's terms, sorted. By default by severity, then by name."""
    return Ordering(budget=float("inf")).order(board, now, Choice(sort, terms))


class Ordering:
    """Keeps the order of adapters while their Board changes.

    Args:
        budget: Seconds that one call may spend on figures of the last seconds.
        clock: Monotonic seconds.
    """

    def __init__(self, budget: float = BUDGET, clock: Callable[[], float] = time.perf_counter) -> None:
        self.places: dict[AdapterKey, tuple[ChainPosition, ...]] = {}
        """The positions of each adapter in the chains."""
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
        self._started = self._ended = -1.0

    def order(self, board: Board, now: int, choice: Choice = Choice()) -> Order:  # noqa: B008 - a frozen value
        """Return the order at `now` (UTC microseconds). The previous order is returned when nothing can have changed
        it.
        """
        chosen = (choice, board.roster_version, now // SECOND)
        mark = (*chosen, board.state_version)
        if board is self._board and not self._unsettled:
            if mark == self._mark:
                return self._order
            duration = self._ended - self._started
            if chosen == self._mark[:3] and self._clock() < self._ended + SHARE * duration:
                return self._order
        self._started = self._clock()
        self._load_roster(board)
        self._order = self._compute(now, choice)
        self._mark = mark
        self._ended = self._clock()
        return self._order

    # ---------------------------------------------------------------- the roster

    def _load_roster(self, board: Board) -> None:
        """Reload the adapters in the order of their names, if they changed."""
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
        self.places = chain_positions(board.chains)
        self._board, self._roster = board, board.roster_version

    # ---------------------------------------------------------------- the order

    def _compute(self, now: int, choice: Choice) -> Order:
        conditions, severities = self._conditions(now)
        counts: dict[Condition, int] = dict(Counter(conditions))
        shown: Iterable[int] = range(len(self._rows))
        if choice.faults:
            shown = [at for at in shown if conditions[at] in FAULTS]
        for term in choice.terms:
            matches, wanted = test_of(term), not term.negated
            rows, instances, keys, places = self._rows, self._instances, self._keys, self.places
            shown = [
                at
                for at in shown
                if matches(rows[at], conditions[at], instances[at], places.get(keys[at], ())) is wanted
            ]
        indexes = self._sorted(list(shown), severities, choice.sort, now)
        ordered = tuple([self._keys[at] for at in indexes])
        if not choice.group:
            return Order(ordered, counts, ordered)
        members = [
            (group_name(self._rows[at], self._instances[at], choice.group), self._keys[at], conditions[at])
            for at in indexes
        ]
        worst_first = choice.sort == BY_STATE
        lines = grouped(members, choice.folds, problems_first=worst_first)
        in_groups = tuple(key for line in lines for key in ((line,) if isinstance(line, AdapterKey) else line.folded))
        return Order(in_groups, counts, lines)

    def _conditions(self, now: int) -> tuple[list[Condition], list[int]]:
        """Return each adapter's condition and severity. The lowest number is the most severe."""
        assert self._board is not None
        conditions = [breaker_condition(row, now) for row in self._rows]
        severities = [_SEVERITY[condition] for condition in conditions]
        lost: dict[int, Condition] = {}
        for instance in self._board.instances.values():
            state = presence(instance, now)
            if state != "live":
                lost[instance.id] = "silent" if state == "silent" else "ended"
        if lost:
            for at, key in enumerate(self._keys):
                if key.instance in lost:  # among lost adapters, those in trouble still come first
                    conditions[at] = lost[key.instance]
                    severities[at] += 20
        return conditions, severities

    def _sorted(self, shown: list[int], severities: list[int], sort: Sort, now: int) -> list[int]:
        """Return the adapters sorted by a column. Equal ones stay in the order of names."""
        column = sort.column
        windowed = WINDOWED.get(column)
        if windowed is None:
            self._counted = ""
            self._unsettled = 0
        values: list[Any]
        if column == "name":
            return shown[::-1] if sort.reverse else shown
        if windowed is not None:
            self._count(column, now)
            values = list(self._values)
        elif column in PLAIN_KEYS:
            value, places = PLAIN_KEYS[column], self.places
            values = [
                value(row, instance, places.get(key, ()))
                for row, instance, key in zip(self._rows, self._instances, self._keys, strict=True)
            ]
        else:
            values = severities
        found = [at for at in shown if values[at] is not None]
        found.sort(key=values.__getitem__, reverse=sort.reverse)
        if len(found) < len(shown):
            found += [at for at in shown if values[at] is None]
        return found

    def _count(self, column: str, now: int) -> None:
        """Recount the last seconds for the next adapters, until the time budget is spent."""
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
            if done >= MIN_COUNTED and done % 50 == 0 and self._clock() > end:
                break
        self._next = at
        self._unsettled = max(0, self._unsettled - done)


_SEVERITY: Final = {condition: look.severity for condition, look in APPEARANCES.items()}
