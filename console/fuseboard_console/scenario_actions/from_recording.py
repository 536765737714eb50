"""`fuseboard scenario from-recording`: writes a scenario that repeats what a recording tells."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.moments import add_span, time_filters

if TYPE_CHECKING:
    from fuseboard_console.sources.recorded_scenario import Observed
    from fuseboard_engine.scenario.model import Scenario


def add_recorded_scenario_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the action to a parser."""
    parser.add_argument("file", metavar="FILE", help="the recording")
    add_span(parser)
    parser.add_argument(
        "--adapter",
        metavar="ADAPTER",
        action="append",
        default=[],
        help="only this adapter and the tasks that it was given; may be repeated",
    )
    parser.add_argument("--engine", default="", metavar="NAME", help="the engine, if several did tasks")
    parser.add_argument("--process", type=int, metavar="PID", help="its process (default: the one that did most tasks)")
    parser.add_argument(
        "--compare", action="store_true", help="also play it in virtual time, and say how well it repeats the recording"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the file to write (default: standard output)")


def write_scenario(args: Namespace) -> int:
    """Write the scenario and return the exit code.

    Raises:
        DocumentError: what was recorded cannot be said in a scenario.
    """
    import asyncio

    from fuseboard_console.cli.output import complain, complain_of, print_or_write
    from fuseboard_console.sources.recorded_scenario import NotObserved
    from fuseboard_console.text.formatting import plural
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_engine.documents.loader import parse
    from fuseboard_engine.scenario.model import Scenario
    from fuseboard_storage.errors import RecordingError

    name = safe_text(args.file, 200)
    try:
        observed = asyncio.run(_observe(args))
        text = _text(observed, args.file)
    except RecordingError as error:
        return complain_of(error)
    except NotObserved as error:
        complain(f"{name}: {error}")
        return exit_codes.BAD_INPUT
    scenario = parse(text, Scenario, args.output or "the scenario")  # what is written can be played
    if observed.tasks_of_siblings:
        others = f"other processes of {safe_text(observed.instance.name, 60)} did"
        complain(
            f"Only process {observed.instance.pid} is in the scenario; {others} "
            f"{plural(observed.tasks_of_siblings, 'task')} meanwhile. Choose one with --process PID."
        )
    if args.compare:
        complain(_compared(observed, scenario))
    return print_or_write(text.rstrip(), args.output)


def _compared(observed: Observed, scenario: Scenario) -> str:
    """Return how well a scenario repeats what was observed, as a sentence."""
    from fuseboard_console.scenario_actions.virtual_run import repetition_of
    from fuseboard_console.text.formatting import plural

    found = repetition_of(observed.observation, scenario)
    success = f"{found.repeated_success:.1%} of tasks succeed, as against {found.success:.1%} recorded."
    if not found.changes and found.same:
        return f"No breaker changed its state; {success}"
    changes = plural(found.changes, "change")
    order = f"in the recorded order, each within {found.largest_gap:.2f} s" if found.same else "in another order"
    return f"Played in virtual time it has the {changes} of state {order}; {success}"


async def _observe(args: Namespace) -> Observed:
    from fuseboard_console.sources.recorded_scenario import observe
    from fuseboard_storage.recording.recording import Recording

    async with Recording.open(args.file) as recording:
        return await observe(
            recording,
            **time_filters(args),
            adapters=frozenset(args.adapter),
            engine=args.engine,
            pid=args.process,
        )


def _text(observed: Observed, file: str) -> str:
    from datetime import datetime
    from pathlib import Path

    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_engine.scenario_derivation.document import scenario_text

    began = datetime.fromtimestamp(observed.observation.began_at / 1e6)
    title = (
        f"What {safe_text(observed.instance.name, 60)} did on {began:%Y-%m-%d} from {began:%H:%M:%S} on, as recorded"
    )
    return scenario_text(observed.observation, Path(file).stem, title)
