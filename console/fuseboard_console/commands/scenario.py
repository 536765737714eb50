"""`fuseboard scenario`: lists, shows, checks and plays scenarios."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from contextlib import suppress
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import speed
from fuseboard_console.scenario_actions.from_recording import add_recorded_scenario_arguments

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from fuseboard_console.views.events.narrator import EventNarrator
    from fuseboard_engine.events import Event
    from fuseboard_engine.scenario.model import Scenario
    from fuseboard_engine.scenario.show import Show
    from fuseboard_engine.scenario.verdict import Verdict

SUMMARY = "play failure scenarios, or check them as tests"
DESCRIPTION = """A scenario is a YAML file: adapters, traffic, a timeline of faults, and the expected results.
Refer to it by its path, or by its name if it comes with Fuseboard."""
EXAMPLES = """  fuseboard scenario list                                 the scenarios that come with Fuseboard
  fuseboard scenario show primary-outage > mine.yaml      start one of your own
  fuseboard scenario check mine.yaml                      test it in virtual time, in milliseconds
  fuseboard scenario play mine.yaml --record mine.db      play it in real time; watch it from a second terminal"""
ORDER = 60

_CHECK_EXAMPLES = """  fuseboard scenario check primary-outage        one that comes with Fuseboard
  fuseboard scenario check mine.yaml yours.yaml  your own; exit code 1 if one does not meet its expectations
  fuseboard scenario check scenarios --junit report.xml   those of a folder, with a report for CI"""
_FROM_RECORDING_EXAMPLES = """  fuseboard scenario from-recording checkout.db > incident.yaml                 all of it
  fuseboard scenario from-recording checkout.db --from 03:12 --to 03:40 -o incident.yaml
  fuseboard scenario from-recording checkout.db --adapter claude                only the tasks that it was given"""
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
    check = action(
        "check", "play scenarios in virtual time and compare the results with their expectations", _CHECK_EXAMPLES
    )
    check.add_argument(
        "scenario", nargs="+", metavar="SCENARIO", help="a file, a folder, or a name from `fuseboard scenario list`"
    )
    check.add_argument("--junit", metavar="FILE", help="also write the results as JUnit XML")
    schema = action("schema", "print the JSON Schema of a scenario's file, for editors")
    schema.add_argument("file", metavar="FILE", nargs="?", help="the file to write (default: standard output)")
    derive = action("from-recording", "print a scenario that repeats what a recording tells", _FROM_RECORDING_EXAMPLES)
    add_recorded_scenario_arguments(derive)
    play = action("play", "play a scenario in real time and print what happens", _PLAY_EXAMPLES)
    for action_parser in (show, play):
        action_parser.add_argument(
            "scenario", metavar="SCENARIO", help="a file, or a name from `fuseboard scenario list`"
        )
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
    from fuseboard_console.cli.output import complain_of_document, print_out
    from fuseboard_engine.documents.loader import DocumentError
    from fuseboard_storage.errors import RecordingError

    try:
        if args.action == "list":
            print_out(_list_text(get_terminal_size().columns if sys.stdout.isatty() else 0))
            return exit_codes.OK
        if args.action == "show":
            print_out(find(args.scenario).read_text(encoding="utf-8"), end="")
            return exit_codes.OK
        if args.action == "check":
            return _check(args.scenario, args.junit)
        if args.action == "from-recording":
            from fuseboard_console.scenario_actions.from_recording import write_scenario

            return write_scenario(args)
        if args.action == "schema":
            return _schema(args.file)
        return _play(args)
    except (DocumentError, RecordingError) as error:
        names = getattr(args, "scenario", ())
        complain_of_document(error, *([names] if isinstance(names, str) else names))
        return exit_codes.BAD_INPUT


def find(name: str) -> Path:
    """Return the file of a scenario, given its path or its name.

    Raises:
        DocumentError: There is neither such a name nor such a file.
    """
    from fuseboard_console.text.suggestions import did_you_mean
    from fuseboard_engine.documents.loader import DocumentError
    from fuseboard_scenarios import shipped

    known = shipped()
    if name in known:
        return known[name]
    if not Path(name).exists():
        hint = did_you_mean(name, list(known)) or " `fuseboard scenario list` lists those that come with Fuseboard."
        raise DocumentError(f"There is no scenario {name!r}, and no such file.{hint}")
    return Path(name)


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


def _schema(file: str | None) -> int:
    import json

    from fuseboard_console.cli.output import print_or_write
    from fuseboard_engine.scenario.model import schema

    return print_or_write(json.dumps(schema(), indent=2), file)


def _check(names: list[str], report: str | None) -> int:
    import time

    from fuseboard_console.cli.output import complain, flush_out, print_or_write, print_out
    from fuseboard_console.text.formatting import plural
    from fuseboard_console.views.lists.junit import Checked, junit_xml

    checked = []
    for file, scenario in _load_all(names):
        began = time.perf_counter()
        verdict, _ = play_virtually(scenario)
        checked.append(Checked(file, scenario.scenario, tuple(verdict.broken), time.perf_counter() - began))
        word = "failed" if verdict.broken else "passed"
        answered = "" if verdict.success_rate is None else f", {verdict.success_rate:.1%} answered"
        print_out(f"{scenario.scenario}: {word}, {plural(verdict.tasks, 'task')}{answered}")
        flush_out()
        for line in verdict.broken:
            complain(f"  {line}")
    if report is not None and (code := print_or_write(junit_xml(checked), report)):
        return code
    return exit_codes.NOT_DONE if any(one.broken for one in checked) else exit_codes.OK


def _load_all(names: list[str]) -> list[tuple[Path, Scenario]]:
    """Load scenarios, given their paths, folders or names. Return each with its file.

    Raises:
        DocumentError: Some have mistakes; the text lists those of all of them.
    """
    from fuseboard_engine.documents.loader import DocumentError
    from fuseboard_engine.scenario.model import load

    scenarios, mistakes = [], []
    for name in names:
        try:
            for file in _files_of(find(name)):
                try:
                    scenarios.append((file, load(file)))
                except DocumentError as error:
                    mistakes.append(str(error))
        except DocumentError as error:
            mistakes.append(str(error))
    if mistakes:
        raise DocumentError("\n".join(mistakes))
    return scenarios


def _files_of(path: Path) -> list[Path]:
    """Return a file itself, or the scenario files in a folder and its folders, by name.

    Raises:
        DocumentError: There is none in the folder.
    """
    from fuseboard_engine.documents.loader import DocumentError

    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*.y*ml") if file.suffix in (".yaml", ".yml") and file.is_file())
    if not files:
        raise DocumentError(f"{path} has no scenario: its files end with .yaml or .yml.")
    return files


def play_virtually(scenario: Scenario) -> tuple[Verdict, list[str]]:
    """Play a scenario in virtual time; return the verdict and a line for each notable event."""
    import asyncio

    from fuseboard_console.views.events.narrator import EventNarrator
    from fuseboard_engine.scenario.player import Player
    from fuseboard_engine.virtual_time import VirtualTimeLoop

    loop = VirtualTimeLoop()
    events: list[Event] = []

    async def main() -> Verdict:
        return await Player(scenario, wall=loop.wall, on_event=events.append).play()

    narrator = EventNarrator(loop.wall())
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        verdict = runner.run(main())
    return verdict, [line for event in events if (line := narrator.narrate(event))]


def _play(args: Namespace) -> int:
    from fuseboard_console.cli.interrupts import run_loop
    from fuseboard_console.cli.output import print_out
    from fuseboard_console.views.events.narrator import verdict_lines
    from fuseboard_engine.scenario.model import load
    from fuseboard_engine.scenario.paced_time import PacedLoop

    scenario = load(find(args.scenario))
    play = _play_show if args.while_stdin else _play_now
    verdict = run_loop(play(scenario, args), lambda: PacedLoop(args.speed))
    if isinstance(verdict, int):
        return verdict
    if not args.quiet:
        for line in ["", *verdict_lines(verdict, scenario.duration)]:
            print_out(line)
    return exit_codes.NOT_DONE if verdict.broken else exit_codes.OK


async def _play_now(scenario: Scenario, args: Namespace) -> Verdict | int:
    """Play at the speed of the running loop and return the verdict; the exit code if stopped before the end."""
    import asyncio

    from fuseboard_console.views.events.narrator import EventNarrator
    from fuseboard_engine.scenario.paced_time import PacedLoop
    from fuseboard_engine.scenario.player import Player
    from fuseboard_storage import record

    loop = asyncio.get_running_loop()
    assert isinstance(loop, PacedLoop)
    stopped = _stopped_by_signal()
    narrator = EventNarrator(loop.wall())
    events: asyncio.Queue[Event] = asyncio.Queue()
    player = Player(scenario, wall=loop.wall, on_event=None if args.quiet else events.put_nowait)
    recording = record(player.engine, args.record) if args.record else None
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

    from fuseboard_engine.scenario.show import Show
    from fuseboard_storage import record

    stopped = _stopped_by_signal()
    show = Show(scenario, lambda engine: record(engine, args.record)) if args.record else Show(scenario)
    playing = asyncio.create_task(show.run())
    _read_orders(show, at_end=lambda: _stop(stopped, exit_codes.OK))
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


async def _print_events(narrator: EventNarrator, events: asyncio.Queue[Event]) -> None:
    """Print a line for each notable event as it arrives, until cancelled."""
    from fuseboard_console.cli.output import flush_out, print_out

    while True:
        if line := narrator.narrate(await events.get()):
            print_out(line)
            flush_out()


def _read_orders(show: Show, at_end: Callable[[], object]) -> None:
    """Do what the words of standard input say, and call `at_end` at its end."""
    import asyncio
    import os

    loop = asyncio.get_running_loop()
    source = sys.stdin.fileno()
    rest = b""
    orders = {"pause": show.pause, "resume": show.resume, "next": show.next_step, "again": show.restart}

    def readable() -> None:
        nonlocal rest
        data = os.read(source, 4096)
        if not data:
            loop.remove_reader(source)
            at_end()
        whole, _, rest = (rest + data).rpartition(b"\n")
        for word in whole.decode(errors="replace").split():
            if word in orders:
                orders[word]()
                continue
            with suppress(ValueError):  # ignore what is neither an order nor a speed
                show.set_speed(float(word))

    loop.add_reader(source, readable)
