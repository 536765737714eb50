"""`fuseboard reset`: asks the engine to close a breaker, and prints the outcome."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import add_wait

SUMMARY = "close the breaker of one adapter, or of all that refuse calls"
DESCRIPTION = """Ask the engine that writes to FILE to close the breaker of ADAPTER, so that the next call goes through.
Wait until the engine has done it, and print the outcome. A command that no engine accepts in time expires
and has no effect later."""
EXAMPLES = """  fuseboard reset checkout.db prefect          close the breaker of prefect
  fuseboard reset checkout.db --all            close every breaker that refuses calls
  fuseboard reset checkout.db agno --wait 30   give the engine 30 seconds to accept it"""
ORDER = 30


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    parser.add_argument("adapter", metavar="ADAPTER", nargs="?", help="the name of the adapter")
    parser.add_argument("--all", action="store_true", help="reset every breaker that refuses calls, in every engine")
    add_wait(parser)


def run(args: Namespace) -> int:
    """Reset the breakers and return the exit code."""
    import asyncio

    from fuseboard_console.cli.command_results import ask_adapter
    from fuseboard_console.cli.output import complain, complain_of
    from fuseboard_storage.errors import RecordingError

    if args.adapter and args.all:
        complain("--all resets every breaker that refuses calls, so it takes no adapter. Give one or the other.")
        return exit_codes.BAD_INPUT
    if not args.adapter and not args.all:
        complain("Name an adapter, or give --all. `fuseboard reset --help` shows examples.")
        return exit_codes.BAD_INPUT
    try:
        if args.all:
            return asyncio.run(_reset_all(args.file, args.wait))
        return asyncio.run(ask_adapter(args.file, "reset", args.adapter, args.wait))
    except RecordingError as error:
        return complain_of(error)


async def _reset_all(file: str, wait: float) -> int:
    from fuseboard_console.cli.command_results import ask_engines, board_now
    from fuseboard_console.cli.output import print_out
    from fuseboard_console.operator.prompts import refusing_adapters
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_storage.recording.recording import Recording

    async with Recording.open(file) as recording:
        board = await board_now(recording)
        rows = refusing_adapters(board)
        if not rows:
            print_out("No breaker refuses calls: there is nothing to reset.")
            return exit_codes.OK
        done = await ask_engines(recording, board, rows, "reset_all", "", wait, safe_text(Path(file).name, 200))
        return exit_codes.OK if done else exit_codes.NOT_DONE
