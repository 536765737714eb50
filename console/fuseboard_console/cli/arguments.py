"""Kinds of arguments that several commands take. Each reads a text, or says what is wrong with it."""

from __future__ import annotations

from argparse import ArgumentTypeError

from fuseboard_console.text.durations import parse_duration

MOST = 1_000_000_000
"""More than any list has: what is above it is a slip."""
ALL = 2**62
"""So many at most where all are wanted."""


def count(text: str) -> int:
    """Return a whole number of one or more."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**63:
        raise ArgumentTypeError(f"{text!r} is no whole number of one or more")
    return int(text)


def limit(text: str) -> int:
    """Return how many at most: a whole number of one or more."""
    if (number := count(text)) > MOST:
        raise ArgumentTypeError(f"{text!r} is too many; the most is {MOST:,}")
    return number


def limit_or_all(text: str) -> int:
    """Return how many at most, a whole number; 0 is all."""
    if text.isascii() and text.isdigit() and not text.strip("0"):
        return 0
    try:
        return limit(text)
    except ArgumentTypeError as error:
        if "too many" in str(error):
            raise
        raise ArgumentTypeError(f"{text!r} is no whole number; 0 is all") from None


def seconds(text: str) -> float:
    """Return a number of seconds that a person would wait."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0, up to 3600")
    return value


def port(text: str) -> int:
    """Return the number of a port: 0 to 65535."""
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise ArgumentTypeError(f"{text!r} is no port between 0 and 65535")
    return int(text)


def age(text: str) -> float:
    """Return the seconds of an age such as `90s`, `30m`, `12h`, `7d` or `2w`."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no age; {error}") from None


def speed(text: str) -> float:
    """Return how many times as fast: 0.25 to 64."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.25 <= value <= 64:
        raise ArgumentTypeError(f"{text!r} is no speed between 0.25 and 64")
    return value
