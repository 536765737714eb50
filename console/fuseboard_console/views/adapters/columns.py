"""The columns of the breakers table: content, width, and which columns leave first when room is short."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line, Span, fit_line, right
from fuseboard_console.text.suggestions import did_you_mean
from fuseboard_console.text.width import fit
from fuseboard_console.views.adapters import cells as of
from fuseboard_console.views.adapters.adapter_view import AdapterView
from fuseboard_console.views.adapters.cells import Cell


class ChangeProbe(NamedTuple):
    """Highlights a cell after a change of `value`.

    A number must change by `step`, and by `share` (0..1) of the larger value, so that small fluctuations are not
    highlighted.
    """

    value: Callable[[AdapterView], object]
    step: float = 0.0
    share: float = 0.0


class Column(NamedTuple):
    """A column. It needs `least` cells and can use `most`. The column with the highest `rank` leaves first when room is
    short.

    `watch` says which changes highlight its cells. None means that only time changes it, so it is never highlighted.
    """

    id: str
    title: str
    cell: Cell
    least: int
    most: int
    rank: int
    align: Literal["left", "right"] = "left"
    watch: ChangeProbe | None = None


class ColumnLayout(NamedTuple):
    """A column and its width."""

    column: Column
    cells: int


def _state(row: AdapterView) -> tuple[object, ...]:
    # That an open breaker's wait is over is time's doing.
    condition = "open" if row.condition == "ready" else row.condition
    return (condition, row.failures if row.condition == "counting" else 0, row.probe_successes)


def _percent(row: AdapterView) -> float | None:
    share = row.stats.recent.success_rate
    return None if share is None else share * 100


COLUMNS: tuple[Column, ...] = (
    Column("name", "adapter", of.name_cell, 10, 44, 0),
    Column("state", "state", of.state_cell, 13, 22, 0, watch=ChangeProbe(_state)),
    Column("down", "down since", of.down_cell, 10, 15, 2),
    Column(
        "inflight", "in flight", of.inflight_cell, 9, 9, 9, "right", ChangeProbe(lambda row: row.in_flight, 1, 0.25)
    ),
    Column("rate", "calls/s", of.rate_cell, 7, 7, 4, "right", ChangeProbe(lambda row: row.stats.rate, 1, 0.25)),
    Column("ok", "ok %", of.ok_cell, 5, 5, 1, "right", ChangeProbe(_percent, 1)),
    Column("p50", "p50", of.p50_cell, 6, 6, 6, "right", ChangeProbe(lambda row: row.stats.recent.p50, 0.005, 0.25)),
    Column("p95", "p95", of.p95_cell, 6, 6, 3, "right", ChangeProbe(lambda row: row.stats.recent.p95, 0.005, 0.25)),
    Column("p99", "p99", of.p99_cell, 6, 6, 8, "right", ChangeProbe(lambda row: row.stats.recent.p99, 0.005, 0.25)),
    Column(
        "rejected", "rejected", of.rejected_cell, 8, 8, 12, "right",
        ChangeProbe(lambda row: row.stats.recent.rejections, 1, 0.25),
    ),
    Column("spark", "2 min peak/s", of.spark_cell, 12, 30, 5),
    Column("next", "next probe", of.next_cell, 12, 34, 1),
    Column("budget", "retries", of.budget_cell, 7, 7, 14, "right", ChangeProbe(lambda row: row.budget, 1, 0.25)),
    Column("chain", "chain", of.chain_cell, 10, 24, 11, watch=ChangeProbe(lambda row: row.places)),
    Column("since", "since", of.since_cell, 6, 6, 13, "right"),
    Column("error", "last error", of.error_cell, 28, 80, 10, watch=ChangeProbe(lambda row: row.last_error)),
    Column("engine", "engine", of.engine_cell, 16, 30, 7),
    Column("tags", "tags", of.tags_cell, 8, 30, 15, watch=ChangeProbe(lambda row: row.tags)),
)  # fmt: skip
"""Every column, left to right."""

BY_ID = {column.id: column for column in COLUMNS}
"""The same by their ids."""

GAP = 2
_SPARE = (
    ("next", 20), ("state", 16), ("down", 0), ("next", 0), ("spark", 0), ("engine", 0), ("chain", 0), ("tags", 0),
    ("error", 0),
)  # fmt: skip
"""The columns that grow with spare cells, in order, and up to how many; 0: as many as the column can use."""
MARGIN = 3  # the cursor's place and the mark's on the left, and air on the right


def columns_of(ids: Iterable[str]) -> tuple[Column, ...]:
    """Return the columns with these ids, in this order. The adapter's name is always included, first unless it is
    named.

    Raises:
        ValueError: A column is unknown or named twice. The text lists the known ones.
    """
    chosen: list[Column] = []
    for id in ids:
        column = BY_ID.get(id)
        if column is None:
            hint = did_you_mean(id, BY_ID) or f" There are {', '.join(BY_ID)}."
            raise ValueError(f"There is no column {id!r}.{hint}")
        if column in chosen:
            raise ValueError(f"The column {id!r} is named twice.")
        chosen.append(column)
    if BY_ID["name"] not in chosen:
        chosen.insert(0, BY_ID["name"])
    return tuple(chosen)


@lru_cache(maxsize=64)
def place(
    cells: int,
    longest_name: int,
    engines: int,
    lost: bool,
    chosen: tuple[Column, ...] = (),
    without: frozenset[str] = frozenset(),
    engine_cells: int = 0,
) -> tuple[ColumnLayout, ...]:
    """Return the columns for a table `cells` wide.

    `longest_name` is the width of the widest adapter name, `engines` the number of instances (one needs no column).
    `lost` says whether states are struck out and need more room. `chosen` are the operator's columns in their order, of
    which the last leave first. If it is empty, all columns are candidates, the least needed leave first, and those in
    `without` have no content and leave.

    `engine_cells` is the width of the widest engine name if adapters of several engines have the same name, else 0. If
    it is not 0, the engine stands beside the name and leaves last.
    """
    idle = without if engines > 1 else without | {"engine"}
    columns = list(chosen) or [column for column in COLUMNS if column.id not in idle]
    if engine_cells and not chosen:
        columns.remove(BY_ID["engine"])
        columns.insert(1, BY_ID["engine"])
    wanted = max(10, min(longest_name + 2, 44 if cells >= 160 else 30 if cells >= 100 else 18))
    least = {column.id: column.least for column in columns}
    most = {column.id: column.most for column in columns}
    least["name"] = most["name"] = min(wanted, max(6, cells // 3))
    if lost:
        least["state"] = 21
    if cells >= 110:
        least["next"], least["down"] = 24, 15
    elif cells >= 70:
        least["next"] = 14 if cells < 90 or engine_cells else 20
    if engine_cells:
        least["engine"] = max(6, min(engine_cells, 24 if cells >= 110 else 16 if cells >= 60 else 6))

    def need() -> int:
        return MARGIN + sum(least[c.id] for c in columns) + GAP * (len(columns) - 1)

    ranks = {column.id: rank for rank, column in enumerate(chosen, 1)} or {column.id: column.rank for column in columns}
    ranks["name"] = -1
    if lost and not chosen:  # since when says more than the figures of an engine that is gone
        ranks["down"], ranks["ok"] = ranks["ok"], ranks["down"]
    if engine_cells:
        ranks["engine"] = 0
    while need() > cells and len(columns) > 2:
        columns.remove(max(columns, key=lambda column: ranks[column.id]))
    spare = max(0, cells - need())
    given = {column.id: least[column.id] for column in columns}
    for id, limit in _SPARE:
        if id in given:
            more = min(spare, max(0, (limit or most[id]) - given[id]))
            given[id] += more
            spare -= more
    return tuple(ColumnLayout(column, given[column.id]) for column in columns)


def titles(columns: tuple[ColumnLayout, ...], sorted_by: str = "", mark: str = "") -> Line:
    """Return the line of column titles, with a mark of one cell after the column in `sorted_by`."""
    spans: list[Span] = [Span("  ")]
    for column, cells in columns:
        title = "  " + column.title if column.id == "name" else column.title
        if mark and column.id == sorted_by:
            shown = fit(f"{title} {mark}", cells + 2) if column.align == "left" else fit(title, cells, "right") + mark
            spans.append(Span(fit(shown, cells + 2), "sorted"))
        else:
            spans.append(Span(fit(title, cells, column.align) + "  ", "title"))
    return (*spans[:-1], Span(spans[-1].text[:-2], spans[-1].style))


def column_at(columns: tuple[ColumnLayout, ...], x: int) -> str:
    """Return the id of the column at cell `x` of a line, or an empty string."""
    begins = MARGIN - 1
    for column, cells in columns:
        if begins <= x < begins + cells + GAP:
            return column.id
        begins += cells + GAP
    return ""


def row_line(
    row: AdapterView,
    now: int,
    columns: tuple[ColumnLayout, ...],
    glyphs: Glyphs,
    highlighted: frozenset[str] = frozenset(),
) -> Line:
    """Return an adapter as a line of the table, without the cursor. `highlighted` are ids of columns."""
    spans: list[Span] = [Span("  ")]
    for column, cells in columns:
        shown = column.cell(row, now, cells, glyphs)
        if highlighted and column.id in highlighted:
            shown = tuple(Span(text, f"{style}+glow") for text, style in shown)
        spans.extend(fit_line(shown if column.align == "left" else right(shown, cells), cells))
        spans.append(Span("  "))
    return tuple(spans[:-1])


def ages(row: AdapterView) -> bool:
    """Return whether a row shows an age outside the column `since`. Such a row changes every second."""
    return (
        row.down_since is not None or row.condition == "held" or (row.condition == "closed" and row.reason == "reset")
    )


def slices_of(columns: tuple[ColumnLayout, ...]) -> int:
    """Return how many bars fit the sparkline."""
    return next((max(1, placed.cells - of.PEAK_CELLS) for placed in columns if placed.column.id == "spark"), 0)
