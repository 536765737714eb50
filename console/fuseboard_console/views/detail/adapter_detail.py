"""The detail of one adapter as lines: state and reason, charts of its past, and available actions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, zip_longest
from typing import NamedTuple

from fuseboard_console.actions.model import Action, shown_keys
from fuseboard_console.text.formatting import SECOND, clock, latency, ordinal, percent, plural, rate, whole_span
from fuseboard_console.text.glyphs import APPEARANCES, Glyphs
from fuseboard_console.text.label_lines import LABEL_CELLS, label_line, labelled
from fuseboard_console.text.line import Line, Span, fit_line, line_width
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.adapter_view import (
    AdapterView,
    down_seconds,
    latency_style,
    make_view,
    reason_of,
    stats_of,
)
from fuseboard_console.views.adapters.cells import next_cell
from fuseboard_console.views.adapters.chain_positions import chain_lines
from fuseboard_console.views.detail.charts import SHADES, axis, bars, latency_lines, limit_row, stacked, states_line
from fuseboard_console.views.detail.time_slices import FIRST, WINDOWS, Slice, Window, cut_at, slices_of
from fuseboard_console.views.events.failures import failure_lines
from fuseboard_engine.event_log.policy_text import policy_text
from fuseboard_storage.board.board import AdapterKey, AdapterRow, Board
from fuseboard_storage.board.rows import KEPT_CHANGES, KEPT_SECONDS
from fuseboard_storage.recording.history import AdapterPast

AXIS_LABEL_CELLS = 9
"""Cells on the right, for the value at the top of a chart."""
_FAILURES = 8
_LOW, _HIGH = 34, 44  # lines of a screen below which charts are low, and from which they are high
_TWO_COLUMNS = 140  # cells from which what is below the charts stands in two columns
_MOST_CELLS = 400  # a wider text is made to be copied
_GAP = 3
_LEAST_NEXT = 12  # cells in which what comes next can be read
FAULTS = frozenset({"open", "held", "down", "ready", "probing", "counting"})
"""The conditions in which the last error matters."""


class Look(NamedTuple):
    """The appearance of the detail: the time window of its charts, the past in it, and the number of lines.

    `past` is None for a window that the Board itself keeps. `reading` is true while the past is being read. `trouble`
    says why it cannot be read.
    """

    window: Window = WINDOWS[FIRST]
    past: AdapterPast | None = None
    rows: int = 40
    age: float = 0.0
    reading: bool = False
    trouble: str = ""


def is_kept_by_board(window: Window) -> bool:
    """Return whether a Board keeps this much of each adapter's past."""
    return window.seconds <= KEPT_SECONDS


def detail_lines(
    board: Board,
    key: AdapterKey,
    now: int,
    cells: int,
    actions: Sequence[Action],
    glyphs: Glyphs,
    look: Look = Look(),  # noqa: B008 - a frozen value
) -> list[Line]:
    """Return the lines about an adapter at `now` (UTC microseconds), `cells` wide. `actions` are the available ones."""
    row = board.adapters.get(key)
    if row is None:
        return [(Span("This adapter is gone.", "muted"),)]
    instance = board.instances.get(key.instance)
    view = make_view(row, instance, now, stats_of(row, now, 0))
    appearance = APPEARANCES[view.condition]
    head: Line = (
        Span(f"{glyphs.of(view.condition)} {view.word}", appearance.style),
        Span(f"{_since(view, now)}  ", "muted"),
    )
    room = cells - line_width(head)
    if view.lost_at is None and room >= _LEAST_NEXT:
        head = (*head, *next_cell(view, now, room, glyphs))
    lines: list[Line] = [head]
    if row.last_error:
        lines += _last_error(row, view, now, cells)
    if instance is not None:
        lines.append(label_line("engine", (Span(safe_text(instance.label, 200)),)))
    if view.fault:
        by = f" by {safe_text(row.fault_actor, 60)}" if row.fault_actor else ""
        said = f"{view.fault}; injected{by}, ends in {whole_span(view.fault_left)}"
        lines.append(label_line("FAULT", (Span(said, "bad"),)))
    if reason := reason_of(view):
        by = f" ({view.actor})" if view.actor and view.was != "down" else ""
        lines += labelled("because", f"{reason}{by}", cells)
    lines += labelled("policy", policy_text(row.policy), cells)
    lines += [(), *_charts(row, view, now, cells, glyphs, look), ()]
    left = cells * 2 // 5 if _TWO_COLUMNS <= cells <= _MOST_CELLS else cells
    right = cells - left - _GAP if left < cells else cells
    figures = _figures(row, view)
    figures += chain_lines(board.chains, key.instance, left, glyphs.arrow, row.name)
    failures = [failure for failure in board.failures if failure.key == key][:_FAILURES]
    failed: list[Line] = [(Span("Last failures", "strong"),)]
    failed += failure_lines(failures, right, glyphs) or [(Span("It has not failed.", "muted"),)]
    doable: list[Line] = [(Span("Actions", "strong"),)] if actions else []
    doable += [(Span(f"  {shown_keys(action):<4}", "key"), Span(action.description, "muted")) for action in actions]
    if left == cells:
        return [*lines, *figures, (), *failed, *([()] if doable else []), *doable]
    return [*lines, *_beside([*figures, *([()] if doable else []), *doable], failed, left)]


def _beside(left: Sequence[Line], right: Sequence[Line], cells: int) -> list[Line]:
    """Return two blocks of lines side by side, the left one `cells` wide."""
    return [
        (*fit_line(one, cells), Span(" " * _GAP), *other) if other else one
        for one, other in zip_longest(left, right, fillvalue=())
    ]


def _last_error(row: AdapterRow, view: AdapterView, now: int, cells: int) -> list[Line]:
    """Return the last error in full, and how long ago it was."""
    ago = "" if row.last_failure is None else f", {whole_span((now - row.last_failure) / SECOND)} ago"
    troubled = view.condition in FAULTS
    return labelled("last error", f"{safe_text(row.last_error, 10_000)}{ago}", cells, "bad" if troubled else "muted")


def _since(view: AdapterView, now: int) -> str:
    """Return how long an adapter has been in its state; of one that is down, since when and which try is next.

    Of a lost engine's adapter: the last sign of life, and what the state was then.
    """
    if view.lost_at is not None:
        ago = whole_span((now - view.lost_at) / SECOND)
        was = f", was {APPEARANCES[view.was].word}"
        since = "" if view.down_since is None else f" since {clock(view.down_since)}"
        return f", last sign of life {clock(view.lost_at)} ({ago} ago){was}{since}"
    in_state = whole_span((now - view.since) / SECOND)
    if view.down_since is None:
        return f" for {in_state}"
    down = whole_span(down_seconds(view, now))
    tries = f", {ordinal(view.openings)} try" if view.openings > 1 else ""
    last = f"; last change {in_state} ago" if view.since != view.down_since else ""
    return f", down since {clock(view.down_since)} ({down}{tries}){last}"


def end_of_charts(lost_at: int | None, now: int, window: Window) -> int:
    """Return where the charts of a window end (UTC microseconds): now. If an engine's last sign of life is older than
    the whole window, they end there, so that its last figures stay.
    """
    if lost_at is None or now - lost_at < window.seconds * SECOND:
        return now
    return lost_at - lost_at % SECOND + SECOND  # with all of its last second


def _charts(row: AdapterRow, view: AdapterView, now: int, cells: int, glyphs: Glyphs, look: Look) -> list[Line]:
    """Return state, calls, failures, rejections and latencies over one time axis.

    Nothing is drawn after the last sign of life of its engine.
    """
    until = end_of_charts(view.lost_at, now, look.window)
    room = max(8, min(cells if cells <= _MOST_CELLS else 160, cells - LABEL_CELLS - AXIS_LABEL_CELLS))
    seconds = look.window.seconds
    past = look.past
    if past is None:
        full = len(row.changes) == KEPT_CHANGES  # what was before these is not kept
        added_at = row.changes[0][0] if full else row.added_at
        lives = () if view.lost_at is None else ((min(added_at, view.lost_at), view.lost_at),)
        past = AdapterPast(tuple(row.seconds), tuple(row.changes), lives)
    else:
        added_at = row.added_at
    cut = cut_at(until, seconds, room, look.age)
    slices = slices_of(past, cut.until, seconds, cut.slices, added_at)
    each = cut.each
    known = [None if one.lost else one for one in slices]
    high, tall = (2, 3) if look.rows < _LOW else (3, 5) if look.rows < _HIGH else (6, 8)
    lines: list[Line] = [
        (Span(look.window.title, "strong"), Span(f"  {_sum(slices)}", "muted"), *_as_of(view), *_news(look)),
        label_line("states", states_line(slices, room, glyphs)),
        *_calls(known, high, each, room, glyphs),
        *_bars("rejections", [one and one.rejections for one in known], 1, each, room, "held", glyphs),
        *_latencies(slices, tall, room, glyphs, view.slow_after),
    ]
    return [*lines, label_line("", (Span(axis(cut.until, seconds, room, now=until, tick=glyphs.tick), "faint"),))]


def _calls(known: Sequence[Slice | None], height: int, each: float, cells: int, glyphs: Glyphs) -> list[Line]:
    """Return the calls with the failed ones among them, on one scale. The highest value per second is beside them."""
    top = max((one.calls for one in known if one is not None), default=0)
    lines = stacked([one and (one.failures, one.calls) for one in known], height, cells, glyphs)
    failed = any(one.failures for one in known if one is not None)
    tails = {0: Span(f" {rate(top / each)}/s" if top else "", "faint")}
    if failed:
        tails[height - 1] = Span(f" {glyphs.failed} failed", "bad")
    return [
        label_line("" if place else "calls", (*line, tails.get(place, Span("")))) for place, line in enumerate(lines)
    ]


def _latencies(slices: Sequence[Slice], height: int, cells: int, glyphs: Glyphs, limit: float | None) -> list[Line]:
    """Return the latencies with their limit; the values at the top and at the limit are beside them."""
    lines, top = latency_lines(slices, height, cells, glyphs, limit)
    at = limit_row(top, height, limit)
    tails: dict[int, Span] = {}
    first = len(lines) - height  # 1 if the limit has a line of its own
    if top:
        tails[first] = Span(f" {latency(top)}", "faint")
    if at is not None and limit is not None:
        sign = glyphs.bar_rest if at >= 0 else glyphs.sort_ascending
        tails[at + first] = Span(f" {sign} {latency(limit)}", "warn")
    if height > 3:
        free = [place for place in range(len(lines)) if place not in tails]
        for place, name, shade, style in zip(free, ("p50", "p95", "p99"), glyphs.shades, SHADES, strict=False):
            tails[place] = Span(f" {shade} {name}", style)
    return [
        label_line("" if place else "latency", (*line, tails.get(place, Span("")))) for place, line in enumerate(lines)
    ]


def _sum(slices: Sequence[Slice]) -> str:
    calls, failures = sum(one.calls for one in slices), sum(one.failures for one in slices)
    rejections = sum(one.rejections for one in slices)
    return f"{calls:,} calls, {failures:,} failed, {rejections:,} rejected"


def _as_of(view: AdapterView) -> Line:
    """Return as of when the figures of a lost engine are; nothing of one that is alive."""
    return () if view.lost_at is None else (Span(f"  as of {clock(view.lost_at)}", "warn"),)


def _news(look: Look) -> Line:
    if look.trouble:
        return (Span(f"  {look.trouble}", "warn"),)
    return (Span("  reading ...", "faint"),) if look.reading else ()


def _bars(
    label: str, values: Sequence[int | None], height: int, each: float, cells: int, style: str, glyphs: Glyphs
) -> list[Line]:
    """Return bars of counts in slices of `each` seconds. The highest value per second is beside them."""
    top = max((value for value in values if value is not None), default=0)
    tail = Span(f" {rate(top / each)}/s" if top else "", "faint")
    lines = bars(values, height, cells, style, glyphs)
    return [label_line("" if place else label, line if place else (*line, tail)) for place, line in enumerate(lines)]


def _percentiles(values: Sequence[tuple[str, float | None]], limit: float | None) -> Line:
    """Return percentiles of latency in one line; those in which a call is slow have the colour of trouble."""
    spans: list[Span] = []
    for name, seconds in values:
        style = "bad-dim" if latency_style(seconds, limit) == "bad-dim" else "muted"
        spans.append(Span(f"{'  ' if spans else ''}{name} {latency(seconds)}", style))
    return tuple(Span("".join(one.text for one in run), style) for style, run in groupby(spans, lambda one: one.style))


def _figures(row: AdapterRow, view: AdapterView) -> list[Line]:
    recent = view.stats.recent
    lines = [
        label_line(
            "last minute",
            (
                Span(f"{rate(view.stats.rate)}/s  {percent(recent.success_rate)} % ok  "),
                *_percentiles((("p50", recent.p50), ("p95", recent.p95), ("p99", recent.p99)), view.slow_after),
                *_as_of(view),
            ),
        ),
        label_line(
            "in all",
            (
                Span(f"{row.calls:,} calls, {row.failed:,} failed ({row.timeouts:,} by timeout), "),
                Span(f"{row.rejections:,} rejected"),
            ),
        ),
    ]
    if row.overdue_total:
        now = Span(f"{plural(row.overdue, 'call')} now", "warn" if row.overdue else "text")
        late = f", {row.overdue_total:,} in all went on for more than a second after their time limit"
        lines.append(label_line("overdue", (now, Span(late, "muted"))))
    if row.health:
        detail = f": {safe_text(row.health_detail, 200)}" if row.health_detail else ""
        said = f"{safe_text(row.health, 40)}{detail}"
        lines.append(label_line("health", (Span(said),)))
    if row.held:
        lines.append(label_line("kept closed", (Span(safe_text(row.held, 200)),)))
    if row.tags:
        lines.append(label_line("tags", (Span(safe_text(", ".join(row.tags), 200)),)))
    return lines
