"""Adapters that are objects with a lifecycle: `initialize`, `call`, `health`, `close`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from fuseboard_engine.adapters.timeouts import LOOP_PASSES, AsyncCall, within
from fuseboard_engine.errors import AdapterCancelled, AttemptTimeout
from fuseboard_engine.runtime.cancellation import call_in_loop
from fuseboard_engine.runtime.overdue_calls import OverdueCalls

Step = Callable[[], Awaitable[Any]]


@runtime_checkable
class AdapterObject(Protocol):
    """The interface of an object that can be an adapter: a `call`, a method of any kind that takes the task.

    Optional methods, each async or not: `initialize()` is called once before the first call, and again if it failed;
    `health()` reports by its result or exception whether the adapter works; `close()` is called when the engine is
    closed; `stream(task)` is an async generator for consumers of single items.
    """

    def call(self, task: Any, /) -> Any:
        """Do the task and return its result."""


def is_adapter_object(given: Any) -> bool:
    """Return whether an object is an adapter through its `call` method rather than by being callable."""
    if inspect.isclass(given) or inspect.isroutine(given):
        return False
    # A mock has every attribute, so only the type of a callable is inspected.
    return callable(getattr(type(given) if callable(given) else given, "call", None))


_ANSWER_FIELDS = ("healthy", "success", "ok", "error")
"""The attributes that are read from an answer that is not a mapping."""


def unhealthy_reason(answer: Any) -> str | None:
    """Return why a result of `health()` means unhealthy, or None.

    False, `{"healthy": False}` and `{"success": False}` mean unhealthy.
    """
    if answer is None or answer is True:
        return None
    if answer is False:
        return "it reports that it is not healthy"
    fields = answer if isinstance(answer, Mapping) else {name: getattr(answer, name, None) for name in _ANSWER_FIELDS}
    for name in ("healthy", "success", "ok"):
        if fields.get(name) is False:
            detail = next((fields.get(other) for other in ("detail", "message", "error") if fields.get(other)), None)
            return f"it reports {name}: false" if detail is None else str(detail)
    return None


class _Abandoned(Exception):
    """An initialisation was cancelled because no caller waited for it any more."""


class Lifecycle:
    """Initialises an object once for any number of callers, and closes it.

    The initialisation continues while at least one caller waits for it. Callers may be in several event loops; it runs,
    and is closed, in the loop of the first one. Once that loop is closed, the next call initialises the object again.
    """

    __slots__ = (
        "_abandoned",
        "_close",
        "_initialize",
        "_lock",
        "_loop",
        "_outcome",
        "_ready",
        "_task",
        "_waiting",
        "adapter",
        "on_late_initialise",
        "overdue",
    )

    def __init__(self, adapter: str, initialize: Step | None, close: Step | None) -> None:
        self.adapter = adapter
        self._ready = initialize is None
        self.on_late_initialise: Callable[[], None] | None = None
        """Called when it was initialised after its adapter had been removed from the engine."""
        self.overdue: OverdueCalls | None = None
        """Watches an abandoned initialisation that does not end."""
        self._initialize = initialize
        self._close = close
        self._lock = threading.Lock()
        self._waiting = 0
        self._abandoned = False
        self._outcome: concurrent.futures.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def ready(self) -> bool:
        """Whether it can be called without initialisation. What was initialised in a loop that is closed cannot."""
        return self._ready and (self._loop is None or not self._loop.is_closed())

    def after_fork(self) -> None:
        """Forget, in a forked child, what was initialised in a loop of the parent."""
        self._lock = threading.Lock()
        self._waiting, self._abandoned = 0, False
        self._ready = self._initialize is None
        self._outcome = self._task = self._loop = None

    async def initialize(self, limit: float | None) -> None:
        """Return when the object is initialised; wait at most `limit` seconds (None for no limit).

        Raises:
            AttemptTimeout: the limit passed.
            Exception: the error of its `initialize`. The next caller tries again.
        """
        while not self.ready:
            with self._lock:
                lost = self._loop is not None and self._loop.is_closed()  # with an initialisation in progress
                outcome = self._start() if self._outcome is None or lost else self._outcome
                self._waiting += 1
            try:
                async with asyncio.timeout(limit) as timer:
                    await _wait(outcome)
            except TimeoutError as error:
                if limit is None or not timer.expired():
                    raise  # the error of its `initialize`
                raise AttemptTimeout(self.adapter, limit, "was not initialised") from error
            except _Abandoned:
                pass  # all earlier callers stopped waiting: start again
            finally:
                with self._lock:
                    self._waiting -= 1
                    unused = not self._waiting
                if unused and not outcome.done():
                    await self._abandon()

    def _start(self) -> concurrent.futures.Future[None]:
        outcome: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._outcome = outcome
        self._ready = self._abandoned = False
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(outcome), name=f"fuseboard: initialise {self.adapter}")
        return outcome

    async def _run(self, outcome: concurrent.futures.Future[None]) -> None:
        assert self._initialize is not None
        error: BaseException | None = None
        try:
            await self._initialize()
            self._ready = True
            if self.on_late_initialise is not None:
                self.on_late_initialise()
        except asyncio.CancelledError as cancelled:
            error = _Abandoned() if self._abandoned else AdapterCancelled.by(cancelled, self.adapter)
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
        """Cancel the initialisation, which no caller waits for any more. The next caller waits for its end."""
        task, loop = self._task, self._loop
        if task is None or loop is None or self._abandoned:
            return
        self._abandoned = True
        if loop is not asyncio.get_running_loop():
            call_in_loop(loop, task.cancel)
            return
        task.cancel()
        for _ in range(LOOP_PASSES):
            await asyncio.sleep(0)
            if task.done():
                return
        if self.overdue is not None:
            self.overdue.watch(self.adapter, _until_ended(task))

    async def close(self) -> None:
        """Close the object if it was used; raises what its `close` raises. It may be initialised again later."""
        if (task := self._task) is not None:
            await self._abandon()
            if task.get_loop() is asyncio.get_running_loop():
                await asyncio.wait([task])
        if not self._ready or self._close is None:
            return
        self._ready = self._initialize is None
        loop, self._loop = self._loop, None
        if loop is None or loop is asyncio.get_running_loop() or not loop.is_running():
            await self._close()
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_await(self._close), loop))


async def _wait(outcome: concurrent.futures.Future[None]) -> None:
    waiting = asyncio.wrap_future(outcome)
    waiting.add_done_callback(_mark_retrieved)
    # Shielded: a caller that stops waiting must not cancel it for the others.
    await asyncio.shield(waiting)


def _mark_retrieved(waiting: asyncio.Future[None]) -> None:
    """Mark the error as retrieved, so that asyncio does not log it when its only caller stopped waiting."""
    if not waiting.cancelled():
        waiting.exception()


async def _until_ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task])


async def _await(step: Step) -> Any:
    return await step()


async def initialised(lifecycle: Lifecycle, limit: float | None, share: float) -> float | None:
    """Initialise an object within `share` (0..1) of the limit in seconds; return the rest of the limit."""
    if limit is None:
        await lifecycle.initialize(None)
        return None
    await lifecycle.initialize(limit * share)
    return limit * (1 - share)


async def first_call(
    lifecycle: Lifecycle, call: AsyncCall, task: Any, adapter: str, limit: float | None, share: float,
    overdue: OverdueCalls,
) -> Any:  # fmt: skip
    """Initialise an object within `share` (0..1) of the limit in seconds, then call it within the rest."""
    return await within(call, task, adapter, await initialised(lifecycle, limit, share), overdue)
