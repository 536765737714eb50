"""Limits on the share of a group's adapters that may be out at a time, so that one fault cannot shut everything.

A group is all adapters of an engine, or those of a tag. The limits apply to breakers that open by themselves; one that
is opened by hand counts as out, but is never refused.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fuseboard_engine.events import REFUSING_STATES, State


def may_eject(out: int, size: int, share: float) -> bool:
    """Return whether one more member may be ejected: `(out + 1) / size <= share`."""
    return size > 0 and (out + 1) / size <= share


class LimitReached(NamedTuple):
    """Why a breaker may not open: `out` of the `size` adapters of `group` are out, and at most `share` may be."""

    group: str
    out: int
    size: int
    share: float

    def __str__(self) -> str:
        group = f" tagged {self.group}" if self.group else ""
        return f"{self.out} of {self.size} adapters{group} are out and at most {self.share:.0%} may be"


class EjectionLimits:
    """Counts the adapters that are out in each group. Thread-safe; checking and counting is one step.

    Args:
        shares: the share, 0..1, that may be out, by tag; the empty tag means all adapters.
    """

    def __init__(self, shares: Mapping[str, float]) -> None:
        self._shares = dict(shares)
        self._lock = threading.Lock()
        self._groups: dict[str, tuple[str, ...]] = {}
        self._size = dict.fromkeys(self._shares, 0)
        self._out: dict[str, set[str]] = {group: set() for group in self._shares}

    def after_fork(self) -> None:
        """Replace the lock in a forked child: a thread of the parent may have held it."""
        self._lock = threading.Lock()

    def add(self, name: str, tags: Iterable[str], state: State) -> None:
        """Add an adapter with the current state of its breaker. Adding it again replaces it."""
        self.remove(name)
        with self._lock:
            groups = tuple(group for group in self._shares if not group or group in tags)
            self._groups[name] = groups
            for group in groups:
                self._size[group] += 1
        self.update(name, state)

    def remove(self, name: str) -> None:
        """Remove an adapter from its groups, if it is in any."""
        with self._lock:
            for group in self._groups.pop(name, ()):
                self._size[group] -= 1
                self._out[group].discard(name)

    def try_eject(self, name: str) -> LimitReached | None:
        """Count an adapter as out and return None; or return the limit that forbids it."""
        with self._lock:
            groups = self._groups.get(name, ())
            for group in groups:
                out = self._out[group]
                if name not in out and not may_eject(len(out), self._size[group], self._shares[group]):
                    return LimitReached(group, len(out), self._size[group], self._shares[group])
            for group in groups:
                self._out[group].add(name)
        return None

    def update(self, name: str, state: State) -> None:
        """Record the state that an adapter's breaker has entered, for whatever reason."""
        with self._lock:
            for group in self._groups.get(name, ()):
                if state in REFUSING_STATES:
                    self._out[group].add(name)
                else:
                    self._out[group].discard(name)
