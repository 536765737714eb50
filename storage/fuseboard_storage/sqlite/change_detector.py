"""Telling at a glance that nothing was written to a recording: what a look at an idle one costs, many times a second.

Whoever writes appends to the log beside the file, or to the file itself while it has none, and that leaves a time. Two
calls that ask for it take microseconds, where asking the recording takes a turn in another thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

SETTLED: Final = 20_000_000
"""Nanoseconds after which a time is past: until then another write may have left the same one."""

TRUSTED: Final = 2.0
"""Seconds after which the recording itself is to be asked again, whatever the times say."""

Left = tuple[int, int] | None


class ChangeDetector:
    """Says whether a file and its log still stand as they stood at the last look."""

    def __init__(
        self, path: Path, now: Callable[[], int] = time.time_ns, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Look at the recording at `path`. `now` are nanoseconds since 1970, `monotonic` seconds that only grow."""
        self._paths = (path, path.with_name(f"{path.name}-wal"))
        self._now = now
        self._monotonic = monotonic
        self._seen: tuple[Left, ...] = ()
        self._settled = False  # whether what was seen was past when it was seen
        self._doubted_at = 0.0

    def unchanged(self) -> bool:
        """Return whether it is certain that nothing was written since this was last asked; at first it is not."""
        seen = tuple(_left(path) for path in self._paths)
        now = self._monotonic()
        still = seen == self._seen and self._settled and now - self._doubted_at < TRUSTED
        newest = max((left[0] for left in seen if left is not None), default=0)
        self._seen, self._settled = seen, self._now() - newest > SETTLED
        if not still:
            self._doubted_at = now
        return still


def _left(path: Path) -> Left:
    """Return when a file was last written, in nanoseconds, and how long it is; None: there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
