"""Sliding windows of call outcomes: of the current state, of the last n calls, of the last s seconds.

Each window keeps three running counts, so reading them does not iterate over calls. Windows are not thread-safe: a
breaker reads and writes its window under its own lock.
"""

from __future__ import annotations

import itertools
from array import array
from typing import Protocol

FAILED = 1
SLOW = 2


class Window(Protocol):
    """What a breaker needs of a window. The counts are correct for the time of the last `record` or `expire`."""

    failed: int
    slow: int

    @property
    def calls(self) -> int:
        """The number of calls in the window."""

    def record(self, now: float, failed: bool, slow: bool) -> None:
        """Add one outcome at `now` (seconds of the breaker's clock)."""

    def expire(self, now: float) -> None:
        """Drop the outcomes that are too old at `now`."""


class AtomicCounter:
    """A counter whose `tick` is atomic in CPython, so that threads count exactly without a lock."""

    __slots__ = ("_reads", "tick")

    def __init__(self) -> None:
        self.tick = itertools.count().__next__
        self._reads = 0

    def read(self) -> int:
        """Return how often `tick` was called; the ticks that reads take are deducted. One reader at a time."""
        number = self.tick() - self._reads
        self._reads += 1
        return number


class StateWindow(AtomicCounter):
    """All outcomes since the current state began.

    `tick` counts one call that did not fail, without a lock. `generation` is the breaker's generation that started
    with this state.
    """

    __slots__ = ("failed", "generation", "slow")

    def __init__(self, generation: int = 0) -> None:
        super().__init__()
        self.generation = generation
        self.failed = 0
        self.slow = 0

    @property
    def calls(self) -> int:
        """The number of calls counted."""
        return self.read() + self.failed

    def successes(self) -> int:
        """Return the number of calls counted that did not fail."""
        return self.read()

    def record(self, now: float, failed: bool, slow: bool) -> None:
        """Add one outcome."""
        if failed:
            self.failed += 1
        else:
            self.tick()
        self.slow += slow

    def expire(self, now: float) -> None:
        """Do nothing: outcomes do not expire by age."""


class CountWindow:
    """The last `size` calls: a ring buffer with one byte per call."""

    __slots__ = ("_next", "_ring", "calls", "failed", "slow")

    def __init__(self, size: int) -> None:
        self._ring = bytearray(size)
        self._next = 0
        self.calls = 0
        self.failed = 0
        self.slow = 0

    def record(self, now: float, failed: bool, slow: bool) -> None:
        """Add one outcome; it replaces the oldest when the ring is full."""
        ring, position = self._ring, self._next
        if self.calls == len(ring):
            oldest = ring[position]
            self.failed -= oldest & FAILED
            self.slow -= oldest >> 1
        else:
            self.calls += 1
        ring[position] = FAILED * failed | SLOW * slow
        self.failed += failed
        self.slow += slow
        self._next = position + 1 if position + 1 < len(ring) else 0

    def expire(self, now: float) -> None:
        """Do nothing: outcomes do not expire by age."""


_PART = 21  # bits of a count within a slot
_MOST = (1 << _PART) - 1


class TimeWindow:
    """The calls of the last `seconds`; a call expires when its age reaches them.

    Exact while it holds few distinct times. Beyond `_EXACT_SLOTS` of them, outcomes less than a 128th of the window
    apart share a slot and expire together, so that memory is bounded, at less than 4 kB, for any number of calls.
    """

    __slots__ = ("_counts", "_first", "_grain", "_seconds", "_slots", "calls", "failed", "slow")

    _EXACT_SLOTS = 64
    _PARTS = 128
    _MOST_EXPIRED = 16  # slots that are kept although they have expired

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._grain = seconds / self._PARTS
        self._slots = array("d")  # when each slot began, oldest first
        self._counts = array("Q")  # its calls, its failed and its slow ones, 21 bits each
        self._first = 0  # slots before this one have expired
        self.calls = 0
        self.failed = 0
        self.slow = 0

    def record(self, now: float, failed: bool, slow: bool) -> None:
        """Add one outcome at `now`."""
        self.expire(now)
        times, counts = self._slots, self._counts
        held = len(times) - self._first
        outcome = 1 + (failed << _PART) + (slow << 2 * _PART)
        grain = 0.0 if held < self._EXACT_SLOTS else self._grain
        if held and (now == times[-1] or now - times[-1] < grain) and counts[-1] & _MOST < _MOST:
            counts[-1] += outcome
        else:
            times.append(now)
            counts.append(outcome)
        self.calls += 1
        self.failed += failed
        self.slow += slow

    def expire(self, now: float) -> None:
        """Drop the outcomes that are `seconds` old or older at `now`."""
        times, first = self._slots, self._first
        held = len(times)
        while first < held and now - times[first] >= self._seconds:
            counts = self._counts[first]
            self.calls -= counts & _MOST
            self.failed -= counts >> _PART & _MOST
            self.slow -= counts >> 2 * _PART
            first += 1
        if first > self._MOST_EXPIRED or (first and first == held):
            del times[:first], self._counts[:first]
            first = 0
        self._first = first
