"""The line at the top: the file, the instances, the counts by condition, and the traffic."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from fuseboard_console.text.formatting import SECOND, clock, percent, plural, rate
from fuseboard_console.text.glyphs import Condition, Glyphs
from fuseboard_console.text.line import Line, Span, fit_line, line_width
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut, width
from fuseboard_console.views.adapters.adapter_view import RATE_SECONDS
from fuseboard_console.views.adapters.engine_presence import Connection, header_text
from fuseboard_console.views.adapters.state_counts import counts_line
from fuseboard_storage.board.board import AdapterRow, Board

BUDGET: Final = 0.003
"""Seconds that may be spent at a time on counting over all adapters."""
_GROUPS: Final = 3  # conditions that there is always room to count


class HeaderTotals(NamedTuple):
    """Totals of all adapters over the last ten seconds, or since the first adapter was added if that is later.

    `rate` is calls per second. `answered` is the share of tasks that an adapter answered, or None if no task ended.
    """

    rate: float
    answered: float | None


class Counting:
    """Recounts the totals each second. Over very many adapters it counts some at a time.

    Args:
        budget: Seconds that one call may take.
        clock: Monotonic seconds.
    """

    def __init__(self, budget: float = BUDGET, clock: Callable[[], float] = time.perf_counter) -> None:
        self._budget = budget
        self._clock = clock
        self._of: tuple[Board | None, int, int] = (None, 0, 0)  # the Board, its roster and the second at the start
        self._rows: list[AdapterRow] = []  # those that are not counted yet
        self._sums = (0, 0)  # calls, and when the first adapter was added
        self._totals = HeaderTotals(0.0, None)

    def totals(self, board: Board, now: int) -> HeaderTotals:
        """Return the totals of the last ten complete seconds before `now` (UTC microseconds), or those counted last."""
        of = (board, board.roster_version, now // SECOND)
        if of[:2] != self._of[:2] or (of != self._of and not self._rows):
            self._of, self._rows, self._sums = of, list(board.adapters.values()), (0, of[2] * SECOND)
            self._count()
        elif self._rows:
            self._count()
        return self._totals

    def _count(self) -> None:
        last = self._of[2] * SECOND
        first = last - RATE_SECONDS * SECOND
        calls, since = self._sums
        rows, end = self._rows, self._clock() + self._budget
        while rows:
            row = rows.pop()
            since = min(since, row.added_at)
            for second in reversed(row.seconds):
                if second.at < first:
                    break
                if second.at < last:
                    calls += second.calls
            if len(rows) % 100 == 0 and self._clock() > end:
                break
        self._sums = calls, since
        if not rows:
            seconds = max(1.0, (last - max(first, since)) / SECOND)  # the window fills in the first seconds
            self._totals = HeaderTotals(calls / seconds, _answered(self._of[0], first, last))


def _answered(board: Board | None, first: int, last: int) -> float | None:
    chains = board.chain_rows.values() if board is not None else ()
    ended = [second for chain in chains for second in chain.between(first, last)]
    routed = sum(one.routed for one in ended)
    return min(1.0, max(0.0, sum(one.answered for one in ended) / routed)) if routed > 0 else None


class Heading(NamedTuple):
    """Everything that the header shows."""

    file: str
    connection: Connection
    counts: dict[Condition, int]
    totals: HeaderTotals
    now: int
    behind: int | None = None
    """Events that arrived since the view was paused; None if it is not paused."""
    where: tuple[str, ...] = ()
    """The page, and what of it, as safe texts."""
    unreadable: bool = False
    """Whether the file cannot be read now."""


class _Part(NamedTuple):
    """A part of the header: the lowest rank stays longest. `reserved` are cells that it may need later."""

    rank: int
    line: Line
    reserved: int = 0

    @property
    def cells(self) -> int:
        return 3 + max(self.reserved, line_width(self.line))


def header_line(heading: Heading, cells: int, glyphs: Glyphs) -> Line:
    """Return the header in exactly `cells`. The least important parts leave first.

    Figures take as many cells whatever they are, and which parts are shown does not depend on them.
    """
    adapters = sum(heading.counts.values())
    state, state_style = _connection(heading, glyphs)
    put_aside = ("watch", "disabled") if cells < 100 else ()
    counts = counts_line({s: n for s, n in heading.counts.items() if s not in put_aside}, glyphs)
    ok = heading.totals.answered
    ok_style = "muted" if ok is None else "text" if ok >= 0.99 else "warn" if ok >= 0.9 else "bad"
    live = heading.connection.state == "live"
    parts = [
        _Part(0, (Span(state, state_style),)),
        _Part(5, (Span(plural(adapters, "adapter"), "muted"),) if adapters else ()),
        _Part(1, counts, _GROUPS * (len(f"{adapters:,}") + 2) + 2 * (_GROUPS - 1) if counts else 0),
        _Part(4, (Span(f"{rate(heading.totals.rate):>5}/s", "text"),) if adapters and live else ()),
        _Part(3, (Span(f"{percent(ok):>4} % answered", ok_style),) if adapters and live else ()),
        _Part(2, (Span(clock(heading.now), "muted"),)),
    ]
    crumb = cut("".join(f" {glyphs.separator} {part}" for part in heading.where), max(0, cells // 3))
    whole, cells = cells, cells - width(crumb)
    left: Line = (Span(" fuseboard ", "brand"), Span(" "), Span(safe_text(heading.file, 200), "strong"))
    if cells < 100 and line_width(left) + 4 + sum(part.cells for part in parts if part.line) > cells:
        left = (Span(" "), left[2])
    parts, taken = _fitting(parts, cells - line_width(left) - 4)
    room = max(8, cells - taken - 4)
    if line_width(left) > room:
        before = line_width(left[:-1])
        left = (*left[:-1], Span(cut(left[-1].text, room - before), "strong"))
    right: list[Span] = []
    for part in parts:
        right.extend((Span("   "), *part.line))
    right.append(Span(" "))
    pad = cells - line_width(left) - line_width(right)
    return fit_line((*left, Span(crumb, "strong"), Span(" " * max(0, pad)), *right), whole)


def _fitting(parts: list[_Part], cells: int) -> tuple[list[_Part], int]:
    """Return the parts that fit `cells`, the most important in any case, and the cells that they take."""
    kept: set[int] = set()
    taken = 0
    for part in sorted(part for part in parts if part.line):
        if not kept or taken + part.cells <= cells:
            kept.add(part.rank)
            taken += part.cells
    return [part for part in parts if part.rank in kept], taken


def _connection(heading: Heading, glyphs: Glyphs) -> tuple[str, str]:
    if heading.behind is not None:
        return f" {glyphs.pause} PAUSED  {plural(heading.behind, 'event')} behind ", "banner-strong"
    if heading.unreadable and heading.connection.state == "empty":
        return f"{glyphs.live} cannot be read", "bad"
    text, style = header_text(heading.connection)
    return f"{glyphs.live} {text}", style
