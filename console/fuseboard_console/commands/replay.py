"""`fuseboard replay`: opens the console on what happened, at any time of it and at any speed."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import datetime, time

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import age, speed
from fuseboard_console.cli.preference_arguments import add_preferences, preferences_of

SUMMARY = "go through what happened: any recording, at any speed, forward and back"
DESCRIPTION = """Opens the console on a recording as it was: the bar at the top says where in time you are.
Space plays and stops, [ ] go by an event, { } by a change of state, left and right by ten seconds, < > change
the speed. A click on the bar goes there. Nothing is asked of an engine. `watch` goes back too: press [ there."""
EXAMPLES = """  fuseboard replay checkout.db                            from the beginning
  fuseboard replay checkout.db --at 03:12                 from this time of its last day
  fuseboard replay checkout.db --at 2026-01-31T03:12:05   from this moment
  fuseboard replay checkout.db --back 15m --speed 8       its last quarter of an hour, eight times as fast"""
ORDER = 20
SECOND = 1_000_000


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--at", type=moment, metavar="TIME", help="start at 03:12, 03:12:05 or 2026-01-31T03:12:05")
    where.add_argument("--back", type=age, metavar="AGE", help="start so long before the end: 90s, 15m, 2h, 1d")
    parser.add_argument("--speed", type=speed, default=1.0, metavar="N", help="0.25 to 64 times as fast (default: 1)")
    add_preferences(parser)


def moment(text: str) -> time | datetime:
    """Return a time of day, or a moment; both are local where no zone is given."""
    for kind in (time, datetime):
        try:
            return kind.fromisoformat(text)
        except ValueError:
            continue
    raise ArgumentTypeError(f"{text!r} is no time; write 03:12, 03:12:05 or 2026-01-31T03:12:05")


def micros(wanted: time | datetime, end: int) -> int:
    """Return a moment in UTC microseconds; a time of day is the last one before `end` (UTC microseconds)."""
    if isinstance(wanted, datetime):
        return round(wanted.timestamp() * SECOND)
    last = datetime.fromtimestamp(end / SECOND, wanted.tzinfo)
    found = round(datetime.combine(last.date(), wanted).timestamp() * SECOND)
    return found if found <= end else found - 86_400 * SECOND


def run(args: Namespace) -> int:
    """Open the console; return the exit code when it is left."""
    from fuseboard_console.cli.output import complain, is_dumb

    if is_dumb() or not (sys.stdin.isatty() and sys.stdout.isatty()):
        complain("`replay` needs a terminal that can show a screen.")
        complain(f"`fuseboard events {args.file} --limit 0` prints all that happened as lines.")
        return exit_codes.BAD_INPUT
    import asyncio

    from fuseboard_console.app.launch import watch_replay
    from fuseboard_engine.errors import FuseboardError

    def begin(start: int, end: int) -> int:
        if args.at is not None:
            return micros(args.at, end)
        return start if args.back is None else end - round(args.back * SECOND)

    try:
        return asyncio.run(watch_replay(args.file, begin=begin, speed=args.speed, preferences=preferences_of(args)))
    except FuseboardError as error:
        complain(str(error))
        return exit_codes.BAD_INPUT
