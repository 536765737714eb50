"""The cells of the breakers table: the content of each column for one adapter."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from operator import itemgetter

from fuseboard_console.text.bars import countdown_bar, sparkline
from fuseboard_console.text.formatting import (
    SECOND,
    clock,
    latency,
    number,
    ordinal,
    percent,
    plural,
    rate,
    span,
    whole_span,
)
from fuseboard_console.text.glyphs import APPEARANCES, Glyphs
from fuseboard_console.text.line import Line, Span
from fuseboard_console.text.width import width
from fuseboard_console.views.adapters.adapter_view import AdapterView, down_seconds, latency_style
from fuseboard_console.views.adapters.chain_positions import positions_text
from fuseboard_console.views.adapters.engine_names import cut_start

Cell = Callable[[AdapterView, int, int, Glyphs], Line]
"""Given a row, now (UTC microseconds), the cells there are and the glyphs: what to show."""

PEAK_CELLS = 6
"""Cells beside a sparkline that say what its highest bar stands for."""
_RECENT = 60.0
_LEAST_COUNTDOWN = 12  # cells of a countdown beside the name of a fault
_LABEL = 30  # cells from which an engine is shown with its host and process


def name_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Glyph and name."""
    style = APPEARANCES[row.condition].style
    calm = row.condition in ("closed", "disabled", "watch")
    glyph = Span(glyphs.of(row.condition), "ok-dim" if row.condition == "closed" else style)
    lost = row.condition in ("silent", "ended")
    return (glyph, Span(" "), Span(row.name, "muted" if lost else "text" if calm else "strong"))


def state_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """The condition's word, with what it counts."""
    look = APPEARANCES[row.condition]
    if row.condition == "closed":
        return (Span(look.word, "ok-dim"),)
    if row.condition == "counting":
        threshold = f"/{row.threshold}" if row.threshold else ""
        return (Span(look.word, "ok"), Span(f" {row.failures}{threshold}", "warn"))
    if row.condition == "probing":
        needed = f" {row.probe_successes}/{row.needed}" if row.needed else ""
        return (Span(look.word + needed, look.style),)
    if row.condition in ("silent", "ended"):
        return (Span(row.word, look.style), Span(" was ", "faint"), Span(APPEARANCES[row.was].word, "struck"))
    return (Span(look.word, look.style),)


def next_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """The next event and its time: the countdown, the probe, or an operator's action. An injected fault goes first."""
    if row.fault:
        return _fault_line(row, cells, glyphs)
    condition = row.condition
    if condition == "open":
        if not row.wait:
            return (Span(_longest(("until someone resets it", "until a reset"), cells), "muted"),)
        return _countdown(row, cells, glyphs)
    if condition == "down":
        return (Span(f"passed over: {row.health}" if row.health else "passed over", "muted"),)
    if condition == "ready":
        return (Span(_longest(("the next call probes", "next call probes", "next call"), cells), "ready"),)
    if condition == "probing":
        if row.probes_in_flight:
            probes = plural(row.probes_in_flight, "probe")
            return (Span(_longest((f"{probes} in flight", probes), cells), "warn"),)
        return (Span(_longest(("waits for a call", "no call yet"), cells), "muted"),)
    if condition == "held":
        return _actor_line("", row.actor or "hand", _age_text(row, now), cells, "muted")
    if condition == "disabled":
        return (Span(_longest(("lets every call through", "never refuses"), cells), "muted"),)
    if condition == "watch":
        return (Span(_longest(("counts, never opens", "never opens"), cells), "muted"),)
    if row.lost_at is not None:
        return (Span(f"as of {clock(row.lost_at)}", "muted"),)
    if condition == "closed" and row.reason == "reset" and (now - row.since) / SECOND < _RECENT:
        return _actor_line("reset", row.actor, _age_text(row, now), cells, "info")
    return ()


def _countdown(row: AdapterView, cells: int, glyphs: Glyphs) -> Line:
    """Return the time until the next probe as a bar and a figure, and which opening in a row it is, if both fit."""
    times = f" {ordinal(row.openings):>4}" if row.openings > 1 else "     "
    tail = f"{span(row.left):>7}"
    room = cells - len(tail) - len(times)
    if room >= 5:
        bar = countdown_bar(row.left, row.wait, min(room, 40), glyphs, "bad")
        return (*bar, Span(tail, "strong"), Span(times, "muted"))
    tail, times = tail.strip(), times.rstrip()
    return (Span(tail, "bad"), Span(times if width(tail + times) <= cells else "", "muted"))


def _fault_line(row: AdapterView, cells: int, glyphs: Glyphs) -> Line:
    """Return the injected fault of an adapter: before the countdown of an open breaker, else with its own time."""
    if row.condition == "open" and row.wait:
        named = f"FAULT {row.fault} "
        mark = named if width(named) + _LEAST_COUNTDOWN <= cells else "FAULT "
        return (Span(mark, "bad"), *_countdown(row, cells - width(mark), glyphs))
    left = whole_span(row.fault_left)
    long, short = f"FAULT {row.fault}, {left} left", f"FAULT {left}"
    return (Span(long if width(long) <= cells else short, "bad"),)


def _longest(texts: tuple[str, ...], cells: int) -> str:
    """Return the first of these texts, from long to short, that fits the cells, or the last."""
    return next((text for text in texts if width(text) <= cells), texts[-1])


def _age_text(row: AdapterView, now: int) -> str:
    return f"{whole_span((now - row.since) / SECOND)} ago"


def _actor_line(what: str, actor: str, ago: str, cells: int, style: str) -> Line:
    """Return who acted and when. Where both do not fit, one of them is left out as a whole."""
    by = f"{what} by {actor}".strip() if actor else what
    if width(by) > cells:
        by = what or "by hand"
    if width(by) + 1 + width(ago) > cells:
        return (Span(by, style),)
    return (Span(by, style), Span(f" {ago}", "muted"))


def error_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """The last error, while it is relevant."""
    troubled = row.condition in ("open", "ready", "probing", "held", "counting")
    return (Span(row.last_error, "muted"),) if troubled else ()


def since_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Time in the present condition."""
    return (Span(whole_span((now - row.since) / SECOND), "faint"),)


def down_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """When the outage began, and how long ago that is."""
    if row.down_since is None:
        return ()
    age = whole_span(down_seconds(row, now))
    began = Span(clock(row.down_since), "text")
    return (began, Span(f" {age}", "muted")) if cells > width(began.text) + width(age) else (began,)


def rate_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Calls per second."""
    return (Span(rate(row.stats.rate), _current(row, "text" if row.stats.rate else "faint")),)


def ok_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Success rate in percent, coloured when it is low."""
    share = row.stats.recent.success_rate
    style = "faint" if share is None else "text" if share >= 0.99 else "warn" if share >= 0.9 else "bad-dim"
    return (Span(percent(share), _current(row, style)),)


def p50_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Median latency."""
    return _latency(row, row.stats.recent.p50)


def p95_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """95th percentile of latency."""
    return _latency(row, row.stats.recent.p95)


def p99_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """99th percentile of latency."""
    return _latency(row, row.stats.recent.p99)


def _latency(row: AdapterView, seconds: float | None) -> Line:
    return (Span(latency(seconds), _current(row, latency_style(seconds, row.slow_after))),)


def _current(row: AdapterView, style: str) -> str:
    """Return the style of a figure: that of a lost engine is its last one, not a current one."""
    return style if row.lost_at is None else "faint"


def rejected_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Rejections in the last minute."""
    count = row.stats.recent.rejections
    return (Span(f"{count}", _current(row, "text" if count else "faint")),)


def spark_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Calls over the last two minutes, those slices with failures in the colour of trouble, and the highest rate.

    Each row has a scale of its own: its highest bar is the rate that stands beside it, in calls per second.
    """
    bars = max(1, cells - PEAK_CELLS)
    calls, failures = row.stats.calls[-bars:], row.stats.failures[-bars:]
    lost = row.lost_at is not None
    styles = [
        "quiet" if lost or not made else "bad" if failed else "spark"
        for made, failed in zip(calls, failures, strict=True)
    ]
    drawn = zip(sparkline(calls, glyphs), styles, strict=True)
    spans = [Span("".join(sign for sign, _ in run), style) for style, run in groupby(drawn, itemgetter(1))]
    peak = max(calls, default=0) / row.stats.each
    peak = max(peak, row.stats.rate) if peak else peak  # a slice may be longer than what `calls/s` counts over
    return (*spans, Span(f"{rate(peak) if peak else '':>{PEAK_CELLS}}", "faint"))


def engine_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """The instance that the adapter belongs to: its label, or its short name if room is short."""
    text = row.engine if cells >= _LABEL else row.engine_short or row.engine
    return (Span(cut_start(text, cells), "faint"),)


def inflight_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Calls in flight."""
    count = row.in_flight
    return (Span("–" if count is None else number(count), "text" if count else "faint"),)


def budget_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Retries left in the budget. Zero is shown as a warning."""
    left = row.budget
    return (Span("–" if left is None else number(left), "warn" if left == 0 else "faint"),)


def chain_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Positions in the fallback chains."""
    return (Span(positions_text(row.places, cells), "muted"),)


def tags_cell(row: AdapterView, now: int, cells: int, glyphs: Glyphs) -> Line:
    """Its tags."""
    return (Span(row.tags, "faint"),)
