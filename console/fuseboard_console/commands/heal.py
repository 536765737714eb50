"""`fuseboard heal`: ends the injected fault of an adapter."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from fuseboard_console.cli.arguments import add_wait

SUMMARY = "end the injected fault of an adapter"
DESCRIPTION = """Ask the engine that writes to FILE to end the fault that `fuseboard inject` injected into ADAPTER,
before its time is over. Calls go to the service again."""
EXAMPLES = """  fuseboard heal staging.db claude"""
ORDER = 32


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as staging.db")
    parser.add_argument("adapter", metavar="ADAPTER", help="the name of the adapter")
    add_wait(parser)


def run(args: Namespace) -> int:
    """End the fault and return the exit code."""
    import asyncio

    from fuseboard_console.cli.command_results import ask_adapter
    from fuseboard_console.cli.output import complain_of
    from fuseboard_storage.errors import RecordingError

    try:
        return asyncio.run(ask_adapter(args.file, "heal", args.adapter, args.wait))
    except RecordingError as error:
        return complain_of(error)
