"""The mailbox: operators' commands as rows, and how an engine's writer takes them."""

from __future__ import annotations

import sqlite3
from typing import Any, Final, Literal, NamedTuple

import msgspec

from fuseboard_engine.commands import Command
from fuseboard_engine.events import CommandDone
from fuseboard_storage.tables.events import escape_surrogates

Status = Literal["pending", "taken", "done", "failed", "expired"]

NOBODY: Final = "Nobody took this command before it expired. Is its engine running?"
LOST: Final = "The engine that took this command ended before it said what came of it."


class CommandStatus(NamedTuple):
    """What became of a command that was asked of an `instance` (None: of whichever is first).

    `status` is `pending`, `taken` by the instance `taken_by`, `done`, `failed` (refused, or the engine ended over
    it) or `expired`; `detail` says it in words once it is over.
    """

    id: int
    verb: str
    adapter: str
    actor: str
    status: Status
    detail: str = ""
    taken_by: int | None = None
    requested_at: int = 0
    done_at: int | None = None
    instance: int | None = None

    @property
    def over(self) -> bool:
        """True when nothing more will happen to it."""
        return self.status in ("done", "failed", "expired")


ASK: Final = """INSERT INTO commands(verb, adapter, args, actor, instance, requested_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?)"""

_COLUMNS: Final = "id, verb, adapter, actor, status, detail, taken_by, requested_at, done_at, instance, expires_at"
STATUS: Final = f"SELECT {_COLUMNS} FROM commands WHERE id IN (SELECT value FROM json_each(?))"
NEWEST: Final = f"SELECT {_COLUMNS} FROM commands ORDER BY id DESC LIMIT ?"

LOST_AFTER: Final = 10_000_000  # microseconds past its expiry that a taken command is waited for


def status_of(row: tuple[Any, ...], now: int) -> CommandStatus:
    """Make the status of a row of these; a command is expired at `now` even if no engine is left to say so."""
    *told, expires_at = row
    status = CommandStatus(*told)
    if status.status == "pending" and expires_at <= now:
        return status._replace(status="expired", detail=NOBODY, done_at=expires_at)
    if status.status == "taken" and expires_at + LOST_AFTER <= now:
        return status._replace(status="failed", detail=LOST, done_at=expires_at)
    return status


def has_pending(connection: sqlite3.Connection) -> bool:
    """Say whether any command is pending or taken; costs a few microseconds."""
    sql = "SELECT 1 FROM commands WHERE status IN ('pending', 'taken') LIMIT 1"
    return connection.execute(sql).fetchone() is not None


def claim(connection: sqlite3.Connection, instance: int, now: int) -> list[Command]:
    """Take all commands that wait for this instance; no other can take them after. In order of asking."""
    rows = connection.execute(
        """UPDATE commands SET status = 'taken', taken_by = ?, taken_at = ?
        WHERE status = 'pending' AND expires_at > ? AND (instance IS NULL OR instance = ?)
        RETURNING id, verb, actor, adapter, args, requested_at""",
        (instance, now, now, instance),
    ).fetchall()
    return [
        Command(id=id, verb=verb, actor=actor, adapter=adapter, args=_args(args), requested_at=requested_at)
        for id, verb, actor, adapter, args, requested_at in sorted(rows)
    ]


def _args(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def expire(connection: sqlite3.Connection, now: int) -> list[CommandDone]:
    """Mark what nobody took in time as expired, and what an engine took with it as failed.

    Returns:
        What to record of it.
    """
    rows = connection.execute(
        """UPDATE commands SET status = 'expired', done_at = ?, detail = ?
        WHERE status = 'pending' AND expires_at <= ? RETURNING id, verb, actor, adapter, requested_at, detail""",
        (now, NOBODY, now),
    ).fetchall()
    rows += connection.execute(
        """UPDATE commands SET status = 'failed', done_at = ?, detail = ?
        WHERE status = 'taken' AND expires_at <= ? RETURNING id, verb, actor, adapter, requested_at, detail""",
        (now, LOST, now - LOST_AFTER),
    ).fetchall()
    return [
        CommandDone(
            at=now,
            command=id,
            verb=verb,
            actor=actor,
            ok=False,
            adapter=adapter,
            detail=detail,
            requested_at=requested_at,
        )
        for id, verb, actor, adapter, requested_at, detail in sorted(rows)
    ]


def settle(connection: sqlite3.Connection, instance: int, event: CommandDone) -> None:
    """Write into a command's row what its engine's event says, in the transaction that commits the event."""
    connection.execute(
        """UPDATE commands SET status = ?, done_at = ?, detail = ?
        WHERE id = ? AND status = 'taken' AND taken_by = ?""",
        ("done" if event.ok else "failed", event.at, escape_surrogates(event.detail), event.command, instance),
    )
