"""`fuseboard demo`: an engine in a process of its own plays a scenario, and the console shows it live."""

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

SUMMARY = "see it at work: a minute of failures, live; needs nothing"
DESCRIPTION = """Plays a scenario: an engine in its own process, with adapters that fail on schedule, recorded to a
file that the console watches. Press r to reset a breaker, ? for the keys, q to leave.
Without a terminal it plays the scenario in virtual time and prints the story as plain lines."""
EXAMPLES = """  fuseboard demo                       the primary goes down and comes back
  fuseboard demo --record demo.db      keep the recording, to look at afterwards
  fuseboard demo | less                the story as text"""
ORDER = 0

_SCENARIO = "primary-outage"


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("scenario", nargs="?", default=_SCENARIO, metavar="SCENARIO", help="a file or a name")
    parser.add_argument("--record", metavar="FILE", help="keep the recording here (default: a temporary file)")
    add_preferences(parser)


def run(args: Namespace) -> int:
    """Play, and return the exit code."""
    from fuseboard_console.cli.output import complain, is_dumb
    from fuseboard_engine.documents.loader import DocumentError
    from fuseboard_storage.errors import RecordingError

    try:
        if sys.stdin.isatty() and sys.stdout.isatty() and not is_dumb():
            return _live(args)
        if args.record:
            complain("Without a terminal for a screen, `demo` plays in virtual time and records nothing. To record:")
            complain(f"  fuseboard scenario play {args.scenario} --record FILE")
            return exit_codes.BAD_INPUT
        if sys.stdin.isatty() and sys.stdout.isatty():
            complain("This terminal (TERM=dumb) can't show the console. As plain lines: `fuseboard demo | cat`,")
            complain("or `fuseboard watch FILE --plain` on the recording of an engine that runs.")
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
    verdict, story = play_virtually(scenario)
    print_out(f"{scenario.title}\n")
    print_out(f"Played in virtual time: {scenario.duration:g} s in a moment. The times are the scenario's.\n")
    for line in [*story, "", *verdict_lines(verdict, scenario.duration)]:
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
        asyncio.run(_is_recording(args.record))
    _on_leaving_signals(_end)
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
            _on_leaving_signals(signal.SIG_IGN)  # nothing cuts the tidying short: it takes seconds at most
            if said := engine.stop():
                complain(f"The demo's engine ended early:\n{said}")


async def _is_recording(file: str) -> None:
    """Raise RecordingError if an engine can't record to this file: before anything starts."""
    from fuseboard_storage.recording.recording import Recording

    async with Recording.open(file):
        pass


def _on_leaving_signals(do: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    from fuseboard_console.app.launch import LEAVING

    for told in LEAVING:
        signal.signal(told, do)


def _end(number: int, frame: FrameType | None) -> None:
    """Leave before or after the console, whose own way of leaving is in force while it is open."""
    sys.exit(exit_codes.OK)
