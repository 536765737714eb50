"""The charts of a report as SVG, with the same as text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil
from typing import Final, NamedTuple

from fuseboard_console.text.formatting import clock, latency
from fuseboard_console.text.glyphs import ASCII
from fuseboard_console.text.width import cut, fit
from fuseboard_console.views.report.document import Figure
from fuseboard_console.views.report.incident import TaskCounts

WIDTH: Final = 900
LEFT: Final = 130
TOP: Final = 8
TEXT_CELLS: Final = 60
_TICKS: Final = 5
_LANE: Final = 22

_STATE: Final = {
    "open": ("bad", 1.0, "#"),
    "half_open": ("warn", 0.6, "+"),
    "forced_open": ("held", 1.0, "H"),
    "disabled": ("held", 0.3, "d"),
    "metrics_only": ("held", 0.3, "m"),
    "closed": ("good", 0.15, "."),
}
"""The class, the height and the sign of each state: heights differ, so that states differ without colour too."""


_ENDS: Final = (
    ("failed", "bad", "failed"),
    ("degraded", "warn", "degraded"),
    ("other", "other", "answered by another adapter"),
    ("first", "good", "answered by the first"),
)
"""How a task ends: the field that counts it, the class, and the name."""


class Span(NamedTuple):
    """A state from `start` to `end`, in shares of the chart's time."""

    start: float
    end: float
    state: str


class Series(NamedTuple):
    """The name of a line, and its values by slice; None where there is none."""

    name: str
    style: str
    values: Sequence[float | None]


def lanes(title: str, rows: Sequence[tuple[str, Sequence[Span]]], begin: int, end: int) -> Figure:
    """Return the states of breakers over time, a lane each."""
    height = TOP + len(rows) * _LANE
    parts: list[str] = []
    text: list[str] = []
    for place, (name, spans) in enumerate(rows):
        base = TOP + (place + 1) * _LANE - 4
        parts.append(f'<text class="name" x="0" y="{base - 3}">{escape(cut(name, 20))}</text>')
        signs = ["."] * TEXT_CELLS
        for span in spans:
            style, tall, sign = _STATE.get(span.state, ("none", 0.3, "?"))
            high = tall * (_LANE - 6)
            x, width = _x(span.start), max(1.0, _x(span.end) - _x(span.start))
            what = escape(f"{name}: {span.state.replace('_', '-')}")
            parts.append(
                f'<rect class="{style}" x="{x:.1f}" y="{base - high:.1f}" width="{width:.1f}" height="{high:.1f}">'
                f"<title>{what}</title></rect>"
            )
            if sign != ".":
                first = min(int(span.start * TEXT_CELLS), TEXT_CELLS - 1)
                for cell in range(first, max(first + 1, min(TEXT_CELLS, round(span.end * TEXT_CELLS)))):
                    signs[cell] = sign
        text.append(f"{fit(cut(name, 20), 20)}  {''.join(signs)}")
    legend = "Height: open (full), half-open (half), closed (thin); held by hand in another colour."
    text += [_times_text(begin, end), "# open  + half-open  H held open  d disabled  m metrics only  . closed"]
    parts.append(f'<text x="{LEFT}" y="{height + 34}">{legend}</text>')
    return Figure(title, _svg(title, height + 40, [*parts, *_axis(height, begin, end)]), tuple(text))


def tasks(title: str, slices: Sequence[TaskCounts], begin: int, end: int) -> Figure:
    """Return how many tasks ended in which way over time, as stacked bars."""
    top = max((one.tasks for one in slices), default=0) or 1
    height, parts = TOP + 120, list[str]()
    wide = (WIDTH - LEFT) / len(slices)
    for place, one in enumerate(slices):
        base = float(height)
        for name, style, label in _ENDS:
            if number := getattr(one, name):
                high = number / top * 120
                base -= high
                parts.append(
                    f'<rect class="{style}" x="{LEFT + place * wide:.1f}" y="{base:.1f}" '
                    f'width="{max(0.8, wide - 0.6):.1f}" height="{high:.1f}"><title>{number:,} {label}</title></rect>'
                )
    x = LEFT
    for _, style, label in _ENDS:
        parts.append(f'<rect class="{style}" x="{x}" y="{height + 26}" width="10" height="10"/>')
        parts.append(f'<text x="{x + 14}" y="{height + 35}">{label}</text>')
        x += 28 + 6 * len(label)
    parts.append(f'<text x="{LEFT - 6}" y="{TOP + 10}" text-anchor="end">{top:,}</text>')
    text = [
        f"{fit(label, 28)}{_sparks([getattr(one, name) for one in slices])}"
        for name, _, label in _ENDS
        if any(getattr(one, name) for one in slices)
    ]
    return Figure(
        title, _svg(title, height + 42, [*parts, *_axis(height, begin, end)]), (*text, _times_text(begin, end, 28))
    )


def lines(title: str, series: Sequence[Series], begin: int, end: int, *, share: bool) -> Figure:
    """Return lines over time: shares (0..1, shown in percent), or seconds."""
    known = [value for one in series for value in one.values if value is not None]
    top = 1.0 if share else max(known, default=0.0) or 1.0
    height, parts, text = TOP + 80, list[str](), list[str]()
    x = LEFT
    for one in series:
        parts += [
            f'<polyline class="{one.style}" points="{points}"/>' for points in _polylines(one.values, top, height)
        ]
        if len(series) > 1:
            parts.append(f'<polyline class="{one.style}" points="{x},{height + 31} {x + 18},{height + 31}"/>')
            parts.append(f'<text x="{x + 22}" y="{height + 35}">{escape(one.name)}</text>')
            x += 60
        text.append(f"{fit(one.name, 28)}{_sparks([(value or 0.0) / top for value in one.values])}")
    label = "100 %" if share else latency(top)
    parts.append(f'<text x="{LEFT - 6}" y="{TOP + 10}" text-anchor="end">{label}</text>')
    parts.append(f'<text x="{LEFT - 6}" y="{height}" text-anchor="end">0</text>')
    foot = 42 if len(series) > 1 else 24
    svg = _svg(title, height + foot, [*parts, *_axis(height, begin, end)])
    return Figure(title, svg, (*text, _times_text(begin, end, 28), f"highest: {label}"))


def _polylines(values: Sequence[float | None], top: float, height: float) -> list[str]:
    """Return the points of the parts of a line that have values."""
    found: list[str] = []
    part: list[str] = []
    for place, value in enumerate([*values, None]):
        if value is None:
            if len(part) == 1:
                at, level = part[0].split(",")
                part.append(f"{float(at) + 3:.1f},{level}")
            if part:
                found.append(" ".join(part))
            part = []
        else:
            x = _x((place + 0.5) / len(values))
            part.append(f"{x:.1f},{height - min(value / top, 1.0) * (height - TOP):.1f}")
    return found


def _x(share: float) -> float:
    return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - 2)


def _axis(height: float, begin: int, end: int) -> list[str]:
    parts = [f'<path class="axis" d="M{LEFT} {height + 2}H{WIDTH}"/>']
    for tick in range(_TICKS + 1):
        anchor = "start" if tick == 0 else "end" if tick == _TICKS else "middle"
        at = begin + (end - begin) * tick // _TICKS
        parts.append(f'<text x="{_x(tick / _TICKS):.0f}" y="{height + 16}" text-anchor="{anchor}">{clock(at)}</text>')
    return parts


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _sparks(values: Sequence[float]) -> str:
    """Return values as signs, at most `TEXT_CELLS` of them; only zero is the lowest."""
    each = max(1, ceil(len(values) / TEXT_CELLS))
    pairs = [max(values[place : place + each]) for place in range(0, len(values), each)]
    top, steps = max(pairs, default=0.0), len(ASCII.sparks) - 1
    return "".join(ASCII.sparks[max(1, round(pair / top * steps)) if pair and top else 0] for pair in pairs)


def _times_text(begin: int, end: int, indent: int = 22) -> str:
    first, last = clock(begin), clock(end)
    return f"{'':<{indent}}{first}{last:>{max(1, TEXT_CELLS - len(first))}}"
