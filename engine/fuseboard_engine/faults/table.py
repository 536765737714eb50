"""The faults that can be injected into an adapter, by name.

A new fault is one entry in `FAULTS`: the fields of a scenario's step, the check of a scenario file, the player, and
what a live engine accepts are derived from that table.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
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
        """What the text of an error that the fault raises begins with."""
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
        if isinstance(value, bool):
            raise ValueError(f"{self.name} ({self.description}) cannot be {value!r}: input should be a valid number")
        try:
            return float(TypeAdapter(self.type).validate_python(value, strict=isinstance(value, str)))
        except ValidationError as error:
            why = error.errors()[0]["msg"].lower()
            raise ValueError(f"{self.name} ({self.description}) cannot be {value!r:.100}: {why}") from None


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that can go wrong with an adapter.

    Attributes:
        about: what the adapter does, in a few words. The parameter's name in it stands for its value.
        apply: makes one call: takes the adapter, the latency of this call in seconds, and the parameter's value (0.0
            without a parameter); returns the answer or raises the error.
        parameter: the number that it takes; None if it takes none.
        label: its name in a menu; empty if that is its name.
        chosen: the arguments of the command `inject` when it is chosen from the menu: `value` and `seconds`.
    """

    about: str
    apply: Callable[[FaultyAdapter, float, float], Awaitable[Any]]
    parameter: Parameter | None = None
    label: str = ""
    chosen: Mapping[str, float] = field(default_factory=dict)

    def sentence(self, value: float) -> str:
        """Return what the adapter does, with the value of the parameter."""
        return self.about if self.parameter is None else self.about.replace(f"`{self.parameter.name}`", f"{value:g}")


async def _refuse(adapter: FaultyAdapter, latency: float, value: float) -> Any:
    await asyncio.sleep(0.001)
    raise ConnectionRefusedError(111, f"{adapter.note}Connection refused by {adapter.name}")


async def _answer_503(adapter: FaultyAdapter, latency: float, value: float) -> Any:
    await asyncio.sleep(latency)
    raise ServiceError(503, f"{adapter.note}Service Unavailable")


async def _hang(adapter: FaultyAdapter, latency: float, value: float) -> Any:
    return await adapter.hang()


async def _slow_down(adapter: FaultyAdapter, latency: float, factor: float) -> Any:
    return await adapter.answer(latency * factor)


async def _fail_sometimes(adapter: FaultyAdapter, latency: float, rate: float) -> Any:
    return await adapter.answer(latency, rate)


async def _answer_429(adapter: FaultyAdapter, latency: float, retry_after: float) -> Any:
    await asyncio.sleep(latency)
    raise ServiceError(429, f"{adapter.note}Too Many Requests", retry_after)


async def _answer_without_success(adapter: FaultyAdapter, latency: float, value: float) -> Any:
    await asyncio.sleep(latency)
    return {"success": False, "error": f"{adapter.note}the model returned nothing usable"}


async def _answer_401(adapter: FaultyAdapter, latency: float, value: float) -> Any:
    await asyncio.sleep(latency)
    raise ServiceError(401, f"{adapter.note}Unauthorized")


async def _answer_garbled(adapter: FaultyAdapter, latency: float, value: float) -> Any:
    await asyncio.sleep(latency)
    answer = '{"success": true, "answer": "The first of'
    raise json.JSONDecodeError(f"{adapter.note}Unterminated string", answer, len(answer))


FAULTS: Final[dict[str, Fault]] = {
    "refused": Fault("refuses connections", _refuse, label="refuse"),
    "error": Fault("answers 503", _answer_503, label="503"),
    "hang": Fault("never answers", _hang),
    "slow": Fault(
        "takes `factor` times its latency",
        _slow_down,
        Parameter("factor", Annotated[float, Field(gt=0, allow_inf_nan=False)], 10.0, "times the usual latency"),
        label="slow x10",
        chosen={"value": 10},
    ),
    "flaky": Fault(
        "fails at `rate`",
        _fail_sometimes,
        Parameter("rate", Share, 0.5, "share of failing calls"),
        label="flaky: half of the calls fail",
    ),
    "rate_limited": Fault(
        "answers 429 with a Retry-After of `retry_after` seconds",
        _answer_429,
        Parameter("retry_after", SomeSeconds, 5.0, "seconds it asks to wait"),
        label="429 for 10 s",
        chosen={"value": 10, "seconds": 10},
    ),
    "credentials": Fault("answers 401", _answer_401, label="bad credentials"),
    "soft_failure": Fault(
        "answers with a result that reports its own failure", _answer_without_success, label="soft failure"
    ),
    "corrupt": Fault("answers with JSON that ends early", _answer_garbled, label="corrupt answer"),
}
"""The faults by name, in the order of menus. The name is the value of a step's `fault`; parameter names are unique."""
