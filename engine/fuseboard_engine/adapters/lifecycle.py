"""Adapters that are objects with a life of their own: `initialize`, `call`, `health`, `close`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, runtime_checkable

from fuseboard_engine.adapters.timeouts import AsyncCall, within
from fuseboard_engine.errors import AttemptTimeout

Step = Callable[[], Awaitable[Any]]


@runtime_checkable
class AdapterObject(Protocol):
    """What an object needs to be an adapter: a `call`, a method of any kind that takes the task.

    It may have more, each async or not: `initialize()` is called once, before its first call, and again later if it
    failed; `health()` says whether it could work now, by what it returns or raises; `close()` is called when the engine
    is closed; `stream(task)` is an async generator for those who want items as they come.
    """

    def call(self, task: Any, /) -> Any:
        """Do the task and return its result."""


def is_adapter_object(given: Any) -> bool:
    """Say whether something is an adapter by its `call` method, and not by being called itself."""
    if inspect.isclass(given) or inspect.isroutine(given):
        return False
    # A mock answers to any name: what can be called is asked about its type only.
    return callable(getattr(type(given) if callable(given) else given, "call", None))


def unhealthy(answer: Any) -> str | None:
    """Return what an answer of `health()` says is wrong, or None: False, `{"healthy": False}`, `{"success": False}`."""
    if answer is None or answer is True:
        return None
    if answer is False:
        return "it says it is not healthy"
    for name in ("healthy", "success", "ok"):
        says = answer.get(name) if isinstance(answer, dict) else getattr(answer, name, None)
        if says is False:
            error = answer.get("error") if isinstance(answer, dict) else getattr(answer, "error", None)
            return str(error) if error else f"it says {name}: false"
    return None


class _GivenUp(Exception):
    """An initialisation was cancelled because nobody waited for it any more."""


class Lifecycle:
    """Initialises an object once, however many callers need it, and closes it.

    The initialisation goes on while at least one caller waits for it. Callers may be in several event loops; it runs,
    and is closed, in that of the first.
    """

    __slots__ = (
        "_close",
        "_given_up",
        "_initialize",
        "_lock",
        "_loop",
        "_outcome",
        "_task",
        "_waiting",
        "adapter",
        "on_late_initialise",
        "ready",
    )

    def __init__(self, adapter: str, initialize: Step | None, close: Step | None) -> None:
        self.adapter = adapter
        self.ready = initialize is None
        """Whether it can be called without being initialised first."""
        self.on_late_initialise: Callable[[], None] | None = None
        """Told when it was initialised although it had been taken out of its engine."""
        self._initialize = initialize
        self._close = close
        self._lock = threading.Lock()
        self._waiting = 0
        self._given_up = False
        self._outcome: concurrent.futures.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def initialize(self, limit: float | None) -> None:
        """Return when the object is initialised; wait at most `limit` seconds for it (None: as long as it takes).

        Raises:
            AttemptTimeout: the limit passed.
            Exception: what its `initialize` raised. The next caller tries again.
        """
        while not self.ready:
            with self._lock:
                outcome = self._outcome or self._begin()
                self._waiting += 1
            try:
                await within(_wait, outcome, self.adapter, limit)
            except AttemptTimeout as error:
                raise AttemptTimeout(self.adapter, error.seconds, "was not initialised") from error
            except _GivenUp:
                pass  # all who waited before have left: begin again
            finally:
                with self._lock:
                    self._waiting -= 1
                    nobody = not self._waiting
                if nobody and not outcome.done():
                    await self._abandon()

    def _begin(self) -> concurrent.futures.Future[None]:
        outcome: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._outcome = outcome
        self._given_up = False
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(outcome), name=f"fuseboard: initialise {self.adapter}")
        return outcome

    async def _run(self, outcome: concurrent.futures.Future[None]) -> None:
        assert self._initialize is not None
        error: BaseException | None = None
        try:
            await self._initialize()
            self.ready = True
            if self.on_late_initialise is not None:
                self.on_late_initialise()
        except asyncio.CancelledError:
            error = _GivenUp() if self._given_up else RuntimeError("its initialisation was cancelled")
            raise
        except BaseException as raised:
            error = raised
            if not isinstance(raised, Exception):
                raise
        finally:
            self._outcome = self._task = None
            if error is None:
                outcome.set_result(None)
            else:
                outcome.set_exception(error)
            del error

    async def _abandon(self) -> None:
        """Nobody waits any more: cancel the initialisation and see it end."""
        task, loop = self._task, self._loop
        if task is None or loop is None or self._given_up:
            return
        self._given_up = True
        if loop is not asyncio.get_running_loop():
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)
            return
        task.cancel()
        await asyncio.wait([task])

    async def close(self) -> None:
        """Close the object if it was used; raises what its `close` raises. It may be initialised again later."""
        if self._task is not None:
            await self._abandon()
        if not self.ready or self._close is None:
            return
        self.ready = self._initialize is None
        loop, self._loop = self._loop, None
        if loop is None or loop is asyncio.get_running_loop() or not loop.is_running():
            await self._close()
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_await(self._close), loop))


async def _wait(outcome: concurrent.futures.Future[None]) -> None:
    waiting = asyncio.wrap_future(outcome)
    waiting.add_done_callback(_heard)
    # Shielded: one caller who gives up must not cancel it for the others.
    await asyncio.shield(waiting)


def _heard(waiting: asyncio.Future[None]) -> None:
    """See that nobody complains of an error which its only caller did not wait for any longer."""
    if not waiting.cancelled():
        waiting.exception()


async def _await(step: Step) -> Any:
    return await step()


async def first_call(
    lifecycle: Lifecycle, call: AsyncCall, task: Any, adapter: str, limit: float | None, share: float
) -> Any:
    """Initialise an object within `share` (0..1) of the limit in seconds, then call it within the rest."""
    if limit is None:
        await lifecycle.initialize(None)
        return await within(call, task, adapter, None)
    await lifecycle.initialize(limit * share)
    return await within(call, task, adapter, limit * (1 - share))
