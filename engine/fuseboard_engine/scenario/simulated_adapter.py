"""Simulated adapters, and the faults that a scenario can inject into them.

A new fault is one entry in `FAULTS`: the fields of a scenario's step, the check of a scenario file and the player are
derived from that table.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from fuseboard_engine.errors import rebuild_error
from fuseboard_engine.policy_base import SomeSeconds

if TYPE_CHECKING:
    from fuseboard_engine.scenario.model import AdapterPart, StepPart

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class ServiceError(Exception):
    """The error of a client whose service answered with an error status.

    `retry_after` is how many seconds the service asks to wait; None if it does not ask.
    """

    def __init__(self, status: int, text: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {text}")
        self.status_code = status
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild_error, (type(self), self.args), self.__dict__.copy()


class SimulatedAdapter:
    """An adapter that takes about its latency and then answers, or behaves as its current fault says.

    Args:
        name: the adapter's name, for its answers and errors.
        part: how it behaves without a fault.
        rng: the source of all its randomness.
    """

    def __init__(self, name: str, part: AdapterPart, rng: Random) -> None:
        self.name = name
        self.fault: StepPart | None = None
        """The step whose fault is in effect; None without a fault."""
        self._part = part
        self._rng = rng

    def _latency(self) -> float:
        # Log-normal: never negative, a long tail to the right, as latencies have.
        sigma = math.sqrt(math.log1p(self._part.spread**2))
        return self._part.latency * self._rng.lognormvariate(0.0, sigma)

    async def __call__(self, task: Any) -> dict[str, Any]:
        """Do a task."""
        step, latency = self.fault, self._latency()
        if step is None or step.fault is None:
            return await self.answer(latency)
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


@dataclass(frozen=True, slots=True)
class Parameter:
    """The number that a fault takes: a field of a scenario's step.

    `type` is the field's type as pydantic checks it; `description` says what the number is, with its unit.
    """

    name: str
    type: Any
    default: float
    description: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that can go wrong with a simulated adapter.

    Attributes:
        about: what the adapter does, in a few words.
        apply: makes one call: takes the adapter, the latency of this call in seconds, and the parameter's value (0.0
            without a parameter); returns the answer or raises the error.
        parameter: the number that it takes; None if it takes none.
    """

    about: str
    apply: Callable[[SimulatedAdapter, float, float], Awaitable[dict[str, Any]]]
    parameter: Parameter | None = None


async def _refuse(adapter: SimulatedAdapter, latency: float, value: float) -> dict[str, Any]:
    await asyncio.sleep(0.001)
    raise ConnectionRefusedError(111, f"Connection refused by {adapter.name}")


async def _answer_503(adapter: SimulatedAdapter, latency: float, value: float) -> dict[str, Any]:
    await asyncio.sleep(latency)
    raise ServiceError(503, "Service Unavailable")


async def _hang(adapter: SimulatedAdapter, latency: float, value: float) -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def _slow_down(adapter: SimulatedAdapter, latency: float, factor: float) -> dict[str, Any]:
    return await adapter.answer(latency * factor)


async def _fail_sometimes(adapter: SimulatedAdapter, latency: float, rate: float) -> dict[str, Any]:
    return await adapter.answer(latency, rate)


async def _answer_429(adapter: SimulatedAdapter, latency: float, retry_after: float) -> dict[str, Any]:
    await asyncio.sleep(latency)
    raise ServiceError(429, "Too Many Requests", retry_after)


async def _answer_without_success(adapter: SimulatedAdapter, latency: float, value: float) -> dict[str, Any]:
    await asyncio.sleep(latency)
    return {"success": False, "error": "the model returned nothing usable"}


async def _answer_401(adapter: SimulatedAdapter, latency: float, value: float) -> dict[str, Any]:
    await asyncio.sleep(latency)
    raise ServiceError(401, "Unauthorized")


FAULTS: Final[dict[str, Fault]] = {
    "refused": Fault("refuses connections", _refuse),
    "error": Fault("answers 503", _answer_503),
    "hang": Fault("never answers", _hang),
    "slow": Fault(
        "takes `factor` times its latency",
        _slow_down,
        Parameter("factor", Annotated[float, Field(gt=0, allow_inf_nan=False)], 10.0, "times the usual latency"),
    ),
    "flaky": Fault("fails at `rate`", _fail_sometimes, Parameter("rate", Share, 0.5, "share of failing calls")),
    "rate_limited": Fault(
        "answers 429 with a Retry-After of `retry_after` seconds",
        _answer_429,
        Parameter("retry_after", SomeSeconds, 5.0, "seconds it asks to wait"),
    ),
    "soft_failure": Fault("answers with a result that reports its own failure", _answer_without_success),
    "credentials": Fault("answers 401", _answer_401),
}
"""The faults by name. The name is the value of a step's `fault`; parameter names are unique."""
