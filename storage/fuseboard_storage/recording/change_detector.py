"""Cheap change detection (stat of the file and its WAL), so that polling an idle recording needs no query.

A writer appends to the WAL beside the file, or to the file itself while it has no WAL, and either changes a
modification time. Two `stat` calls take microseconds; a query takes a round trip to another thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

SETTLE_NANOSECONDS: Final = 20_000_000
"""Nanoseconds after which a modification time is final. Before that, another write may leave the same time."""

TRUST_SECONDS: Final = 2.0
"""Seconds after which the recording itself has to be queried again, whatever the modification times are."""

FileState = tuple[int, int] | None


class ChangeDetector:
    """Compares a file and its WAL with their state at the previous check."""

    def __init__(
        self, path: Path, now: Callable[[], int] = time.time_ns, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Watch the recording at `path`. `now` returns nanoseconds since 1970, `monotonic` seconds."""
        self._paths = (path, path.with_name(f"{path.name}-wal"))
        self._now = now
        self._monotonic = monotonic
        self._seen: tuple[FileState, ...] = ()
        self._settled = False  # whether the modification times in `_seen` were final when they were read
        self._changed_at = 0.0

    def unchanged(self) -> bool:
        """Return whether certainly nothing was written since the previous call. False at the first call."""
        seen = tuple(_state_of(path) for path in self._paths)
        now = self._monotonic()
        unchanged = seen == self._seen and self._settled and now - self._changed_at < TRUST_SECONDS
        newest = max((state[0] for state in seen if state is not None), default=0)
        self._seen, self._settled = seen, self._now() - newest > SETTLE_NANOSECONDS
        if not unchanged:
            self._changed_at = now
        return unchanged


def _state_of(path: Path) -> FileState:
    """Return a file's modification time in nanoseconds and its length, or None if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
