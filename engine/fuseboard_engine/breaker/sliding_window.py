"""Sliding windows of call outcomes: over the present state, over the last n calls, over the last s seconds.

Each holds three running counts, so reading one never walks through calls. None is thread-safe: a breaker reads
and writes its window under its own lock.
"""

from __future__ import annotations

import itertools
from typing import Protocol

FAILED = 1
SLOW = 2


class Window(Protocol):
    """What a breaker needs of a window. The counts are right after `record` or `expire` for that time."""

    failed: int
    slow: int

    @property
    def calls(self) -> int:
        """How many calls it holds."""

    def record(self, now: float, failed: bool, slow: bool) -> None:
        """Add one outcome at `now` (seconds of the breaker's clock)."""

    def expire(self, now: float) -> None:
        """Let go of what is too old at `now`."""


class AtomicCounter:
    """A number that goes up. `tick` is one atomic step of the interpreter: threads need no lock to count exactly."""

    __slots__ = ("_reads", "tick")

    def __init__(self) -> None:
        self.tick = itertools.count().__next__
        self._reads = 0

    def read(self) -> int:
        """Return how often `tick` was called. Reading takes a number too, and is deducted; one reader at a time."""
        number = self.tick() - self._reads
        self._reads += 1
        return number


class StateWindow(AtomicCounter):
    """Everything since the present state began.

    `tick` counts one call that did not fail, without a lock. `generation` is the one of the breaker that this state
    began with.
    """

    __slots__ = ("failed", "generation", "slow")

    def __init__(self, generation: int = 0) -> None:
        super().__init__()
        self.generation = generation
        self.failed = 0
        self.slow = 0

    @property
    def calls(self) -> int:
        """How many calls were counted."""
        return self.read() + self.failed

    def record(self, now: float, failed: bool, slow: bool) -> None:
        """Add one outcome."""
        if failed:
            self.failed += 1
        else:
            self.tick()
        self.slow += slow

    def expire(self, now: float) -> None:
        """Nothing ages here."""


class CountWindow:
    """The last `size` calls: a ring with one byte a call."""

    __slots__ = ("_next", "_ring", "calls", "failed", "slow")

    def __init__(self, size: int) -> None:
        self._ring = bytearray(size)
        self._next = 0
        self.calls = 0
        self.failed = 0
        self.slow = 0

    def record(self, now: float, failed: bool, slow: bool) -> None:
        """Add one outcome; the oldest goes when the ring is full."""
        ring, place = self._ring, self._next
        if self.calls == len(ring):
            gone = ring[place]
            self.failed -= gone & FAILED
            self.slow -= gone >> 1
        else:
            self.calls += 1
        ring[place] = FAILED * failed | SLOW * slow
        self.failed += failed
        self.slow += slow
        self._next = place + 1 if place + 1 < len(ring) else 0

    def expire(self, now: float) -> None:
        """Nothing ages here."""


class TimeWindow:
    """The last `seconds`: a call whose age has reached them is out.

    Exact while few distinct times are kept. Beyond `_FINE` of them, outcomes less than a 128th of the window apart
    share a slot and leave together, so that memory stays bounded however many calls come.
    """

    __slots__ = ("_first", "_grain", "_seconds", "_slots", "calls", "failed", "slow")

    _FINE = 128

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._grain = seconds / self._FINE
        self._slots: list[list[float]] = []  # [time, calls, failed, slow], oldest first
        self._first = 0  # slots before this one have expired
        self.calls = 0
        self.failed = 0
        self.slow = 0

    def record(self, now: float, failed: bool, slow: bool) -> None:
        """Add one outcome at `now`."""
        self.expire(now)
        slots = self._slots
        grain = 0.0 if len(slots) - self._first < self._FINE else self._grain
        if len(slots) > self._first and now - slots[-1][0] <= grain:
            last = slots[-1]
            last[1] += 1
            last[2] += failed
            last[3] += slow
        else:
            slots.append([now, 1, failed, slow])
        self.calls += 1
        self.failed += failed
        self.slow += slow

    def expire(self, now: float) -> None:
        """Let go of what is `seconds` old or older at `now`."""
        slots, first = self._slots, self._first
        while first < len(slots) and now - slots[first][0] >= self._seconds:
            _, calls, failed, slow = slots[first]
            self.calls -= int(calls)
            self.failed -= int(failed)
            self.slow -= int(slow)
            first += 1
        if first > self._FINE or first == len(slots):
            del slots[:first]
            first = 0
        self._first = first
