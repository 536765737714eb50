"""Follow a recording without a screen: what was added to it, as it is added."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from fuseboard_console.text.safe_text import safe_text
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.recording.tail import ConnectionState, Tail
from fuseboard_storage.tables.events import readable

POLL = 0.1
"""Seconds between two looks at the recording."""


class RecordingUpdate(NamedTuple):
    """The Board as of now, the entries that came since the last time, and why nothing can just now.

    The Board is another object when another file has taken the place of the one before. `trouble` is a sentence of
    safe text, empty when all is well.
    """

    board: Board
    entries: list[Entry]
    trouble: str


async def follow(file: str) -> AsyncGenerator[RecordingUpdate, None]:
    """Yield what was added to a recording, several times a second, also when it is nothing.

    The first has the Board as it stands and no entries. When another file takes the place of this one, that is
    followed from its beginning; while the file is gone, or can't be read, the Board stays as it was.

    Raises:
        RecordingError: As for `Recording.open`.
    """
    entries: list[Entry] = []

    def take(part: Sequence[Entry]) -> None:
        entries.extend(readable(part))

    async with Tail.open(file) as tail:
        await tail.advance()
        tail.on_entries = take
        while True:
            yield RecordingUpdate(tail.board, entries.copy(), trouble_of(tail))
            entries.clear()
            await asyncio.sleep(POLL)
            await tail.advance()


def trouble_of(tail: Tail) -> str:
    """Return why a recording can't be followed just now, as a sentence of safe text; empty when it can."""
    state, trouble = tail.status
    if state is ConnectionState.MISSING and not trouble:
        return f"{safe_text(tail.path.name, 200)} is gone. This goes on when it is back."
    return safe_text(trouble, 300)
