"""Samples the gauges that events do not carry: calls in flight and retries left, once a second."""

from __future__ import annotations

from typing import Final

from fuseboard_engine.events import GaugesSampled
from fuseboard_storage.backend.recordable import Recordable

INTERVAL: Final = 1.0
"""Seconds between two samples."""


class GaugeSampler:
    """Samples an engine's adapters once a second, starting one second after `started` (seconds of any clock)."""

    def __init__(self, engine: Recordable, started: float) -> None:
        self._engine = engine
        self._due = started + INTERVAL
        self._instance: int | None = None
        self._last: dict[str, tuple[int, int]] = {}

    def sample(self, now: float, instance: int | None) -> list[GaugesSampled]:
        """Return an event with the gauges that changed since the last sample, if a sample is due at `now`.

        All gauges count as changed when `instance` differs from the last call: the recording has none of them yet.
        """
        if now < self._due:
            return []
        self._due = now + INTERVAL
        before = self._last if instance == self._instance else {}
        self._instance, self._last = instance, self._engine.gauges()
        changed = {name: gauges for name, gauges in self._last.items() if before.get(name) != gauges}
        return [GaugesSampled(at=self._engine.wall(), gauges=changed)] if changed else []
