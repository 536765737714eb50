"""Which chains are out, so that their letters are left alone until then.

It looks at breakers, but only to wait: whether an adapter may be called is decided by asking, as ever.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from fuseboard_engine.adapters.registry import Adapter, Registry
from fuseboard_engine.dead_letters.letter import LetterChain
from fuseboard_engine.events import REFUSING_STATES


class Availability:
    """Says which chains need not be asked yet.

    Args:
        registry: the adapters, and their chains.
        clock: seconds, never going back.
    """

    def __init__(self, registry: Registry, clock: Callable[[], float]) -> None:
        self._registry = registry
        self._clock = clock
        self._paused: dict[LetterChain, float] = {}  # until when, by the clock

    def any_unavailable(self) -> bool:
        """Say whether any chain may be out: something refuses calls. At other times this is all there is to ask."""
        if self._paused:
            now = self._clock()
            self._paused = {chain: until for chain, until in self._paused.items() if until > now}
        return bool(self._paused) or any(
            adapter.breaker.state in REFUSING_STATES or adapter.down is not None for adapter in self._registry.all()
        )

    def pause(self, chain: LetterChain, seconds: float) -> None:
        """Leave a chain alone for some seconds: it has just refused a letter."""
        self._paused[chain] = self._clock() + seconds

    def seconds_until_available(self, chain: LetterChain) -> float | None:
        """Return for how many seconds a chain refuses every call as things stand; None: it may take one.

        Infinite: until something is done by hand. Adapters that are not registered are passed over; a chain that has
        no other is not out, and its letters' retries say so.
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
