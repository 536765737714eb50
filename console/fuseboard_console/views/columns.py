"""The columns of the breakers table: what each shows, how wide it is, and which go first when room is short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from fuseboard_console.cells import cut, fit
from fuseboard_console.glyphs import LOOKS, Glyphs
from fuseboard_console.views.adapters import AdapterView
from fuseboard_console.views.bars import countdown_bar, sparkline
from fuseboard_console.views.line import Line, Span, fit_line, right
from fuseboard_console.views.times import SECOND, latency, ordinal, percent, plural, rate, span, whole

Cell = Callable[[AdapterView, int, int, Glyphs], Line]
"""Given a row, now (UTC microseconds), the cells there are and the glyphs: what to show."""

_RECENT = 60.0


def name_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Glyph and name."""
    style = LOOKS[row.condition].style
    calm = row.condition in ("closed", "disabled", "watch")
    glyph = Span(glyphs.of(row.condition), "ok-dim" if row.condition == "closed" else style)
    lost = row.condition in ("silent", "ended")
    return (glyph, Span(" "), Span(row.name, "muted" if lost else "text" if calm else "strong"))


def state_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """The word for how it stands, with what it counts."""
    look = LOOKS[row.condition]
    if row.condition == "closed":
        return (Span(look.word, "ok-dim"),)
    if row.condition == "counting":
        threshold = f"/{row.threshold}" if row.threshold else ""
        return (Span(look.word, "ok"), Span(f" {row.failures}{threshold}", "warn"))
    if row.condition == "probing":
        needed = f" {row.probe_successes}/{row.needed}" if row.needed else ""
        return (Span(look.word + needed, look.style),)
    if row.condition == "silent":
        return (Span(look.word, look.style), Span(" was ", "faint"), Span(LOOKS[row.was].word, "struck"))
    if row.condition == "ended":
        return (Span(look.word, look.style), Span(" was ", "faint"), Span(LOOKS[row.was].word, "struck"))
    return (Span(look.word, look.style),)


def next_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """What happens next, and when: the countdown, the probe, or what an operator did."""
    stands = row.condition
    if stands == "open":
        if not row.wait:
            return (Span("until someone resets it", "muted"),)
        times = f"{ordinal(row.openings):>5}" if row.openings > 1 else "     "
        tail = f"{span(row.left):>7}"
        room = cells - len(tail) - len(times)
        if room < 5:
            return (Span(tail.strip(), "bad"), Span(times.rstrip(), "muted"))
        bar = countdown_bar(row.left, row.wait, min(room, 40), glyphs, "bad")
        return (*bar, Span(tail, "strong"), Span(times, "muted"))
    if stands == "ready":
        return (Span("the next call probes", "ready"),)
    if stands == "probing":
        if row.probes_in_flight:
            return (Span(f"{plural(row.probes_in_flight, 'probe')} in flight", "warn"),)
        return (Span("waits for a call", "muted"),)
    if stands == "held":
        return (Span(f"by {row.actor}" if row.actor else "by hand", "muted"), *_ago(row, now))
    if stands == "disabled":
        return (Span("lets every call through", "muted"),)
    if stands == "watch":
        return (Span("counts, never opens", "muted"),)
    if stands == "closed" and row.reason == "reset" and (now - row.since) / SECOND < _RECENT:
        by = f" by {cut(row.actor, max(4, cells - 18))}" if row.actor else ""
        return (Span(f"reset{by}", "info"), *_ago(row, now))
    return ()


def _ago(row: AdapterView, now: int) -> Line:
    return (Span(f" {whole((now - row.since) / SECOND)} ago", "muted"),)


def error_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """The last error, as long as it matters."""
    troubled = row.condition in ("open", "ready", "probing", "held", "counting")
    return (Span(row.last_error, "muted"),) if troubled else ()


def since_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """How long it has stood so."""
    return (Span(whole((now - row.since) / SECOND), "faint"),)


def rate_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Calls per second."""
    return (Span(rate(row.stats.rate), "text" if row.stats.rate else "faint"),)


def ok_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Success rate in percent; coloured when it is low."""
    share = row.stats.recent.success_rate
    style = "faint" if share is None else "text" if share >= 0.99 else "warn" if share >= 0.9 else "bad-dim"
    return (Span(percent(share), style),)


def p50_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Half of the calls took no longer."""
    return _latency(row.stats.recent.p50)


def p95_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """95 of 100 calls took no longer."""
    return _latency(row.stats.recent.p95)


def p99_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """99 of 100 calls took no longer."""
    return _latency(row.stats.recent.p99)


def _latency(seconds: float | None) -> Line:
    return (Span(latency(seconds), "faint" if seconds is None else "text"),)


def rejected_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Rejections in the last minute."""
    count = row.stats.recent.rejections
    return (Span(f"{count}", "text" if count else "faint"),)


def spark_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Calls over the last two minutes."""
    quiet = row.condition in ("silent", "ended") or not any(row.stats.calls)
    return (Span(sparkline(row.stats.calls[-cells:], glyphs), "quiet" if quiet else "spark"),)


def engine_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """The engine it belongs to."""
    return (Span(row.engine, "faint"),)


class Column(NamedTuple):
    """A column. `least` cells it needs, `most` it can use; `rank`: the highest leaves first when room is short."""

    id: str
    title: str
    cell: Cell
    least: int
    most: int
    rank: int
    align: Literal["left", "right"] = "left"


class Placed(NamedTuple):
    """A column with the cells it was given."""

    column: Column
    cells: int


COLUMNS: tuple[Column, ...] = (
    Column("name", "adapter", name_cell, 10, 44, 0),
    Column("state", "state", state_cell, 14, 22, 0),
    Column("rate", "calls/s", rate_cell, 7, 7, 4, "right"),
    Column("ok", "ok %", ok_cell, 5, 5, 1, "right"),
    Column("p50", "p50", p50_cell, 6, 6, 5, "right"),
    Column("p95", "p95", p95_cell, 6, 6, 2, "right"),
    Column("p99", "p99", p99_cell, 6, 6, 8, "right"),
    Column("rejected", "rejected", rejected_cell, 8, 8, 9, "right"),
    Column("spark", "last 2 min", spark_cell, 12, 30, 6),
    Column("next", "next probe", next_cell, 12, 34, 3),
    Column("since", "since", since_cell, 6, 6, 10, "right"),
    Column("error", "last error", error_cell, 20, 80, 11),
    Column("engine", "engine", engine_cell, 16, 30, 7),
)
"""Every column, left to right."""

GAP = 2
MARGIN = 3  # the cursor's place on the left, and air on the right


def place(cells: int, longest_name: int, engines: int, lost: bool) -> tuple[Placed, ...]:
    """Return the columns for a table `cells` wide.

    `longest_name` is the widest adapter name, `engines` how many engines there are (one needs no column), `lost`
    whether states are struck out and need more room.
    """
    columns = [column for column in COLUMNS if column.id != "engine" or engines > 1]
    wanted = max(10, min(longest_name + 2, 44 if cells >= 160 else 30 if cells >= 100 else 18))
    least = {column.id: column.least for column in columns}
    most = {column.id: column.most for column in columns}
    least["name"] = most["name"] = min(wanted, max(6, cells // 3))
    if lost:
        least["state"] = 21
    if cells >= 110:
        least["next"] = 24
    elif cells >= 70:
        least["next"] = 20

    def need() -> int:
        return MARGIN + sum(least[c.id] for c in columns) + GAP * (len(columns) - 1)

    while need() > cells and len(columns) > 2:
        columns.remove(max(columns, key=lambda column: column.rank))
    spare = max(0, cells - need())
    given = {column.id: least[column.id] for column in columns}
    for id in ("state", "next", "spark", "engine", "error"):
        if id in given:
            more = min(spare, most[id] - given[id]) if id != "state" else min(spare, max(0, 16 - given[id]))
            given[id] += more
            spare -= more
    return tuple(Placed(column, given[column.id]) for column in columns)


def titles(columns: tuple[Placed, ...], sorted_by: str = "", mark: str = "") -> Line:
    """Return the line of column titles, with a mark of one cell behind the one that is `sorted_by`."""
    spans: list[Span] = [Span("  ")]
    for column, cells in columns:
        title = "  " + column.title if column.id == "name" else column.title
        if mark and column.id == sorted_by:
            shown = fit(f"{title} {mark}", cells + 2) if column.align == "left" else fit(title, cells, "right") + mark
            spans.append(Span(fit(shown, cells + 2), "sorted"))
        else:
            spans.append(Span(fit(title, cells, column.align) + "  ", "title"))
    return (*spans[:-1], Span(spans[-1].text[:-2], spans[-1].style))


def row_line(row: AdapterView, now: int, columns: tuple[Placed, ...], glyphs: Glyphs) -> Line:
    """Return one adapter as a line of the table, without the cursor."""
    spans: list[Span] = [Span("  ")]
    for column, cells in columns:
        shown = column.cell(row, now, cells, glyphs)
        spans.extend(fit_line(shown if column.align == "left" else right(shown, cells), cells))
        spans.append(Span("  "))
    return tuple(spans[:-1])


def slices_of(columns: tuple[Placed, ...]) -> int:
    """Return how many bars the sparkline has room for."""
    return next((placed.cells for placed in columns if placed.column.id == "spark"), 0)
