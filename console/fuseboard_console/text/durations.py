"""Durations as an operator writes them: `30s`, `5m`, `12h`, `7d`, `2w`."""

from __future__ import annotations

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
"""Seconds of each unit."""
MAX_SECONDS = 1e10


def parse_duration(text: str) -> float:
    """Return the seconds of a number with its unit.

    Raises:
        ValueError: The text is not a duration; the message says how to write one.
    """
    number, unit = text.strip()[:-1], text.strip()[-1:].lower()
    try:
        value = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        value = -1.0
    if not 0 <= value < MAX_SECONDS:
        raise ValueError("write 30s, 5m, 12h, 7d or 2w")
    return value
