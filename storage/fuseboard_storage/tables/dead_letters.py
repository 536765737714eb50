"""Dead letters as rows, and the statements that move them. Each is called within a transaction that is open.

`now` is UTC microseconds throughout.
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

NEW: Final = NewLetter.__struct_fields__
FIELDS: Final = DeadLetter.__struct_fields__
_ENCODED: Final = ("context", "order")  # kept as JSON

_COLUMN: Final = {"order": "route"}  # `order` is a word of SQL
_COLUMNS: Final = ", ".join(_COLUMN.get(name, name) for name in FIELDS)
_INSERT: Final = f"""INSERT INTO dead_letters({", ".join(_COLUMN.get(name, name) for name in NEW)}, changed_at)
VALUES ({", ".join("?" * len(NEW))}, ?)"""

STATUS: Final = """CASE WHEN status = 'retrying' AND lease_until <= :now THEN 'pending' ELSE status END"""
"""A letter's status as of `:now`: once its lease has ended it waits again, whether or not anybody wrote that down."""


def letter_of(row: tuple[Any, ...]) -> DeadLetter:
    """Make a letter of a row of `_COLUMNS`."""
    fields = dict(zip(FIELDS, row, strict=True))
    fields["order"] = tuple(msgspec.json.decode(fields["order"]))
    if fields["context"] is not None:
        fields["context"] = msgspec.json.decode(fields["context"])
    return DeadLetter(**fields)


def escape_surrogates(text: str) -> str:
    """Return a text with half characters written out; SQLite keeps whole ones only."""
    return text.encode("utf-8", "backslashreplace").decode()


def _value(letter: NewLetter, name: str) -> Any:
    value = getattr(letter, name)
    if isinstance(value, str):
        return escape_surrogates(value)
    if name in _ENCODED and value is not None:
        if isinstance(value, dict):
            return msgspec.json.encode({escape_surrogates(k): escape_surrogates(v) for k, v in value.items()}).decode()
        return _order(value)
    return value


def _order(order: Iterable[str]) -> str:
    return msgspec.json.encode([escape_surrogates(name) for name in order]).decode()


def count(connection: sqlite3.Connection, names: Iterable[str], by: int = 1) -> None:
    """Add to the totals of the queue's whole life."""
    connection.executemany(
        "INSERT INTO dead_letter_totals VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET total = total + excluded.total",
        [(name, by) for name in names],
    )


# Letters only ever go by eviction or purge, and both are counted: no need to go over all that are left.
SIZE: Final = """SELECT coalesce(sum(CASE name WHEN 'enqueued' THEN total WHEN 'evicted' THEN -total
    WHEN 'purged' THEN -total ELSE 0 END), 0) FROM dead_letter_totals"""


Added = Kept | QueueFull
"""What became of a new letter: it was kept, or there was no room."""


def add(connection: sqlite3.Connection, wanted: Iterable[tuple[NewLetter, Capacity]]) -> list[Added]:
    """Insert letters, making room where that is allowed. A full queue is returned, not raised: it is counted."""
    added: list[Added] = []
    size, before = (connection.execute(SIZE).fetchone()[0],) * 2
    refused = gone = 0
    for letter, room in wanted:
        evicted: tuple[StatusChange, ...] = ()
        if size >= room.capacity:
            if room.evict:
                evicted = _evict(connection, room.eviction_count)
            if not evicted:
                refused += 1
                added.append(QueueFull(full(room)))
                continue
            out = sum(len(group.ids) for group in evicted)
            size, gone = size - out, gone + out
        cursor = connection.execute(_INSERT, [*(_value(letter, name) for name in NEW), letter.created_at])
        size += 1
        added.append((int(cursor.lastrowid or 0), evicted))
    for name, times in (("enqueued", size - before + gone), ("refused", refused)):
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


def free(connection: sqlite3.Connection, now: int) -> list[int]:
    """Make letters wait again whose worker let its lease end."""
    return [
        id
        for (id,) in connection.execute(
            """UPDATE dead_letters SET status = 'pending', was = NULL, claim = '', lease_until = NULL, changed_at = ?,
            actor = '', detail = ? WHERE status = 'retrying' AND lease_until <= ? RETURNING id""",
            (now, LEASE_EXPIRED, now),
        ).fetchall()
    ]


_TAKE: Final = f"""UPDATE dead_letters SET was = status, status = 'retrying', claim = ?, lease_until = ?, changed_at = ?
WHERE id = {{which}} RETURNING {_COLUMNS}"""
_BUT: Final = """ AND (route, task_type) NOT IN
    (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"""
"""Leaves out letters that go along chains which are given as JSON: their rows' `route` and `task_type`."""
_CLAIM_DUE: Final = """(SELECT id FROM dead_letters WHERE status = 'pending' AND engine = ? AND due_at <= ?{but}
    ORDER BY due_at, id LIMIT 1)"""
CLAIM_DUE: Final = _TAKE.format(which=_CLAIM_DUE.format(but=""))
CLAIM_DUE_BUT: Final = _TAKE.format(which=_CLAIM_DUE.format(but=_BUT))
CLAIM: Final = _TAKE.format(which="? AND engine = ? AND status IN ('pending', 'exhausted')")


def chains_due(connection: sqlite3.Connection, engine: str, now: int) -> list[LetterChain]:
    """Return the chains that letters which are due go along, each once."""
    found = connection.execute(
        "SELECT DISTINCT route, task_type FROM dead_letters WHERE status = 'pending' AND engine = ? AND due_at <= ?",
        (engine, now),
    )
    return [LetterChain(tuple(msgspec.json.decode(order)), task_type) for order, task_type in found]


def claim_due(
    connection: sqlite3.Connection, engine: str, claim: str, now: int, until: int, but: Collection[LetterChain]
) -> DeadLetter | None:
    """Take the letter that has been due longest and goes along none of the chains `but`; None: none is due."""
    values = (claim, until, now, engine, now)
    if but:
        row = connection.execute(CLAIM_DUE_BUT, (*values, _chains(but))).fetchone()
    else:
        row = connection.execute(CLAIM_DUE, values).fetchone()
    return None if row is None else letter_of(row)


def next_due(connection: sqlite3.Connection, engine: str, but: Collection[LetterChain]) -> int | None:
    """Return when the next letter is due that goes along none of the chains `but`, or a lease ends."""
    row = connection.execute(
        f"""SELECT min(at) FROM (
            SELECT min(due_at) AS at FROM dead_letters WHERE status = 'pending' AND engine = ?{_BUT if but else ""}
            UNION ALL SELECT min(lease_until) FROM dead_letters WHERE status = 'retrying' AND engine = ?)""",
        (engine, _chains(but), engine) if but else (engine, engine),
    ).fetchone()
    return None if row[0] is None else int(row[0])


def _chains(but: Collection[LetterChain]) -> str:
    """Return chains as the rows of letters have them, as one JSON text."""
    return msgspec.json.encode([(_order(chain.order), escape_surrogates(chain.task_type)) for chain in but]).decode()


def claim(connection: sqlite3.Connection, id: int, engine: str, claim: str, now: int, until: int) -> DeadLetter | None:
    """Take this letter, in one statement; None: it can't be taken."""
    row = connection.execute(CLAIM, (claim, until, now, id, engine)).fetchone()
    return None if row is None else letter_of(row)


def renew(connection: sqlite3.Connection, id: int, claim: str, until: int) -> bool:
    """Prolong a lease. False: the claim was lost."""
    sql = "UPDATE dead_letters SET lease_until = ? WHERE id = ? AND claim = ? AND status = 'retrying'"
    return connection.execute(sql, (until, id, claim)).rowcount == 1


def settle(connection: sqlite3.Connection, id: int, claim: str, settled: RetryOutcome, now: int) -> bool:
    """Write what a retry came to. False: the claim was lost."""
    done = connection.execute(
        """UPDATE dead_letters SET status = ?, due_at = ?, retries = ?, deferrals = ?, max_retries = ?, detail = ?,
        actor = ?, error_type = coalesce(?, error_type), error = coalesce(?, error), changed_at = ?,
        was = NULL, claim = '', lease_until = NULL WHERE id = ? AND claim = ? AND status = 'retrying'""",
        (
            settled.status,
            settled.due_at,
            settled.retries,
            settled.deferrals,
            settled.max_retries,
            escape_surrogates(settled.detail),
            escape_surrogates(settled.actor),
            None if settled.error_type is None else escape_surrogates(settled.error_type),
            None if settled.error is None else escape_surrogates(settled.error),
            now,
            id,
            claim,
        ),
    ).rowcount
    if done:
        count(connection, settled.counts)
    return bool(done)


def change(
    connection: sqlite3.Connection, change: Change, selection: LetterSelection, now: int, actor: str
) -> tuple[StatusChange, ...]:
    """Archive, unarchive or discard what is selected and allows it."""
    where, values = where_of(selection, now)
    after = {"archive": "'archived'", "unarchive": "coalesce(was, 'pending')", "discard": "'discarded'"}[change]
    statuses = ", ".join(f"'{status}'" for status in CHANGEABLE[change])
    before = "'archived'" if change == "unarchive" else "coalesce(was, 'archived')"
    # `was` first holds the status before, for RETURNING; an archived letter keeps it, to be put back.
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
    """Delete what is selected, but for letters being retried."""
    where, values = where_of(selection, now)
    gone = connection.execute(
        f"DELETE FROM dead_letters WHERE status <> 'retrying' AND {where} RETURNING id, status, ''", values
    ).fetchall()
    count(connection, ["purged"], len(gone))
    return group_changes(sorted(gone))


def find(
    connection: sqlite3.Connection, selection: LetterSelection, now: int, limit: int, below: int | None
) -> list[DeadLetter]:
    """Return the newest letters that are selected, newest first."""
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
    """Return a selection as a condition on `dead_letters`, and its values by name."""
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
        places = ("error", "error_type", "task", "task_type", "adapter", "payload")
        parts.append(f"({' OR '.join(f'instr(fold({place}), :text)' for place in places)})")
        values["text"] = escape_surrogates(selection.text).casefold()
    return " AND ".join(parts), values
