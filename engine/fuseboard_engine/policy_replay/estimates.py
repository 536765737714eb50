"""What a call would have met that was never made: estimated from the calls around it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Literal, NamedTuple

from fuseboard_engine.policy_replay.workload import RecordedCall

Between = Literal["nearest", "success", "failure"]
"""The outcome of a call between a good and a bad recorded one: that of the nearer one, or always one of the two."""

BAD_IN_A_ROW = 3
"""Bad calls in a row that show an outage; one is enough if it asked to wait."""


class Outage(NamedTuple):
    """A time in which a service was down: from its first bad call until halfway to the next good one.

    `end` is None if no good call followed.
    """

    start: float
    end: float | None

    def holds(self, at: float) -> bool:
        """Return whether a time lies in the outage."""
        return self.start <= at and (self.end is None or at < self.end)


class CallHistory:
    """The recorded calls of one adapter in the order of time, and what they show of its service.

    Args:
        calls: the calls in the order of time.
        slow_after: seconds after which a call is bad, by the recorded policy; infinite without a limit.
    """

    def __init__(self, calls: Sequence[RecordedCall], slow_after: float) -> None:
        self._calls = calls
        self._starts = [call.at for call in calls]
        self._slow_after = slow_after
        self.outages = self._find_outages()
        self._outage_starts = [outage.start for outage in self.outages]

    def estimate(self, at: float, between: Between = "nearest") -> tuple[RecordedCall | None, bool]:
        """Return the recorded call that tells most of a call at a time, and whether the calls around it disagree.

        None: the adapter was never called.
        """
        calls = self._calls
        place = bisect_left(self._starts, at)
        if place == 0 or place == len(calls):
            return (calls[min(place, len(calls) - 1)], False) if calls else (None, False)
        before, after = calls[place - 1], calls[place]
        nearer = before if at - before.at <= after.at - at else after
        bad = self.is_bad(before)
        if bad == self.is_bad(after):
            return nearer, False
        if between == "nearest":
            return nearer, True
        return (before if bad == (between == "failure") else after), True

    def is_bad(self, call: RecordedCall) -> bool:
        """Return whether a call failed by the service's fault, or was slow."""
        return call.outcome == "failure" or call.duration > self._slow_after

    def is_down(self, at: float) -> bool:
        """Return whether the service was in an outage."""
        place = bisect_right(self._outage_starts, at)
        return place > 0 and self.outages[place - 1].holds(at)

    def _find_outages(self) -> list[Outage]:
        found: list[Outage] = []
        bad: list[RecordedCall] = []
        asked = False
        for call in self._calls:
            if call.outcome == "ignored":
                continue
            if self.is_bad(call):
                bad.append(call)
                asked = asked or call.retry_after is not None or (call.rule is not None and call.rule.opens)
                continue
            if len(bad) >= BAD_IN_A_ROW or asked:
                found.append(Outage(bad[0].at, (bad[-1].at + call.at) / 2))
            bad, asked = [], False
        if len(bad) >= BAD_IN_A_ROW or asked:
            found.append(Outage(bad[0].at, None))
        return found
