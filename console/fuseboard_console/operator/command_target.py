"""Which engine takes a command that means one by its name, and why nobody does when none can."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from fuseboard_console.operator.messages import nobody_can_take_it
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.engine_presence import Connection, connection_to
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.presence import presence


class CommandTarget(NamedTuple):
    """The instance that takes a command; None: nobody can, and `why` is a sentence of safe text."""

    instance: int | None
    why: str = ""


def taker(board: Board, names: Collection[str], now: int, file: str) -> CommandTarget:
    """Return the newest engine of one of these names that lives; else one of which it is not known that it is over.

    Args:
        board: the Board, up to date with its engines' heartbeats.
        names: what the engine is called; empty: any will do.
        now: UTC microseconds.
        file: the recording's name, as safe text.
    """
    rows = [row for row in board.instances.values() if not names or row.name in names]
    rows.sort(key=lambda row: (presence(row, now) == "live", row.started_at, row.id), reverse=True)
    for row in rows:
        if not connection_to(board, row.id, now).over:
            return CommandTarget(row.id)
    if rows:
        return CommandTarget(None, nobody_can_take_it(connection_to(board, rows[0].id, now), file))
    if names and board.instances:
        named = ", ".join(safe_text(name, 80) for name in sorted(names))
        return CommandTarget(None, f"Nobody can take this command: no engine called {named} writes to {file}.")
    return CommandTarget(None, nobody_can_take_it(Connection("empty"), file))
