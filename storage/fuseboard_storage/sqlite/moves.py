"""Moves the files of a recording: damaged ones aside, and those that belong to a recording which is gone.

Processes that record to a file exclude each other: a process that creates or moves its files holds a lock of its
folder.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_storage.sqlite.file_identity import FileId, MissingFiles, files_at, identify

log = get_logger("fuseboard.recorder")

if sys.platform != "win32":
    import fcntl

FOLDER_TIMEOUT: Final = 1.0  # seconds to wait for another process that creates or moves files
SUFFIXES: Final = ("-wal", "-shm", "-journal")


class MovedAside(NamedTuple):
    """Files of a recording that this process moved aside: where they are now, and why."""

    target: Path
    why: str


moved_aside: dict[str, MovedAside] = {}
"""What was moved aside last, by the path without links. The recorder reports it in the new recording."""


@contextlib.contextmanager
def folder_lock(path: str) -> Iterator[None]:
    """Hold the lock of a file's folder.

    Raises:
        OSError: The folder is missing, or another process holds the lock for too long.
    """
    if sys.platform == "win32":
        yield
        return
    handle = os.open(Path(path).parent, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        _wait_for_lock(handle, path)
        yield
    finally:
        os.close(handle)


def _wait_for_lock(handle: int, path: str) -> None:
    end = time.monotonic() + FOLDER_TIMEOUT
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                raise OSError(f"another process has been creating {path} for {FOLDER_TIMEOUT:.0f} s") from None
            time.sleep(0.002)
        except OSError:
            return  # the file system has no such locks


def remove_remains(path: str, real: str, left: MissingFiles | None) -> None:
    """Put aside a WAL that belongs to a recording which is no longer at the path.

    SQLite would otherwise apply it to the next file at the path, whatever that is.

    Args:
        path: The path.
        real: The path without links.
        left: The files that this process left because they were no longer at the path.
    """
    found = files_at(path, real)
    if found is None:
        remains = not os.path.lexists(real)
    elif left is None:
        remains = not Path(path).stat().st_size
    elif found.main == left.identity.main:
        remains = False
    else:
        known = left.identity
        remains = (found.wal is not None and found.wal == known.wal) or (
            found.shm is not None and found.shm == known.shm
        )
    if remains:
        for kept in put_remains_aside(real):
            log.warning("%s holds what was last written to the recording that is no longer at %s.", kept, path)


def put_remains_aside(real: str) -> list[Path]:
    """Move the WAL of a recording that is no longer at the path away, and delete its index.

    Empty files are deleted.

    Returns:
        The files that are not empty.
    """
    kept = []
    for suffix in SUFFIXES:
        path = Path(f"{real}{suffix}")
        try:
            if suffix == "-shm" or not path.stat().st_size:
                path.unlink()
            else:
                target = _free(real, "left", suffix)
                path.rename(target)
                kept.append(target)
        except FileNotFoundError:
            continue
    return kept


def delete_emptied_remains(real: str, wal: FileId | None) -> None:
    """Delete a WAL that was put aside, once its contents are in the recording it belongs to."""
    if wal is None:
        return
    with contextlib.suppress(OSError):
        for path in Path(real).parent.glob(f"{_escaped(Path(real).name)}.left-*-wal"):
            if identify(path) == wal and not path.stat().st_size:
                path.unlink()


def rename_aside(real: str, why: str) -> Path:
    """Move a recording and what belongs to it aside, within the lock of its folder. Return the new path.

    Args:
        real: The path without links.
        why: What is wrong with it, as in `is damaged: ...`.
    """
    target = _free(real, "damaged", "")
    Path(real).rename(target)
    for suffix in SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{real}{suffix}").rename(f"{target}{suffix}")
    moved_aside[real] = MovedAside(target, why)
    return target


def _free(real: str, word: str, suffix: str) -> Path:
    number = 1
    while any(os.path.lexists(f"{real}.{word}-{number}{end}") for end in ("", *SUFFIXES)):
        number += 1
    return Path(f"{real}.{word}-{number}{suffix}")


def _escaped(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)
