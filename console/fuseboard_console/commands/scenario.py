"""`fuseboard scenario`: lists, shows, checks and plays scenarios."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import position, speed
from fuseboard_console.scenario_actions.from_recording import add_recorded_scenario_arguments

if TYPE_CHECKING:
    import asyncio

    from fuseboard_console.views.events.narrator import EventNarrator
    from fuseboard_engine.events import Event
    from fuseboard_engine.scenario.model import Scenario
    from fuseboard_engine.scenario_outcome.verdict import Verdict

SUMMARY = "play failure scenarios, or check them as tests"
DESCRIPTION = """A scenario is a YAML file: adapters, traffic, a timeline of faults, and the expected results.
Refer to it by its path, or by its name if it comes with Fuseboard."""
EXAMPLES = """  fuseboard scenario list                                 the scenarios that come with Fuseboard
  fuseboard scenario new mine.yaml                        start one of your own
  fuseboard scenario check mine.yaml                      test it in virtual time, in milliseconds
  fuseboard scenario play mine.yaml --record mine.db      play it in real time; watch it from a second terminal"""
ORDER = 60

_CHECK_EXAMPLES = """  fuseboard scenario check primary-outage        one that comes with Fuseboard
  fuseboard scenario check mine.yaml yours.yaml  your own; exit code 1 if one does not meet its expectations
  fuseboard scenario check scenarios --junit report.xml   those of a folder, with a report for CI"""
_FROM_RECORDING_EXAMPLES = """  fuseboard scenario from-recording checkout.db > incident.yaml                 all of it
  fuseboard scenario from-recording checkout.db --from 03:12 --to 03:40 -o incident.yaml
  fuseboard scenario from-recording checkout.db --adapter claude                only the tasks that it was given"""
_NEW_EXAMPLES = """  fuseboard scenario new search-outage.yaml
  fuseboard scenario new search-outage.yaml --adapters eu-search,us-search"""
_RUN_EXAMPLES = """  fuseboard scenario run primary-outage                   what happens, at once
  fuseboard scenario run mine.yaml --record mine.db       keep it, for `fuseboard replay mine.db` and all other commands
  fuseboard scenario run mine.yaml --replay 12.5          look at its second 12.5 in the console"""
_PLAY_EXAMPLES = """  fuseboard scenario play primary-outage                        print what happens, as it happens
  fuseboard scenario play mine.yaml --record mine.db            record it; run `fuseboard watch mine.db` elsewhere
  fuseboard scenario play mine.yaml --record mine.db --again    repeat it until Ctrl-C"""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, verdict_lines: str, examples: str = "") -> ArgumentParser:
        return actions.add_parser(
            name,
            help=verdict_lines,
            description=verdict_lines,
            epilog=examples and f"examples:\n{examples}",
            formatter_class=RawDescriptionHelpFormatter,
        )

    action("list", "list the scenarios that come with Fuseboard")
    show = action("show", "print a scenario's file")
    new = action("new", "write a scenario to start from, with comments", _NEW_EXAMPLES)
    new.add_argument("file", metavar="FILE", nargs="?", help="the new file (default: standard output)")
    new.add_argument("--name", metavar="NAME", help="the scenario's name (default: that of the file)")
    new.add_argument("--adapters", metavar="A,B", help="the adapters' names (default: primary,secondary)")
    check = action(
        "check", "play scenarios in virtual time and compare the results with their expectations", _CHECK_EXAMPLES
    )
    check.add_argument(
        "scenario", nargs="+", metavar="SCENARIO", help="a file, a folder, or a name from `fuseboard scenario list`"
    )
    run = action("run", "play a scenario in virtual time, at once, and print what happens", _RUN_EXAMPLES)
    check.add_argument("--junit", metavar="FILE", help="also write the results as JUnit XML")
    schema = action("schema", "print the JSON Schema of a scenario's file, for editors")
    schema.add_argument("file", metavar="FILE", nargs="?", help="the file to write (default: standard output)")
    derive = action("from-recording", "print a scenario that repeats what a recording tells", _FROM_RECORDING_EXAMPLES)
    add_recorded_scenario_arguments(derive)
    play = action("play", "play a scenario in real time and print what happens", _PLAY_EXAMPLES)
    for action_parser in (show, run, play):
        action_parser.add_argument(
            "scenario", metavar="SCENARIO", help="a file, or a name from `fuseboard scenario list`"
        )
    run.add_argument("--record", metavar="FILE", help="record to this new file")
    run.add_argument(
        "--replay", metavar="SECOND", type=position, help="then replay it in the console, from this second on"
    )
    run.add_argument("--quiet", action="store_true", help="print nothing")
    play.add_argument("--record", metavar="FILE", help="record to this file, so that a console can watch")
    play.add_argument("--again", action="store_true", help="repeat the scenario until stopped")
    play.add_argument(
        "--speed",
        type=speed,
        default=1.0,
        metavar="N",
        help="play at 0.25 to 64 times the speed (default: 1); latencies and waits keep their proportions",
    )
    play.add_argument("--quiet", action="store_true", help="print nothing")
    play.add_argument(
        "--while-stdin",
        action="store_true",
        help="read pause, resume, next, again or a speed from each line of standard input, wait at the scenario's end, "
        "and stop at the end of the input",
    )


def run(args: Namespace) -> int:
    """Run the action and return the exit code."""
    from fuseboard_console.cli.output import complain_of_document
    from fuseboard_console.scenario_actions.from_recording import write_scenario
    from fuseboard_engine.documents.loader import DocumentError
    from fuseboard_storage.errors import RecordingError, RecordingNotWritable

    actions = {
        "list": _list,
        "show": _show,
        "new": _new,
        "check": _check,
        "from-recording": write_scenario,
        "schema": _schema,
        "run": _run_virtually,
        "play": _play,
    }
    try:
        return actions[args.action](args)
    except (DocumentError, RecordingError) as error:
        names = getattr(args, "scenario", ())
        given = [names] if isinstance(names, str) else names
        complain_of_document(error, *given, getattr(args, "record", None) or "")
        return exit_codes.NOT_DONE if isinstance(error, RecordingNotWritable) else exit_codes.BAD_INPUT


def _list(args: Namespace) -> int:
    from fuseboard_console.cli.output import print_out

    print_out(_list_text(get_terminal_size().columns if sys.stdout.isatty() else 0))
    return exit_codes.OK


def _show(args: Namespace) -> int:
    from fuseboard_console.cli.output import print_out
    from fuseboard_console.scenario_actions.files import find
    from fuseboard_console.text.safe_text import escaped_text
    from fuseboard_engine.documents.loader import read_text

    text = read_text(find(args.scenario))
    if sys.stdout.isatty():  # a terminal executes what a file may hold
        text = "\n".join(escaped_text(line, len(line)) for line in text.split("\n"))
    print_out(text, end="")
    return exit_codes.OK


def _new(args: Namespace) -> int:
    from fuseboard_console.cli.output import complain, print_out, reason_of
    from fuseboard_console.scenario_actions.starter import ADAPTERS, name_for, starter
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_engine.documents.loader import parse
    from fuseboard_engine.scenario.model import Scenario

    name = name_for(args.file) if args.name is None else args.name
    text = starter(name, ADAPTERS if args.adapters is None else [part.strip() for part in args.adapters.split(",")])
    parse(text, Scenario, args.file or "the new scenario")  # a name may be one that no scenario can have
    if args.file is None:
        print_out(text, end="")
        return exit_codes.OK
    file = safe_text(args.file, 200)
    try:
        with Path(args.file).open("x", encoding="utf-8") as output:
            output.write(text)
    except FileExistsError:
        complain(f"{file} exists already. Choose another name.")
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        reason = reason_of(error) if isinstance(error, OSError) else str(error)
        complain(f"{file} cannot be written: {reason}. Choose another path.")
    else:
        print_out(f"Wrote {file}. Test it: fuseboard scenario check {file}")
        return exit_codes.OK
    return exit_codes.BAD_INPUT


def _list_text(columns: int) -> str:
    """Return the scenarios that come with Fuseboard, folded to the columns of a terminal; 0: not folded."""
    from fuseboard_console.text.width import fold
    from fuseboard_engine.scenario.model import load
    from fuseboard_scenarios import shipped

    scenarios = [load(path) for path in shipped().values()]
    width = max(len(scenario.scenario) for scenario in scenarios)
    lines: list[str] = []
    for scenario in scenarios:
        head = f"{scenario.scenario:<{width}}  {scenario.duration:>4g} s  "
        title = fold(scenario.title, max(20, columns - len(head))) if columns else [scenario.title]
        lines += [f"{'' if place else head:<{len(head)}}{part}" for place, part in enumerate(title)]
    return "\n".join(lines)


def _schema(args: Namespace) -> int:
    import json

    from fuseboard_console.cli.output import print_or_write
    from fuseboard_engine.scenario.model import schema

    return print_or_write(json.dumps(schema(), indent=2), args.file, like="{")


def _check(args: Namespace) -> int:
    import time
    from functools import partial

    from fuseboard_console.cli.output import complain, flush_out, print_or_write, print_out
    from fuseboard_console.scenario_actions.files import load_all
    from fuseboard_console.scenario_actions.virtual_run import play_virtually
    from fuseboard_console.terminal.progress import ProgressLine
    from fuseboard_console.views.lists.scenario_results import Checked, junit_xml, result_line, summary_line

    scenarios = load_all(args.scenario)
    total = sum(scenario.duration for _, scenario in scenarios)
    checked: list[Checked] = []
    with ProgressLine() as progress:
        for file, scenario in scenarios:
            done, began = sum(one.scenario.duration for one in checked), time.perf_counter()
            show = partial(progress.show, total=total, what=scenario.scenario, before=done)
            verdict = play_virtually(scenario, progress=show)
            checked.append(Checked(file, scenario, verdict, time.perf_counter() - began))
            progress.clear()
            print_out(result_line(checked[-1]))
            flush_out()
            for failure in verdict.failures:
                complain(f"  {failure}")
                if failure.at is not None:
                    complain(f"    {replay_command(file, failure.at)}")
    if len(checked) > 1:
        print_out(summary_line(checked))
    if args.junit is not None and (code := print_or_write(junit_xml(checked), args.junit, like="<?xml")):
        return code
    return exit_codes.NOT_DONE if any(one.verdict.failures for one in checked) else exit_codes.OK


def replay_command(file: Path, at: float) -> str:
    """Return the command that shows a moment of a scenario in the console."""
    import shlex

    from fuseboard_scenarios import shipped

    name = file.stem if file in shipped().values() else str(file)
    return f"fuseboard scenario run {shlex.quote(name)} --replay {max(0.0, at):.2f}"


def _run_virtually(args: Namespace) -> int:
    import tempfile

    from fuseboard_console.cli.output import complain, is_dumb
    from fuseboard_console.scenario_actions.files import find, load_for_virtual_time
    from fuseboard_console.scenario_actions.virtual_run import create_recording

    scenario = load_for_virtual_time(find(args.scenario))
    if args.replay is not None and (is_dumb() or not (sys.stdin.isatty() and sys.stdout.isatty())):
        complain("--replay needs a terminal that can show a screen. Without it, `scenario run` prints what happens.")
        return exit_codes.BAD_INPUT
    if args.record is not None:
        create_recording(args.record)
    if args.replay is None:
        return run_and_print(scenario, recording=args.record, quiet=args.quiet)
    if args.record is not None:
        return _run_and_replay(scenario, args.record, args.replay)
    with tempfile.TemporaryDirectory(prefix="fuseboard-run-") as folder:
        return _run_and_replay(scenario, str(Path(folder) / f"{scenario.scenario}.db"), args.replay)


def _run_and_replay(scenario: Scenario, recording: str, at: float) -> int:
    """Record a run and replay it in the console from a second on; return the exit code."""
    from functools import partial

    from fuseboard_console.app.launch import watch_replay
    from fuseboard_console.cli.interrupts import run_loop
    from fuseboard_console.scenario_actions.virtual_run import play_virtually
    from fuseboard_console.terminal.progress import ProgressLine

    with ProgressLine() as progress:
        play_virtually(scenario, recording=recording, progress=partial(progress.show, total=scenario.duration))
    return run_loop(watch_replay(recording, begin=lambda start, end: start + round(at * 1e6), speed=1.0))


def run_and_print(scenario: Scenario, *, recording: str | None = None, quiet: bool = False) -> int:
    """Play a scenario in virtual time and print what happened, unless `quiet`; return the exit code."""
    from functools import partial

    from fuseboard_console.cli.output import print_out
    from fuseboard_console.scenario_actions.virtual_run import play_virtually
    from fuseboard_console.terminal.progress import ProgressLine
    from fuseboard_console.views.events.narrator import verdict_lines

    lines: list[str] = []  # printed at the end: no error of the output reaches a listener of the engine
    with ProgressLine() as progress:
        show = partial(progress.show, total=scenario.duration)
        verdict = play_virtually(scenario, recording=recording, add_line=lines.append, progress=show)
    if not quiet:
        print_out(f"{scenario.title}\n")
        print_out(f"Played {scenario.duration:g} s in virtual time. Times are relative to the start of the scenario.\n")
        for line in [*lines, "", *verdict_lines(verdict, scenario.duration)]:
            print_out(line)
    return exit_codes.NOT_DONE if verdict.broken else exit_codes.OK


def _play(args: Namespace) -> int:
    from fuseboard_console.cli.interrupts import run_loop
    from fuseboard_console.cli.output import print_out
    from fuseboard_console.scenario_actions.files import find
    from fuseboard_console.views.events.narrator import verdict_lines
    from fuseboard_engine.scenario.model import load
    from fuseboard_engine.scenario.paced_time import PacedLoop

    scenario = load(find(args.scenario))
    play = _play_show if args.while_stdin else _play_now
    verdict = run_loop(play(scenario, args), lambda: PacedLoop(args.speed))
    if isinstance(verdict, int):
        return verdict
    if not args.quiet:
        ended = verdict_lines(verdict, scenario.duration) if scenario.traffic else ["The scenario has ended."]
        for line in ["", *ended]:
            print_out(line)
    return exit_codes.NOT_DONE if verdict.broken else exit_codes.OK


async def _play_now(scenario: Scenario, args: Namespace) -> Verdict | int:
    """Play at the speed of the running loop and return the verdict; the exit code if stopped before the end."""
    import asyncio

    from fuseboard_console.scenario_actions.paced_recording import record_paced
    from fuseboard_console.views.events.narrator import EventNarrator
    from fuseboard_engine.scenario.paced_time import PacedLoop
    from fuseboard_engine.scenario.player import Player

    loop = asyncio.get_running_loop()
    assert isinstance(loop, PacedLoop)
    stopped = _stopped_by_signal()
    narrator = EventNarrator(loop.wall())
    events: asyncio.Queue[tuple[Event, str]] = asyncio.Queue()
    player = Player(scenario, wall=loop.wall)
    if not args.quiet:
        for engine in player.engines:
            name = engine.name if scenario.engines else ""
            engine.subscribe(lambda event, name=name: events.put_nowait((event, name)))  # type: ignore[misc]
    recording = record_paced(player.engines, args.record, loop) if args.record else None
    playing = asyncio.create_task(player.play(recording, repeat=args.again))
    printing = asyncio.create_task(_print_events(narrator, events))
    ends: set[asyncio.Future[Any]] = {playing, printing, stopped}
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if printing.done():
            printing.result()  # raises: it ends only when the output can't be written
        return playing.result() if playing.done() else stopped.result()
    finally:
        playing.cancel()
        printing.cancel()
        await asyncio.wait({playing, printing})


async def _play_show(scenario: Scenario, args: Namespace) -> int:
    """Play as standard input says until its end or a signal; return the exit code."""
    import asyncio

    from fuseboard_console.scenario_actions.paced_recording import record_paced
    from fuseboard_console.scenario_actions.standard_input import steer_by_standard_input
    from fuseboard_engine.scenario.paced_time import PacedLoop
    from fuseboard_engine.scenario.show import Show

    loop = asyncio.get_running_loop()
    assert isinstance(loop, PacedLoop)
    stopped = _stopped_by_signal()
    show = Show(scenario, lambda engines: record_paced(engines, args.record, loop)) if args.record else Show(scenario)
    playing = asyncio.create_task(show.run())
    steer_by_standard_input(show, at_end=lambda: _stop(stopped, exit_codes.OK))
    ends: set[asyncio.Future[Any]] = {playing, stopped}
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            playing.result()  # raises: it ends only when it fails
        return stopped.result()
    finally:
        playing.cancel()
        await asyncio.wait({playing})


def _stopped_by_signal() -> asyncio.Future[int]:
    """Return a future that ends with the exit code when a signal asks to leave."""
    import asyncio

    from fuseboard_console.cli.interrupts import leave_on_signals

    stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    leave_on_signals(lambda code: _stop(stopped, code))
    return stopped


def _stop(stopped: asyncio.Future[int], code: int) -> None:
    if not stopped.done():
        stopped.set_result(code)


async def _print_events(narrator: EventNarrator, events: asyncio.Queue[tuple[Event, str]]) -> None:
    """Print a line for each notable event as it arrives with its engine's name, until cancelled."""
    from fuseboard_console.cli.output import flush_out, print_out

    while True:
        if line := narrator.narrate(*await events.get()):
            print_out(line)
            flush_out()
