"""The proxies of a scenario that plays in real time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Self

from fuseboard_engine.documents.loader import DocumentError, error_reason
from fuseboard_engine.network_faults.proxy import FaultProxy
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario_file.step import StepPart
from fuseboard_engine.virtual_time import VirtualTimeLoop


def needs_real_time(scenario: Scenario) -> str:
    """Return why a scenario cannot play in virtual time; an empty text if it can."""
    if not scenario.proxies:
        return ""
    return (
        f"The proxies of {scenario.scenario} are real sockets, which need real time. Play it with "
        "`fuseboard scenario play`; the file has no mistakes."
    )


class PlayedProxies:
    """Opens the proxies of a scenario while the `async with` lasts, and puts the faults of its steps on them.

    Args:
        scenario: the scenario.
        announce: tells what happens.
    """

    def __init__(self, scenario: Scenario, announce: Callable[[str], None]) -> None:
        self._scenario = scenario
        self._announce = announce
        self._opened = AsyncExitStack()
        self._proxies = {
            name: FaultProxy(part.upstream, listen=part.listen, allow_remote=part.allow_remote)
            for name, part in scenario.proxies.items()
        }

    async def __aenter__(self) -> Self:
        """Open the proxies. Raises DocumentError if one cannot listen, or in virtual time."""
        if (why := needs_real_time(self._scenario)) and isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
            raise DocumentError(why)
        async with AsyncExitStack() as opening:
            for name, proxy in self._proxies.items():
                try:
                    await opening.enter_async_context(proxy)
                except (OSError, ValueError) as error:
                    reason = f"the proxy {name} cannot listen on {proxy.address}: {error_reason(error)}"
                    raise DocumentError(f"{reason}. Write another address for it.") from error
                self._announce(f"{name}: listening on {proxy.address} -> {proxy.upstream}")
            self._opened = opening.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    def perform(self, step: StepPart) -> None:
        """Let the fault of a step for a proxy begin or end."""
        proxy = self._proxies[step.proxy or ""]
        if step.fault is None:
            proxy.heal()
        else:
            proxy.inject(step.fault, **step.values)

    def heal(self) -> None:
        """End all faults."""
        for proxy in self._proxies.values():
            proxy.heal()
