"""Returns the unused space of a recording to the disk."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, NamedTuple

from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.maintenance.access import live_engines, refuse_damage, size_of, writing
from fuseboard_storage.sqlite.integrity import INCREMENTAL_VACUUM, can_shrink, pragma, release_pages, used_bytes
from fuseboard_storage.sqlite.kept_copy import free_bytes

_PAGES: Final = 500  # removed in one transaction


class Compacted(NamedTuple):
    """The outcome of `compact`: bytes before and after, with the WAL, and what was done.

    `rewritten`: the whole file was written anew. `released`: its free pages were removed, because engines write it.
    """

    before: int
    after: int
    how: Literal["rewritten", "released"]


def compact(
    path: str | os.PathLike[str], progress: Callable[[int, int], object] | None = None, now: int | None = None
) -> Compacted:
    """Make the file of a recording as small as its contents allow. Nothing of its contents changes.

    If no engine writes the recording, the file is rewritten in one transaction of SQLite: Ctrl-C, a full disk or a kill
    leave it as it was. From then on, retention can return space while an engine runs, in older files too. While an
    engine writes, the free pages are removed a few at a time, so that the engine never waits for long.

    Args:
        path: The recording.
        progress: Called with the numbers of free pages that are removed, and of all. Not called for a rewritten file.
        now: UTC microseconds; None: the current time.

    Raises:
        RecordingError: The recording is damaged or cannot be written, the disk has no room for a copy, or engines write
            a recording whose free pages cannot be removed without rewriting it.
    """
    where = Path(path).absolute()
    with writing(path) as connection:
        before = size_of(where)
        refuse_damage(connection, where)
        engines = live_engines(connection, wall_clock() if now is None else now)
        if engines:
            if not can_shrink(connection):
                raise RecordingError(
                    f"{where.name} is written by {engines[0].name} (pid {engines[0].pid}), and can only be rewritten.",
                    "End the application, then try again; later the file can be compacted while it runs.",
                )
            _release(connection, progress)
            return Compacted(before, size_of(where), "released")
        rewrite(connection, where)
        return Compacted(before, size_of(where), "rewritten")


def rewrite(connection: sqlite3.Connection, path: Path) -> None:
    """Write all of a recording anew, in one transaction, and empty its WAL.

    Raises:
        RecordingError: The disk has no room for the copy; nothing was changed.
        sqlite3.Error: The file could not be written; nothing was changed.
    """
    needed, free = used_bytes(connection), free_bytes(path.parent)
    if free < needed:
        raise RecordingError(
            f"{path.name} cannot be rewritten: that needs {needed:,} bytes on the disk, and {free:,} are free.",
            "Free disk space, then try again.",
        )
    connection.execute(f"PRAGMA auto_vacuum = {INCREMENTAL_VACUUM}")
    connection.execute("VACUUM")
    empty_wal(connection)


def empty_wal(connection: sqlite3.Connection) -> bool:
    """Write the WAL into the file and shorten it to nothing. Return whether no reader or writer was in the way."""
    row = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return row is not None and row[0] == 0


def _release(connection: sqlite3.Connection, progress: Callable[[int, int], object] | None) -> None:
    total = left = pragma(connection, "freelist_count")
    while left:
        release_pages(connection, _PAGES)
        before, left = left, pragma(connection, "freelist_count")
        if progress is not None:
            progress(max(0, total - left), total)
        if left >= before:  # the engine frees as many pages meanwhile
            break
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
