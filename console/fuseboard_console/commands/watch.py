"""`fuseboard watch`: opens the console on a recording."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.preference_arguments import add_preferences, preferences_of

SUMMARY = "open the console: every breaker live, and reset by a key"
DESCRIPTION = """Open the console on a recording: every breaker with its countdown, the fallback chains of tasks, the
latest failures. A reset reaches the engine through the recording's mailbox. Press ? for the keys."""
EXAMPLES = """  fuseboard watch checkout.db                  watch, and reset with r
  fuseboard watch checkout.db --read-only      watch only, without keys that change an engine
  fuseboard watch checkout.db --theme light    dark, light, contrast, blue-orange or teal-red
  fuseboard watch checkout.db --ascii          for terminals without Unicode
  fuseboard watch checkout.db --plain          plain lines, for screen readers and logs"""
ORDER = 10


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    parser.add_argument("--read-only", action="store_true", help="disable everything that changes an engine")
    parser.add_argument(
        "--reveal", action="store_true", help="show payloads of dead letters with the keys and passwords in them"
    )
    parser.add_argument(
        "--plain", action="store_true", help="print plain lines instead of opening a screen, until Ctrl-C"
    )
    add_preferences(parser)


def run(args: Namespace) -> int:
    """Open the console, and return the exit code once it is closed."""
    from fuseboard_console.cli.output import complain, is_dumb

    if args.plain:
        return _plain(args.file)
    if is_dumb():
        complain("This terminal (TERM=dumb) can't show the console.")
        complain(f"`fuseboard watch --plain {args.file}` follows the recording line by line.")
        return exit_codes.BAD_INPUT
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        complain(f"`watch` needs a terminal. `fuseboard status {args.file}` prints the state as text,")
        complain(f"and `fuseboard watch --plain {args.file}` follows the recording line by line.")
        return exit_codes.BAD_INPUT
    from fuseboard_console.app.launch import watch
    from fuseboard_console.cli.interrupts import run_loop
    from fuseboard_engine.errors import FuseboardError

    try:
        preferences = preferences_of(args)
        return run_loop(watch(args.file, read_only=args.read_only, preferences=preferences, reveal=args.reveal))
    except FuseboardError as error:
        complain(str(error))
        return exit_codes.BAD_INPUT


def _plain(file: str) -> int:
    import asyncio

    from fuseboard_console.cli.output import complain_of
    from fuseboard_console.cli.plain_watch import watch_plain
    from fuseboard_engine.runtime.clock import wall_clock
    from fuseboard_storage.errors import RecordingError

    try:
        asyncio.run(watch_plain(file, wall_clock))
    except RecordingError as error:
        return complain_of(error)
    return exit_codes.OK
