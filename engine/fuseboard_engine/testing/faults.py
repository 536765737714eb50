"""Faults in the adapters of an application."""

from __future__ import annotations

import asyncio
from typing import Any

from fuseboard_engine.engine import Engine
from fuseboard_engine.faults.injector import LONGEST, InjectedFault
from fuseboard_engine.testing.fault_methods import FaultMethods
from fuseboard_engine.testing.history import EngineHistory


class Faults(FaultMethods, EngineHistory):
    """Puts faults into the adapters of an engine, and tells what it does from then on.

    The engine takes faults until `close`.

    Args:
        engine: the application's own engine.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._allowed = engine.faults.allowed
        engine.faults.allow(True)

    def inject(
        self, adapter: str, fault: str, *, for_: float = LONGEST, share: float = 1.0, **values: Any
    ) -> InjectedFault:
        """Let the calls of an adapter meet a fault, by its name.

        Args:
            adapter: its name.
            fault: the name of the fault, as in a scenario.
            for_: how many seconds it lasts, at most an hour.
            share: the share of the calls that meet it, 0..1.
            values: the values of the fault, by name.

        Raises:
            UnknownAdapter: there is no such adapter.
            ValueError: there is no such fault, or it cannot have such values.
        """
        injected = self.engine.inject_fault(adapter, fault, for_, share=share, values=values)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            pass  # the first call after its end ends it
        else:
            loop.call_later(for_, self.engine.faults.end_due)
        return injected

    def refuse(self, adapter: str, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter refuses connections: `refused` as a verb."""
        return self.refused(adapter, for_=for_, share=share)

    def heal(self, adapter: str) -> None:
        """End the fault of an adapter."""
        self.engine.heal_fault(adapter)

    def close(self) -> None:
        """End all faults and reset the breakers. The engine takes faults as it did before."""
        self._unsubscribe()
        self.engine.faults.allow(False)
        self.engine.faults.allow(self._allowed)
        for adapter in self.engine.registry:
            if adapter.breaker.state in ("closed", "open", "half_open"):
                adapter.breaker.reset(actor="test")
