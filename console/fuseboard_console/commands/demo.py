"""`fuseboard demo`: plays a scenario in an engine process of its own and shows it live in the console."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.preference_arguments import add_preferences, preferences_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuseboard_console.preferences.model import Preferences
    from fuseboard_console.terminal.asciicast import Asciicast

SUMMARY = "watch a minute of failures and recovery; needs no application"
DESCRIPTION = """Play a scenario: an engine in a process of its own, with adapters that fail on schedule, records to a
file that the console watches. Press r to reset a breaker, ? for the keys, q to quit.
Without a terminal, the scenario plays in virtual time and what happens is printed as plain lines."""
EXAMPLES = """  fuseboard demo                       the primary goes down and recovers
  fuseboard demo --record demo.db      keep the recording, for `fuseboard replay demo.db`
  fuseboard demo --export demo.cast    write what is shown, for a web page with asciinema-player
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
    parser.add_argument(
        "--export",
        metavar="FILE.cast",
        help="also write what is shown to this new file, as an asciicast for web pages; "
        "without a terminal, the scenario plays once for it",
    )
    add_preferences(parser)


def run(args: Namespace) -> int:
    """Play the scenario and return the exit code."""
    from fuseboard_console.cli.output import complain, complain_of_document, is_dumb
    from fuseboard_engine.documents.loader import DocumentError
    from fuseboard_storage.errors import RecordingError

    try:
        terminal = sys.stdin.isatty() and sys.stdout.isatty()
        if (terminal and not is_dumb()) or (args.export is not None and not terminal):
            return _live(args)
        if args.record:
            complain("Without a terminal, `demo` plays in virtual time and records nothing. To record:")
            complain(f"  fuseboard scenario play {args.scenario} --record FILE")
            return exit_codes.BAD_INPUT
        if terminal:
            complain("This terminal (TERM=dumb) can't show the console. For plain lines, use `fuseboard demo | cat`,")
            complain("or `fuseboard watch FILE --plain` with the recording of a running engine.")
            return exit_codes.BAD_INPUT
        return _plain(args)
    except (DocumentError, RecordingError) as error:
        complain_of_document(error, args.scenario, args.record or "")
        return exit_codes.BAD_INPUT


def _plain(args: Namespace) -> int:
    from fuseboard_console.commands.scenario import run_and_print
    from fuseboard_console.scenario_actions.files import find
    from fuseboard_engine.scenario.model import load

    return run_and_print(load(find(args.scenario)))


def _live(args: Namespace) -> int:
    import asyncio

    from fuseboard_console.cli.interrupts import run_loop
    from fuseboard_console.cli.output import complain
    from fuseboard_console.scenario_actions.files import find

    preferences = preferences_of(args)
    scenario = find(args.scenario)
    if args.record and args.export is not None and os.path.realpath(args.record) == os.path.realpath(args.export):
        complain("--record and --export need a file each.")
        return exit_codes.BAD_INPUT
    if args.record and Path(args.record).exists():
        asyncio.run(_check_recording(args.record))
    if args.export is None:
        return run_loop(_watch(scenario, args.record, preferences))
    return _export(args.export, lambda cast: run_loop(_watch(scenario, args.record, preferences, cast)), scenario.stem)


def _export(file: str, watch: Callable[[Asciicast], int], title: str) -> int:
    """Run `watch` with an asciicast of a new file, and return its exit code."""
    from shutil import get_terminal_size

    from fuseboard_console.app.launch import EXPORTED
    from fuseboard_console.cli.output import complain
    from fuseboard_console.terminal.asciicast import Asciicast
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_storage.errors import RecordingError

    if not file:
        complain("--export needs the name of a file.")
        return exit_codes.BAD_INPUT
    if not sys.stdout.isatty():  # as a terminal that shows every colour
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
    columns, rows = get_terminal_size() if sys.stdout.isatty() else EXPORTED
    try:
        # Whole lines at once, so that a killed console leaves an asciicast. JSON has an escape for what UTF-8 has not.
        output = Path(file).open("x", 1, "utf-8", "backslashreplace")  # noqa: SIM115 - closed with the asciicast
    except FileExistsError:
        raise RecordingError(f"{file} exists already.", "Choose another name for the asciicast.") from None
    except OSError as error:
        raise RecordingError(f"{file} cannot be written: {error.strerror}.", "Check the path.") from None
    cast = Asciicast(output, columns, rows, f"fuseboard demo {safe_text(title, 200)}")
    try:
        code = watch(cast)
    finally:
        cast.close()
        if cast.empty:  # nothing was displayed, such as where the scenario's engine could not start
            Path(file).unlink(missing_ok=True)
    if cast.error is not None:
        complain(f"{file} is not complete: {cast.error.strerror}.")
        return exit_codes.NOT_DONE
    return code


async def _check_recording(file: str) -> None:
    """Raise RecordingError if an engine can't record to this file."""
    from fuseboard_storage.recording.recording import Recording

    async with Recording.open(file):
        pass


async def _watch(scenario: Path, record: str | None, preferences: Preferences, export: Asciicast | None = None) -> int:
    """Play the scenario in a process of its own and show it in the console until that is left."""
    import asyncio
    import tempfile

    from fuseboard_console.app.launch import watch
    from fuseboard_console.cli.interrupts import leave_on_signals
    from fuseboard_console.cli.output import complain
    from fuseboard_console.sources.scenario_process import ScenarioProcess
    from fuseboard_console.sources.scenario_session import ScenarioControls

    task = asyncio.current_task()
    assert task is not None
    codes: list[int] = []

    def leave(code: int) -> None:
        if not codes:
            codes.append(code)
            task.cancel()

    leave_on_signals(leave)  # until the console takes the signals; the engine and the folder must not be left behind
    with tempfile.TemporaryDirectory(prefix="fuseboard-demo-") as folder:
        path = Path(record or Path(folder) / "demo.db")
        _create(path)
        engine = ScenarioProcess.start(scenario, path, Path(folder) / "engine.log")
        controls = ScenarioControls(engine)
        if export is not None and not sys.stdout.isatty():
            controls.toggle()  # it waits for the console, so that the export begins with its beginning
        try:
            return await watch(
                str(path),
                read_only=False,
                preferences=preferences,
                failure_reason=engine.failure_reason,
                controls=controls,
                export=export,
            )
        except asyncio.CancelledError:
            if not codes:
                raise
            return codes[0]
        finally:  # takes a few seconds at most; the loop takes no signals meanwhile
            if errors := engine.stop():
                complain("The demo's engine ended early:", *errors.splitlines())


def _create(path: Path) -> None:
    from fuseboard_storage.errors import RecordingError

    try:
        path.touch(mode=0o600)  # an empty file is a recording that waits for its engine
    except OSError as error:
        raise RecordingError(f"{path} cannot be written: {error.strerror}.", "Check the path.") from None
