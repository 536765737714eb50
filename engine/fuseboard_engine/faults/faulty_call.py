"""A call that meets a fault, and the error of a service that answers with an error status."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol

from fuseboard_engine.errors import rebuild_error

Values = Mapping[str, Any]
"""The values of a fault's parameters, by name."""


class ServiceError(Exception):
    """The error of a client whose service answered with an error status.

    Args:
        status: the HTTP status.
        text: what the service says.
        retry_after: how many seconds the service asks to wait; None if it does not ask, or asks in a header.
        code: the service's own code of the error; empty if it has none.
        headers: headers of the answer.
    """

    def __init__(
        self,
        status: int,
        text: str,
        retry_after: float | None = None,
        *,
        code: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {text}")
        self.status_code = status
        self.retry_after = retry_after
        self.code = code
        self.headers = headers or {}

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild_error, (type(self), self.args), self.__dict__.copy()


class FaultyCall(Protocol):
    """What a fault makes one call to: of a simulated adapter, or of a real one with an injected fault."""

    @property
    def name(self) -> str:
        """The adapter's name, for its errors."""
        ...

    @property
    def note(self) -> str:
        """What the text of an error that the fault raises begins with."""
        ...

    @property
    def elapsed(self) -> float:
        """The seconds since the fault began."""
        ...

    @property
    def concurrent(self) -> int:
        """How many calls of the adapter meet the fault at this moment, this one included."""
        ...

    async def answer(self, latency: float, failure_rate: float | None = None) -> Any:
        """Answer after `latency` seconds; fail with `failure_rate`, 0..1 (default: the adapter's own)."""
        ...

    async def hang(self) -> Any:
        """Give no answer as long as the fault lasts."""
        ...


Effect = Callable[[FaultyCall, float, Values], Awaitable[Any]]
"""Makes one call: takes it, its usual latency in seconds, and the values of the fault's parameters."""

StreamEffect = Callable[[FaultyCall, AsyncIterator[Any], Values], AsyncGenerator[Any, None]]
"""Yields the items of one stream: takes the call, the adapter's own items, and the values of the parameters."""
