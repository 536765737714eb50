"""Times, rates and counts in few cells, always in the same shape.

Durations, shares and counts that sentences of events also contain come from the engine.
"""

from __future__ import annotations

import time

from fuseboard_engine.runtime.formatting import (
    SECOND,
    exact_span,
    latency,
    ordinal,
    pause,
    percent,
    plural,
    span,
    stamp,
)

__all__ = [
    "SECOND",
    "byte_size",
    "clock",
    "exact_span",
    "latency",
    "number",
    "ordinal",
    "pause",
    "percent",
    "plural",
    "rate",
    "span",
    "stamp",
    "whole_span",
]


_BYTES = ((1e3, "kB"), (1e6, "MB"))


def clock(at: int) -> str:
    """Return the local time of day of `at` (UTC microseconds) as `14:02:11`."""
    return time.strftime("%H:%M:%S", time.localtime(at / SECOND))


def whole_span(seconds: float) -> str:
    """Return a length of time that changes at most once a second: `3 s`, `14 s`, `3 min`."""
    return f"{max(0.0, seconds):.0f} s" if seconds < 9.95 else span(seconds)


def rate(per_second: float) -> str:
    """Return a rate: `3.1`, `184`, `1.2k`."""
    if per_second < 99.95:
        return f"{per_second:.1f}"
    return number(per_second)


def number(value: float) -> str:
    """Return a count in at most five cells: `999`, `12.3k`, `4.0M`."""
    if value < 999.5:
        return f"{value:.0f}"
    if value < 999_950:
        return f"{value / 1000:.1f}k"
    return f"{value / 1e6:.1f}M"


def byte_size(size: float) -> str:
    """Return a number of bytes: `512 B`, `12.3 kB`, `61 MB`, `1.2 GB`."""
    if size < 999.5:
        return f"{size:.0f} B"
    value, unit = next(((size / by, unit) for by, unit in _BYTES if size < 999.5 * by), (size / 1e9, "GB"))
    return f"{value:.0f} {unit}" if value >= 19.95 else f"{value:.1f} {unit}"
