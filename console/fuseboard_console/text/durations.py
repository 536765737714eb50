"""Lengths of time as people write them: `30s`, `5m`, `12h`, `7d`, `2w`."""

from __future__ import annotations

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
"""Seconds of each unit."""
LONGEST = 1e10


def seconds_of(text: str) -> float:
    """Return the seconds of a length of time with its unit.

    Raises:
        ValueError: it is none; with how to write one.
    """
    number, unit = text.strip()[:-1], text.strip()[-1:].lower()
    try:
        value = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        value = -1.0
    if not 0 <= value < LONGEST:
        raise ValueError("write 30s, 5m, 12h, 7d or 2w")
    return value
