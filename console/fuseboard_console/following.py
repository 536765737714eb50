"""Follow a recording without a screen: what was added to it, as it is added."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from fuseboard_engine.clock import wall_clock
from fuseboard_storage.board import Board, Entry
from fuseboard_storage.instances import mark_gone
from fuseboard_storage.recording import SLICE, Recording
from fuseboard_storage.rows import known

POLL = 0.1
"""Seconds between two looks at the recording."""


class News(NamedTuple):
    """The Board as of now, and the entries that came since the last time."""

    board: Board
    entries: list[Entry]


async def follow(file: str) -> AsyncGenerator[News, None]:
    """Yield what was added to a recording, several times a second, also when it is nothing.

    The first has the Board as it stands and no entries. When another file takes the place of this one, that is
    followed from its beginning.

    Raises:
        RecordingError: As for `Recording.open`.
    """
    path = Path(file)
    begun = False
    while True:
        identity = _identity(path)
        async with Recording.open(path) as recording:
            board = Board() if begun else await recording.board()
            begun = due = True
            while (found := _identity(path)) == identity or found is None:
                entries: list[Entry] = []
                with suppress(sqlite3.OperationalError):  # locked for a moment: the next look finds it
                    due = not recording.still() or due
                    if due:
                        await _take(recording, board, entries)
                        due = False
                mark_gone(board.instances.values(), wall_clock())  # a process that was killed changes no file
                yield News(board, entries)
                await asyncio.sleep(POLL)


async def _take(recording: Recording, board: Board, entries: list[Entry]) -> None:
    while part := await recording.slice(board.seq, SLICE):
        for entry in part:
            board.apply(entry)
        entries += known(part)
    await recording.bring_up_to_date(board, wall_clock())


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
