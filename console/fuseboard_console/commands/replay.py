"""`fuseboard replay`: opens the console on the past of a recording, at any time and speed."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import age, speed
from fuseboard_console.cli.moments import SECOND, micros, moment
from fuseboard_console.cli.preference_arguments import add_preferences, preferences_of

SUMMARY = "replay a recording in the console, at any speed, forward and back"
DESCRIPTION = """Open the console on the past of a recording; the bar at the top shows the position in time.
Space plays and pauses, [ ] step by an event, { } by a state change, left and right by ten seconds, < > change
the speed; click the bar to jump. Replay sends nothing to an engine. `watch` can go back too: press [ there."""
EXAMPLES = """  fuseboard replay checkout.db                            from the beginning
  fuseboard replay checkout.db --at 03:12                 from 03:12 on the last recorded day
  fuseboard replay checkout.db --at 2026-01-31T03:12:05   from this date and time
  fuseboard replay checkout.db --back 15m --speed 8       the last 15 minutes, at eight times the speed"""
ORDER = 20


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--at", type=moment, metavar="TIME", help="start at this time: 03:12, 03:12:05 or 2026-01-31T03:12:05"
    )
    where.add_argument("--back", type=age, metavar="AGE", help="start this long before the end: 90s, 15m, 2h, 1d")
    parser.add_argument(
        "--speed", type=speed, default=1.0, metavar="N", help="play at 0.25 to 64 times the speed (default: 1)"
    )
    add_preferences(parser)


def run(args: Namespace) -> int:
    """Open the console, and return the exit code once it is closed."""
    from fuseboard_console.cli.output import complain, is_dumb

    if is_dumb() or not (sys.stdin.isatty() and sys.stdout.isatty()):
        complain("`replay` needs a terminal that can show a screen.")
        complain(f"`fuseboard events {args.file} --limit 0` prints all events as lines.")
        return exit_codes.BAD_INPUT
    from fuseboard_console.app.launch import watch_replay
    from fuseboard_console.cli.interrupts import run_loop
    from fuseboard_engine.errors import FuseboardError

    def begin(start: int, end: int) -> int:
        if args.at is not None:
            return micros(args.at, end)
        return start if args.back is None else end - round(args.back * SECOND)

    try:
        return run_loop(watch_replay(args.file, begin=begin, speed=args.speed, preferences=preferences_of(args)))
    except FuseboardError as error:
        complain(str(error))
        return exit_codes.BAD_INPUT
