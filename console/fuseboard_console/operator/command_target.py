"""Chooses the engine that takes a command addressed to an engine by name."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from fuseboard_console.operator.messages import no_engine_message
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.engine_presence import Connection, connection_to
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.presence import presence, time_of


class CommandTarget(NamedTuple):
    """The instance that takes a command; None if no engine can, and then `why` is a sentence of safe text."""

    instance: int | None
    why: str = ""


def instances_to_ask(board: Board, names: Collection[str], now: int) -> list[int]:
    """Return the instances of engines with these names (empty: of all) that are not known to be gone.

    Args:
        board: The Board, with up-to-date heartbeats.
        names: The engines' names.
        now: The time of the host's clock, UTC microseconds.
    """
    now = time_of(board, now)
    rows = [row for row in board.instances.values() if not names or row.name in names]
    return [row.id for row in rows if not connection_to(board, row.id, now).over]


def find_target(board: Board, names: Collection[str], now: int, file: str) -> CommandTarget:
    """Return the newest live engine with one of these names; else the newest that is not known to be gone.

    Args:
        board: The Board, with up-to-date heartbeats.
        names: The engine's possible names; empty for any engine.
        now: The time of the host's clock, UTC microseconds.
        file: The recording's name, as safe text.
    """
    now = time_of(board, now)
    rows = [row for row in board.instances.values() if not names or row.name in names]
    rows.sort(key=lambda row: (presence(row, now) == "live", row.started_at, row.id), reverse=True)
    for row in rows:
        if not connection_to(board, row.id, now).over:
            return CommandTarget(row.id)
    if rows:
        return CommandTarget(None, no_engine_message(connection_to(board, rows[0].id, now), file))
    if names and board.instances:
        named = ", ".join(safe_text(name, 80) for name in sorted(names))
        return CommandTarget(None, f"No engine can take this command: no engine called {named} writes to {file}.")
    return CommandTarget(None, no_engine_message(Connection("empty"), file))
