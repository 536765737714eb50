"""The state of a recording's engines, and the outcomes of commands to them, for the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.interrupts import interrupts_set, remark_on_interrupt
from fuseboard_console.cli.output import complain, print_out
from fuseboard_console.operator.identity import actor
from fuseboard_console.operator.messages import no_engine_message, not_taken_message, outcome_text
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.suggestions import rows_named, unknown_adapter
from fuseboard_console.views.adapters.engine_names import NO_ENGINES, EngineNames, engine_names, with_recorded
from fuseboard_console.views.adapters.engine_presence import connection_to
from fuseboard_engine.dead_letters.operator_retry import CONTINUES
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import AdapterRow, Board
from fuseboard_storage.board.presence import time_of
from fuseboard_storage.recording.recording import Recording


async def board_now(recording: Recording) -> Board:
    """Return the Board as of now; engines whose process is gone are marked."""
    board = await recording.board()
    await recording.bring_up_to_date(board, wall_clock())
    return board


async def recorded_engine_names(recording: Recording) -> EngineNames:
    """Return the names of all engines of a recording, and the adapter names that several running engines have."""
    rows = await recording.instances()
    if len(rows) < 2:
        return NO_ENGINES
    return with_recorded(engine_names(await recording.board()), rows)


SHORT_WAIT = 1.0
"""Seconds after which somebody who pressed Ctrl-C is told what the command waits for."""


class Interrupted(Exception):
    """Ctrl-C; the engine was asked to stop, and what it answered is printed."""


async def retry_or_stop(
    recording: Recording, board: Board, ids: list[int], instance: int, file: str, wait: float
) -> bool:
    """Ask an engine to retry dead letters, and print the outcome as `report_outcome` does; return whether it was done.

    Ctrl-C meanwhile has the engine stop after the dead letter in flight, and prints how many were retried. A second
    Ctrl-C ends the program at once.

    Args:
        recording: The recording with the dead letters.
        board: The recording's Board.
        ids: The dead letters.
        instance: The engine instance.
        file: The recording's name, as safe text.
        wait: Seconds in which the engine has to take the command.

    Raises:
        Interrupted: Ctrl-C came before the outcome.
    """
    with remark_on_interrupt(_stop_hint(file)):
        command = await recording.ask("dlq_retry", instance=instance, actor=actor(), args={"ids": ids}, expires_in=wait)
    pressed = asyncio.Event()
    with interrupts_set(pressed):
        reporting = asyncio.ensure_future(report_outcome(recording, board, command, instance, file))
        waiting = asyncio.ensure_future(pressed.wait())
        await asyncio.wait({reporting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    if reporting.done():
        return reporting.result()
    reporting.cancel()
    await asyncio.wait({reporting})
    with remark_on_interrupt(_stop_hint(file)):
        stop = await recording.ask("dlq_stop", instance=instance, actor=actor(), args={"command": command})
    stopping = asyncio.ensure_future(report_outcome(recording, board, stop, instance, file))
    if not (await asyncio.wait({stopping}, timeout=SHORT_WAIT))[0]:
        complain("The engine stops after the dead letter in flight. Ctrl-C again ends only this command.")
    await stopping
    raise Interrupted


def _stop_hint(file: str) -> str:
    return f"A retry may be in progress: `fuseboard dlq {file} stop` stops it."


async def ask_adapter(path: str, verb: str, adapter: str, wait: float) -> int:
    """Send a command to every running engine of an adapter, print the outcomes, and return the exit code.

    Args:
        path: The recording.
        verb: The verb of the command.
        adapter: The name that was typed.
        wait: Seconds in which an engine has to take the command.
    """
    file = safe_text(Path(path).name, 200)
    async with Recording.open(path) as recording:
        board = await board_now(recording)
        rows = rows_named(board, adapter)
        if not rows:
            complain(*unknown_adapter(board, file, adapter))
            return exit_codes.BAD_INPUT
        done = await ask_engines(recording, board, rows, verb, rows[0].name, wait, file)
        return exit_codes.OK if done else exit_codes.NOT_DONE


async def ask_engines(
    recording: Recording,
    board: Board,
    rows: Sequence[AdapterRow],
    verb: str,
    adapter: str,
    wait: float,
    file: str,
    args: dict[str, Any] | None = None,
) -> bool:
    """Send a command to every running engine of some adapters, print the outcomes, and return whether all did it.

    Args:
        recording: The recording in whose mailbox the commands are put.
        board: The recording's Board.
        rows: The adapters.
        verb: The verb of the command.
        adapter: The adapter it concerns; empty for all.
        wait: Seconds in which an engine has to take the command.
        file: The recording's name, as safe text.
        args: The verb's own arguments.
    """
    operator, engines = actor(), engine_names(board)
    now, targets = time_of(board, wall_clock()), running_instances(board, rows)
    connections = {target: connection_to(board, target, now) for target in targets}
    commands = {
        await recording.ask(verb, adapter, instance=target, actor=operator, args=args, expires_in=wait): target
        for target, connection in connections.items()
        if not connection.over
    }
    done = len(commands) == len(connections)
    for target, connection in connections.items():
        if connection.over:
            complain(no_engine_message(connection, file, engines.command(target, "")))
    for command, target in commands.items():
        done = await report_outcome(recording, board, command, target, file) and done
    return done


def running_instances(board: Board, rows: Sequence[AdapterRow]) -> list[int]:
    """Return the instances of these rows that have not ended; if all have ended, return all of them."""
    every = sorted({row.key.instance for row in rows})
    engines = board.instances
    running = [id for id in every if id in engines and engines[id].ended_at is None and not engines[id].gone]
    return running or every


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
        engine = engine_names(board).command(instance, "")
        complain(not_taken_message(connection_to(board, instance, time_of(board, wall_clock())), file, engine))
        return False
    done = status.status == "done"
    engine = engine_names(board).command(instance, status.adapter)
    text = outcome_text(status.verb, status.adapter, done, status.detail, engine=engine)
    (print_out if done else complain)(text)
    if done and status.verb == "dlq_retry" and status.detail.endswith(CONTINUES):
        print_out(f"`fuseboard dlq {file} stop` stops it after the one in flight.")
    return done
