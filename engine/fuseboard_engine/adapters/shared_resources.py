"""The resources that the adapters of one engine share (threads, connections), and the start and end of all adapters."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from fuseboard_engine.adapters.from_spec import KINDS, Shared
from fuseboard_engine.adapters.thread_pool import MAX_THREADS, AdapterThreads, ThreadPool
from fuseboard_engine.adapters.timeouts import within
from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import CircuitOpen, describe, text_of
from fuseboard_engine.events import Attempt, AttemptFailed, Event, ThreadsStuck
from fuseboard_engine.runtime.cancellation import call_in_loop
from fuseboard_engine.runtime.overdue_calls import OverdueCalls

if TYPE_CHECKING:
    from fuseboard_engine.adapters.http import HttpClients
    from fuseboard_engine.adapters.registry import Adapter, Registry
    from fuseboard_engine.retry.attribution import Rule

log = get_logger("fuseboard.adapters")

_of_parents: list[object] = []  # collecting them in a child would close connections that its parent uses

CLOSE_SECONDS = 10.0  # limit for an adapter's `close`
POLL_SECONDS = 0.1  # between checks whether the calls of a removed adapter have ended


class SharedResources:
    """The resources that the adapters of an engine share. Each is created at its first use.

    Args:
        name: the engine's name.
        registry: the adapters.
        attribute: returns the attribution row of an error.
        emit: publishes an event; must not raise.
        wall: UTC microseconds.
        threads: plain functions that may run concurrently.
    """

    def __init__(
        self,
        name: str,
        registry: Registry,
        attribute: Callable[[BaseException], Rule],
        emit: Callable[[Event], None],
        wall: Callable[[], int],
        threads: int = MAX_THREADS,
    ) -> None:
        self._registry = registry
        self._attribute = attribute
        self._emit = emit
        self._wall = wall
        self.threads = ThreadPool(name, threads, self._emit_stuck)
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop that the engine was started in."""
        self._shared: dict[str, Shared] = {}
        self._removed: list[Adapter] = []
        self._closing: asyncio.Task[None] | None = None

    @property
    def clients(self) -> HttpClients:
        """The HTTP connections. Raises MissingExtra when neither httpx2 nor httpx is installed."""
        return cast("HttpClients", self.shared("url"))

    def shared(self, kind: str) -> Shared | None:
        """Return the resource that a kind's adapters share, created at its first use; None if there is none."""
        share = KINDS[kind].share
        if share is not None and kind not in self._shared:
            self._shared[kind] = share()
        return self._shared.get(kind)

    def after_fork(self) -> None:
        """Start without loop, threads and connections in a forked child, and do not touch those of the parent."""
        _of_parents.extend((self.loop, self._shared, self._closing))
        self.loop, self._closing = None, None
        for kind in self._shared:
            self._shared[kind] = KINDS[kind].share()  # type: ignore[misc]
        self.threads.after_fork()

    def in_thread(self, adapter: str) -> AdapterThreads:
        """Return what runs the plain functions of this adapter in threads."""
        return AdapterThreads(self.threads, adapter)

    def remove(self, adapter: Adapter) -> None:
        """Close an adapter that was removed from the engine, once its calls have ended.

        An engine that was not started closes it in `close`. May be called from any thread.
        """
        lifecycle = adapter.lifecycle
        if lifecycle is None:
            return
        self._removed.append(adapter)
        lifecycle.on_late_initialise = functools.partial(self.remove, adapter)  # by a route that still holds it
        if self.loop is not None and self.loop.is_running():
            call_in_loop(self.loop, self._start_closing)

    def _start_closing(self) -> None:
        if self._closing is None or self._closing.done():
            self._closing = asyncio.get_running_loop().create_task(self._close_removed(), name="fuseboard-closing")

    async def _close_removed(self) -> None:
        while self._removed:
            for adapter in [adapter for adapter in self._removed if not adapter.in_flight]:
                await close(adapter, self._registry.overdue)
                self._removed.remove(adapter)
            if self._removed:
                await asyncio.sleep(POLL_SECONDS)

    async def start(self) -> dict[str, str]:
        """Initialise, concurrently, all adapters that have an `initialize`; see `Engine.start`."""
        self.loop = asyncio.get_running_loop()
        pending = [a for a in self._registry if a.lifecycle is not None and not a.lifecycle.ready]
        errors = await asyncio.gather(*(self._initialize(adapter) for adapter in pending))
        return {adapter.name: error for adapter, error in zip(pending, errors, strict=True) if error}

    async def close(self) -> None:
        """Close all adapters concurrently, then connections and threads. Failures are logged and stop nothing."""
        closing, self._closing = self._closing, None
        if closing is not None and closing.get_loop() is asyncio.get_running_loop():
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
        removed, self._removed = self._removed, []
        await self._registry.overdue.close()
        await asyncio.gather(*(close(adapter, self._registry.overdue) for adapter in (*self._registry, *removed)))
        for shared in self._shared.values():
            await shared.close()
        self.threads.close()
        self.loop = None

    async def _initialize(self, adapter: Adapter) -> str:
        """Return the text of the error, or an empty text."""
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
            self._emit_failed(adapter, error)
            return text
        finally:
            permit.release()  # its initialisation says nothing about its calls
        return ""

    def _emit_failed(self, adapter: Adapter, error: Exception) -> None:
        attempt = Attempt(
            adapter=adapter.name,
            outcome="failure",
            rule=self._attribute(error).name,
            error_type=type(error).__name__,
            error=text_of(error),
            why="it could not be initialised",
            failures=adapter.breaker.failures,
        )
        threshold = adapter.breaker.policy.failure_threshold
        self._emit(AttemptFailed(at=self._wall(), task="", task_type="", attempt=attempt, threshold=threshold))

    def _emit_stuck(self, adapter: str, stuck: int, total: int) -> None:
        at, limit = self._wall(), self.threads.max_threads
        self._emit(ThreadsStuck(at=at, adapter=adapter, stuck=stuck, total=total, limit=limit))


async def close(adapter: Adapter, overdue: OverdueCalls, timeout: float = CLOSE_SECONDS) -> None:
    """Close one adapter, if it has a `close`, within `timeout` seconds. Never raises; failures are logged."""
    lifecycle = adapter.lifecycle
    if lifecycle is None:
        return
    try:
        await within(lambda _: lifecycle.close(), None, adapter.name, timeout, overdue)
    except Exception as error:
        log.warning("adapter %s could not be closed: %s", adapter.name, describe(error))
