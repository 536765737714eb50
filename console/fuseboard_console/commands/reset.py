"""`fuseboard reset`: asks the engine to close a breaker, and says what came of it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import seconds
from fuseboard_engine.runtime.clock import wall_clock

if TYPE_CHECKING:
    from fuseboard_storage.board.board import AdapterRow, Board

SUMMARY = "close the breaker of an adapter, or all that are open"
DESCRIPTION = """Ask the engine that writes to FILE to close the breaker of ADAPTER: its next call goes through.
Waits until the engine has done it and says so. When no engine takes the command in time, nothing happens later."""
EXAMPLES = """  fuseboard reset checkout.db prefect          close the breaker of prefect
  fuseboard reset checkout.db --all            close every breaker that refuses calls
  fuseboard reset checkout.db agno --wait 30   give the engine half a minute to take it"""
ORDER = 30


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    parser.add_argument("adapter", metavar="ADAPTER", nargs="?", help="the adapter, by its name")
    parser.add_argument("--all", action="store_true", help="every breaker that refuses calls, of every engine")
    parser.add_argument(
        "--wait",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long an engine has to take the command (default: 5)",
    )


def run(args: Namespace) -> int:
    """Reset, and return the exit code."""
    import asyncio

    from fuseboard_console.cli.output import complain
    from fuseboard_storage.errors import RecordingError

    if args.adapter and args.all:
        complain("--all means every breaker that refuses calls, so no name goes with it.")
        complain("Name one adapter, or say --all alone.")
        return exit_codes.BAD_INPUT
    if not args.adapter and not args.all:
        complain("Name one adapter, or say --all. `fuseboard reset --help` shows examples.")
        return exit_codes.BAD_INPUT
    try:
        return asyncio.run(_reset(args.file, args.adapter, args.wait))
    except RecordingError as error:
        complain(str(error))
        return exit_codes.BAD_INPUT


async def _reset(file: str, adapter: str | None, wait: float) -> int:
    from fuseboard_console.cli.command_results import board_now, came_of
    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_console.operator.identity import actor
    from fuseboard_console.operator.messages import nobody_can_take_it
    from fuseboard_console.operator.prompts import refusing
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_console.text.suggestions import unknown_adapter
    from fuseboard_console.views.adapters.engine_presence import connection_to
    from fuseboard_storage.recording.recording import Recording

    name = safe_text(Path(file).name, 200)
    async with Recording.open(file) as recording:
        board = await board_now(recording)
        if adapter is None:
            stuck = refusing(board)
            if not stuck:
                print_out("No breaker is open: there is nothing to reset.")
                return exit_codes.OK
            verb, targets = "reset_all", _still_there(board, stuck)
        else:
            found = board.find(adapter)
            if not found:
                complain(unknown_adapter(board, name, adapter))
                return exit_codes.BAD_INPUT
            verb, targets = "reset", _still_there(board, found)
        who = actor()
        connections = {target: connection_to(board, target, wall_clock()) for target in targets}
        asked = {
            await recording.ask(verb, adapter or "", instance=target, actor=who, expires_in=wait): target
            for target, connection in connections.items()
            if not connection.over
        }
        done = len(asked) == len(targets)
        for connection in connections.values():
            if connection.over:
                complain(nobody_can_take_it(connection, name))
        for command, target in asked.items():
            done = await came_of(recording, board, command, target, name) and done
        return exit_codes.OK if done else exit_codes.NOT_DONE


def _still_there(board: Board, rows: list[AdapterRow]) -> list[int]:
    """Return the instances of these rows that are not over; all of them when every one is."""
    every = sorted({row.key.instance for row in rows})
    engines = board.instances
    running = [id for id in every if id in engines and engines[id].ended_at is None and not engines[id].gone]
    return running or every
