"""Putting commands into a recording's mailbox: all of them or none, and never into another file that took its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.connection import connected, translate_sqlite_errors
from fuseboard_storage.tables import commands as mailbox
from fuseboard_storage.tables.events import escape_surrogates

Target = tuple[int | None, str]
"""The engine that should take a command (None: whichever is first) and the adapter it concerns; empty: all."""

STARTS = "SELECT id, started_at FROM instances WHERE id IN (SELECT value FROM json_each(?))"
"""When engines of these ids_json began: what tells them from those of another file."""


def check_not_replaced(path: Path, identity: tuple[int, int] | None) -> None:
    """Raise `RecordingError` if the file that `schema.identity_of` told of stands at its path no more."""
    there = schema.identity_of(path)
    if there is None:
        raise RecordingError(f"{path.name} is gone.", "Try again when it is back.")
    if there != identity:
        raise _replaced(path)


def _replaced(path: Path) -> RecordingError:
    return RecordingError(f"{path.name} was replaced by another recording.", "Look at that one first.")


def ids_json(found: Iterable[int | None]) -> str:
    """Return the ids_json there are as `STARTS` takes them."""
    return msgspec.json.encode(sorted({one for one in found if one is not None})).decode()


async def post(
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
    """Put a command for each target into the mailbox, in one transaction.

    Args:
        path: The recording.
        identity: What `schema.identity_of` said of it when it was opened.
        starts: When the engines that are asked began, by their instances, as the recording that was opened says.
        verb: What is asked.
        targets: Of whom, and about which adapter.
        actor: Who asks.
        args: The verb's own arguments.
        now: UTC microseconds.
        expires_at: Until when it must be taken, UTC microseconds.

    Returns:
        The commands' ids_json, in the order of the targets.

    Raises:
        RecordingError: The file is gone, another stands at its path, or it can't be written; nothing was asked.
    """
    check_not_replaced(path, identity)
    body = msgspec.json.encode(args).decode()
    rows = [
        (verb, escape_surrogates(adapter), body, escape_surrogates(actor), instance, now, expires_at)
        for instance, adapter in targets
    ]
    async with connected(path, "mode=rw") as connection:
        with translate_sqlite_errors(path, "written"):
            await connection.execute("BEGIN IMMEDIATE")
            asked = ids_json(instance for instance, _ in targets)
            found: dict[int, int] = dict(await connection.execute_fetchall(STARTS, (asked,)))  # type: ignore[arg-type]
            check_not_replaced(path, identity)
            if found != starts:
                raise _replaced(path)
            await connection.executemany(mailbox.INSERT, rows)
            last = (await connection.execute_fetchall("SELECT max(id) FROM commands"))[0][0]  # type: ignore[index]
            await connection.execute("COMMIT")
    return list(range(last - len(rows) + 1, last + 1))
