"""Decides how fast events are written and folded, so that keyframes keep up with all processes that write."""

from __future__ import annotations

from typing import Final

from fuseboard_storage.backend.values import UNLIMITED
from fuseboard_storage.tables.keyframes import MOST_BEHIND

MARGIN: Final = 1_000
"""Events that a transaction may add to those of the buffer: reports of drops, ends of other engines."""

PATIENCE: Final = 5.0
"""Seconds without a new keyframe after which writers stop waiting for one: nothing may be making them."""

URGENT: Final = 40_000
"""The number of events that are not folded at which folding comes first."""

EVEN: Final = 35_000
"""The number of events that are not folded at which folding takes as much time as writing."""

FIRST: Final = 20_000
"""The number of events that are not folded up to which writing comes first: events in memory do not survive a kill."""

MOST_SECONDS: Final = 0.25
"""Seconds of folding in one cycle, at most, so that commands and heartbeats are not delayed."""


class KeyframePace:
    """Limits the writers of one file, and gives the one that makes keyframes the time to do so.

    All processes that write follow the same rule, each in its own transaction, so `MOST_BEHIND` holds for all of them
    together. The rule does not apply to a file that has many more events without a keyframe when it is opened, nor
    while no keyframe is made, until they have caught up.
    """

    def __init__(self) -> None:
        self._applies: bool | None = None
        self._keyframe = -1
        self._since = 0.0  # when the newest keyframe was first seen, or the wait for the next one began
        self._waits = False

    def room(self, event: int, keyframe: int, now: float) -> int:
        """Return how many events may be written now.

        Args:
            event: The number of the newest event.
            keyframe: The number of the newest keyframe.
            now: Seconds.
        """
        room = MOST_BEHIND - MARGIN - (event - keyframe)
        if room > 0:
            self._applies, self._waits = True, False
            return room
        if self._applies is None:
            self._applies = event - keyframe <= MOST_BEHIND
        if not self._applies:
            return UNLIMITED
        if not self._waits or keyframe != self._keyframe:
            self._waits, self._keyframe, self._since = True, keyframe, now
        elif now - self._since >= PATIENCE:
            self._applies = False
            return UNLIMITED
        return 0

    @staticmethod
    def seconds(behind: int, wrote: float) -> float:
        """Return for how many seconds to fold in a cycle while many events wait.

        Args:
            behind: The number of events that are not folded.
            wrote: The seconds that the cycle has spent on writing.
        """
        if behind <= FIRST:
            return 0.0
        if behind >= URGENT:
            return MOST_SECONDS
        return min(MOST_SECONDS, wrote * (behind - FIRST) / (EVEN - FIRST))
