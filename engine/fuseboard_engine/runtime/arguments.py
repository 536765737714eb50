"""Checks of arguments that callers pass. A wrong one is refused before any work begins."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real

from fuseboard_engine.policy_base import LONGEST_WAIT


def checked_seconds(value: object, name: str) -> float:
    """Return a number of seconds. It may be negative (the time is over) or infinite (a hundred years).

    Args:
        value: what the caller passed.
        name: what the argument is called, for the error.

    Raises:
        TypeError: it is not a number.
        ValueError: it is NaN.
    """
    if type(value) is float and -LONGEST_WAIT < value < LONGEST_WAIT:
        return value
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number of seconds, not {value!r:.100}")
    if value != value:
        raise ValueError(f"{name} must be a number of seconds, not NaN")
    return float(value) if value < LONGEST_WAIT else LONGEST_WAIT


def checked_positive(value: object, name: str) -> float:
    """Return a finite number of seconds above 0; raise TypeError or ValueError for anything else."""
    seconds = checked_seconds(value, name)
    if not 0 < seconds < LONGEST_WAIT:
        raise ValueError(f"{name} must be a positive number of seconds, not {value!r:.100}")
    return seconds


def as_words(value: str | Iterable[str]) -> tuple[str, ...]:
    """Return words as a tuple; a single string is one word."""
    return (value,) if isinstance(value, str) else tuple(value)


def checked_count(value: object, name: str) -> int:
    """Return a whole number from 1; raise TypeError or ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a number, not {value!r:.100}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")
    return value
