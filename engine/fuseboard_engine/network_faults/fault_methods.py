"""A method for each network fault, so that editors and type checkers know its values. A test compares the table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal


class NetworkFaultMethods(ABC):
    """Lets connections meet network faults: a method for each, by its name in a scenario.

    A fault takes the place of the one in effect. `for_` is how many seconds it lasts; None: until it is replaced or
    ended. Each method raises ValueError for a value that the fault cannot have.
    """

    @abstractmethod
    def inject(self, fault: str, *, for_: float | None = None, **values: Any) -> None:
        """Let all connections meet a fault, by its name."""

    def latency(self, delay: float = 2.0, *, for_: float | None = None) -> None:
        """Data takes `delay` seconds longer in each direction."""
        self.inject("latency", for_=for_, delay=delay)

    def bandwidth(self, bytes_per_second: int = 10_000, *, for_: float | None = None) -> None:
        """Each connection carries `bytes_per_second` bytes a second in each direction."""
        self.inject("bandwidth", for_=for_, bytes_per_second=bytes_per_second)

    def refused(self, *, for_: float | None = None) -> None:
        """Connections are refused, and open ones closed."""
        self.inject("refused", for_=for_)

    def reset(self, *, for_: float | None = None) -> None:
        """Connections are reset."""
        self.inject("reset", for_=for_)

    def black_hole(self, *, for_: float | None = None) -> None:
        """Connections are accepted, and everything on them is swallowed."""
        self.inject("black_hole", for_=for_)

    def close_after(self, after_bytes: int = 100, *, for_: float | None = None) -> None:
        """Connections are closed after `after_bytes` bytes of the answer."""
        self.inject("close_after", for_=for_, after_bytes=after_bytes)

    def half_tls_record(self, then: Literal["stall", "close"] = "stall", *, for_: float | None = None) -> None:
        """Connections `then` in the middle of the next TLS record of the answer."""
        self.inject("half_tls_record", for_=for_, then=then)
