"""The bar in place of the header in a replay: position, speed, and the state changes around it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.glyphs import APPEARANCES, Condition, Glyphs
from fuseboard_console.text.line import Line, Span, cut_line, fit_line, line_width
from fuseboard_console.text.width import cut
from fuseboard_console.views.detail.time_slices import CONDITIONS
from fuseboard_storage.recording.history import BreakerChange

MIN_WIDTH = 12
"""Cells below which there is no bar."""
FULL_WIDTH = 24
"""Cells that the track takes before what the footer says too is shown."""
FROM_LIVE: Final = " from live"
"""The words after the time behind the present."""


class SeekView(NamedTuple):
    """The content of the bar. Times are UTC microseconds. `back` is the seconds behind the present, or None in an old
    recording.

    `where` is the file, the page, and the part of it, as safe texts. `summary` is the state of the whole at that time
    in ever fewer cells, the last one a word.
    """

    position: int
    start: int
    end: int
    speed: float
    playing: bool
    back: float | None
    changes: Sequence[BreakerChange]
    where: tuple[str, ...] = ()
    summary: tuple[Line, ...] = ((),)


class SeekBar(NamedTuple):
    """The bar as a line, and the cells of its track."""

    line: Line
    first: int
    cells: int


def seek_bar(view: SeekView, cells: int, glyphs: Glyphs, keys: tuple[str, str, str] = ("[ ]", "{ }", "L")) -> SeekBar:
    """Return the bar in exactly `cells`. The least important parts leave first; the word REPLAY always stays.

    `keys` are those for a step, for a state change, and for returning to live.
    """
    sign = glyphs.play if view.playing else glyphs.pause
    word = Span(f" {sign} REPLAY {glyphs.times}{view.speed:g} ", "replay")
    moment = datetime.fromtimestamp(view.position / SECOND) if 0 <= view.position < 2**57 else None
    day = Span(f" {moment:%Y-%m-%d}" if moment else "", "text")
    tenth = view.position // (SECOND // 10) % 10
    at = Span(f" {moment:%H:%M:%S}.{tenth}" if moment else "", "text")
    back = "" if view.back is None else f"  {glyphs.minus}{_clock(view.back)}{FROM_LIVE}"
    tail = Span(back, "text")
    step, change, live = keys
    help = Span(f"  {step} step  {change} state change" + ("" if view.back is None else f"  {live} live"), "text")
    file, crumb = _location(view, cells // 3, glyphs)
    summaries = view.summary
    behind = Span(tail.text.removesuffix(FROM_LIVE), "text")
    for least, left, right in (
        (FULL_WIDTH, (word, file, crumb, day, at, *summaries[0]), (tail, help)),
        (FULL_WIDTH, (word, file, crumb, day, at, *summaries[0]), (tail,)),
        *((MIN_WIDTH, (word, file, crumb, day, at, *summary), (behind,)) for summary in summaries[:2]),
        *((MIN_WIDTH, (word, crumb, day, at, *summary), (behind,)) for summary in summaries[1:3]),
        *((MIN_WIDTH, (word, crumb, at, *summary), (behind,)) for summary in summaries[2:3]),
        *((MIN_WIDTH, (word, at, *summary), (behind,)) for summary in summaries[1:]),
        *((MIN_WIDTH, (word, at, *summary), ()) for summary in summaries[-3:]),
        *((0, (word, at, *summary), ()) for summary in summaries[-3:]),
    ):
        room = cells - line_width(left) - line_width(right) - 3
        if room >= least:
            break
    if room < MIN_WIDTH:
        return SeekBar(fit_line(cut_line(left, cells), cells, "text"), 0, 0)
    room -= 1
    line = (*left, Span("  ", "text"), *_track(view, room, glyphs), Span(" ", "text"), *right)
    return SeekBar(fit_line(line, cells, "text"), line_width(left) + 2, room)


def _location(view: SeekView, cells: int, glyphs: Glyphs) -> tuple[Span, Span]:
    """Return the file's name and the path to the shown part, as the live header does."""
    file, *others = view.where or ("",)
    crumb = cut("".join(f" {glyphs.separator} {part}" for part in others), cells)
    return Span(cut(f" {file}" if file else "", cells), "text"), Span(f"{crumb} " if crumb else "", "text")


def time_at(view: SeekView, bar: SeekBar, column: int) -> int | None:
    """Return the time at a column of the screen, or None outside the track."""
    if not bar.first <= column < bar.first + bar.cells:
        return None
    share = (column - bar.first) / max(1, bar.cells - 1)
    return view.start + round((view.end - view.start) * share)


def _track(view: SeekView, cells: int, glyphs: Glyphs) -> Line:
    """Return the track: a tick for the worst change in each cell, and a mark at the replay's position."""
    span = max(1, view.end - view.start)

    def cell(at: int) -> int:
        return min(cells - 1, max(0, (at - view.start) * (cells - 1) // span))

    position = cell(view.position)
    ticks: dict[int, Condition] = {}
    for change in view.changes:
        look, place = CONDITIONS[change.state], cell(change.at)
        if place not in ticks or APPEARANCES[look].severity < APPEARANCES[ticks[place]].severity:
            ticks[place] = look
    spans: list[Span] = []
    for place in range(cells):
        if place == position:
            spans.append(Span(glyphs.position, "replay"))
        elif place in ticks:
            spans.append(Span(glyphs.of(ticks[place]), APPEARANCES[ticks[place]].style))
        else:
            spans.append(Span(glyphs.bar_rest, "text"))
    return tuple(spans)


def _clock(seconds: float) -> str:
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    days, hours = divmod(hours, 24)
    short = f"{rest // 60:02}:{rest % 60:02}"
    return f"{days} d {hours:02}:{short}" if days else f"{hours}:{short}" if hours else short
