"""Tracks unavailable chains, so that their letters are not retried until they recover.

It reads breaker states only to wait; whether a call is admitted is still decided by the breaker.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from fuseboard_engine.adapters.registry import Adapter, Registry
from fuseboard_engine.dead_letters.letter import LetterChain
from fuseboard_engine.events import REFUSING_STATES


class Availability:
    """Determines which chains cannot take a retry now.

    Args:
        registry: the adapters and their chains.
        clock: seconds, monotonic.
    """

    def __init__(self, registry: Registry, clock: Callable[[], float]) -> None:
        self._registry = registry
        self._clock = clock
        self._paused: dict[LetterChain, float] = {}  # the end of each pause, by the clock

    def any_unavailable(self) -> bool:
        """Return whether any chain may be unavailable. If not, no chain needs to be checked."""
        if self._paused:
            now = self._clock()
            self._paused = {chain: until for chain, until in self._paused.items() if until > now}
        return bool(self._paused) or any(
            adapter.breaker.state in REFUSING_STATES or adapter.down is not None for adapter in self._registry.all()
        )

    def pause(self, chain: LetterChain, seconds: float) -> None:
        """Do not retry along a chain for some seconds, because it has just refused a letter."""
        self._paused[chain] = self._clock() + seconds

    def seconds_until_available(self, chain: LetterChain) -> float | None:
        """Return for how many seconds a chain will refuse every call, or None if it may take one now.

        Infinite: until an operator intervenes. Adapters that are not registered are ignored; a chain of such adapters
        only is not unavailable, and the retries of its letters report why.
        """
        now = self._clock()
        names = chain.order or self._registry.fixed_order(chain.task_type)[0]
        adapters = [adapter for name in names if (adapter := self._registry.find(name)) is not None]
        left = max(
            min((_refuses_for(adapter, now) for adapter in adapters), default=0.0),
            self._paused.get(chain, -math.inf) - now,
        )
        return left if left > 0 else None


def _refuses_for(adapter: Adapter, now: float) -> float:
    seconds, down = adapter.breaker.retry_after(), adapter.down
    return seconds if down is None else max(seconds, down.until - now)
