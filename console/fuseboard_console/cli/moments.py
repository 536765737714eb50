"""Times as arguments of commands: `03:12`, `2026-01-31T03:12:05`, and ages such as `15m`."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import datetime, time
from typing import Any, Final

from fuseboard_console.text.durations import UNITS, parse_duration

SECOND: Final = 1_000_000


def moment(text: str) -> time | datetime:
    """Parse a time of day, or a date and time; without a time zone, both are local."""
    for kind in (time, datetime):
        try:
            return kind.fromisoformat(text)
        except ValueError:
            continue
    raise ArgumentTypeError(f"{text!r} is not a time; write 03:12, 03:12:05 or 2026-01-31T03:12:05")


def moment_or_age(text: str) -> time | datetime | float:
    """Parse a time as `moment` does, or the seconds of an age such as `15m`."""
    try:
        return parse_duration(text) if text[-1:].lower() in UNITS else moment(text)
    except (ValueError, ArgumentTypeError):
        raise ArgumentTypeError(
            f"{text!r} is not a time; write 03:12, 2026-01-31T03:12:05, or an age such as 15m, 2h or 1d"
        ) from None


def micros(wanted: time | datetime, end: int) -> int:
    """Return a time in UTC microseconds; a time of day means its last occurrence before `end` (UTC microseconds)."""
    if isinstance(wanted, datetime):
        return round(wanted.timestamp() * SECOND)
    last = datetime.fromtimestamp(end / SECOND, wanted.tzinfo)
    found = round(datetime.combine(last.date(), wanted).timestamp() * SECOND)
    return found if found <= end else found - 86_400 * SECOND


def add_time_filters(parser: ArgumentParser) -> None:
    """Add `--since` and `--until`, also called `--from` and `--to`, to a parser."""
    parser.add_argument(
        "--since",
        "--from",
        dest="since",
        type=moment_or_age,
        metavar="TIME",
        help="only from this time on: 03:12, 2026-01-31T03:12:05, or an age such as 15m, 2h, 1d",
    )
    parser.add_argument(
        "--until", "--to", dest="until", type=moment_or_age, metavar="TIME", help="only before this time"
    )


def add_span(parser: ArgumentParser) -> None:
    """Add the part of a recording that a command looks at: `--from` and `--to`, also called `--since` and `--until`."""
    parser.add_argument(
        "--from",
        "--since",
        dest="since",
        type=moment_or_age,
        metavar="TIME",
        help="begin at this time: 03:12, 2026-01-31T03:12:05, or an age such as 15m, 2h, 1d",
    )
    parser.add_argument(
        "--to", "--until", dest="until", type=moment_or_age, metavar="TIME", help="end before this time"
    )


def time_filters(args: Namespace) -> dict[str, Any]:
    """Return `since` and `until` of a command line in UTC microseconds, for `Recording.events`."""
    from fuseboard_engine.runtime.clock import wall_clock

    now = wall_clock()

    def of(wanted: time | datetime | float | None) -> int | None:
        if wanted is None:
            return None
        return now - round(wanted * SECOND) if isinstance(wanted, float) else micros(wanted, now)

    return {"since": of(args.since), "until": of(args.until)}
