"""Sends commands to the engines of a recording: all of them or none, and none to a file that replaced it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from fuseboard_engine.error_text.text_limits import value_within_limits
from fuseboard_storage.backend.values import Target
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.connection import connected, translate_sqlite_errors
from fuseboard_storage.sqlite.write_lock import is_busy
from fuseboard_storage.tables import commands
from fuseboard_storage.tables.storable import stored_name

STARTS = "SELECT id, started_at FROM instances WHERE id IN (SELECT value FROM json_each(?))"
"""Selects the start times of instances, which distinguish them from the instances of another file."""


BUSY_SECONDS: Final = 5.0
"""Seconds to wait for engines that write."""

ASK_FOR: Final = 8
"""Milliseconds for which SQLite itself waits at a time: it asks after 1, 3 and 8 of them."""


def check_not_replaced(path: Path, identity: tuple[int, int] | None) -> None:
    """Raise `RecordingError` if the file at the path is missing or is not the one with this `schema.identity_of`."""
    current = schema.identity_of(path)
    if current is None:
        raise RecordingError(f"{path.name} is gone.", "Try again when it is back.")
    if current != identity:
        raise _replaced(path)


def _replaced(path: Path) -> RecordingError:
    return RecordingError(f"{path.name} was replaced by another recording.", "Look at that one first.")


def ids_json(ids: Iterable[int | None]) -> str:
    """Return the distinct ids, without None, as a JSON array for `json_each`."""
    return msgspec.json.encode(sorted({id for id in ids if id is not None})).decode()


def _begin(connection: sqlite3.Connection) -> None:
    """Begin a transaction that writes.

    SQLite itself asks less and less often whether the file is free, and many engines at full speed leave it free for a
    moment only.
    """
    end = time.monotonic() + BUSY_SECONDS
    connection.execute(f"PRAGMA busy_timeout = {ASK_FOR}")
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= end:
                raise
        else:
            return


async def post_commands(
    path: Path,
    identity: tuple[int, int] | None,
    starts: Mapping[int, int],
    verb: str,
    targets: Sequence[Target],
    *,
    actor: str,
    args: Mapping[str, Any],
    now: int,
    expires_at: int,
) -> list[int]:
    """Insert a command for each target, in one transaction.

    Args:
        path: The recording.
        identity: The result of `schema.identity_of` when the recording was opened.
        starts: The start times of the targeted instances by id, as read from the recording.
        verb: The command's verb.
        targets: The instances and adapters it is for.
        actor: The operator who sends it.
        args: The verb's own arguments.
        now: UTC microseconds.
        expires_at: The time at which it expires unless taken, UTC microseconds.

    Returns:
        The commands' ids, in the order of the targets.

    Raises:
        RecordingError: The file is missing, was replaced, or cannot be written; no command was inserted.
    """
    check_not_replaced(path, identity)
    body = msgspec.json.encode(value_within_limits(args)).decode()
    rows = [
        (verb, stored_name(adapter), body, stored_name(actor), instance, now, expires_at)
        for instance, adapter in targets
    ]
    ids = ids_json(instance for instance, _ in targets)

    def insert(connection: sqlite3.Connection) -> int:
        _begin(connection)
        found: dict[int, int] = dict(connection.execute(STARTS, (ids,)))
        check_not_replaced(path, identity)
        if found != starts:
            raise _replaced(path)
        connection.executemany(commands.INSERT, rows)
        last: int = connection.execute("SELECT max(id) FROM commands").fetchone()[0]
        connection.execute("COMMIT")
        return last

    async with connected(path, "mode=rw") as connection:
        with translate_sqlite_errors(path, "written"):
            last = await connection.run(insert)
    return list(range(last - len(rows) + 1, last + 1))
