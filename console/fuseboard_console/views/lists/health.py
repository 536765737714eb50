"""Health checks as lines: each adapter's last result, since when, and what else impairs it."""

from __future__ import annotations

from collections.abc import Iterable

from fuseboard_console.text.formatting import SECOND, plural, whole_span
from fuseboard_console.text.glyphs import APPEARANCES, Glyphs
from fuseboard_console.text.line import Line, Span, cut_line, fit_line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import fit, width
from fuseboard_console.views.adapters.adapter_view import condition_of, condition_word
from fuseboard_console.views.adapters.engine_names import NO_ENGINES, EngineNames, fit_with_engine
from fuseboard_storage.board.board import AdapterKey, AdapterRow, Board, InstanceRow

NAMES = 30
"""Cells of an adapter's name at the most."""
_HEALTH, _SINCE, _BREAKER = 12, 8, 14
_WIDE = 70  # cells from which there is room for the breaker state
_SEVERITY = {"unhealthy": 1, "degraded": 2, "healthy": 4, "unknown": 5}
_STYLES = {"unhealthy": "bad", "degraded": "warn", "healthy": "ok-dim"}


def severity(row: AdapterRow) -> int:
    """Return the severity of an adapter's health. The lowest number is the most severe."""
    if row.health_alert:
        return 0
    found = _SEVERITY.get(row.health or "unknown", 5)
    return 3 if found > 3 and (row.held or row.stuck or row.overdue) else found


def health_order(board: Board) -> list[AdapterKey]:
    """Return all adapters, the most severe first, then by name."""
    rows = sorted(board.rows(), key=lambda row: (severity(row), row.name.casefold(), row.key))
    return [row.key for row in rows]


def summary(board: Board) -> str:
    """Return the counts by health: `2 unhealthy, 1 degraded, 9 healthy, 3 not checked`."""
    counts: dict[str, int] = {}
    for row in board.rows():
        counts[row.health or "unknown"] = counts.get(row.health or "unknown", 0) + 1
    words = {"unknown": "not checked"}
    return ", ".join(f"{counts[kind]:,} {words.get(kind, kind)}" for kind in _SEVERITY if counts.get(kind))


def names_width(keys: Iterable[AdapterKey], engines: EngineNames = NO_ENGINES) -> int:
    """Return the width of these adapters' names in cells."""
    return min(NAMES, max((width(engines.adapter(key)) for key in keys), default=0))


def health_heading(cells: int, names: int) -> Line:
    """Return the column titles."""
    titles = fit("  adapter", names + 2) + "  " + fit("health", _HEALTH) + fit("since", _SINCE)
    breaker = fit("breaker", _BREAKER) if cells >= _WIDE else ""
    return fit_line((Span(f"{titles}{breaker}what it said", "title"),), cells)


def health_line(
    row: AdapterRow, instance: InstanceRow | None, now: int, cells: int, names: int, glyphs: Glyphs, engine: str = ""
) -> Line:
    """Return an adapter's health at `now` (UTC microseconds), its name in `names` cells.

    `engine` is its engine as safe text; empty if only one engine has an adapter of this name.
    """
    word = safe_text(row.health, 40) or "unknown"
    style = _STYLES.get(word, "faint")
    sign = {"unhealthy": glyphs.failed, "degraded": glyphs.degraded, "healthy": glyphs.answered}.get(word, glyphs.gap)
    since = whole_span((now - row.health_at) / SECOND) if row.health_at is not None else ""
    condition = condition_of(row, instance, now)
    look = APPEARANCES[condition]
    breaker = f"{glyphs.of(condition)} {condition_word(condition, instance)}"
    return cut_line(
        (
            Span(f"{sign} ", style),
            Span(fit_with_engine(safe_text(row.name, 60), engine, names), "text" if row.health else "muted"),
            Span("  "),
            Span(fit("not checked" if word == "unknown" else word, _HEALTH), style),
            Span(fit(since, _SINCE), "muted"),
            Span(fit(breaker, _BREAKER) if cells >= _WIDE else "", "ok-dim" if condition == "closed" else look.style),
            *_troubles(row),
        ),
        cells,
    )


def _troubles(row: AdapterRow) -> Line:
    said: list[Span] = []
    if row.health_detail:
        said.append(Span(f"{safe_text(row.health_detail, 300)}  ", "muted"))
    if row.health_alert:
        said.append(Span(f"{plural(row.health_alert, 'bad check')} in a row  ", "bad"))
    if row.stuck:
        said.append(Span(f"{plural(row.stuck, 'thread hangs', 'threads hang')}  ", "warn"))
    if row.overdue:
        said.append(Span(f"{plural(row.overdue, 'overdue call')}  ", "warn"))
    if row.held:
        said.append(Span(f"kept closed: {safe_text(row.held, 200)}  ", "warn"))
    return tuple(said)
