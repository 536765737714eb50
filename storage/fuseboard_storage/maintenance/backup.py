"""Copies a recording to a new file while engines write it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from fuseboard_storage.errors import RecordingError
from fuseboard_storage.maintenance.access import damaged, first_problem, new_file, reading

_PAGES: Final = 2_000  # copied at a time

Progress = Callable[[int, int], object]
"""Called with the number of pages that are copied, and of all pages."""


def backup(path: str | os.PathLike[str], target: str | os.PathLike[str], progress: Progress | None = None) -> int:
    """Copy a recording as it is at this moment, and check the copy. Engines go on writing meanwhile.

    Args:
        path: The recording.
        target: The new file, of mode 0600. It appears at the end, once it is complete and sound.
        progress: Reports how far the copy is.

    Returns:
        The bytes of the copy.

    Raises:
        RecordingError: The recording cannot be read or is damaged, or the target exists or cannot be written.
    """
    with reading(path) as source, new_file(target) as part:
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            # Within a transaction all pages are of one moment, and no write makes the copy begin again.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            try:
                source.backup(
                    copy,
                    pages=_PAGES,
                    progress=lambda status, left, total: progress(total - left, total) if progress else None,
                )
            except sqlite3.OperationalError as error:
                raise RecordingError(f"{os.fspath(target)} cannot be written: {error}.", "Free disk space.") from None
            source.execute("ROLLBACK")
        _refuse_unsound(part, Path(path))
        return part.stat().st_size


def _refuse_unsound(part: Path, path: Path) -> None:
    """Raise `RecordingError` if a copy is damaged, as its source then is."""
    with closing(sqlite3.connect(f"{part.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as copy:
        found = first_problem(copy, "integrity_check")
    if found:
        raise damaged(path, "is damaged, so there is no sound copy of it", found)
