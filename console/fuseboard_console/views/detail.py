"""All that is known of one adapter, as lines."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from fuseboard_console.actions import Action, shown_keys
from fuseboard_console.glyphs import LOOKS, Condition, Glyphs
from fuseboard_console.safe_text import safe_text
from fuseboard_console.views.adapters import condition, stats_of, view_of
from fuseboard_console.views.bars import sparkline
from fuseboard_console.views.failures import failure_lines
from fuseboard_console.views.line import Line, Span
from fuseboard_console.views.policy_words import policy_words
from fuseboard_console.views.row_cells import next_cell
from fuseboard_console.views.times import SECOND, clock, latency, percent, rate, whole
from fuseboard_engine.events import State
from fuseboard_storage.board import AdapterKey, AdapterRow, Board

SHOWN_SECONDS = 120
_LABEL = 12
_FAILURES = 8
_STANDS: dict[State, Condition] = {
    "closed": "closed", "open": "open", "half_open": "probing",
    "forced_open": "held", "disabled": "disabled", "metrics_only": "watch",
}  # fmt: skip


def detail_lines(
    board: Board, key: AdapterKey, now: int, cells: int, actions: Sequence[Action], glyphs: Glyphs
) -> list[Line]:
    """Return the lines about an adapter as of `now` (UTC microseconds), for `cells`; `actions` are those there are."""
    row = board.adapters.get(key)
    if row is None:
        return [(Span("This adapter is gone.", "muted"),)]
    instance = board.instances.get(key.instance)
    view = view_of(row, instance, now, stats_of(row, now, 0))
    look = LOOKS[condition(row, instance, now)]
    recent = view.stats.recent
    slices = max(10, min(60, cells - _LABEL - 2))
    lines: list[Line] = [
        (
            Span(f"{glyphs.of(view.condition)} {look.word}", look.style),
            Span(f" for {whole((now - row.since) / SECOND)}  ", "muted"),
            *next_cell(view, now, max(12, cells - 34), glyphs),
        ),
    ]
    if view.detail:
        lines.append(_labelled("because", (Span(view.detail),)))
    words = policy_words(row.policy)
    for index, part in enumerate(wrap(words, max(20, cells - _LABEL))):
        lines.append(_labelled("" if index else "policy", (Span(part),)))
    lines += [
        (),
        _labelled("states", _strip(row, now, slices, glyphs)),
        _labelled("calls", (Span(sparkline(_bars(row, now, slices, "calls"), glyphs), "spark"),)),
        _labelled("failures", (Span(sparkline(_bars(row, now, slices, "failures"), glyphs), "bad-dim"),)),
        _labelled("", (Span(f"{clock(now - SHOWN_SECONDS * SECOND)} to {clock(now)}", "faint"),)),
        (),
        _labelled(
            "last minute",
            (
                Span(f"{rate(view.stats.rate)}/s  {percent(recent.success_rate)} % ok  "),
                Span(f"p50 {latency(recent.p50)}  p95 {latency(recent.p95)}  p99 {latency(recent.p99)}", "muted"),
            ),
        ),
        _labelled(
            "in all",
            (
                Span(f"{row.calls:,} calls, {row.failed:,} failed ({row.timeouts:,} by timeout), "),
                Span(f"{row.rejections:,} rejected"),
            ),
        ),
    ]
    for (_, task_type), chain in board.chains.items():
        if row.name in chain:
            order = f" {glyphs.arrow} ".join(safe_text(name, 40) for name in chain)
            lines.append(_labelled("chain", (Span(f"{safe_text(task_type, 40) or 'every other type'}: {order}"),)))
    failures = [failure for failure in board.failures if failure.key == key][:_FAILURES]
    lines += [(), (Span("Last failures", "strong"),)]
    lines += failure_lines(failures, cells, glyphs) or [(Span("It has not failed.", "muted"),)]
    if actions:
        lines += [(), (Span("Actions", "strong"),)]
        lines += [(Span(f"  {shown_keys(action):<4}", "key"), Span(action.description, "muted")) for action in actions]
    return lines


def _labelled(label: str, line: Line) -> Line:
    return (Span(f"{label:<{_LABEL}}", "faint"), *line)


def _edges(now: int, slices: int) -> list[int]:
    """Return where the slices of the last two minutes end, UTC microseconds."""
    each = SHOWN_SECONDS * SECOND / slices
    return [round(now - (slices - 1 - index) * each) for index in range(slices)]


def _strip(row: AdapterRow, now: int, slices: int, glyphs: Glyphs) -> Line:
    """Return how the breaker stood at the end of each slice; a point where it was not there yet."""
    changes = list(row.changes)
    spans: list[Span] = []
    for edge in _edges(now, slices):
        state: State | None = next((after for at, after in reversed(changes) if at <= edge), None)
        if state is None and (not changes or row.added_at <= edge):
            state = "closed" if row.added_at <= edge else None
        if state is None:
            spans.append(Span(glyphs.gap, "faint"))
        else:
            stands = _STANDS[state]
            spans.append(Span(glyphs.of(stands), "ok-dim" if stands == "closed" else LOOKS[stands].style))
    return tuple(spans)


def _bars(row: AdapterRow, now: int, slices: int, what: str) -> list[int]:
    each = SHOWN_SECONDS * SECOND / slices
    bars = [0] * slices
    for second in row.seconds:
        index = slices - 1 - int((now - second.at) // each)
        if 0 <= index < slices:
            bars[index] += getattr(second, what)
    return bars
