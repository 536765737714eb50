"""Operators' commands that a recording holds: who, when, what, and the outcome."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec.structs import replace

from fuseboard_engine.events import CommandDone
from fuseboard_storage.board.board import Board
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.tables.commands import CommandStatus

_ALL: Final = 2**62  # commands of a mailbox

Key = tuple[int, int, str]
"""Command number, 0 and verb; for an action outside the mailbox 0, its time and verb."""


class AuditEntry(NamedTuple):
    """One operator's command. Times are UTC microseconds.

    Args:
        key: Identifies the entry.
        requested_at: When it was requested.
        done_at: When it ended; None while it is pending or being carried out.
        actor: Who requested it.
        verb: The verb of the command.
        adapter: The adapter it concerns; may be empty.
        status: `pending`, `taken`, `done`, `failed` or `expired`.
        detail: The engine's answer.
        instance: The engine it was sent to or taken by; None if that is not known.
        what: What its arguments say, such as the dead letters that were selected.
    """

    key: Key
    requested_at: int
    done_at: int | None
    actor: str
    verb: str
    adapter: str
    status: str
    detail: str
    instance: int | None = None
    what: str = ""


def audit_entries(events: Iterable[CommandDone], commands: Iterable[CommandStatus] = ()) -> dict[Key, AuditEntry]:
    """Return the entries of the Board's `events` and the mailbox's `commands` by key, newest first."""
    found = {
        key: AuditEntry(
            key, event.requested_at or event.at, event.at, event.actor, event.verb, event.adapter,
            "done" if event.ok else "failed", event.detail, event.target or None, event.what,
        )
        for event in reversed(list(events))  # of a command that took long, the last outcome counts
        if (key := (event.command, 0 if event.command else event.at, event.verb))
    }  # fmt: skip
    for command in commands:
        key = (command.id, 0, command.verb)
        entry = found.get(key)
        # The event of an expired command is written by whichever engine noticed it; the mailbox knows more.
        if entry is None or command.status == "expired":
            entry = AuditEntry(
                key, command.requested_at, command.done_at, command.actor, command.verb, command.adapter,
                command.status, command.detail,
            )  # fmt: skip
        asked = command.taken_by if command.instance is None else command.instance
        found[key] = entry if asked is None else entry._replace(instance=asked)
    return dict(sorted(found.items(), key=lambda item: (item[1].requested_at, item[0]), reverse=True))


async def recorded_audit(
    recording: Recording,
    board: Board,
    *,
    adapter: str | None = None,
    actor: str | None = None,
    since: int | None = None,
    until: int | None = None,
) -> list[AuditEntry]:
    """Return the commands that match, newest first: those of the log, of the Board, and of the mailbox.

    Args:
        recording: The recording.
        board: Its Board.
        adapter: Only commands on this adapter.
        actor: Only commands of this operator.
        since: Only commands from this time on, UTC microseconds.
        until: Only commands before this time.
    """
    recorded = await recording.events(kinds=CommandDone, limit=None, newest_first=True)
    events = [
        replace(entry.event, target=entry.instance) if entry.event.target is None else entry.event
        for entry in recorded
        if isinstance(entry.event, CommandDone)
    ]
    # Retention may have deleted events that the Board still has.
    every = audit_entries([*events, *board.actions], await recording.commands(_ALL))
    return [
        entry
        for entry in every.values()
        if (adapter is None or entry.adapter == adapter)
        and (actor is None or entry.actor == actor)
        and (since is None or entry.requested_at >= since)
        and (until is None or entry.requested_at < until)
    ]
