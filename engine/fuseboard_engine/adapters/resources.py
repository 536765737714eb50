"""What the adapters of one engine share: threads and HTTP connections; and how all of them start and end."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fuseboard_engine.adapters.callables import RunInThread
from fuseboard_engine.adapters.threads import MOST, Report, Threads
from fuseboard_engine.breaker import describe
from fuseboard_engine.errors import CircuitOpen

if TYPE_CHECKING:
    from fuseboard_engine.adapters.http import HttpClients
    from fuseboard_engine.registry import Adapter

log = logging.getLogger("fuseboard.adapters")

CLOSE_SECONDS = 10.0

Failed = Callable[["Adapter", Exception], None]


class Resources:
    """What adapters share. Nothing is made before it is needed.

    Args:
        name: the engine's name; it stands in the names of threads.
        threads: plain functions that may run side by side.
        report: told of threads that hang; see `Threads`.
    """

    def __init__(self, name: str, threads: int = MOST, report: Report | None = None) -> None:
        self.threads = Threads(name, threads, report)
        self._clients: HttpClients | None = None

    @property
    def clients(self) -> HttpClients:
        """The HTTP connections. Raises MissingExtra when httpx is not installed."""
        if self._clients is None:
            from fuseboard_engine.adapters.http import HttpClients

            self._clients = HttpClients()
        return self._clients

    def in_thread(self, adapter: str) -> RunInThread:
        """Return what calls a plain function of this adapter in a thread."""
        return functools.partial(self.threads.run, adapter)

    async def start(self, adapters: Iterable[Adapter], failed: Failed) -> dict[str, str]:
        """Initialise all adapters that have something to initialise, side by side.

        One that fails stops nobody. A breaker that is open is not asked twice: that adapter is left for later.

        Args:
            adapters: which.
            failed: told of each that failed.

        Returns:
            What went wrong, by the adapter's name.
        """
        waiting = [a for a in adapters if a.lifecycle is not None and not a.lifecycle.ready]
        wrong = await asyncio.gather(*(_initialize(adapter, failed) for adapter in waiting))
        return {adapter.name: error for adapter, error in zip(waiting, wrong, strict=True) if error}

    async def close(self, adapters: Iterable[Adapter], timeout: float = CLOSE_SECONDS) -> None:
        """Close all adapters side by side, then connections and threads. What fails is logged and stops nothing.

        Args:
            adapters: which.
            timeout: seconds an adapter's `close` may take.
        """
        await asyncio.gather(*(_close(adapter, timeout) for adapter in adapters if adapter.lifecycle is not None))
        if self._clients is not None:
            await self._clients.close()
        self.threads.close()


async def _initialize(adapter: Adapter, failed: Failed) -> str:
    lifecycle, timeout = adapter.lifecycle, adapter.retry.attempt_timeout
    assert lifecycle is not None
    try:
        permit = adapter.breaker.admit()
    except CircuitOpen as refusal:
        return str(refusal)
    try:
        await lifecycle.initialize(None if timeout is None else timeout * adapter.retry.initialize_share)
    except Exception as error:
        text = describe(error)
        log.warning("adapter %s could not be initialised: %s; its first call tries again", adapter.name, text)
        permit.failure(error=text)
        failed(adapter, error)
        return text
    finally:
        permit.release()  # being initialised says nothing yet about its calls
    return ""


async def _close(adapter: Adapter, timeout: float) -> None:
    assert adapter.lifecycle is not None
    try:
        async with asyncio.timeout(timeout):
            await adapter.lifecycle.close()
    except Exception as error:
        log.warning("adapter %s could not be closed: %s", adapter.name, describe(error))
