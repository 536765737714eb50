"""The structure of a recording's file: whether it is damaged, found out within a limited time, and its pages."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

CHECK_SECONDS: Final = 0.25
"""Seconds for the check of a recording when an engine opens it. A large one is checked in part."""

INCREMENTAL_VACUUM: Final = 2
"""The value of `PRAGMA auto_vacuum` of a file whose free pages can be given back a few at a time."""

DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
TEMPLATES_SINCE: Final = 11
"""The schema version whose events have templates. Before, `events` was a table; from then on it is a view."""
TABLES: Final = (
    "instances", "event_log", "event_templates", "metrics", "commands", "keyframes", "dead_letters", "workflow_runs",
)  # fmt: skip

_STEPS: Final = 10_000  # of SQLite's virtual machine between two looks at the clock
_STRUCTURE: Final = ("Tree ", "On tree page", "Page ", "Freelist", "Main freelist", "row ", "wrong #")
_HARMLESS: Final = "never used"


ALL_TABLES: Final = (*TABLES, "events", "marks", "dead_letter_totals", "workflow_nodes")

# A view may have no end, and a trigger or a computed column may do anything: none of them is ever queried.
_LIST: Final = ", ".join(f"'{table}'" for table in ALL_TABLES)
ODDITIES: Final = f"""SELECT lower(name) || ' is a ' || type || ' instead of a table' FROM sqlite_master
    WHERE lower(name) IN ({_LIST}) AND type != 'table'
        AND NOT (name = 'events' AND type = 'view'
            AND (SELECT user_version FROM pragma_user_version) >= {TEMPLATES_SINCE})
UNION ALL SELECT lower(name) || ' is a virtual table' FROM sqlite_master
    WHERE lower(name) IN ({_LIST}) AND type = 'table' AND ltrim(sql) LIKE 'create%virtual%' AND rootpage = 0
UNION ALL SELECT lower(tbl_name) || ' has a trigger' FROM sqlite_master
    WHERE lower(tbl_name) IN ({_LIST}) AND type = 'trigger'
UNION ALL SELECT lower(m.name) || ' has a computed column' FROM sqlite_master m, pragma_table_xinfo(m.name) x
    WHERE lower(m.name) IN ({_LIST}) AND m.type = 'table' AND x.hidden > 1
LIMIT 1"""
"""Selects what a file has in place of a table of a recording, if anything: `events is a view instead of a table`."""


def is_damage(error: BaseException) -> bool:
    """Return whether SQLite says with an error that the file is damaged."""
    return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED


def refuse_oddities(connection: sqlite3.Connection) -> None:
    """Raise `sqlite3.DatabaseError`, as for damage, if a recording has something else in place of a table."""
    if odd := connection.execute(ODDITIES).fetchone():
        error = sqlite3.DatabaseError(odd[0])
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def find_damage(
    connection: sqlite3.Connection, seconds: float | None = CHECK_SECONDS, tables: tuple[str, ...] = TABLES
) -> str:
    """Return what is wrong with the structure of a recording; empty if it is sound as far as it was checked.

    A row whose contents are wrong is not damage of the structure: it costs that row only.

    Args:
        connection: A connection to the recording.
        seconds: For how long to check; None to check until the end.
        tables: The tables that a sound recording has.
    """
    end = None if seconds is None else time.monotonic() + seconds
    try:
        found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if missing := [name for name in tables if name not in found]:
            return f"it has no table {missing[0]}"
        if end is not None:
            connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        for row in connection.execute("PRAGMA quick_check(100)"):
            for line in str(row[0]).splitlines():
                if line.startswith(_STRUCTURE) and _HARMLESS not in line:
                    return line
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            return str(error)
        if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_INTERRUPT:
            raise
    finally:
        connection.set_progress_handler(None, 0)
    return ""


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Return the value of one of SQLite's pragmas that is a number."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes of a file without its free pages."""
    return (pragma(connection, "page_count") - pragma(connection, "freelist_count")) * pragma(connection, "page_size")


def can_shrink(connection: sqlite3.Connection) -> bool:
    """Return whether `release_pages` has an effect. A file that an older version created has to be rewritten first."""
    return pragma(connection, "auto_vacuum") == INCREMENTAL_VACUUM


def release_pages(connection: sqlite3.Connection, most: int) -> None:
    """Give up to `most` free pages back to the disk, in a transaction of its own."""
    connection.executescript(f"PRAGMA incremental_vacuum({most})")  # `execute` would give back one page
