"""Connections for the maintenance of a recording, and new files that appear only once they are complete."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from fuseboard_storage.board.presence import presence
from fuseboard_storage.board.rows import InstanceRow
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.connection import not_a_recording, reading_mode, translate_sqlite_errors
from fuseboard_storage.sqlite.damaged_rows import readable_text, text, whole_number
from fuseboard_storage.sqlite.integrity import ODDITIES, is_damage
from fuseboard_storage.tables.instances import mark_dead

BUSY_SECONDS: Final = 10.0
"""Seconds to wait for the transaction of an engine."""
_STEPS: Final = 100_000  # of SQLite's virtual machine between two looks for Ctrl-C


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[sqlite3.Connection]:
    """Open a recording for reading. Ctrl-C raises `KeyboardInterrupt` within a query too.

    Raises:
        RecordingError: The file is missing, is not a recording, is damaged, or cannot be read.
    """
    where = Path(path).absolute()
    schema.refuse_missing(path)
    with _translated(where, "read"), _connected(where, reading_mode(where).uri) as connection:
        yield connection


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[sqlite3.Connection]:
    """Open a recording for changing it, in autocommit mode; its version stays. Everything else is as for `reading`."""
    where = Path(path).absolute()
    schema.refuse_missing(path)
    if not os.access(where, os.W_OK):
        raise RecordingError(f"{where.name} cannot be written.", "Check its permissions.")
    with _translated(where, "written"), _connected(where, "mode=rw") as connection:
        yield connection


@contextlib.contextmanager
def _translated(path: Path, done: str) -> Iterator[None]:
    with translate_sqlite_errors(path, done):
        try:
            yield
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
                raise KeyboardInterrupt from None  # SQLite replaces what its progress handler raises
            raise


@contextlib.contextmanager
def _connected(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    uri = f"{path.as_uri()}?{mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
    try:
        connection.text_factory = readable_text
        connection.set_progress_handler(lambda: 0, _STEPS)  # lets Python see Ctrl-C
        if odd := connection.execute(ODDITIES).fetchone():
            raise not_a_recording(path, odd[0])
        yield connection
    finally:
        connection.close()


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of a recording's schema; 0 while it has no tables."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def live_engines(connection: sqlite3.Connection, now: int) -> list[InstanceRow]:
    """Return the engines that write the recording at `now` (UTC microseconds)."""
    rows = []
    sql = "SELECT id, name, host, pid, started_at, heartbeat_at FROM instances WHERE ended_at IS NULL"
    for id, name, host, pid, started_at, heartbeat_at in connection.execute(sql):
        row = InstanceRow(whole_number(id), text(name), text(host), whole_number(pid), whole_number(started_at))
        row.heartbeat_at = whole_number(heartbeat_at)
        rows.append(row)
    mark_dead(rows, now)
    return [row for row in rows if presence(row, now) == "live"]


def refuse_damage(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `RecordingError` if a recording is damaged: a change could cost what can still be read."""
    if found := first_problem(connection, "quick_check"):
        raise damaged(path, "is damaged", found)


def first_problem(connection: sqlite3.Connection, check: Literal["quick_check", "integrity_check"]) -> str:
    """Return the first problem that one of SQLite's checks finds; empty if there is none."""
    try:
        found = str(connection.execute(f"PRAGMA {check}(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        found = str(error)
    return "" if found == "ok" else found.splitlines()[0]


def damaged(path: Path, what: str, problem: str) -> RecordingError:
    """Return the error of a damaged recording; `what` follows its name."""
    return RecordingError(f"{path.name} {what}: {problem}.", "`fuseboard db salvage FILE NEW` copies what can be read.")


def size_of(path: str | os.PathLike[str]) -> int:
    """Return the bytes of a recording and its WAL."""
    return sum(part.stat().st_size for part in (Path(path), Path(f"{os.fspath(path)}-wal")) if part.exists())


@contextlib.contextmanager
def new_file(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Create a file of mode 0600 that gets its name at the end of the block, if that ends without an exception.

    Yields:
        The path of the empty file, in the folder of the target.

    Raises:
        RecordingError: The target exists, or cannot be created.
    """
    where = Path(target)
    _refuse_existing(where)
    part = where.with_name(f".{where.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise RecordingError(
            f"{where} cannot be created: {error.strerror}.", "Check the folder and its permissions."
        ) from None
    try:
        yield part
        handle = os.open(part, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        try:
            os.link(part, where)  # fails if the target exists by now
        except FileExistsError:
            _refuse_existing(where)
            raise
        except OSError:  # this file system has no links
            _refuse_existing(where)
            part.rename(where)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{part}{suffix}").unlink(missing_ok=True)


def _refuse_existing(where: Path) -> None:
    if os.path.lexists(where):
        raise RecordingError(f"{where} exists already.", "Name a new file.")
