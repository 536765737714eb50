"""The `dead_letters` table and its totals. Each function runs within the transaction that is open.

`now` and all other times are UTC microseconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec

from fuseboard_engine.dead_letters.letter import (
    CHANGEABLE,
    DONE,
    FINISHED,
    Capacity,
    Change,
    DeadLetter,
    Kept,
    LetterChain,
    LetterSelection,
    NewLetter,
    QueueFull,
    RetryOutcome,
    StatusChange,
)
from fuseboard_engine.dead_letters.memory_store import LEASE_EXPIRED as LEASE_EXPIRED
from fuseboard_engine.dead_letters.memory_store import full, group_changes
from fuseboard_storage.sqlite.damaged_rows import UNREADABLE, decoded, struct_from
from fuseboard_storage.sqlite.schema import MAX_DEATHS
from fuseboard_storage.tables.safe_texts import FREE_TEXTS, safe_text_of
from fuseboard_storage.tables.storable import escape_surrogates

QUICK_CHARACTERS: Final = 64_000
"""The longest payload of a letter whose insertion is known to be quick."""

POISONED: Final = "poisoned: its worker stopped responding in three retries in a row; only an operator retries it"

NEW: Final = NewLetter.__struct_fields__
FIELDS: Final = DeadLetter.__struct_fields__
_ENCODED: Final = ("context", "order")  # stored as JSON

_COLUMN: Final = {"order": "route"}  # `order` is an SQL keyword
_COLUMNS: Final = ", ".join(_COLUMN.get(name, name) for name in FIELDS)
_INSERT: Final = f"""INSERT INTO dead_letters({", ".join(_COLUMN.get(name, name) for name in NEW)}, changed_at)
VALUES ({", ".join("?" * len(NEW))}, ?)"""

STATUS: Final = """CASE WHEN status = 'retrying' AND lease_until <= :now THEN 'pending' ELSE status END"""
"""A letter's status as of `:now`: it is pending again once its lease has expired, even if that is not stored yet."""


def letter_of(row: tuple[Any, ...]) -> DeadLetter:
    """Return the letter in a row of `_COLUMNS`."""
    fields = dict(zip(FIELDS, row, strict=True))
    for name in _ENCODED:
        if fields[name] is not None:
            fields[name] = decoded(msgspec.json.decode, fields[name], default=fields[name])
    for name in FREE_TEXTS:
        if name in fields:
            fields[name] = safe_text_of(fields[name])
    letter, damaged = struct_from(DeadLetter, fields)
    return msgspec.structs.replace(letter, detail=UNREADABLE + ", ".join(damaged)) if damaged else letter


def _column_value(letter: NewLetter, name: str) -> Any:
    value = getattr(letter, name)
    if isinstance(value, str):
        return escape_surrogates(value)
    if name in _ENCODED and value is not None:
        if isinstance(value, dict):
            return msgspec.json.encode({escape_surrogates(k): escape_surrogates(v) for k, v in value.items()}).decode()
        return _order_json(value)
    return value


def _order_json(order: Iterable[str]) -> str:
    return msgspec.json.encode([escape_surrogates(name) for name in order]).decode()


def count(connection: sqlite3.Connection, names: Iterable[str], by: int = 1) -> None:
    """Add to the lifetime totals of the queue."""
    connection.executemany(
        "INSERT INTO dead_letter_totals VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET total = total + excluded.total",
        [(name, by) for name in names],
    )


# Letters leave only by eviction or purge, and both are counted, so the size follows without scanning the table.
SIZE: Final = """SELECT coalesce(sum(CASE name WHEN 'enqueued' THEN total WHEN 'evicted' THEN -total
    WHEN 'purged' THEN -total ELSE 0 END), 0) FROM dead_letter_totals"""


AddResult = Kept | QueueFull
"""The outcome of adding a letter: it was stored, or the queue was full."""


def add_if_quick(connection: sqlite3.Connection, letter: NewLetter, room: Capacity) -> AddResult | None:
    """Insert a letter as `add` does; None if that may take long, because it is large or others have to be evicted."""
    if len(letter.payload) > QUICK_CHARACTERS:
        return None
    if room.evict and connection.execute(SIZE).fetchone()[0] >= room.capacity:
        return None
    return add(connection, [(letter, room)])[0]


def add(connection: sqlite3.Connection, letters: Iterable[tuple[NewLetter, Capacity]]) -> list[AddResult]:
    """Insert letters, evicting others where that is allowed.

    A full queue is returned instead of raised, because the refusal is counted in the same transaction.
    """
    added: list[AddResult] = []
    before = size = connection.execute(SIZE).fetchone()[0]
    refused = evictions = 0
    for letter, room in letters:
        evicted: tuple[StatusChange, ...] = ()
        if size >= room.capacity:
            if room.evict:
                evicted = _evict(connection, room.eviction_count)
            if not evicted:
                refused += 1
                added.append(QueueFull(full(room)))
                continue
            removed = sum(len(group.ids) for group in evicted)
            size, evictions = size - removed, evictions + removed
        cursor = connection.execute(_INSERT, [*(_column_value(letter, name) for name in NEW), letter.created_at])
        size += 1
        added.append((int(cursor.lastrowid or 0), evicted))
    for name, times in (("enqueued", size - before + evictions), ("refused", refused)):
        if times:
            count(connection, [name], times)
    return added


def _evict(connection: sqlite3.Connection, most: int) -> tuple[StatusChange, ...]:
    rank = " ".join(f"WHEN '{status}' THEN {place}" for place, status in enumerate(FINISHED))
    statuses = ", ".join(f"'{status}'" for status in FINISHED)
    gone = connection.execute(
        f"""DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters WHERE status IN ({statuses})
        ORDER BY CASE status {rank} END, id LIMIT ?) RETURNING id, status, ''""",
        (most,),
    ).fetchall()
    count(connection, ["evicted"], len(gone))
    return group_changes(sorted(gone))


def release_expired(connection: sqlite3.Connection, now: int) -> tuple[StatusChange, ...]:
    """Make letters with an expired lease pending again, or set them aside as poisoned. Return the changes."""
    released = connection.execute(
        """UPDATE dead_letters SET was = NULL, claim = '', lease_until = NULL, changed_at = :now, actor = '',
        deaths = deaths + 1,
        status = CASE WHEN deaths + 1 < :most THEN 'pending' ELSE 'exhausted' END,
        detail = CASE WHEN deaths + 1 < :most THEN :expired ELSE :poisoned END
        WHERE status = 'retrying' AND lease_until <= :now RETURNING id, 'retrying', status""",
        {"now": now, "most": MAX_DEATHS, "expired": LEASE_EXPIRED, "poisoned": POISONED},
    ).fetchall()
    return group_changes(sorted(released))


_CLAIM_ROW: Final = f"""UPDATE dead_letters
SET was = status, status = 'retrying', claim = ?, lease_until = ?, changed_at = ?
WHERE id = {{which}} RETURNING {_COLUMNS}"""
_EXCLUDING: Final = """ AND (route, task_type) NOT IN
    (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"""
"""Excludes letters of the chains given as a JSON array of `[route, task_type]`."""
_CLAIM_DUE: Final = """(SELECT id FROM dead_letters WHERE status = 'pending' AND engine = ? AND due_at <= ?{but}
    ORDER BY due_at, id LIMIT 1)"""
CLAIM_DUE: Final = _CLAIM_ROW.format(which=_CLAIM_DUE.format(but=""))
CLAIM_DUE_EXCLUDING: Final = _CLAIM_ROW.format(which=_CLAIM_DUE.format(but=_EXCLUDING))
CLAIM: Final = _CLAIM_ROW.format(which="? AND engine = ? AND status IN ('pending', 'exhausted')")


_route = msgspec.json.Decoder(tuple[str, ...]).decode


def chains_due(connection: sqlite3.Connection, engine: str, now: int) -> list[LetterChain]:
    """Return the distinct chains of the letters that are due, without those that are damaged."""
    found = connection.execute(
        "SELECT DISTINCT route, task_type FROM dead_letters WHERE status = 'pending' AND engine = ? AND due_at <= ?",
        (escape_surrogates(engine), now),
    )
    chains = ((decoded(_route, order, None), task_type) for order, task_type in found)
    return [LetterChain(order, task_type) for order, task_type in chains if order is not None]


def claim_due(
    connection: sqlite3.Connection, engine: str, claim: str, now: int, until: int, but: Collection[LetterChain]
) -> DeadLetter | None:
    """Claim the letter that has been due longest and uses none of the chains `but`; None if none is due."""
    values = (claim, until, now, escape_surrogates(engine), now)
    if but:
        row = connection.execute(CLAIM_DUE_EXCLUDING, (*values, _chains(but))).fetchone()
    else:
        row = connection.execute(CLAIM_DUE, values).fetchone()
    return None if row is None else letter_of(row)


def next_due(connection: sqlite3.Connection, engine: str, but: Collection[LetterChain]) -> int | None:
    """Return when the next letter that uses none of the chains `but` is due, or the next lease expires.

    None if no letter waits and none is being retried.
    """
    engine = escape_surrogates(engine)
    row = connection.execute(
        f"""SELECT min(at) FROM (
            SELECT min(due_at) AS at FROM dead_letters
                WHERE status = 'pending' AND engine = ?{_EXCLUDING if but else ""}
            UNION ALL SELECT min(lease_until) FROM dead_letters WHERE status = 'retrying' AND engine = ?)""",
        (engine, _chains(but), engine) if but else (engine, engine),
    ).fetchone()
    return None if row[0] is None else int(row[0])


def _chains(but: Collection[LetterChain]) -> str:
    """Return chains as the JSON that `_EXCLUDING` takes."""
    return msgspec.json.encode(
        [(_order_json(chain.order), escape_surrogates(chain.task_type)) for chain in but]
    ).decode()


def claim(connection: sqlite3.Connection, id: int, engine: str, claim: str, now: int, until: int) -> DeadLetter | None:
    """Claim a letter by its id, in one statement. Return None if it cannot be claimed."""
    row = connection.execute(CLAIM, (claim, until, now, id, escape_surrogates(engine))).fetchone()
    return None if row is None else letter_of(row)


def renew(connection: sqlite3.Connection, id: int, claim: str, until: int) -> bool:
    """Extend a lease. Return False if the claim was lost."""
    sql = "UPDATE dead_letters SET lease_until = ? WHERE id = ? AND claim = ? AND status = 'retrying'"
    return connection.execute(sql, (until, id, claim)).rowcount == 1


def settle(connection: sqlite3.Connection, id: int, claim: str, outcome: RetryOutcome, now: int) -> bool:
    """Store the outcome of a retry. Return False if the claim was lost."""
    done = connection.execute(
        """UPDATE dead_letters SET status = ?, due_at = ?, retries = ?, deferrals = ?, max_retries = ?, detail = ?,
        actor = ?, error_type = coalesce(?, error_type), error = coalesce(?, error), changed_at = ?,
        was = NULL, claim = '', lease_until = NULL, deaths = 0 WHERE id = ? AND claim = ? AND status = 'retrying'""",
        (
            outcome.status,
            outcome.due_at,
            outcome.retries,
            outcome.deferrals,
            outcome.max_retries,
            escape_surrogates(outcome.detail),
            escape_surrogates(outcome.actor),
            None if outcome.error_type is None else escape_surrogates(outcome.error_type),
            None if outcome.error is None else escape_surrogates(outcome.error),
            now,
            id,
            claim,
        ),
    ).rowcount
    if done:
        count(connection, outcome.counts)
    return bool(done)


def change(
    connection: sqlite3.Connection, change: Change, selection: LetterSelection, now: int, actor: str
) -> tuple[StatusChange, ...]:
    """Archive, unarchive or discard the selected letters whose status allows it."""
    where, values = where_of(selection, now)
    after = {"archive": "'archived'", "unarchive": "coalesce(was, 'pending')", "discard": "'discarded'"}[change]
    statuses = ", ".join(f"'{status}'" for status in CHANGEABLE[change])
    before = "'archived'" if change == "unarchive" else "coalesce(was, 'archived')"
    # `was` holds the previous status for RETURNING. An archived letter keeps it, so that it can be unarchived.
    changed = connection.execute(
        f"""UPDATE dead_letters SET status = {after}, was = {"was" if change == "unarchive" else "status"},
        changed_at = :now, actor = :actor, detail = :detail
        WHERE status IN ({statuses}) AND {where} RETURNING id, {before}, status""",
        {**values, "actor": escape_surrogates(actor), "detail": f"{DONE[change]} by hand"},
    ).fetchall()
    if change != "archive":
        connection.executemany("UPDATE dead_letters SET was = NULL WHERE id = ?", [(row[0],) for row in changed])
    return group_changes(sorted(changed))


def purge(connection: sqlite3.Connection, selection: LetterSelection, now: int) -> tuple[StatusChange, ...]:
    """Delete the selected letters except those being retried."""
    where, values = where_of(selection, now)
    gone = connection.execute(
        f"DELETE FROM dead_letters WHERE status <> 'retrying' AND {where} RETURNING id, status, ''", values
    ).fetchall()
    count(connection, ["purged"], len(gone))
    return group_changes(sorted(gone))


def find(
    connection: sqlite3.Connection, selection: LetterSelection, now: int, limit: int, below: int | None
) -> list[DeadLetter]:
    """Return the newest selected letters, newest first; with `below`, only those with a smaller id."""
    where, values = where_of(selection, now)
    sql = f"""SELECT {_COLUMNS} FROM dead_letters WHERE {where} AND (:below IS NULL OR id < :below)
    ORDER BY id DESC LIMIT :limit"""
    rows = connection.execute(sql, {**values, "below": below, "limit": limit}).fetchall()
    return [_as_of(letter_of(row), now) for row in rows]


def _as_of(letter: DeadLetter, now: int) -> DeadLetter:
    if letter.status != "retrying" or letter.lease_until is None or letter.lease_until > now:
        return letter
    return msgspec.structs.replace(letter, status="pending", was=None, claim="", lease_until=None, detail=LEASE_EXPIRED)


def where_of(selection: LetterSelection, now: int) -> tuple[str, dict[str, Any]]:
    """Return a selection as an SQL condition on `dead_letters`, and its values by name."""
    parts = ["1"]
    values: dict[str, Any] = {"now": now}
    if selection.ids:
        parts.append("id IN (SELECT value FROM json_each(:ids))")
        values["ids"] = msgspec.json.encode(selection.ids).decode()
    if selection.statuses:
        parts.append(f"({STATUS}) IN (SELECT value FROM json_each(:statuses))")
        values["statuses"] = msgspec.json.encode(selection.statuses).decode()
    for name in ("task_type", "category", "engine"):
        if getattr(selection, name):
            parts.append(f"{name} = :{name}")
            values[name] = escape_surrogates(getattr(selection, name))
    if selection.before is not None:
        parts.append("changed_at < :before")
        values["before"] = selection.before
    if selection.text:
        columns = ("error", "error_type", "task", "task_type", "adapter", "payload")
        parts.append(f"({' OR '.join(f'instr(fold({column}), :text)' for column in columns)})")
        values["text"] = escape_surrogates(selection.text).casefold()
    return " AND ".join(parts), values
