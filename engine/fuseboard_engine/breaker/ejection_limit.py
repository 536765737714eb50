"""A cap on the share of a group's adapters that may be out at a time, so that a fault of ours cannot shut everything.

A group is all adapters of an engine, or those of a tag. Only a breaker that would open by itself has to ask; one that
is opened by hand counts, but is never refused.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fuseboard_engine.events import REFUSING_STATES, State


def fits(out: int, size: int, share: float) -> bool:
    """Say whether one more of a group of `size` may go out when `out` are and `share` may be."""
    return size > 0 and (out + 1) / size <= share


class LimitReached(NamedTuple):
    """Why a breaker may not open: `out` of the `size` adapters of `group` are out and `share` may be."""

    group: str
    out: int
    size: int
    share: float

    def __str__(self) -> str:
        group = f" tagged {self.group}" if self.group else ""
        return f"{self.out} of {self.size} adapters{group} are out and at most {self.share:.0%} may be"


class EjectionLimits:
    """Counts who is out in each group. Thread-safe; to ask and to be counted is one step.

    Args:
        shares: the share, 0..1, that may be out by tag; the empty tag is all adapters.
    """

    def __init__(self, shares: Mapping[str, float]) -> None:
        self._shares = dict(shares)
        self._lock = threading.Lock()
        self._groups: dict[str, tuple[str, ...]] = {}
        self._size = dict.fromkeys(self._shares, 0)
        self._out: dict[str, set[str]] = {group: set() for group in self._shares}

    def join(self, name: str, tags: Iterable[str], state: State) -> None:
        """Count an adapter in, as it stands; one that is in already is counted once."""
        self.leave(name)
        with self._lock:
            groups = tuple(group for group in self._shares if not group or group in tags)
            self._groups[name] = groups
            for group in groups:
                self._size[group] += 1
        self.note(name, state)

    def leave(self, name: str) -> None:
        """Count an adapter out of its groups; one that is in none is passed over."""
        with self._lock:
            for group in self._groups.pop(name, ()):
                self._size[group] -= 1
                self._out[group].discard(name)

    def take(self, name: str) -> LimitReached | None:
        """Ask for an adapter to go out by itself. None: it may, and is counted as out from now on."""
        with self._lock:
            groups = self._groups.get(name, ())
            for group in groups:
                out = self._out[group]
                if name not in out and not fits(len(out), self._size[group], self._shares[group]):
                    return LimitReached(group, len(out), self._size[group], self._shares[group])
            for group in groups:
                self._out[group].add(name)
        return None

    def note(self, name: str, state: State) -> None:
        """Note the state an adapter's breaker has entered, whoever wanted it."""
        with self._lock:
            for group in self._groups.get(name, ()):
                if state in REFUSING_STATES:
                    self._out[group].add(name)
                else:
                    self._out[group].discard(name)
