"""`fuseboard failures`: prints the latest failed attempts and slow probes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import limit_or_all
from fuseboard_console.cli.moments import add_time_filters, time_filters

SUMMARY = "print the latest failures, newest first"
DESCRIPTION = """Print the latest failures, newest first: which adapter, what went wrong, for which task, and what the
engine did next. Probes that succeeded too slowly to close a breaker are among them."""
EXAMPLES = """  fuseboard failures checkout.db                      the latest fifty failures
  fuseboard failures checkout.db --adapter prefect    only those of prefect
  fuseboard failures checkout.db --since 2h           those of the last two hours
  fuseboard failures checkout.db --limit 5 --json     the latest five, one JSON object a line"""
ORDER = 50


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    parser.add_argument("--adapter", metavar="ADAPTER", help="only failures of this adapter")
    parser.add_argument("--task", metavar="ID", help="only failures of the task with this id")
    add_time_filters(parser)
    parser.add_argument("--limit", type=limit_or_all, default=50, metavar="N", help="at most N (default: 50; 0: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line; times are UTC microseconds")


def run(args: Namespace) -> int:
    """Print the failures and return the exit code."""
    import asyncio

    from fuseboard_console.cli.output import complain_of
    from fuseboard_storage.errors import RecordingError

    try:
        return asyncio.run(_failures(args))
    except RecordingError as error:
        return complain_of(error)


async def _failures(args: Namespace) -> int:
    from fuseboard_console.cli.command_results import recorded_engine_names
    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_console.text.formatting import stamp
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_console.text.suggestions import unknown_adapter
    from fuseboard_console.views.adapters.engine_names import NO_ENGINES
    from fuseboard_console.views.events.text import entry_sentence, event_json
    from fuseboard_storage.recording.recording import Recording

    async with Recording.open(args.file) as recording:
        found = await recording.failures(args.limit or None, args.adapter, task=args.task, **time_filters(args))
        if not found and args.adapter is not None:
            board = await recording.board()
            if not board.find(args.adapter):
                complain(*unknown_adapter(board, safe_text(Path(args.file).name, 200), args.adapter))
                return exit_codes.BAD_INPUT
        engines = NO_ENGINES if args.json or not found else await recorded_engine_names(recording)
    for entry in found:
        if args.json:
            print_out(event_json(entry))
        else:
            print_out(f"{stamp(entry.event.at)}  {entry_sentence(entry, engines)}")
    if not found and not args.json:
        filtered = any(value is not None for value in (args.task, args.since, args.until))
        print_out(f"No {'matching ' if filtered else ''}failure was recorded.")
    return exit_codes.OK
