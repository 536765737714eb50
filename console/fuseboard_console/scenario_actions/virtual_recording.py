"""Records engines that play a scenario in virtual time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from fuseboard_storage import record
from fuseboard_storage.errors import RecordingNotWritable

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine
    from fuseboard_engine.events import Event
    from fuseboard_storage import Recorder

MOST_WAITING: Final = 20_000
"""Events that may wait for the disk; the virtual clock stands still until fewer do, so that none is dropped."""

TOGETHER: Final = 100_000
"""Microseconds of virtual time after which the events of several engines are on disk, so that their order is kept."""


class VirtualRecorders:
    """Records engines to a file while they play in virtual time, which would not wait for the disk by itself."""

    def __init__(self) -> None:
        self._recorders: list[Recorder] = []
        self._thread: int | None = None  # where the scenario plays
        self._together_at = 0
        self._seen = 0  # events while they record

    @contextmanager
    def running(self, engines: Iterable[Engine], path: str) -> Iterator[None]:
        """Record engines meanwhile.

        Raises:
            RecordingNotWritable: events are missing in the file.
        """
        with ExitStack() as stack:  # not by the loop, whose clock would not wait for the disk
            self._recorders = [stack.enter_context(record(engine, path)) for engine in engines]
            self._thread = threading.get_ident()
            try:
                yield
            finally:
                self._thread = None
        missing = self._seen - sum(recorder.written for recorder in self._recorders)
        if missing > 0:  # each has the beginning and the end of its engine too
            raise RecordingNotWritable(
                f"{path} is not complete: {missing:,} events could not be written.",
                "Free disk space, or choose another path.",
            )

    def wait_for_disk(self, event: Event) -> None:
        """Block while too many events wait, or, with several engines, what happened well before this event."""
        if threading.get_ident() != self._thread:  # a recorder does not wait for itself
            return
        self._seen += 1
        if len(self._recorders) > 1 and event.at >= self._together_at:
            self._together_at = event.at + TOGETHER
            for recorder in self._recorders:
                recorder.flush()
        for recorder in self._recorders:
            while recorder.waiting > MOST_WAITING:
                time.sleep(0.001)
