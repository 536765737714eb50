"""`fuseboard heal`: ends the injected fault of an adapter."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from fuseboard_console.cli import exit_codes
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

    from fuseboard_console.cli.output import complain
    from fuseboard_storage.errors import RecordingError

    try:
        return asyncio.run(_heal(args.file, args.adapter, args.wait))
    except RecordingError as error:
        complain(str(error))
        return exit_codes.BAD_INPUT


async def _heal(path: str, adapter: str, wait: float) -> int:
    from fuseboard_console.cli.command_results import ask_engines, board_now
    from fuseboard_console.cli.output import complain
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_console.text.suggestions import rows_named, unknown_adapter
    from fuseboard_storage.recording.recording import Recording

    file = safe_text(Path(path).name, 200)
    async with Recording.open(path) as recording:
        board = await board_now(recording)
        rows = rows_named(board, adapter)
        if not rows:
            complain(*unknown_adapter(board, file, adapter))
            return exit_codes.BAD_INPUT
        done = await ask_engines(recording, board, rows, "heal", rows[0].name, wait, file)
        return exit_codes.OK if done else exit_codes.NOT_DONE
