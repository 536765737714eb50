"""Determines whether the files at a path are still those that a connection has open.

POSIX releases all locks of a process on a file as soon as the process closes any handle of it, also those that SQLite
holds. The head of a file is therefore read through one handle per file, which stays open as long as a connection of
this process has the file open. While it is open, no other file can have the same inode number.
"""

# ruff: noqa: PTH116 - `Path.stat` takes twice as long, and each commit makes two calls

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import NamedTuple

HEAD = 100
"""Bytes at the start of a file that identify it."""

MAGIC = b"SQLite format 3\0"

APPLICATION_ID = 0x46555345  # "FUSE"


class FileId(NamedTuple):
    """The device and inode of a file, which differ from those of every other file that exists at the same time."""

    device: int
    inode: int


class Identity(NamedTuple):
    """The files of a recording: the database, and its WAL and its index of the WAL, if there are any."""

    main: FileId
    wal: FileId | None
    shm: FileId | None


class RecordingReplaced(OSError):
    """The files at the path are not those that a connection has open. What was committed last may be in neither."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class MissingFiles(NamedTuple):
    """Files that a connection of this process stopped using because they were no longer at their path.

    `at` is when, in monotonic seconds; `size` the size that the database had.
    """

    identity: Identity
    size: int
    why: str
    at: float


missing: dict[str, MissingFiles] = {}
"""The missing files of this process, by path, until it opens others. They are kept open for comparison."""


def remember_missing(path: str, files: MissingFiles) -> None:
    """Add files to `missing`, unless they are in it. A connection still has them open."""
    with _guard:
        before = missing.get(path)
        if before is not None and before.identity == files.identity:
            return
        for file in files.identity:
            if file is not None and file in _handles:
                _handles[file].users += 1
        missing[path] = files
    if before is not None:
        _release_all(before)


def forget_missing(path: str) -> None:
    """Remove files from `missing`."""
    with _guard:
        before = missing.pop(path, None)
    if before is not None:
        _release_all(before)


_pinned: dict[str, list[Identity]] = {}
"""The files that this process's connections have open, by path without links."""


def pin(real: str, files: Identity) -> None:
    """Remember that a connection has files open, until `unpin`."""
    with _guard:
        _pinned.setdefault(real, []).append(files)


def unpin(real: str, files: Identity) -> None:
    """Undo one `pin`."""
    with _guard:
        known = _pinned.get(real, [])
        if files in known:
            known.remove(files)
        if not known:
            _pinned.pop(real, None)


def files_beside(real: str, main: FileId) -> Identity | None:
    """Return the files of a connection that has another database open, if the WAL or its index is beside this one.

    SQLite would apply that WAL to this database.

    Args:
        real: The path without links.
        main: The database that is there.
    """
    with _guard:
        others = [files for files in _pinned.get(real, ()) if files.main != main]
    if others:
        wal, shm = identify(f"{real}-wal"), identify(f"{real}-shm")
        for files in others:
            if (wal is not None and wal == files.wal) or (shm is not None and shm == files.shm):
                return files
    return None


def _release_all(files: MissingFiles) -> None:
    for file in files.identity:
        release(file)


class _Handle:
    def __init__(self, number: int) -> None:
        self.number = number
        self.users = 0


_handles: dict[FileId, _Handle] = {}
_guard = threading.Lock()


def identify(path: str | os.PathLike[str]) -> FileId | None:
    """Return the identity of the file at a path; None if there is none or the path cannot be looked at."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return FileId(found.st_dev, found.st_ino)


def files_at(path: str, real: str) -> Identity | None:
    """Return the files of the recording at a path, of which `real` is the path without links."""
    main = identify(path)
    return None if main is None else Identity(main, identify(f"{real}-wal"), identify(f"{real}-shm"))


def read_head(path: str | os.PathLike[str]) -> bytes:
    """Return the first bytes of a file, without releasing the locks of a connection to it.

    Raises:
        OSError: The file is missing or cannot be read.
    """
    with _guard:
        found = os.stat(path)
        known = _handles.get(FileId(found.st_dev, found.st_ino))
        if known is not None:
            return _read(known.number)
        number = _open(path)
        opened = os.fstat(number)
        other = _handles.get(FileId(opened.st_dev, opened.st_ino))
        if other is not None:  # the path was replaced by a file that is open: its locks must not be released
            _leaked.append(number)
            return _read(other.number)
        try:
            return _read(number)
        finally:
            os.close(number)


_leaked: list[int] = []


def hold(path: str | os.PathLike[str]) -> FileId | None:
    """Keep the inode of a file from being used for another, until `release`. Return the file; None if it is missing.

    To be called before a connection opens the file.

    Raises:
        OSError: The file cannot be read.
    """
    with _guard:
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        file = FileId(found.st_dev, found.st_ino)
        handle = _handles.get(file)
        if handle is None:
            number = _open(path)
            opened = os.fstat(number)
            file = FileId(opened.st_dev, opened.st_ino)
            if file in _handles:
                _leaked.append(number)
            handle = _handles.setdefault(file, _Handle(number))
        handle.users += 1
        return file


def release(file: FileId | None) -> None:
    """Undo one `hold`. To be called after the connection was closed."""
    if file is None:
        return
    with _guard:
        handle = _handles.get(file)
        if handle is not None:
            handle.users -= 1
            if not handle.users:
                del _handles[file]
                os.close(handle.number)


def head_of(file: FileId) -> bytes:
    """Return the first bytes of a file that is held; empty if it is not held."""
    handle = _handles.get(file)  # the caller's connection keeps it open
    return b"" if handle is None else _read(handle.number)


def is_linked(file: FileId) -> bool:
    """Return whether a file that is held is still in a folder, at whatever path."""
    handle = _handles.get(file)
    return handle is not None and os.fstat(handle.number).st_nlink > 0


def has_head(file: FileId) -> bool:
    """Return whether a file that is held begins as a recording does."""
    head = head_of(file)
    return head.startswith(MAGIC) and int.from_bytes(head[68:72], "big") == APPLICATION_ID


def check_unchanged(path: str, real: str, known: Identity, size: int, *, thorough: bool) -> int:
    """Return the size of a database, whose files at the path are those that are known.

    Args:
        path: The path.
        real: The path without links.
        known: The files.
        size: The size that the database had earlier. It never shrinks by itself.
        thorough: Whether to look at the index of the WAL too.

    Raises:
        RecordingReplaced: They are other files, are missing, or cannot be looked at.
    """
    try:
        found = os.stat(path)
        if found.st_ino != known.main.inode or found.st_dev != known.main.device:
            raise RecordingReplaced("was replaced by another file")
        if found.st_size < size:
            raise RecordingReplaced("was truncated")
    except FileNotFoundError:
        raise RecordingReplaced("was moved or deleted") from None
    except RecordingReplaced:
        raise
    except OSError as error:
        raise RecordingReplaced(f"cannot be looked at ({error.strerror or error})") from None
    if known.wal is not None:
        _check_beside(f"{real}-wal", known.wal)
    if thorough and known.shm is not None:
        _check_beside(f"{real}-shm", known.shm)
    if not has_head(known.main):
        raise RecordingReplaced("was overwritten")
    return found.st_size


def _check_beside(path: str, known: FileId) -> None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise RecordingReplaced(f"has lost its {Path(path).name}") from None
    except OSError as error:
        raise RecordingReplaced(f"cannot be looked at ({error.strerror or error})") from None
    if found.st_ino != known.inode or found.st_dev != known.device:
        raise RecordingReplaced(f"has another {Path(path).name}")


def _open(path: str | os.PathLike[str]) -> int:
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    return os.open(path, flags)


if hasattr(os, "pread"):

    def _read(number: int) -> bytes:
        return os.pread(number, HEAD, 0)

else:  # Windows
    _reading = threading.Lock()

    def _read(number: int) -> bytes:
        with _reading:
            os.lseek(number, 0, os.SEEK_SET)
            return os.read(number, HEAD)


def _after_fork() -> None:
    """Replace the lock in a forked child: the thread of the parent that may hold it does not exist here."""
    global _guard
    _guard = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
