"""The `commands` table: operators' commands, and the statements by which a writer claims and settles them."""

from __future__ import annotations

import sqlite3
from typing import Any, Final, get_args

import msgspec

from fuseboard_engine.commands import Command
from fuseboard_engine.events import CommandDone
from fuseboard_storage.backend.values import EXPIRED_DETAIL, LOST_AFTER, LOST_DETAIL
from fuseboard_storage.backend.values import CommandStatus as CommandStatus
from fuseboard_storage.backend.values import Status as Status
from fuseboard_storage.sqlite.damaged_rows import decoded, text, whole_number
from fuseboard_storage.tables.safe_texts import safe_text_of
from fuseboard_storage.tables.storable import stored_text

INSERT: Final = """INSERT INTO commands(verb, adapter, args, actor, instance, requested_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?)"""

_COLUMNS: Final = "id, verb, adapter, actor, status, detail, taken_by, requested_at, done_at, instance, expires_at"
SELECT_BY_ID: Final = f"SELECT {_COLUMNS} FROM commands WHERE id IN (SELECT value FROM json_each(?))"
SELECT_NEWEST: Final = f"SELECT {_COLUMNS} FROM commands ORDER BY id DESC LIMIT ?"


def status_of(row: tuple[Any, ...], now: int) -> CommandStatus:
    """Return the status in a row of `SELECT_BY_ID` or `SELECT_NEWEST`.

    A command is expired or lost as of `now` (UTC microseconds) even if no engine is left to record that.
    """
    id, verb, adapter, actor, state, detail, taken_by, requested_at, done_at, instance, expires_at = row
    expires_at = whole_number(expires_at)  # a damaged file may contain anything
    status = CommandStatus(
        id=whole_number(id),
        verb=text(verb),
        adapter=text(adapter),
        actor=safe_text_of(text(actor)),
        status=state if state in get_args(Status) else "failed",
        detail=safe_text_of(text(detail)),
        taken_by=None if taken_by is None else whole_number(taken_by),
        requested_at=whole_number(requested_at),
        done_at=None if done_at is None else whole_number(done_at),
        instance=None if instance is None else whole_number(instance),
    )
    if status.status == "pending" and expires_at <= now:
        return status._replace(status="expired", detail=EXPIRED_DETAIL, done_at=expires_at)
    if status.status == "taken" and expires_at + LOST_AFTER <= now:
        return status._replace(status="failed", detail=LOST_DETAIL, done_at=expires_at)
    return status


def has_pending(connection: sqlite3.Connection) -> bool:
    """Return whether any command is pending or taken. Costs a few microseconds."""
    sql = "SELECT 1 FROM commands WHERE status IN ('pending', 'taken') LIMIT 1"
    return connection.execute(sql).fetchone() is not None


def claim(connection: sqlite3.Connection, instance: int, now: int) -> list[Command]:
    """Take all commands that are pending for an instance, so that no other can. Return them in the order of request."""
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


_decode_args = msgspec.json.Decoder(dict[str, Any]).decode


def _args(text: str) -> dict[str, Any]:
    args: dict[str, Any] = decoded(_decode_args, text, {})
    return args


def expire(connection: sqlite3.Connection, now: int) -> list[CommandDone]:
    """Mark commands that no engine took in time as expired, and those whose engine was lost as failed.

    Returns:
        The events to record for them.
    """
    rows = connection.execute(
        """UPDATE commands SET status = 'expired', done_at = ?, detail = ?
        WHERE status = 'pending' AND expires_at <= ?
        RETURNING id, verb, actor, adapter, requested_at, detail, instance""",
        (now, EXPIRED_DETAIL, now),
    ).fetchall()
    rows += connection.execute(
        """UPDATE commands SET status = 'failed', done_at = ?, detail = ?
        WHERE status = 'taken' AND expires_at <= ?
        RETURNING id, verb, actor, adapter, requested_at, detail, taken_by""",
        (now, LOST_DETAIL, now - LOST_AFTER),
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
            target=instance or 0,
        )
        for id, verb, actor, adapter, requested_at, detail, instance in sorted(rows)
    ]


def settle(connection: sqlite3.Connection, instance: int, event: CommandDone) -> None:
    """Write an outcome to the command's row, in the transaction that commits the event."""
    connection.execute(
        """UPDATE commands SET status = ?, done_at = ?, detail = ?
        WHERE id = ? AND status = 'taken' AND taken_by = ?""",
        ("done" if event.ok else "failed", event.at, stored_text(event.detail), event.command, instance),
    )
