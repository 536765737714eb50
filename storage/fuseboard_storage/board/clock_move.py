"""Times on a wall clock that was set, as a Board holds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from fuseboard_engine.events import ClockChanged
from fuseboard_storage.board.metrics import SECOND

_MOST_SECONDS: Final = 1e11
"""The seconds of a change that is believed; a damaged file may hold any number."""


class Spanned(Protocol):
    """A span of time."""

    at: int
    """Its start, UTC microseconds."""


class ClockMove(NamedTuple):
    """A change of a wall clock: all in microseconds."""

    at: int
    """The time of the report, on the clock as it is since the change."""
    set_by: int
    asleep: int

    @classmethod
    def of(cls, event: ClockChanged) -> ClockMove:
        """Return the change that an event reports; none for seconds that cannot be."""
        return cls(event.at, _microseconds(event.by), max(0, _microseconds(event.asleep)))

    def is_of_before(self, time: int) -> bool:
        """Return whether a time may be of before the change. It is not if it would lie in the future by now.

        The change is reported up to a second late, so some times are already those of the new clock.
        """
        return self.set_by <= 0 or time + self.set_by <= self.at

    def moved(self, time: int) -> int:
        """Return a time as the clock shows it now."""
        return within_int64(time + self.set_by) if self.is_of_before(time) else time

    def move_seconds(self, spans: Iterable[Spanned]) -> None:
        """Move spans of time by whole seconds. Of ten thousand adapters there are a million."""
        by, newest = self.set_by // SECOND * SECOND, self.at if self.set_by > 0 else 2**63 - 1
        for span in spans:
            at = span.at + by
            if -(2**63) <= at <= newest:
                span.at = at


def _microseconds(seconds: float) -> int:
    return round(seconds * SECOND) if abs(seconds) <= _MOST_SECONDS else 0


def within_int64(time: int) -> int:
    """Return a time that a recording can hold."""
    return max(-(2**63), min(2**63 - 1, time))
