"""`fuseboard status`: prints the state of every adapter as a table or as JSON."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.cli import exit_codes
from fuseboard_engine.runtime.clock import wall_clock

if TYPE_CHECKING:
    from fuseboard_storage.board.board import Board

SUMMARY = "print the state of every adapter, as a table or as JSON"
DESCRIPTION = "Print the state of every adapter: its breaker, its calls in the last minute, and when it is tried again."
EXAMPLES = """  fuseboard status checkout.db                 a table
  fuseboard status checkout.db --json          JSON; times are UTC microseconds
  fuseboard status checkout.db --check         exit code 1 if a breaker refuses calls or no engine is alive"""
ORDER = 20


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    parser.add_argument("--json", action="store_true", help="print JSON; schema: fuseboard.status/1")
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 if a breaker refuses calls or no engine is alive"
    )


def run(args: Namespace) -> int:
    """Print the status and return the exit code."""
    import asyncio

    from fuseboard_console.cli.output import complain_of, print_out
    from fuseboard_storage.errors import RecordingError

    try:
        board = asyncio.run(_board(args.file))
    except RecordingError as error:
        return complain_of(error)
    from fuseboard_console.views.lists.status import status_json, status_text, troubled
    from fuseboard_storage.board.presence import time_of

    now = time_of(board, wall_clock())
    file = Path(args.file).name
    if args.json:
        from fuseboard_console.text.safe_json import safe_json

        print_out(safe_json(status_json(board, file, now), indent=2))
    else:
        print_out(status_text(board, file, now, colour=sys.stdout.isatty()))
    return exit_codes.NOT_DONE if args.check and troubled(board, now) else exit_codes.OK


async def _board(file: str) -> Board:
    from fuseboard_storage.recording.recording import Recording

    async with Recording.open(file) as recording:
        board = await recording.board()
        await recording.bring_up_to_date(board, wall_clock())
        return board
