"""The state of a recording's engines, and the outcomes of commands to them, for the command line."""

from __future__ import annotations

from fuseboard_console.cli.interrupts import remark_on_interrupt
from fuseboard_console.cli.output import complain, print_out
from fuseboard_console.operator.messages import not_taken_message, outcome_text
from fuseboard_console.views.adapters.engine_presence import connection_to
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import Board
from fuseboard_storage.recording.recording import Recording


async def board_now(recording: Recording) -> Board:
    """Return the Board as of now; engines whose process is gone are marked."""
    board = await recording.board()
    await recording.bring_up_to_date(board, wall_clock())
    return board


async def report_outcome(recording: Recording, board: Board, command: int, instance: int, file: str) -> bool:
    """Wait for a command's outcome and print it, also when no engine took the command; return whether it was done.

    Args:
        recording: The recording in whose mailbox the command is.
        board: The recording's Board.
        command: The command's ID.
        instance: The engine instance that the command is for.
        file: The recording's name, as safe text.
    """
    with remark_on_interrupt("The command was sent: an engine may still carry it out."):
        status = await recording.outcome(command)
    if status.status == "expired":
        await recording.bring_up_to_date(board, wall_clock())
        complain(not_taken_message(connection_to(board, instance, wall_clock()), file))
        return False
    done = status.status == "done"
    (print_out if done else complain)(outcome_text(status.verb, status.adapter, done, status.detail))
    return done
