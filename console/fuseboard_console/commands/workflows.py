"""`fuseboard workflows`: lists saved workflow runs and their nodes, and resumes one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import limit, seconds
from fuseboard_engine.runtime.clock import wall_clock

if TYPE_CHECKING:
    from fuseboard_storage.recording.recording import Recording

SUMMARY = "list saved workflow runs and their nodes, and resume one"
DESCRIPTION = """List the workflow runs that are saved in FILE, newest first: the state of each node, and which runs can
be resumed. A running engine that has the workflow carries out a resume; finished nodes are not repeated."""
EXAMPLES = """  fuseboard workflows checkout.db                      the newest runs, node by node
  fuseboard workflows checkout.db --json               JSON; times are UTC microseconds
  fuseboard workflows checkout.db --open               only runs that can be resumed
  fuseboard workflows checkout.db --resume nightly-1f  continue this run where it stopped"""
ORDER = 36

ANSWER_SECONDS = 10.0  # seconds that an engine may take to accept a command, unless --wait is given


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    parser.add_argument("--json", action="store_true", help="print JSON; schema: fuseboard.workflows/1")
    parser.add_argument("--open", action="store_true", help="only runs that can be resumed")
    parser.add_argument("--limit", type=limit, default=20, metavar="N", help="at most N runs (default: 20)")
    parser.add_argument(
        "--resume", metavar="RUN", help="ask the engine to continue this run; the beginning or end of its id is enough"
    )
    parser.add_argument(
        "--wait",
        type=seconds,
        metavar="SECONDS",
        help=f"with --resume: how long the engine may take to accept it (default: {ANSWER_SECONDS:g})",
    )


def run(args: Namespace) -> int:
    """List the runs or resume one, and return the exit code."""
    import asyncio

    from fuseboard_console.cli.output import complain, complain_of
    from fuseboard_storage.errors import RecordingError

    if args.wait is not None and args.resume is None:
        complain("--wait works only with --resume: it limits how long the engine may take to accept that.")
        return exit_codes.BAD_INPUT
    try:
        return asyncio.run(_run(args))
    except RecordingError as error:
        return complain_of(error)


async def _run(args: Namespace) -> int:
    from fuseboard_storage.recording.recording import Recording

    async with Recording.open(args.file) as recording:
        return await (_resume(recording, args) if args.resume is not None else _list(recording, args))


async def _list(recording: Recording, args: Namespace) -> int:
    from fuseboard_console.cli.output import print_out
    from fuseboard_console.text.safe_json import safe_json
    from fuseboard_console.views.workflows.text import workflows_json, workflows_text

    runs = await recording.workflow_runs(args.limit, unfinished=args.open)
    saved, waiting = await recording.count_workflow_runs()
    file = Path(args.file).name
    if args.json:
        print_out(safe_json(workflows_json(runs, file, saved, waiting), indent=2))
    else:
        print_out(workflows_text(runs, file, wall_clock(), saved, waiting, unfinished=args.open))
    return exit_codes.OK


async def _resume(recording: Recording, args: Namespace) -> int:
    from fuseboard_console.cli.command_results import board_now, report_outcome
    from fuseboard_console.cli.output import complain
    from fuseboard_console.operator.command_target import find_target
    from fuseboard_console.operator.identity import actor
    from fuseboard_console.text.safe_text import safe_text

    file = safe_text(Path(args.file).name, 200)
    meant = await recording.run_ids(args.resume)
    if not meant:
        complain(f"{file} has no run {safe_text(args.resume, 80)}. `fuseboard workflows FILE` lists them.")
        return exit_codes.BAD_INPUT
    if len(meant) > 1:
        some = ", ".join(safe_text(id, 80) for id in meant[:2])
        complain(f"Several runs begin or end with {safe_text(args.resume, 80)}, such as {some}. Type more of the id.")
        return exit_codes.BAD_INPUT
    (run,) = meant
    board = await board_now(recording)
    before = board.workflows.get(run)
    names = {row.name for row in await recording.instances() if before is not None and row.id == before.instance}
    found = find_target(board, names, wall_clock(), file)
    if found.instance is None:
        complain(found.why)
        return exit_codes.NOT_DONE
    command = await recording.ask(
        "resume",
        instance=found.instance,
        actor=actor(),
        args={"run": run},
        expires_in=ANSWER_SECONDS if args.wait is None else args.wait,
    )
    done = await report_outcome(recording, board, command, found.instance, file)
    return exit_codes.OK if done else exit_codes.NOT_DONE
