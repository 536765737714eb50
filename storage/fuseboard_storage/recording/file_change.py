"""What happened to a file that is followed: where it is now, and which earlier files are beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal, NamedTuple

_DELETED: Final = " (deleted)"
_SEARCHED: Final = 10_000  # entries of a folder that are looked at
_EARLIER: Final = 3  # earlier files that are named


class FileChange(NamedTuple):
    """A change of the file at the path that a console follows.

    Args:
        at: When the change was noticed, in UTC microseconds.
        what: `moved` if the file is elsewhere now, `deleted`, `replaced` if another file took its place and the
            previous one no longer exists, and `gone` where that cannot be found out.
        moved_to: Where the previous file is now, a name if it is in the same folder; empty if it was not found.
        earlier: The newest files beside it that were set aside or kept as copies.
    """

    at: int
    what: Literal["moved", "deleted", "replaced", "gone"]
    moved_to: str = ""
    earlier: tuple[str, ...] = ()


def find_change(path: Path, identity: tuple[int, int], at: int) -> FileChange:
    """Return what happened to a file, which must still be open, that is no longer at its path.

    Args:
        path: Where it was.
        identity: Its device and inode.
        at: The present, in UTC microseconds.
    """
    earlier = _earlier(path)
    place = _open_file(identity)
    if place == "":
        return FileChange(at, "replaced" if path.exists() else "deleted", earlier=earlier)
    place = place or _beside(path, identity)
    if place is None:
        return FileChange(at, "gone", earlier=earlier)
    if Path(place).parent != path.parent.resolve():
        return FileChange(at, "moved", place, earlier)
    name = Path(place).name
    return FileChange(at, "moved", name, tuple(one for one in earlier if one != name))


def _open_file(identity: tuple[int, int]) -> str | None:
    """Return where an open file is now, as Linux knows it; empty if it was deleted, None if that is not known."""
    try:
        links = list(Path("/proc/self/fd").iterdir())
    except OSError:
        return None
    for link in links:
        try:
            found = link.stat()
            if (found.st_dev, found.st_ino) != identity:
                continue
            place = str(link.readlink())
        except OSError:
            continue
        if not found.st_nlink or place.endswith(_DELETED):
            return "" if not found.st_nlink else None
        return place if _is_at(Path(place), identity) else None  # of another mount, or moved again meanwhile
    return None


def _is_at(path: Path, identity: tuple[int, int]) -> bool:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return False
    return (found.st_dev, found.st_ino) == identity


def _beside(path: Path, identity: tuple[int, int]) -> str | None:
    """Return the path of the file in the same folder; None if it is not there."""
    try:
        with os.scandir(path.parent) as entries:
            for _, entry in zip(range(_SEARCHED), entries, strict=False):
                if entry.inode() == identity[1] and _is_at(Path(entry.path), identity):
                    return str(path.parent.resolve() / entry.name)
    except OSError:
        pass
    return None


def _earlier(path: Path) -> tuple[str, ...]:
    """Return the names of the newest files that begin as the file at the path does, such as `checkout.db.damaged-1`."""
    found = []
    try:
        with os.scandir(path.parent) as entries:
            for _, entry in zip(range(_SEARCHED), entries, strict=False):
                name = entry.name
                if name.startswith(f"{path.name}.") and not name.endswith(("-wal", "-shm")) and entry.is_file():
                    found.append((entry.stat().st_mtime, name))
    except OSError:
        pass
    return tuple(name for _, name in sorted(found, reverse=True)[:_EARLIER])
