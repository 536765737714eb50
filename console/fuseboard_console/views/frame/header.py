"""The line at the top: the file, the instances, the counts by condition, and the traffic."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from fuseboard_console.text.formatting import SECOND, clock, number, percent, plural, rate
from fuseboard_console.text.glyphs import Condition, Glyphs
from fuseboard_console.text.line import Line, Span, fit_line, line_width
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut, width
from fuseboard_console.views.adapters.adapter_view import RATE_SECONDS, SHARE_SECONDS
from fuseboard_console.views.adapters.engine_presence import Connection, header_text
from fuseboard_console.views.adapters.state_counts import counts_line
from fuseboard_console.views.lists.chains import chains_out
from fuseboard_storage.board.board import AdapterRow, Board

BUDGET: Final = 0.003
"""Seconds that may be spent at a time on counting over all adapters."""
_GROUPS: Final = 3  # conditions that there is always room to count
_UNFINISHED: Final = ("pending", "retrying", "exhausted")
_FAILED: Final = ("failed", "killed")
_RECENT: Final = 24 * 3600 * SECOND
_TROUBLE: Final[tuple[Condition, ...]] = ("open", "held", "down", "ready", "probing", "silent")
_CALM: Final = 0.99  # share of answered tasks from which the whole is healthy
_NAME: Final = 24  # cells of the file's name that stay while there are figures
_PATH: Final = 15  # cells of the path to the page that stay while there are figures
_LEAST_NAME: Final = 8  # cells of the file's name that stay in any case
_LEAST_PATH: Final = 6  # cells from which the path to the page says something


class HeaderTotals(NamedTuple):
    """Totals of all adapters over the last ten seconds, or since the first adapter was added if that is later.

    `rate` is calls per second. `answered` is the share of tasks that an adapter answered, or None if no task ended.
    """

    rate: float
    answered: float | None
    letters: int = 0
    """Dead letters that were neither done nor archived nor discarded."""
    rising: bool = False
    """Whether there was a new dead letter in the last minute."""
    failed_runs: int = 0
    """Workflow runs that failed or were killed in the last 24 hours and were not resumed since."""
    chains_out: int = 0
    """Chains that answer no task."""


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
            self._totals = _totals(self._of[0], calls / seconds, first, last)


def _totals(board: Board | None, rate: float, first: int, last: int) -> HeaderTotals:
    if board is None:
        return HeaderTotals(rate, None)
    ended = [second for chain in board.chain_rows.values() for second in chain.between(first, last)]
    routed = sum(one.routed for one in ended)
    letters = max(0, sum(board.dead_letters.get(status, 0) for status in _UNFINISHED))
    minute = last - SHARE_SECONDS * SECOND
    runs = board.workflows.values()
    return HeaderTotals(
        rate,
        min(1.0, max(0.0, sum(one.answered for one in ended) / routed)) if routed > 0 else None,
        letters,
        letters > 0
        and any(one.letters > 0 for chain in board.chain_rows.values() for one in chain.between(minute, last)),
        sum(run.state in _FAILED and run.changed_at >= last - _RECENT for run in runs),
        chains_out(board, last),
    )


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
    scenario: bool = False
    """Whether a scenario is shown rather than an application."""
    alarm: str = ""
    """What is wrong with the recording below the scenario, as safe text; empty if nothing is."""


class _Part(NamedTuple):
    """A part of the header, in full and in shorter forms. `reserved` are the cells that each form may need later."""

    forms: tuple[Line, ...]
    reserved: tuple[int, ...] = ()

    def cells(self, form: int | None) -> int:
        if form is None:
            return 0
        line = self.forms[form]
        reserved = self.reserved[form] if form < len(self.reserved) else 0
        return 3 + max(reserved, line_width(line)) if line else 0

    def padded(self, form: int) -> Line:
        """Return a form after a gap, in the cells that it may need."""
        line = self.forms[form]
        return (Span("  "), *line, Span(" " * (self.cells(form) - 3 - line_width(line)))) if line else ()


_BRAND: Final[Line] = (Span(" fuseboard ", "brand"), Span(" "))
_SCENARIO: Final[Line] = (Span(" SCENARIO ", "scenario"), Span(" "))
_NONE: Final = _Part(((), ()))
_CONCESSIONS: Final = (
    ("clock", None), ("brand", None), ("share", 1), ("where", 1), ("adapters", None), ("state", 1), ("runs", 1),
    ("rate", None), ("counts", 1), ("where", None), ("runs", None), ("share", None), ("letters", None),
    ("alarm", 1), ("counts", None),
)  # fmt: skip
"""What the header gives up in turn when room is short: a part as a whole, or its longer form for a shorter one.

`where` are the file and the path to the page: of these as much stays as there is room for.
"""


def header_line(heading: Heading, cells: int, glyphs: Glyphs) -> Line:
    """Return the header in exactly `cells`. The clock leaves first, and words are shortened before figures leave.

    Figures take as many cells whatever they are, and which parts are shown does not depend on them.
    """
    parts = _parts(heading, cells, glyphs)
    crumb = cut("".join(f" {glyphs.separator} {part}" for part in heading.where), max(0, cells // 3))
    file = safe_text(heading.file, 200)
    whole, least = width(file) + width(crumb), min(width(file), _LEAST_NAME)
    forms: dict[str, int | None] = dict.fromkeys(parts, 0)
    brand = _SCENARIO if heading.scenario else _BRAND
    path, taken = whole, 1 + sum(part.cells(0) for part in parts.values())
    for concession, form in _CONCESSIONS:
        if line_width(brand) + path + taken <= cells:
            break
        if concession == "brand":
            brand = brand if heading.scenario else (Span(" "),)
        elif concession == "where":
            path = least if form is None else min(width(file), _NAME) + min(width(crumb), _PATH)
        else:
            part = parts[concession]
            taken += part.cells(form) - part.cells(forms[concession])
            forms[concession] = form
    room = max(0, cells - line_width(brand) - taken)
    file = cut(file, max(least, room - min(width(crumb), _PATH)))
    crumb = cut(crumb, max(0, room - width(file)))
    if width(crumb) < _LEAST_PATH:
        crumb = ""
    right: list[Span] = []
    for name, part in parts.items():
        form = forms[name]
        if form is not None and part.forms[form]:
            right.extend((Span("   "), *part.forms[form]))
    right.append(Span(" "))
    left = (*brand, Span(file, "strong"), Span(crumb, "strong"))
    pad = cells - line_width(left) - line_width(right)
    return fit_line((*left, Span(" " * max(0, pad)), *right), cells)


_SUMMARIES: Final = (
    {"health": 0, "counts": 0, "share": 0, "letters": 0, "runs": 0},
    {"health": 0, "counts": 0, "share": 1, "letters": 0, "runs": 1},
    {"health": 0, "counts": 1, "share": 1, "letters": 0, "runs": 1},
    {"health": 0, "counts": 1, "share": 1, "letters": 0},
    {"health": 0, "counts": 1, "share": 1},
    {"health": 0, "counts": 1},
    {"health": 0},
)


def summary_lines(heading: Heading, cells: int, glyphs: Glyphs) -> tuple[Line, ...]:
    """Return the state of the whole in ever fewer cells, for the bar of a replay; the last is a word.

    Each takes as many cells whatever its figures are.
    """
    parts = _parts(heading, cells, glyphs)
    if heading.connection.state != "live" and heading.counts:
        parts["health"] = parts["state"]
    return tuple(
        tuple(span for name, form in forms.items() for span in parts[name].padded(form)) for forms in _SUMMARIES
    )


def _parts(heading: Heading, cells: int, glyphs: Glyphs) -> dict[str, _Part]:
    """Return the parts of the header from left to right."""
    totals, live = heading.totals, heading.connection.state == "live"
    adapters = sum(heading.counts.values())
    state, short, state_style = _connection(heading, glyphs)
    put_aside = ("watch", "disabled") if cells < 100 else ()
    shown = {condition: count for condition, count in heading.counts.items() if condition not in put_aside}
    trouble = {condition: count for condition, count in shown.items() if condition in _TROUBLE}
    counts = counts_line(shown, glyphs)
    figure = len(f"{adapters:,}") + 2
    letters = f"{glyphs.dead} {number(totals.letters)}" + (f" {glyphs.rising}" if totals.rising else "")
    runs = f"{glyphs.failed} {plural(totals.failed_runs, 'run')}"
    parts = dict.fromkeys(_ORDER, _NONE) | {
        "state": _Part(((Span(state, state_style),), (Span(short, state_style),))),
        "counts": _Part((counts, counts_line(trouble, glyphs)), (_GROUPS * figure + 2 * (_GROUPS - 1), figure)),
        "clock": _Part(((Span(clock(heading.now), "muted"),),)),
    }
    if heading.alarm:
        parts["alarm"] = _Part(((Span(f" {heading.alarm} ", "alarm"),), (Span(" TROUBLE BELOW ", "alarm"),)))
    if adapters:
        parts["adapters"] = _Part(((Span(plural(adapters, "adapter"), "muted"),),))
    if totals.letters:
        parts["letters"] = _Part(((Span(letters, "bad" if totals.rising else "warn"),),), (len("☠ 99.9k ↑"),))
    if totals.failed_runs:
        parts["runs"] = _Part(((Span(runs, "bad"),), (Span(f"{glyphs.failed} {totals.failed_runs:,}", "bad"),)))
    if adapters and live:
        ok = totals.answered
        style = "muted" if ok is None else "text" if ok >= _CALM else "warn" if ok >= 0.9 else "bad"
        share = f"{percent(ok):>4} %"
        parts["rate"] = _Part(((Span(f"{rate(totals.rate):>5}/s", "text"),),))
        parts["share"] = _Part(((Span(f"{share} answered", style),), (Span(share, style),)))
    if adapters and live:
        word, style = _health(heading)
        parts["health"] = _Part(((Span(word, style),),), (len("CHAIN OUT"),))
    return parts


_ORDER: Final = ("alarm", "health", "state", "adapters", "counts", "rate", "share", "letters", "runs", "clock")


def _health(heading: Heading) -> tuple[str, str]:
    """Return the health of the whole as a word, and its style."""
    totals = heading.totals
    if totals.chains_out:
        return "CHAIN OUT", "bad"
    impaired = any(heading.counts.get(condition, 0) for condition in _TROUBLE) or bool(heading.connection.silent)
    if impaired or totals.rising or (totals.answered is not None and totals.answered < _CALM):
        return "IMPAIRED", "warn"
    return "HEALTHY", "ok-dim"


def _connection(heading: Heading, glyphs: Glyphs) -> tuple[str, str, str]:
    """Return the state of the connection, the same in fewer cells, and its style."""
    if heading.behind is not None:
        behind = plural(heading.behind, "event")
        return f" {glyphs.pause} PAUSED  {behind} behind ", f" {glyphs.pause} PAUSED ", "banner-strong"
    if heading.unreadable and heading.connection.state == "empty":
        return f"{glyphs.live} cannot be read", f"{glyphs.live} cannot be read", "bad"
    text, style = header_text(heading.connection)
    short = text if heading.connection.state == "empty" else text.split(" ", 1)[0]
    return f"{glyphs.live} {text}", f"{glyphs.live} {short}", style
