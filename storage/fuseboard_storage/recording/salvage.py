"""Checks a recording for damage, and copies what can be read of a damaged one into a new one.

Neither changes the file that is read.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.connection import (
    UNREADABLE,
    not_a_recording,
    reading_mode,
    translate_sqlite_errors,
)
from fuseboard_storage.sqlite.damaged_rows import readable_text
from fuseboard_storage.sqlite.integrity import ODDITIES, TEMPLATES_SINCE, is_damage

MAX_PROBLEMS: Final = 100
"""The number of complaints that a check returns at most."""

_PART: Final = 500  # rows read at a time
_STEPS: Final = 100_000  # of SQLite's virtual machine between two looks for Ctrl-C

_NUMBERED: Final = ("instances", "event_templates", "event_log", "commands", "dead_letters")
_NUMBERED_BEFORE: Final = ("instances", "events", "commands", "dead_letters")  # the events had templates
_KEYED: Final = {
    "marks": "written",
    "metrics": "resolution, at, instance, adapter",
    "dead_letter_totals": "name",
    "workflow_runs": "id",
    "workflow_nodes": "run, node",
}

Row = tuple[Any, ...]


class TableSalvage(NamedTuple):
    """What was copied of a table: its rows, and the number of places where rows could not be read or stored."""

    table: str
    rows: int
    gaps: int


def check(path: str | os.PathLike[str]) -> list[str]:
    """Return the problems that SQLite finds in a recording, at most `MAX_PROBLEMS`; none if the recording is sound.

    Raises:
        RecordingError: The file is missing, is not a recording, or cannot be read.
    """
    _refuse_missing(path)
    with translate_sqlite_errors(Path(path)), closing(_reading(path)) as source:
        try:
            rows = source.execute(f"PRAGMA integrity_check({MAX_PROBLEMS})").fetchall()
        except sqlite3.DatabaseError as error:
            _raise_if_interrupted(error)
            if not is_damage(error):
                raise
            return [str(error)]
    lines = [line for (text,) in rows for line in str(text).splitlines()]
    return [line for line in lines if line != "ok" and not line.startswith("***")]


def salvage(path: str | os.PathLike[str], target: str | os.PathLike[str]) -> list[TableSalvage]:
    """Copy every row of a recording that can be read into a new recording.

    Keyframes are not copied: they follow from the events, and the next engine makes new ones. The target is removed if
    it is not finished, because of an error or a `KeyboardInterrupt`.

    Raises:
        RecordingError: The source is missing or is not a recording, nothing of it can be read, or the target exists or
            cannot be written.
    """
    _refuse_missing(path)
    if schema.inspect(target) != "missing":
        raise RecordingError(f"{os.fspath(target)} exists already.", "Name a new file.")
    with translate_sqlite_errors(Path(path)), closing(_reading(path)) as source:
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()  # nothing can be read without it
        version = source.execute("PRAGMA user_version").fetchone()[0] or schema.VERSION
        try:
            connection = schema.connect(target, version=version)
        except (sqlite3.Error, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise RecordingError(f"{os.fspath(target)} cannot be written: {reason}.", "Name another file.") from None
        numbered = _NUMBERED if version >= TEMPLATES_SINCE else _NUMBERED_BEFORE
        try:
            with closing(connection) as new:
                found = [_copy(source, new, table, table in numbered) for table in (*numbered, *_KEYED)]
                schema.migrate(new, os.fspath(target))
                return found
        except BaseException:  # a part of the rows would look like all that can be read
            for suffix in ("", "-wal", "-shm"):
                Path(f"{os.fspath(target)}{suffix}").unlink(missing_ok=True)
            raise


def _refuse_missing(path: str | os.PathLike[str]) -> None:
    if schema.inspect(path) == "missing":
        raise RecordingError(f"{os.fspath(path)} does not exist.", "Check the path.")


def _reading(path: str | os.PathLike[str]) -> sqlite3.Connection:
    where = Path(path).absolute()
    source = sqlite3.connect(f"{where.as_uri()}?{reading_mode(where).uri}", uri=True, isolation_level=None, timeout=5.0)
    source.text_factory = readable_text
    source.set_progress_handler(lambda: 0, _STEPS)  # lets Python see Ctrl-C
    with suppress(sqlite3.DatabaseError):  # damage of the schema shows when the tables are read
        if odd := source.execute(ODDITIES).fetchone():
            source.close()
            raise not_a_recording(where, odd[0])
    return source


def _copy(source: sqlite3.Connection, new: sqlite3.Connection, table: str, numbered: bool) -> TableSalvage:
    columns = _columns_in_both(source, new, table)
    if not columns:
        return TableSalvage(table, 0, 0)
    names = ", ".join(columns)
    insert = f"INSERT OR IGNORE INTO {table}({names}) VALUES ({', '.join('?' * len(columns))})"
    gaps: list[str] = []
    found = _numbered(source, table, names, gaps) if numbered else _keyed(source, table, names, gaps)
    rows = 0
    for part in found:
        new.execute("BEGIN")
        for row in part:
            try:
                rows += new.execute(insert, row).rowcount
            except (sqlite3.Error, UnicodeError, OverflowError) as error:
                gaps.append(str(error))
        new.execute("COMMIT")
    return TableSalvage(table, rows, len(gaps))


def _columns_in_both(source: sqlite3.Connection, new: sqlite3.Connection, table: str) -> list[str]:
    sql = f"PRAGMA table_info({table})"
    try:
        there = {row[1] for row in source.execute(sql)}
    except UNREADABLE as error:
        _raise_if_interrupted(error)
        return []
    return [row[1] for row in new.execute(sql) if row[1] in there]


def _numbered(source: sqlite3.Connection, table: str, names: str, gaps: list[str]) -> Iterator[list[Row]]:
    """Yield the rows of a table by rowid. Jump over the rows that cannot be read."""
    sql = f"SELECT rowid, {names} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {_PART}"
    last = _last_rowid(source, table)
    after = 0
    while after < last:
        part, error = _read(source, sql, (after,))
        if part:
            after = part[-1][0]
            yield [row[1:] for row in part]
        if error:
            gaps.append(error)
            after = _next_readable(source, table, after, last)
        elif len(part) < _PART:
            return


def _next_readable(source: sqlite3.Connection, table: str, after: int, last: int) -> int:
    """Return the rowid after which rows can be read again; `last` if there is none."""
    sql = f"SELECT * FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT 1"
    step, bad = 1, after
    while bad + step < last and _read(source, sql, (bad + step,))[1]:
        bad, step = bad + step, 2 * step
    good = min(bad + step, last)
    while good - bad > 1:
        middle = (good + bad) // 2
        if _read(source, sql, (middle,))[1]:
            bad = middle
        else:
            good = middle
    return good


def _last_rowid(source: sqlite3.Connection, table: str) -> int:
    for sql in (f"SELECT max(rowid) FROM {table}", f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'"):
        found, error = _read(source, sql, ())
        if not error:
            return int(found[0][0] or 0) if found else 0
    return 2**40


def _keyed(source: sqlite3.Connection, table: str, names: str, gaps: list[str]) -> Iterator[list[Row]]:
    """Yield the rows of a table from its start up to the first damage, then from its end."""
    key = _KEYED[table]
    for order in (key, ", ".join(f"{column} DESC" for column in key.split(", "))):
        cursor, error = source.cursor(), ""
        try:
            cursor.execute(f"SELECT {names} FROM {table} ORDER BY {order}")
        except UNREADABLE as problem:
            _raise_if_interrupted(problem)
            error = str(problem)
        while not error:
            part, error = _fetch(cursor)
            if part:
                yield part
            elif not error:
                return
        gaps.append(error)


def _raise_if_interrupted(error: BaseException) -> None:
    """Raise `KeyboardInterrupt` if it is what ended a statement: SQLite replaces what its progress handler raises."""
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
        raise KeyboardInterrupt from None


def _read(source: sqlite3.Connection, sql: str, values: Row) -> tuple[list[Row], str]:
    """Return the rows of a query up to the first that cannot be read, and the error; empty if there was none."""
    try:
        cursor = source.execute(sql, values)
    except UNREADABLE as error:
        _raise_if_interrupted(error)
        return [], str(error)
    return _fetch(cursor)


def _fetch(cursor: sqlite3.Cursor) -> tuple[list[Row], str]:
    part: list[Row] = []
    try:
        while len(part) < _PART and (row := cursor.fetchone()) is not None:
            part.append(row)
    except UNREADABLE as error:
        _raise_if_interrupted(error)
        return part, str(error)
    return part, ""
