"""`fuseboard scenario`: lists, shows, checks and plays scenarios."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import speed

if TYPE_CHECKING:
    import asyncio

    from fuseboard_console.views.events.narrator import EventNarrator
    from fuseboard_engine.events import Event
    from fuseboard_engine.scenario.model import Scenario
    from fuseboard_engine.scenario.player import Player, Verdict

SUMMARY = "play failure scenarios, or check them as tests"
DESCRIPTION = """A scenario is a YAML file: adapters, traffic, a timeline of faults, and what should come of it.
It is named by its file, or by its name if it comes with Fuseboard."""
EXAMPLES = """  fuseboard scenario list                                 those that come with Fuseboard
  fuseboard scenario show primary-outage > mine.yaml      start one of your own
  fuseboard scenario check mine.yaml                      play it in virtual time and judge it: milliseconds
  fuseboard scenario play mine.yaml --record mine.db      play it in real time; watch it from a second terminal"""
ORDER = 60

_CHECKS = """  fuseboard scenario check primary-outage        one that comes with Fuseboard
  fuseboard scenario check mine.yaml yours.yaml  your own; ends with 1 when one is not as it expects"""
_PLAYS = """  fuseboard scenario play primary-outage                        tell what happens, as it happens
  fuseboard scenario play mine.yaml --record mine.db            record it: `fuseboard watch mine.db` elsewhere
  fuseboard scenario play mine.yaml --record mine.db --again    over and over, until Ctrl-C"""


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
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
    check = action("check", "play scenarios in virtual time and compare with what they expect", _CHECKS)
    check.add_argument("scenario", nargs="+", metavar="SCENARIO", help="a file, or a name from the list")
    play = action("play", "play a scenario in real time and tell what happens", _PLAYS)
    for one in (show, play):
        one.add_argument("scenario", metavar="SCENARIO", help="a file, or a name from the list")
    play.add_argument("--record", metavar="FILE", help="record it, so that a console can watch")
    play.add_argument("--again", action="store_true", help="start over at the end, until stopped")
    play.add_argument("--speed", type=speed, default=1.0, metavar="N", help="run its script faster or slower: 0.25-64")
    play.add_argument("--quiet", action="store_true", help="tell nothing")
    play.add_argument("--while-stdin", action="store_true", help="take a speed a line from standard input; end with it")


def run(args: Namespace) -> int:
    """Do it, and return the exit code."""
    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_engine.documents.loader import DocumentError
    from fuseboard_storage.errors import RecordingError

    try:
        if args.action == "list":
            print_out(_list())
            return exit_codes.OK
        if args.action == "show":
            print_out(find(args.scenario).read_text(encoding="utf-8"), end="")
            return exit_codes.OK
        if args.action == "check":
            return _check(args.scenario)
        return _play(args)
    except (DocumentError, RecordingError) as error:
        for line in str(error).splitlines():
            complain(safe_text(line, 500))
        return exit_codes.BAD_INPUT


def find(name: str) -> Path:
    """Return the file of a scenario named by its path or its name. Raises DocumentError."""
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


def _list() -> str:
    from fuseboard_engine.scenario.model import load
    from fuseboard_scenarios import shipped

    scenarios = [load(path) for path in shipped().values()]
    width = max(len(scenario.scenario) for scenario in scenarios)
    return "\n".join(f"{s.scenario:<{width}}  {s.duration:>4g} s  {s.title}" for s in scenarios)


def _check(names: list[str]) -> int:
    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_console.text.formatting import plural

    passed = True
    for scenario in _load_all(names):
        verdict, _ = play_virtually(scenario)
        passed = passed and not verdict.broken
        word = "failed" if verdict.broken else "passed"
        answered = "" if verdict.success_rate is None else f", {verdict.success_rate:.1%} answered"
        print_out(f"{scenario.scenario}: {word}, {plural(verdict.tasks, 'task')}{answered}")
        for line in verdict.broken:
            complain(f"  {line}")
    return exit_codes.OK if passed else exit_codes.NOT_DONE


def _load_all(names: list[str]) -> list[Scenario]:
    """Return the scenarios of some names. Raises DocumentError, with the mistakes of all that have any."""
    from fuseboard_engine.documents.loader import DocumentError
    from fuseboard_engine.scenario.model import load

    scenarios, mistakes = [], []
    for name in names:
        try:
            scenarios.append(load(find(name)))
        except DocumentError as error:
            mistakes.append(str(error))
    if mistakes:
        raise DocumentError("\n".join(mistakes))
    return scenarios


def play_virtually(scenario: Scenario) -> tuple[Verdict, list[str]]:
    """Play a scenario in virtual time; return the verdict and the story, a line for each thing that happened."""
    import asyncio

    from fuseboard_console.views.events.narrator import EventNarrator
    from fuseboard_engine.scenario.player import Player
    from fuseboard_engine.virtual_time import VirtualTimeLoop

    loop = VirtualTimeLoop()
    events: list[Event] = []

    async def main() -> Verdict:
        return await Player(scenario, wall=loop.wall, on_event=events.append).play()

    story = EventNarrator(loop.wall())
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        verdict = runner.run(main())
    return verdict, [line for event in events if (line := story.narrate(event))]


def _play(args: Namespace) -> int:
    import asyncio

    from fuseboard_console.cli.output import print_out
    from fuseboard_console.views.events.narrator import verdict_lines
    from fuseboard_engine.scenario.model import load

    scenario = load(find(args.scenario))
    verdict = asyncio.run(_play_now(scenario, args))
    if verdict is None:
        return exit_codes.OK
    if not args.quiet:
        for line in ["", *verdict_lines(verdict, scenario.duration)]:
            print_out(line)
    return exit_codes.NOT_DONE if verdict.broken else exit_codes.OK


async def _play_now(scenario: Scenario, args: Namespace) -> Verdict | None:
    """Play in real time; None when told to stop before the end."""
    import asyncio

    from fuseboard_console.views.events.narrator import EventNarrator
    from fuseboard_engine.runtime.clock import wall_clock
    from fuseboard_engine.scenario.player import Player
    from fuseboard_storage import record

    story = EventNarrator(wall_clock())
    told: asyncio.Queue[Event] = asyncio.Queue()
    player = Player(scenario, on_event=None if args.quiet else told.put_nowait, speed=args.speed)
    recording = record(player.engine, args.record) if args.record else None
    playing = asyncio.create_task(player.play(recording, repeat=args.again))
    telling = asyncio.create_task(_tell(story, told))
    _listen(playing, player, while_stdin=args.while_stdin)
    try:
        await asyncio.wait({playing, telling}, return_when=asyncio.FIRST_COMPLETED)
        if telling.done():
            telling.result()  # nobody reads any more
        return None if playing.cancelled() else playing.result()
    finally:
        playing.cancel()
        telling.cancel()
        await asyncio.wait({playing, telling})


async def _tell(story: EventNarrator, events: asyncio.Queue[Event]) -> None:
    """Print the story as it happens."""
    from fuseboard_console.cli.output import flush_out, print_out

    while True:
        if line := story.narrate(await events.get()):
            print_out(line)
            flush_out()


def _listen(playing: asyncio.Task[Verdict], player: Player, *, while_stdin: bool) -> None:
    """Have SIGTERM, or the end of standard input, stop the playing in an orderly way; a line of input sets its pace."""
    import asyncio
    import os
    import signal

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, playing.cancel)
    if while_stdin:
        source = sys.stdin.fileno()

        def readable() -> None:
            said = os.read(source, 4096)
            if not said:
                loop.remove_reader(source)
                playing.cancel()
            for word in said.split():
                with suppress(ValueError):  # what is no speed changes nothing
                    player.clock.speed = float(word)

        loop.add_reader(source, readable)
