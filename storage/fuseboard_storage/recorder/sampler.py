"""Samples once a second what no event carries: calls in flight, retries left, and changes of the wall clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fuseboard_engine.events import ClockChanged, Event, GaugesSampled
from fuseboard_engine.runtime.clock import Clocks, read_clocks
from fuseboard_storage.backend.recordable import Recordable

INTERVAL: Final = 1.0
"""Seconds between two samples."""

SMALLEST_CHANGE: Final = 1_000_000
"""Microseconds of a change of the wall clock that is recorded. A clock that is adjusted gradually changes by less."""


class Sampler:
    """Samples an engine once a second, starting one second after `started` (seconds of any clock).

    Args:
        engine: The engine.
        started: When the first sample counts from.
        clocks: Reads this host's clocks.
    """

    def __init__(self, engine: Recordable, started: float, clocks: Callable[[], Clocks] = read_clocks) -> None:
        self._engine = engine
        self._due = started + INTERVAL
        self._instance: int | None = None
        self._gauges: dict[str, tuple[int, int]] = {}
        self._read_clocks = clocks
        self._clocks = clocks()
        self._wall = engine.wall()

    def sample(self, now: float, instance: int | None) -> list[Event]:
        """Return events with what changed since the last sample, if a sample is due at `now`.

        All gauges count as changed when `instance` differs from the last call: the recording has none of them yet.
        """
        if now < self._due:
            return []
        self._due = now + INTERVAL
        found: list[Event] = []
        if clock := self._clock_changed():
            found.append(clock)
        before = self._gauges if instance == self._instance else {}
        self._instance, self._gauges = instance, self._engine.gauges()
        changed = {name: gauges for name, gauges in self._gauges.items() if before.get(name) != gauges}
        if changed:
            found.append(GaugesSampled(at=self._wall, gauges=changed))
        return found

    def _clock_changed(self) -> ClockChanged | None:
        before, wall_before = self._clocks, self._wall
        self._clocks, self._wall = clocks, wall = self._read_clocks(), self._engine.wall()
        since_boot = clocks.since_boot - before.since_boot
        asleep = since_boot - (clocks.running - before.running)
        by = clocks.wall - before.wall - since_boot
        if abs((wall - wall_before) - (clocks.wall - before.wall)) >= SMALLEST_CHANGE:
            return None  # the engine has a clock of its own
        by, asleep = (change if abs(change) >= SMALLEST_CHANGE else 0 for change in (by, asleep))
        return ClockChanged(at=wall, by=by / 1e6, asleep=asleep / 1e6) if by or asleep else None
