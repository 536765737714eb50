"""Follows a recording without a screen and yields what is added to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from fuseboard_console.text.safe_text import safe_text
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.recording.file_change import FileChange
from fuseboard_storage.recording.tail import ConnectionState, Tail
from fuseboard_storage.tables.events import readable

POLL = 0.1
"""Seconds between two reads of the recording."""


class RecordingUpdate(NamedTuple):
    """The current Board and the entries since the last update.

    The Board is a new object after the file was replaced. `trouble` says why the recording cannot be read now, as a
    sentence of safe text; empty if it can.
    `file_change` is what happened to the file that was followed before.
    """

    board: Board
    entries: list[Entry]
    trouble: str
    file_change: FileChange | None = None


async def follow(file: str) -> AsyncGenerator[RecordingUpdate, None]:
    """Yield an update several times a second, even if nothing was added.

    The first update has the current Board and no entries. If the file is replaced, the new one is followed from its
    beginning. While the file is missing or unreadable, the Board stays as it was.

    Raises:
        RecordingError: As for `Recording.open`.
    """
    entries: list[Entry] = []

    def take(part: Sequence[Entry]) -> None:
        entries.extend(readable(part))

    async with Tail.open(file) as tail:
        await tail.read_first()
        tail.on_entries = take
        while True:
            yield RecordingUpdate(tail.board, entries.copy(), trouble_of(tail), tail.file_change)
            entries.clear()
            await asyncio.sleep(POLL)
            await tail.advance()


def trouble_of(tail: Tail) -> str:
    """Return why a recording cannot be read now, as a sentence of safe text; empty if it can."""
    state, trouble = tail.status
    if state is ConnectionState.MISSING and not trouble:
        return f"{safe_text(tail.path.name, 200)} is missing. The console continues when it is back."
    # The operator knows where the file is; the screen has more room for what is wrong with it.
    return safe_text(trouble.replace(str(tail.path), tail.path.name), 300)
