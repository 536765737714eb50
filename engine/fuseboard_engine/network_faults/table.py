"""The faults of a network that a proxy puts between a client and a server, by name.

A new fault is one entry in `NETWORK_FAULTS`: the fields of a scenario's step, the check of scenario files and what a
proxy accepts are derived from that table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from fuseboard_engine.documents.validation_errors import did_you_mean
from fuseboard_engine.faults.faulty_call import Values
from fuseboard_engine.faults.parameters import DELAY, Parameter, read_values, write_values
from fuseboard_engine.network_faults.delivery import (
    Delivery,
    End,
    close_after_bytes,
    delay,
    halve_record,
    limit_bandwidth,
    pass_on,
    swallow,
)


@dataclass(frozen=True, slots=True)
class NetworkFault:
    """Something that can go wrong between a client and a server.

    Attributes:
        about: what the connections do, in a few words. A parameter's name in it stands for its value.
        parameters: the values that it takes.
        deliver: decides about data on its way.
        listens: whether new connections are accepted.
        connects: whether new connections reach the server.
        ends: how connections end when it begins, and new ones at once; None if they do not.
    """

    about: str
    parameters: tuple[Parameter, ...] = ()
    deliver: Delivery = pass_on
    listens: bool = True
    connects: bool = True
    ends: End | None = None

    def sentence(self, values: Values) -> str:
        """Return what the connections do, with the values of the parameters."""
        return write_values(self.about, values)


_BYTES_A_SECOND = Annotated[int, Field(ge=1, le=10_000_000_000)]
_BYTES = Annotated[int, Field(ge=0, le=1_000_000_000_000)]

NETWORK_FAULTS: Final[Mapping[str, NetworkFault]] = MappingProxyType(
    {
        "latency": NetworkFault("data takes `delay` seconds longer in each direction", (DELAY,), delay),
        "bandwidth": NetworkFault(
            "each connection carries `bytes_per_second` bytes a second in each direction",
            (Parameter("bytes_per_second", _BYTES_A_SECOND, 10_000, "bytes a second"),),
            limit_bandwidth,
        ),
        "refused": NetworkFault("connections are refused, and open ones closed", listens=False, ends="close"),
        "reset": NetworkFault("connections are reset", ends="reset"),
        "black_hole": NetworkFault(
            "connections are accepted, and everything on them is swallowed", deliver=swallow, connects=False
        ),
        "close_after": NetworkFault(
            "connections are closed after `after_bytes` bytes of the answer",
            (Parameter("after_bytes", _BYTES, 100, "bytes of the answer that still come"),),
            close_after_bytes,
        ),
        "half_tls_record": NetworkFault(
            "connections `then` in the middle of the next TLS record of the answer",
            (
                Parameter(
                    "then",
                    Literal["stall", "close"],
                    "stall",
                    "stall: nothing more comes until the fault ends; or close",
                ),
            ),
            halve_record,
        ),
    }
)
"""The network faults by name. The name is the value of a step's `fault`."""


def network_fault_values(fault: str, given: Mapping[str, object]) -> dict[str, Any]:
    """Return the values of all parameters of a network fault: those given, and the defaults of the others.

    Raises:
        ValueError: there is no such fault, it has no such parameter, or it cannot have such a value.
    """
    if fault not in NETWORK_FAULTS:
        raise ValueError(f"there is no network fault {fault!r:.100}; {did_you_mean(fault, NETWORK_FAULTS)}")
    return read_values(fault, NETWORK_FAULTS[fault].parameters, given)
