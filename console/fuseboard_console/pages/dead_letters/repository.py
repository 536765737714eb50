"""The dead letters of a recording, as the console reads and changes them: each time with a store of its own.

None of it is on the Board: the file keeps letters as they are now. What it costs, a thread of the store pays.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from fuseboard_console.sources import feed
from fuseboard_engine.dead_letters.letter import (
    Change,
    DeadLetter,
    DeadLetterStatistics,
    LetterSelection,
    Status,
    StoreUnavailable,
)
from fuseboard_engine.dead_letters.store import pages
from fuseboard_storage.board.board import Entry
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

READ_ERRORS = (*feed.FEED_ERRORS, StoreUnavailable)
"""Errors of the file that may have disappeared at the next reading."""
PREVIEW_LENGTH = 2_000
"""Characters of a payload that are kept of each dead letter of a list."""


class DeadLetterPage(NamedTuple):
    """The newest dead letters of a recording, newest first, and the statistics of all.

    `has_table`: the file can hold dead letters.
    """

    dead_letters: tuple[DeadLetter, ...]
    figures: DeadLetterStatistics
    has_table: bool


async def listed(path: Path, statuses: tuple[Status, ...], now: int, most: int) -> DeadLetterPage:
    """Read the newest dead letters of these statuses (empty: of all), at most `most`; `now` is UTC microseconds.

    Raises:
        RecordingError, StoreUnavailable, OSError: The file is gone, or can't be read now.
    """
    async with SqliteDeadLetters.open(path) as store:
        dead_letters = await _newest(store, LetterSelection(statuses=statuses), now, most)
        return DeadLetterPage(tuple(dead_letters), await store.statistics(now), await store.has_table())


async def some(path: Path, ids: Sequence[int], now: int) -> list[DeadLetter]:
    """Read these dead letters; those that are gone are missing. Raises as `listed` does."""
    async with SqliteDeadLetters.open(path) as store:
        return await _newest(store, LetterSelection(ids=tuple(ids)), now, len(ids))


async def _newest(store: SqliteDeadLetters, selection: LetterSelection, now: int, most: int) -> list[DeadLetter]:
    """Read dead letters in parts, each with as much of its payload as a list needs: any may have a megabyte of it."""
    return [_short(dead_letter) async for page in pages(store, selection, now, most) for dead_letter in page]


def _short(dead_letter: DeadLetter) -> DeadLetter:
    if len(dead_letter.payload) <= PREVIEW_LENGTH:
        return dead_letter
    return msgspec.structs.replace(dead_letter, payload=dead_letter.payload[:PREVIEW_LENGTH])


async def read_one(path: Path, id: int, now: int) -> DeadLetter | None:
    """Read one dead letter with all of its payload, or None if it no longer exists. Raises as `listed` does."""
    async with SqliteDeadLetters.open(path) as store:
        return await store.get(id, now)


async def history(path: Path, dead_letter: DeadLetter) -> list[Entry]:
    """Read the events that concern a dead letter, in the order they happened. Raises as `listed` does."""
    async with Recording.open(path) as recording:
        return await recording.letter_changes(dead_letter.id, dead_letter.created_at)


async def changed(path: Path, change: Change, ids: Sequence[int], now: int, actor: str) -> set[int]:
    """Change these dead letters as far as they allow it, and return the numbers of those that were.

    Raises:
        RecordingError, StoreUnavailable, OSError: The file is gone, or can't be written now; nothing was changed.
    """
    async with SqliteDeadLetters.open(path, reading=False) as store:
        moved = await store.change(change, LetterSelection(ids=tuple(ids)), now, actor)
    return {id for group in moved for id in group.ids}
