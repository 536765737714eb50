"""`fuseboard demo`: plays a scenario in an engine process of its own and shows it live in the console."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.preference_arguments import add_preferences, preferences_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

SUMMARY = "watch a minute of failures and recovery; needs no application"
DESCRIPTION = """Play a scenario: an engine in a process of its own, with adapters that fail on schedule, records to a
file that the console watches. Press r to reset a breaker, ? for the keys, q to quit.
Without a terminal, the scenario plays in virtual time and what happens is printed as plain lines."""
EXAMPLES = """  fuseboard demo                       the primary goes down and recovers
  fuseboard demo --record demo.db      keep the recording for later
  fuseboard demo | less                what happens, as text"""
ORDER = 0

_SCENARIO = "primary-outage"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument(
        "scenario",
        nargs="?",
        default=_SCENARIO,
        metavar="SCENARIO",
        help="a scenario file, or a name from `fuseboard scenario list` (default: primary-outage)",
    )
    parser.add_argument("--record", metavar="FILE", help="keep the recording in this file (default: a temporary file)")
    add_preferences(parser)


def run(args: Namespace) -> int:
    """Play the scenario and return the exit code."""
    from fuseboard_console.cli.output import complain, is_dumb
    from fuseboard_engine.documents.loader import DocumentError
    from fuseboard_storage.errors import RecordingError

    try:
        if sys.stdin.isatty() and sys.stdout.isatty() and not is_dumb():
            return _live(args)
        if args.record:
            complain("Without a terminal, `demo` plays in virtual time and records nothing. To record:")
            complain(f"  fuseboard scenario play {args.scenario} --record FILE")
            return exit_codes.BAD_INPUT
        if sys.stdin.isatty() and sys.stdout.isatty():
            complain("This terminal (TERM=dumb) can't show the console. For plain lines, use `fuseboard demo | cat`,")
            complain("or `fuseboard watch FILE --plain` with the recording of a running engine.")
            return exit_codes.BAD_INPUT
        return _plain(args)
    except (DocumentError, RecordingError) as error:
        complain(str(error))
        return exit_codes.BAD_INPUT


def _plain(args: Namespace) -> int:
    from fuseboard_console.cli.output import print_out
    from fuseboard_console.commands.scenario import find, play_virtually
    from fuseboard_console.views.events.narrator import verdict_lines
    from fuseboard_engine.scenario.model import load

    scenario = load(find(args.scenario))
    verdict, lines = play_virtually(scenario)
    print_out(f"{scenario.title}\n")
    print_out(f"Played {scenario.duration:g} s in virtual time. Times are relative to the start of the scenario.\n")
    for line in [*lines, "", *verdict_lines(verdict, scenario.duration)]:
        print_out(line)
    return exit_codes.NOT_DONE if verdict.broken else exit_codes.OK


def _live(args: Namespace) -> int:
    import asyncio
    import tempfile

    from fuseboard_console.app.launch import watch
    from fuseboard_console.cli.output import complain
    from fuseboard_console.commands.scenario import find
    from fuseboard_console.sources.scenario_process import ScenarioProcess
    from fuseboard_storage.errors import RecordingError

    preferences = preferences_of(args)
    scenario = find(args.scenario)
    if args.record and Path(args.record).exists():
        asyncio.run(_check_recording(args.record))
    _handle_leave_signals(_exit)
    with tempfile.TemporaryDirectory(prefix="fuseboard-demo-") as folder:
        path = Path(args.record or Path(folder) / "demo.db")
        log = Path(folder) / "engine.log"
        try:
            path.touch(mode=0o600)  # an empty file is a recording that waits for its engine
        except OSError as error:
            raise RecordingError(f"{path} cannot be written: {error.strerror}.", "Check the path.") from None
        engine = ScenarioProcess.start(scenario, path, log)
        try:
            return asyncio.run(
                watch(
                    str(path),
                    read_only=False,
                    preferences=preferences,
                    failure_reason=engine.failure_reason,
                )
            )
        finally:
            _handle_leave_signals(signal.SIG_IGN)  # cleaning up takes a few seconds at most and must not be interrupted
            if errors := engine.stop():
                complain(f"The demo's engine ended early:\n{errors}")


async def _check_recording(file: str) -> None:
    """Raise RecordingError if an engine can't record to this file."""
    from fuseboard_storage.recording.recording import Recording

    async with Recording.open(file):
        pass


def _handle_leave_signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    """Handle the signals that end the console, such as SIGTERM and SIGHUP, with this handler."""
    from fuseboard_console.app.launch import LEAVING

    for number in LEAVING:
        signal.signal(number, handler)


def _exit(number: int, frame: FrameType | None) -> None:
    """Exit on a signal before the console opens or after it closes; while it is open, it handles signals itself."""
    sys.exit(exit_codes.OK)
