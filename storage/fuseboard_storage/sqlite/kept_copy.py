"""Keeps a checked copy of a recording beside it, before the recording is converted to a newer version."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from fuseboard_storage.sqlite.integrity import find_damage, used_bytes

ROOM: Final = 2
"""How many times its own size a recording may need for the conversion, besides the copy."""

# What every engine and every operator who writes a recording changes.
_STATE: Final = """SELECT (SELECT group_concat(name || ' ' || seq) FROM (SELECT * FROM sqlite_sequence ORDER BY name)),
    max(heartbeat_at), count(ended_at) FROM instances"""


def free_bytes(folder: Path) -> int:
    """Return the bytes that are free on the disk of a folder."""
    import shutil

    return shutil.disk_usage(folder).free


def keep_copy(source: sqlite3.Connection, real: str, version: int) -> Path:
    """Copy a recording to a file beside it, and check the copy. One that is there and holds the same is kept.

    Call it within the transaction that converts the recording: no other process writes the recording meanwhile, so the
    copy holds everything that was committed.

    Args:
        source: The connection with that transaction, which has changed nothing yet.
        real: The path of the recording, without links.
        version: The version of the recording, which is part of the copy's name.

    Returns:
        The path of the copy, which has mode 0600.

    Raises:
        OSError: The disk has no room for the copy and the conversion, or the copy cannot be written.
        sqlite3.Error: The recording is damaged, or the copy cannot be written.
    """
    target = Path(f"{real}.version-{version}.bak")
    number, present = 1, _state(source)
    while target.exists() and not _holds(target, present):
        number += 1
        target = Path(f"{real}.version-{version}.bak-{number}")
    _refuse_full_disk(source, real, version, ROOM if target.exists() else ROOM + 1)
    if not target.exists():
        _copy(real, target)
    return target


def _refuse_full_disk(source: sqlite3.Connection, real: str, version: int, times: int) -> None:
    needed, available = times * used_bytes(source), free_bytes(Path(real).parent)
    if available < needed:
        raise OSError(
            f"it has the older version {version}, and a checked copy and the conversion need {needed:,} bytes on the "
            f"disk, of which {available:,} are free"
        )


def _copy(real: str, target: Path) -> None:
    part = Path(f"{target}.part")
    try:
        _remove(part)  # left by a process that was killed
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with (
            closing(sqlite3.connect(f"{Path(real).as_uri()}?mode=ro", uri=True)) as reading,
            closing(sqlite3.connect(part, isolation_level=None)) as copy,
        ):
            reading.backup(copy)
        with closing(_reading(part)) as copy:
            if damage := find_damage(copy, None, tables=()):
                error = sqlite3.DatabaseError(damage)
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error
        part.rename(target)
        _sync_folder(target.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            _remove(part)
        raise


def _remove(part: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        Path(f"{part}{suffix}").unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every system can
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def _holds(copy: Path, present: Any) -> bool:
    """Return whether a copy holds what the recording holds at present."""
    with contextlib.suppress(sqlite3.Error), closing(_reading(copy)) as connection:
        return bool(_state(connection) == present)
    return False


def _state(connection: sqlite3.Connection) -> Any:
    return connection.execute(_STATE).fetchone()
