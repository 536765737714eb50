"""What can't be folded from decisions: calls in flight and retries left, told once a second where they changed."""

from __future__ import annotations

from typing import Final

from fuseboard_engine.events import GaugesSampled
from fuseboard_storage.recorder.protocols import Recordable

EVERY: Final = 1.0
"""Seconds between two looks at the engine."""


class GaugeSampler:
    """Looks at an engine's adapters once a second, from `begun` (seconds of any clock) on."""

    def __init__(self, engine: Recordable, begun: float) -> None:
        self._engine = engine
        self._due = begun + EVERY
        self._instance: int | None = None
        self._told: dict[str, tuple[int, int]] = {}

    def news(self, now: float, instance: int | None) -> list[GaugesSampled]:
        """Return what changed since the last look, when one is due at `now`.

        A recording that knows the engine as another `instance` than before was told nothing yet.
        """
        if now < self._due:
            return []
        self._due = now + EVERY
        before = self._told if instance == self._instance else {}
        self._instance, self._told = instance, self._engine.gauges()
        changed = {name: gauges for name, gauges in self._told.items() if before.get(name) != gauges}
        return [GaugesSampled(at=self._engine.wall(), gauges=changed)] if changed else []
