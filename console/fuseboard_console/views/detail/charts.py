"""Charts made of cells: bars over several lines, and latencies as columns in three shades."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from fuseboard_console.text.formatting import SECOND, clock, stamp
from fuseboard_console.text.glyphs import APPEARANCES, Glyphs
from fuseboard_console.text.line import Line, Span
from fuseboard_console.text.width import fit, width
from fuseboard_console.views.detail.time_slices import CONDITIONS, Slice
from fuseboard_engine.events import State

SHADES = ("spark", "muted", "faint")
"""The styles of the 50th, the 95th and the 99th percentile."""
_DAY = 86_400
_PARTS = (6, 5, 4, 3, 2)  # into which an axis is divided
_AIR = 8  # cells between two of its times at least


def bars(values: Sequence[float | None], height: int, cells: int, style: str, glyphs: Glyphs) -> list[Line]:
    """Return bars scaled to the highest value, as `height` lines of `cells`, top first. Zero is dimmed.

    Zero is the lowest bar of the lowest line. Any other value is higher. Where a value is None, nothing is drawn.
    """
    top = max((value for value in values if value is not None), default=0)
    steps = len(glyphs.sparks)
    levels = [
        None if value is None else 0 if not value or top <= 0 else max(2, round(value / top * steps * height))
        for value in values
    ]
    lines: list[Line] = []
    for row in range(height):
        below = (height - 1 - row) * steps
        signs = [
            (" ", "text")
            if level is None
            else (_bar(level - below, row == height - 1, glyphs), style if level else "quiet")
            for level in levels
        ]
        lines.append(stretched(signs, cells))
    return lines


def _bar(level: int, lowest: bool, glyphs: Glyphs) -> str:
    if level <= 0:
        return glyphs.sparks[0] if lowest else " "
    return glyphs.sparks[min(level, len(glyphs.sparks)) - 1]


def stacked(parts: Sequence[tuple[int, int] | None], height: int, cells: int, glyphs: Glyphs) -> list[Line]:
    """Return bars of calls as `bars` does, with the failed ones among them as signs of a failure at the bottom.

    Args:
        parts: For each slice the failures and all calls; None: not known.
        height: The number of lines.
        cells: The width.
        glyphs: The signs.
    """
    lines = bars([part and part[1] for part in parts], height, len(parts), "spark", glyphs)
    top = max((part[1] for part in parts if part is not None), default=0)
    failed = [max(1, round(part[0] / top * height)) if part is not None and part[0] else 0 for part in parts]
    found: list[Line] = []
    for row, line in enumerate(lines):
        signs = [(sign, style) for text, style in line for sign in text]
        for place, many in enumerate(failed):
            if many >= height - row:
                signs[place] = (glyphs.failed, "bad")
        found.append(stretched(signs, cells))
    return found


def states_line(slices: Sequence[Slice], cells: int, glyphs: Glyphs) -> Line:
    """Return the breaker's state as one sign per slice, a dot where it is unknown. Where its engine was lost: blank."""
    return stretched([state_sign(one.state, one.lost, glyphs) for one in slices], cells)


def state_sign(state: State | None, lost: bool, glyphs: Glyphs) -> tuple[str, str]:
    """Return a state as a sign and its style."""
    if state is None:
        return (" ", "text") if lost else (glyphs.gap, "faint")
    condition = CONDITIONS[state]
    return glyphs.of(condition), "ok-dim" if condition == "closed" else APPEARANCES[condition].style


_NEAR = 4  # times the highest latency, up to which a limit is on the same scale


def limit_row(top: float, height: int, limit: float | None) -> int | None:
    """Return the line, counted from the top, in which a limit is drawn if the scale ends with `top`; -1: above it.

    None: there is no limit, or no latency.
    """
    if limit is None or not limit > 0 or top <= 0:
        return None
    return -1 if limit > top else height - 1 - min(height - 1, int(limit / top * height))


def latency_lines(
    slices: Sequence[Slice], height: int, cells: int, glyphs: Glyphs, limit: float | None = None
) -> tuple[list[Line], float]:
    """Return latencies as columns of `height` lines, top first, and the seconds at the top.

    Where no column stands, a line marks the `limit` above which a call is slow, and what is above it has the colour of
    trouble. A limit far above all latencies has a line of its own at the top.
    """
    peak = max((one.p99 for one in slices if one.p99 is not None), default=0.0)
    top = limit if limit is not None and peak < limit <= peak * _NEAR else peak
    at = limit_row(top, height, limit)
    lines: list[Line] = [stretched([(glyphs.bar_rest, "warn")], cells)] if at == -1 else []
    for row in range(height):
        middle = (height - row - 0.5) / height * top
        signs = [_shade(one, middle, row == height - 1, glyphs) for one in slices]
        if at is not None and at >= 0:
            signs = [_with_limit(sign, row - at, glyphs) for sign in signs]
        lines.append(stretched(signs, cells))
    return lines, top


def _with_limit(shown: tuple[str, str], below: int, glyphs: Glyphs) -> tuple[str, str]:
    """Return a cell of a column so many lines below the limit."""
    sign = shown[0]
    if not below:
        return (glyphs.bar_rest, "warn") if sign == " " else shown
    return (sign, "bad") if below < 0 and sign != " " else shown


def _shade(one: Slice, at: float, lowest: bool, glyphs: Glyphs) -> tuple[str, str]:
    for share, sign, style in zip((one.p50, one.p95, one.p99), glyphs.shades, SHADES, strict=True):
        if share is not None and at <= share:
            return sign, style
    if one.lost:
        return " ", "text"
    return (glyphs.sparks[0], SHADES[0] if one.p99 is not None else "faint") if lowest else (" ", "text")


def stretched(signs: Sequence[tuple[str, str]], cells: int) -> Line:
    """Return signs with their styles as a line that fills `cells`."""
    wide = [signs[place * len(signs) // cells] for place in range(cells)] if signs else []
    return tuple(
        Span("".join(sign for sign, _ in group), style) for style, group in groupby(wide, key=lambda sign: sign[1])
    )


def axis(until: int, seconds: int, cells: int, *, now: int | None = None, tick: str = "") -> str:
    """Return the times under a chart of `cells`, as many as there is room for.

    Each time begins at the cell of its moment, with a `tick`. The last one, `now` or else the end, ends at the last
    cell.
    """
    since = until - seconds * SECOND
    last = _time_text(until if now is None else now, seconds) + tick
    if width(last) > cells:
        return fit(last, cells, "right")
    label = width(last) + _AIR
    parts = next((parts for parts in _PARTS if seconds % parts == 0 and cells // parts >= label), 1)
    text = ""
    for part in range(parts):
        begins = -(-part * cells // parts)
        shown = tick + _time_text(since + part * seconds * SECOND // parts, seconds)
        if begins + width(shown) + width(last) < cells:
            text += " " * (begins - width(text)) + shown
    return text + fit(last, cells - width(text), "right")


def _time_text(at: int, seconds: int) -> str:
    return clock(at) if seconds < _DAY else stamp(at)[5:16]
