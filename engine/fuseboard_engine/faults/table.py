"""The faults that can be injected into an adapter, by name.

A new fault is one entry in `FAULTS`: the fields of a scenario's step, the check of a scenario file, the player, and
what a live engine accepts are derived from that table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol

from pydantic import Field, TypeAdapter, ValidationError

from fuseboard_engine.errors import rebuild_error
from fuseboard_engine.policy_base import SomeSeconds

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


class FaultyAdapter(Protocol):
    """What a fault makes one call to: a simulated adapter, or a real one with an injected fault."""

    @property
    def name(self) -> str:
        """The adapter's name, for its errors."""
        ...

    @property
    def note(self) -> str:
        """What is added to the text of an error that the fault raises."""
        ...

    async def answer(self, latency: float, failure_rate: float | None = None) -> Any:
        """Answer after `latency` seconds; fail with `failure_rate`, 0..1 (default: the adapter's own)."""
        ...

    async def hang(self) -> Any:
        """Give no answer as long as the fault lasts."""
        ...


@dataclass(frozen=True, slots=True)
class Parameter:
    """The number that a fault takes: a field of a scenario's step.

    `type` is the field's type as pydantic checks it; `description` says what the number is, with its unit.
    """

    name: str
    type: Any
    default: float
    description: str

    def check(self, value: object) -> float:
        """Return a value of the parameter. Raises ValueError if it is not one."""
        try:
            return float(TypeAdapter(self.type).validate_python(value, strict=isinstance(value, str)))
        except ValidationError as error:
            why = error.errors()[0]["msg"].lower()
            raise ValueError(f"{self.name} ({self.description}) cannot be {value!r:.100}: {why}") from None


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that can go wrong with an adapter.

    Attributes:
        about: what the adapter does, in a few words.
        apply: makes one call: takes the adapter, the latency of this call in seconds, and the parameter's value (0.0
            without a parameter); returns the answer or raises the error.
        parameter: the number that it takes; None if it takes none.
    """

    about: str
    apply: Callable[[FaultyAdapter, float, float], Awaitable[Any]]
    parameter: Parameter | None = None


async def _refuse(adapter: FaultyAdapter, latency: float, value: float) -> Any:
    await asyncio.sleep(0.001)
    raise ConnectionRefusedError(111, f"Connection refused by {adapter.name}{adapter.note}")


async def _answer_503(adapter: FaultyAdapter, latency: float, value: float) -> Any:
    await asyncio.sleep(latency)
    raise ServiceError(503, f"Service Unavailable{adapter.note}")


async def _hang(adapter: FaultyAdapter, latency: float, value: float) -> Any:
    return await adapter.hang()


async def _slow_down(adapter: FaultyAdapter, latency: float, factor: float) -> Any:
    return await adapter.answer(latency * factor)


async def _fail_sometimes(adapter: FaultyAdapter, latency: float, rate: float) -> Any:
    return await adapter.answer(latency, rate)


async def _answer_429(adapter: FaultyAdapter, latency: float, retry_after: float) -> Any:
    await asyncio.sleep(latency)
    raise ServiceError(429, f"Too Many Requests{adapter.note}", retry_after)


async def _answer_without_success(adapter: FaultyAdapter, latency: float, value: float) -> Any:
    await asyncio.sleep(latency)
    return {"success": False, "error": f"the model returned nothing usable{adapter.note}"}


async def _answer_401(adapter: FaultyAdapter, latency: float, value: float) -> Any:
    await asyncio.sleep(latency)
    raise ServiceError(401, f"Unauthorized{adapter.note}")


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
