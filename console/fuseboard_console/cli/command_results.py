"""Asking an engine from the command line: how the recording stands now, and what came of a command."""

from __future__ import annotations

from fuseboard_console.cli.output import complain, print_out
from fuseboard_console.operator.messages import nobody_took_it, outcome_text
from fuseboard_console.views.adapters.engine_presence import connection_to
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import Board
from fuseboard_storage.recording.recording import Recording


async def board_now(recording: Recording) -> Board:
    """Return the Board as of now, with which of its engines are known to be gone."""
    board = await recording.board()
    await recording.bring_up_to_date(board, wall_clock())
    return board


async def came_of(recording: Recording, board: Board, command: int, instance: int, file: str) -> bool:
    """Wait until a command is over and print what came of it, or that nobody took it; return whether it was done.

    Args:
        recording: where it was put into the mailbox.
        board: the recording's Board.
        command: its number.
        instance: the engine that was asked.
        file: the recording's name, as safe text.
    """
    status = await recording.outcome(command)
    if status.status == "expired":
        await recording.bring_up_to_date(board, wall_clock())
        complain(nobody_took_it(connection_to(board, instance, wall_clock()), file))
        return False
    done = status.status == "done"
    (print_out if done else complain)(outcome_text(status.verb, status.adapter, done, status.detail))
    return done
