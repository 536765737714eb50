"""Durations, times, shares and counts as short text, always in the same shape."""

from __future__ import annotations

import time

SECOND = 1_000_000  # microseconds
LONGEST = 1e11
"""The seconds of the longest time in a text; a damaged recording may contain any number."""


def stamp(at: int) -> str:
    """Return the local date and time of `at` (UTC microseconds) as `2026-11-21 14:02:11.250`."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at // SECOND))}.{at % SECOND // 1000:03}"


def span(seconds: float) -> str:
    """Return a length of time: `0.2 s`, `14 s`, `3 min`, `5 h`, `2 d`; at most `LONGEST`."""
    seconds = min(max(0.0, seconds), LONGEST)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} d"


def latency(seconds: float | None) -> str:
    """Return a measured duration: `42 ms`, `2.0 s`, `–` for None."""
    if seconds is None:
        return "–"
    if seconds < 0.000_95:
        return f"{max(0.0, seconds) * 1e6:.0f} µs"
    if seconds < 0.009_95:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 0.999_5:
        return f"{seconds * 1e3:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 99.95 else span(seconds)


def pause(seconds: float) -> str:
    """Return a waiting time: `200 ms`, `1.5 s`, `3 min`."""
    return latency(seconds) if seconds < 0.999_5 else span(seconds)


def exact_span(seconds: float) -> str:
    """Return a time that was set or asked for. It is rounded less than a measured one: `42.5 s`, `100 s`, `5 min`."""
    if seconds < 0.999_5:
        return latency(seconds)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size and not seconds % size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.4g} s" if seconds < 999.95 else span(seconds)


def percent(share: float | None) -> str:
    """Return a share (0..1) in percent: `99.9`, `100`, `–` for None. Only exactly 1 is shown as 100."""
    if share is None:
        return "–"
    if share >= 1:
        return "100"
    return f"{min(share * 100, 99.9):.1f}"


def ordinal(number: int) -> str:
    """Return `1st`, `2nd`, `11th`, ..."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def plural(count: int, word: str, many: str = "") -> str:
    """Return `1 adapter`, `2 adapters`; `many` is the plural of `word` if it is not `word` + `s`."""
    return f"{count:,} {word if count == 1 else many or word + 's'}"


def slow_probe_text(seconds: float, limit: float) -> str:
    """Return that a probe took longer than its limit: `probe took 1.4 s, limit 0.5 s`. The two never look equal.

    A limit of 0 is unknown: events of earlier versions do not have it.
    """
    if not limit:
        return "probe was too slow"
    factor, unit = (1.0, "s") if limit >= 0.1 else (1000.0, "ms")
    took, most = seconds * factor, limit * factor
    text = f"{took:.2g}" if took < 99.5 else f"{took:.0f}"
    if float(text) <= most:
        text = f"{took:g}" if float(f"{took:g}") > most else repr(took)
    return f"probe took {text} {unit}, limit {most:g} {unit}"


def format_duration(seconds: float) -> str:
    """Return a duration with three significant digits: `42 ms`, `1.25 s`."""
    return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"
