"""What the adapters of one engine share: threads and HTTP connections; and how all of them start and end."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import TYPE_CHECKING, cast

from fuseboard_engine.adapters.callables import RunInThread
from fuseboard_engine.adapters.from_spec import KINDS, Shared
from fuseboard_engine.adapters.thread_pool import MAX_THREADS, ThreadPool
from fuseboard_engine.errors import CircuitOpen, describe, text_of
from fuseboard_engine.events import Attempt, AttemptFailed, ThreadsStuck

if TYPE_CHECKING:
    from fuseboard_engine.adapters.http import HttpClients
    from fuseboard_engine.adapters.registry import Adapter
    from fuseboard_engine.engine import Engine

log = logging.getLogger("fuseboard.adapters")

CLOSE_SECONDS = 10.0  # that an adapter's `close` may take
LOOK = 0.1  # seconds between two looks at whether the calls of an adapter that was taken out have ended


class SharedResources:
    """What the adapters of an engine share. Nothing is made before it is needed.

    Args:
        engine: whose adapters.
        threads: plain functions that may run side by side.
    """

    def __init__(self, engine: Engine, threads: int = MAX_THREADS) -> None:
        self._engine = engine
        self.threads = ThreadPool(engine.name, threads, self._tell_stuck)
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop that the engine was started in."""
        self._shared: dict[str, Shared] = {}
        self._removed: list[Adapter] = []
        self._closing: asyncio.Task[None] | None = None

    @property
    def clients(self) -> HttpClients:
        """The HTTP connections. Raises MissingExtra when httpx is not installed."""
        return cast("HttpClients", self.shared("url"))

    def shared(self, kind: str) -> Shared | None:
        """Return what the adapters of one kind share, made at the first use; None: that kind shares nothing."""
        share = KINDS[kind].share
        if share is not None and kind not in self._shared:
            self._shared[kind] = share()
        return self._shared.get(kind)

    def in_thread(self, adapter: str) -> RunInThread:
        """Return what calls a plain function of this adapter in a thread."""
        return functools.partial(self.threads.run, adapter)

    def remove(self, adapter: Adapter) -> None:
        """See that an adapter which was taken out of the engine is closed once its calls have ended.

        Where the engine was not started it is closed with it. May be called from any thread.
        """
        lifecycle = adapter.lifecycle
        if lifecycle is None:
            return
        self._removed.append(adapter)
        lifecycle.on_late_initialise = functools.partial(self.remove, adapter)  # by a route that had it in hand
        if self.loop is not None and self.loop.is_running():
            self.loop.call_soon_threadsafe(self._begin_closing)

    def _begin_closing(self) -> None:
        if self._closing is None or self._closing.done():
            self._closing = asyncio.get_running_loop().create_task(self._close_removed(), name="fuseboard-closing")

    async def _close_removed(self) -> None:
        while self._removed:
            for adapter in [adapter for adapter in self._removed if not adapter.in_flight]:
                await close(adapter)
                self._removed.remove(adapter)
            if self._removed:
                await asyncio.sleep(LOOK)

    async def start(self) -> dict[str, str]:
        """Initialise all adapters that have something to initialise, side by side; see `Engine.start`."""
        self.loop = asyncio.get_running_loop()
        waiting = [a for a in self._engine.registry if a.lifecycle is not None and not a.lifecycle.ready]
        wrong = await asyncio.gather(*(self._initialize(adapter) for adapter in waiting))
        return {adapter.name: error for adapter, error in zip(waiting, wrong, strict=True) if error}

    async def close(self) -> None:
        """Close all adapters side by side, then connections and threads. What fails is logged and stops nothing."""
        closing, self._closing = self._closing, None
        if closing is not None and closing.get_loop() is asyncio.get_running_loop():
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
        removed, self._removed = self._removed, []
        await asyncio.gather(*(close(adapter) for adapter in (*self._engine.registry, *removed)))
        for shared in self._shared.values():
            await shared.close()
        self.threads.close()
        self.loop = None

    async def _initialize(self, adapter: Adapter) -> str:
        """Return what went wrong, or an empty text."""
        lifecycle, timeout = adapter.lifecycle, adapter.retry.attempt_timeout
        assert lifecycle is not None
        try:
            permit = adapter.breaker.admit()
        except CircuitOpen as refusal:
            return refusal.why
        try:
            await lifecycle.initialize(None if timeout is None else timeout * adapter.retry.initialize_share)
        except Exception as error:
            text = describe(error)
            log.warning("adapter %s could not be initialised: %s; its first call tries again", adapter.name, text)
            permit.failure(error=text)
            self._tell_failed(adapter, error)
            return text
        finally:
            permit.release()  # that it is initialised says nothing yet about its calls
        return ""

    def _tell_failed(self, adapter: Adapter, error: Exception) -> None:
        engine = self._engine
        attempt = Attempt(
            adapter=adapter.name,
            outcome="failure",
            rule=engine.router.table.attribute(error).name,
            error_type=type(error).__name__,
            error=text_of(error),
            why="it could not be initialised",
            failures=adapter.breaker.failures,
        )
        threshold = adapter.breaker.policy.failure_threshold
        engine.emit(AttemptFailed(at=engine.wall(), task="", task_type="", attempt=attempt, threshold=threshold))

    def _tell_stuck(self, adapter: str, stuck: int, total: int) -> None:
        at, limit = self._engine.wall(), self.threads.max_threads
        self._engine.emit(ThreadsStuck(at=at, adapter=adapter, stuck=stuck, total=total, limit=limit))


async def close(adapter: Adapter, timeout: float = CLOSE_SECONDS) -> None:
    """Close one adapter, if it has anything to close, within `timeout` seconds. Never raises: it logs."""
    if adapter.lifecycle is None:
        return
    try:
        async with asyncio.timeout(timeout):
            await adapter.lifecycle.close()
    except Exception as error:
        log.warning("adapter %s could not be closed: %s", adapter.name, describe(error))
