"""Simulated adapters: they answer like the real ones would, and fail when told to."""

from __future__ import annotations

import asyncio
import math
from random import Random
from typing import Any

from fuseboard_engine.scenario.model import AdapterPart, StepPart


class ServiceError(Exception):
    """What a client raises when a service answers with an error status."""

    def __init__(self, status: int, text: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {text}")
        self.status_code = status
        self.retry_after = retry_after


class SimulatedAdapter:
    """Calling it takes about its latency and then answers, or fails as its present fault says."""

    def __init__(self, name: str, part: AdapterPart, rng: Random) -> None:
        self.name = name
        self.fault: StepPart | None = None
        self._part = part
        self._rng = rng

    def _latency(self) -> float:
        # Log-normal: never negative, a long tail to the right, as latencies have.
        sigma = math.sqrt(math.log1p(self._part.spread**2))
        return self._part.latency * self._rng.lognormvariate(0.0, sigma)

    async def __call__(self, task: Any) -> dict[str, Any]:
        """Do a task."""
        fault = self.fault
        kind = fault.fault if fault else None
        latency = self._latency()
        if kind == "hang":
            await asyncio.Event().wait()
        if kind == "refused":
            await asyncio.sleep(0.001)
            raise ConnectionRefusedError(111, f"Connection refused by {self.name}")
        if kind == "slow" and fault:
            latency *= fault.factor
        await asyncio.sleep(latency)
        if kind == "error":
            raise ServiceError(503, "Service Unavailable")
        if kind == "credentials":
            raise ServiceError(401, "Unauthorized")
        if kind == "rate_limited" and fault:
            raise ServiceError(429, "Too Many Requests", fault.retry_after)
        if kind == "soft_failure":
            return {"success": False, "error": "the model returned nothing usable"}
        failing = fault.rate if kind == "flaky" and fault else self._part.failure_rate
        if failing and self._rng.random() < failing:
            raise ServiceError(500, "Internal Server Error")
        return {"success": True, "adapter": self.name}
