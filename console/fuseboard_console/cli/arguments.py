"""Types of arguments that several commands take. Each parses a text or raises ArgumentTypeError with the reason."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError

from fuseboard_console.text.durations import parse_duration

MAX_COUNT = 1_000_000_000
"""The highest limit that is accepted; a number above it is a slip."""
ALL = 2**62
"""The limit that stands for all."""


def count(text: str) -> int:
    """Return a whole number of 1 or more."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**63:
        raise ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def limit(text: str) -> int:
    """Return a limit: a whole number from 1 to MAX_COUNT."""
    if (number := count(text)) > MAX_COUNT:
        raise ArgumentTypeError(f"{text!r} is too large; the maximum is {MAX_COUNT:,}")
    return number


def limit_or_all(text: str) -> int:
    """Return a limit: a whole number from 1 to MAX_COUNT, or 0 for all."""
    if text.isascii() and text.isdigit() and not text.strip("0"):
        return 0
    try:
        return limit(text)
    except ArgumentTypeError as error:
        if "too large" in str(error):
            raise
        raise ArgumentTypeError(f"{text!r} is not a whole number; 0 means all") from None


def seconds(text: str) -> float:
    """Return a number of seconds above 0 and at most 3600."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0 and at most 3600")
    return value


def add_wait(parser: ArgumentParser) -> None:
    """Add `--wait` to the parser of a command that an engine has to accept."""
    parser.add_argument(
        "--wait",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long the engine may take to accept the command (default: 5)",
    )


def port(text: str) -> int:
    """Return the number of a port: 0 to 65535."""
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise ArgumentTypeError(f"{text!r} is not a port between 0 and 65535")
    return int(text)


def age(text: str) -> float:
    """Return the seconds of an age such as `90s`, `30m`, `12h`, `7d` or `2w`."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not an age; {error}") from None


def position(text: str) -> float:
    """Return a number of seconds from a beginning: 0 or more, at most a day."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds between 0 and 86400")
    return value


def speed(text: str) -> float:
    """Return a speed: 0.25 to 64 times as fast."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.25 <= value <= 64:
        raise ArgumentTypeError(f"{text!r} is not a speed between 0.25 and 64")
    return value
