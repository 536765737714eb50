"""Simulated adapters, which behave as a scenario's fault says."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from fuseboard_engine.faults.table import FAULTS, ServiceError
from fuseboard_engine.scenario.recorded_calls import RecordedCalls

if TYPE_CHECKING:
    from fuseboard_engine.scenario_file.adapter import AdapterPart
    from fuseboard_engine.scenario_file.step import StepPart


class SimulatedAdapter:
    """An adapter that takes about its latency and then answers, or behaves as its current fault says.

    Args:
        name: the adapter's name, for its answers and errors.
        part: how it behaves without a fault.
        rng: the source of all its randomness.
        position: returns the seconds of the scenario that have passed.
    """

    note = ""

    def __init__(self, name: str, part: AdapterPart, rng: Random, position: Callable[[], float]) -> None:
        self.name = name
        self.fault: StepPart | None = None
        """The step whose fault is in effect; None without a fault."""
        self._part = part
        self._rng = rng
        self._recorded = RecordedCalls(name, part.recorded, position, rng) if part.recorded else None

    def _latency(self) -> float:
        # Log-normal: never negative, a long tail to the right, as latencies have.
        sigma = math.sqrt(math.log1p(self._part.spread**2))
        return self._part.latency * self._rng.lognormvariate(0.0, sigma)

    async def __call__(self, task: Any) -> Any:
        """Do a task."""
        step, latency = self.fault, self._latency()
        if step is None or step.fault is None:
            return await (self.answer(latency) if self._recorded is None else self._recorded(task))
        fault = FAULTS[step.fault]
        value = 0.0 if fault.parameter is None else getattr(step, fault.parameter.name)
        return await fault.apply(self, latency, value)

    async def answer(self, latency: float, failure_rate: float | None = None) -> dict[str, Any]:
        """Answer after `latency` seconds; fail with `failure_rate`, 0..1 (default: the adapter's own)."""
        await asyncio.sleep(latency)
        rate = self._part.failure_rate if failure_rate is None else failure_rate
        if rate and self._rng.random() < rate:
            raise ServiceError(500, "Internal Server Error")
        return {"success": True, "adapter": self.name}

    async def hang(self) -> Any:
        """Never answer: the script's caller has a limit, or is cancelled at the end."""
        return await asyncio.Event().wait()
