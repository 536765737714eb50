"""Adapters for tests of fan-outs: each waits for a set time and then answers or raises."""

from __future__ import annotations

import asyncio
from typing import Any

from support.engine_world import NEVER_TRIPS, World, now


class Timed:
    """An adapter that takes `seconds` and then returns or raises `outcome`. It records its cancellation."""

    def __init__(self, seconds: float, outcome: Any = "done") -> None:
        self.seconds = seconds
        self.outcome = outcome
        self.calls: list[float] = []
        self.cancelled: list[float] = []
        self.ended = 0

    async def __call__(self, task: Any) -> Any:
        self.calls.append(now())
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled.append(now())
            raise
        finally:
            self.ended += 1
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def fan(adapters: dict[str, tuple[Any, ...]], **options: Any) -> tuple[World, dict[str, Timed]]:
    """Return an engine and its adapters by name, each made from (seconds, outcome)."""
    engine = World(**{"breaker": NEVER_TRIPS, **options})
    timed = {name: Timed(*given) for name, given in adapters.items()}
    for name, adapter in timed.items():
        engine.add_adapter(name, adapter)
    return engine, timed
