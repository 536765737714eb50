"""An orderly shutdown of a block on signals, uncaught errors, a time limit or a memory limit.

async with record(engine, "checkout.db") as recorder, shutdown_on_signals(engine, recorder=recorder):
    ...
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from fuseboard_engine.error_text.redaction import redact
from fuseboard_engine.errors import describe
from fuseboard_engine.shutdown.block import MEMORY_INTERVAL, Block, BlockOptions, EmergencyExit, memory_in_use
from fuseboard_engine.shutdown.sequence import Flushable, Save, Stoppable, configured
from fuseboard_engine.shutdown.thread_block import ThreadBlock

__all__ = ["EmergencyExit", "SignalShutdown", "memory_in_use", "shutdown_on_signals"]


class SignalShutdown(Block):
    """The context manager of one block, made by `shutdown_on_signals`; for `async with`, and for `with` in threads."""

    def __init__(self, engine: Stoppable, options: BlockOptions) -> None:
        super().__init__(engine, options)
        self._ending: asyncio.Task[None] | None = None
        self._body: asyncio.Task[Any] | None = None
        self._thread_block: ThreadBlock | None = None

    def trigger(self, reason: str) -> None:
        """Begin the shutdown, from any thread. A second call has no effect."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing is left to shut down
            self._loop.call_soon_threadsafe(self._begin, reason)

    # ---------------------------------------------------------------- with

    def __enter__(self) -> ThreadBlock:
        """Enter the block of a program without `await`, and return it."""
        self._thread_block = ThreadBlock(self._engine, self._options)
        return self._thread_block.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        assert self._thread_block is not None
        return self._thread_block.__exit__(kind, error, trace)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._body = asyncio.current_task()
        self._leaving = asyncio.Event()
        self._enter()
        self._watch_tasks()
        if (limit := self._options.until_limit) is not None:
            timer = self._loop.call_later(limit[0], self._begin, limit[1])
            self._stack.callback(timer.cancel)
        if self._options.memory_limit is not None:
            watching = asyncio.create_task(self._watch_memory(), name="fuseboard-memory")
            self._stack.callback(watching.cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._left = True
        self._leaving.set()
        if error is not None and not self.reason and isinstance(error, Exception):
            self._begin(self._note_uncaught(error))
        elif self.reason:
            self._begin(self.reason)  # a signal that the loop has not handled yet
        elif self._shuts_down_on_exit:
            self._begin("the application ended")
        try:
            if self._ending is not None:
                await self._finish()
        finally:
            self._stack.close()
        if not self.reason or self.report is None:
            return False
        if self._hosted:
            self._reopen()
            return False
        ours = isinstance(error, asyncio.CancelledError)  # cancelled by the shutdown: a call of the block, or the block
        while ours and self._body is not None and self._body.cancelling():
            self._body.uncancel()
        ending = self._exit_error()
        if ending is None:
            return ours
        raise ending from None

    async def _finish(self) -> None:
        """Wait for the end of the shutdown, even if the block's task is cancelled meanwhile."""
        assert self._ending is not None
        while not self._ending.done():
            try:
                await asyncio.shield(self._ending)
            except asyncio.CancelledError:
                if self._ending.cancelled():
                    raise

    # ---------------------------------------------------------------- triggers

    def _begin(self, reason: str) -> None:
        if self._ending is None:
            self.reason = reason
            self._ending = self._loop.create_task(self._end(reason), name="fuseboard-shutdown")

    async def _end(self, reason: str) -> None:
        options = self._options.sequence
        if self._hosted and not self._left:
            self._stop_host()
            options = options | {"grace": await self._wait_for_host(options["grace"])}
        self.report = await self._engine.shutdown(reason, **options)
        if self._body is not None and not self._left and not self._hosted:
            self._body.cancel()

    async def _wait_for_host(self, grace: float) -> float:
        """Wait until the block is left or the grace time is over; return what remains of it.

        A server takes no new requests now, and leaves the block when those in progress are answered. They may need
        further calls of the engine.
        """
        end = self._loop.time() + grace
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                await self._leaving.wait()
        return max(0.0, end - self._loop.time())

    def _watch_tasks(self) -> None:
        before = self._loop.get_exception_handler()

        def on_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            if before is None:
                loop.default_exception_handler(context)
            else:
                before(loop, context)
            error = context.get("exception")
            if isinstance(error, Exception):
                self.trigger(f"unhandled in a task: {redact(describe(error))}")

        self._loop.set_exception_handler(on_error)
        self._stack.callback(self._loop.set_exception_handler, before)

    async def _watch_memory(self) -> None:
        while True:
            if reason := self._options.memory_reason():
                self._begin(reason)
                return
            await asyncio.sleep(MEMORY_INTERVAL)


def shutdown_on_signals(
    engine: Stoppable,
    *,
    grace: float | None = None,
    time_limit: float | None = None,
    margin: float | None = None,
    memory_limit: int | None = None,
    save: Save | Iterable[Save] | None = None,
    recorder: Flushable | None = None,
    instructions: str | os.PathLike[str] | None = None,
    hook: Any = None,
    exit_code: int | Literal["as_configured"] | None = "as_configured",
    signals: Iterable[signal.Signals] | None = None,
    on_exit: bool | None = None,
    memory: Callable[[], int] = memory_in_use,
) -> SignalShutdown:
    """Return a context manager that shuts the engine down in order, whatever ends its block.

    Use it with `async with` in a coroutine, and with `with` in a program without `await` (threads, WSGI, Celery), where
    the shutdown runs in the engine's own loop.

    SIGTERM, SIGINT, an uncaught exception, an unhandled error in a task or thread, an approaching time limit and too
    much memory each stop admission, let calls in flight finish for `grace` seconds, cancel the rest, save, write
    recovery instructions, call the hook and flush the recorder. Then the process ends with `exit_code`. A second
    Ctrl-C ends it at once, with 130.

    Inside a server the server ends the process: where a handler of SIGTERM was installed before, it is called too, and
    the block neither raises nor ends. Requests in progress may call the engine until the server leaves the block, or
    for `grace` seconds. A cause other than a signal sends SIGTERM to the server. In a thread other than the main one
    the process continues too. A signal that is ignored stays ignored.

    Arguments that are not given are taken from the section `shutdown` of the configuration, if there is one.

    Args:
        engine: the engine to shut down.
        grace: seconds that calls in flight may still take; default: 10.
        time_limit: seconds the process may live, as a job scheduler sets them; default: no limit.
        margin: seconds before the time limit at which the shutdown begins; default: 30.
        memory_limit: bytes of resident memory at which the shutdown begins; default: no limit.
        save: saves the application's state, one function or several. A text it returns goes into the instructions.
        recorder: flushed at the end, so that nothing is lost.
        instructions: the file for the recovery instructions; default: beside the recording, if there is one.
        hook: notified at the end: a URL, a command as a list, or a callable that takes the `ShutdownReport`.
        exit_code: the exit code of the process; default: as configured, else 0. With None the process continues after
            the block, and an uncaught exception propagates.
        signals: the signals that end the block; default: SIGTERM and SIGINT.
        on_exit: shut down too when the block ends normally; default: inside a server only, whose end it is.
        memory: returns the memory in use, in bytes.

    Raises:
        ValueError: a function that the configuration names cannot be found.
    """
    section = configured(engine)
    path = section.instructions if instructions is None else Path(instructions)
    if path is None and recorder is not None:
        path = recorder.path.with_name(f"{recorder.path.name}.recovery.txt")
    options = BlockOptions(
        sequence={
            "grace": section.grace if grace is None else grace,
            "save": section.saves() if save is None else save,
            "recorder": recorder,
            "instructions": path,
            "hook": section.hook_target() if hook is None else hook,
        },
        signals=tuple([signal.Signals[name] for name in section.signals] if signals is None else signals),
        time_limit=section.time_limit if time_limit is None else time_limit,
        margin=section.margin if margin is None else margin,
        memory_limit=section.memory_limit if memory_limit is None else memory_limit,
        memory=memory,
        exit_code=section.exit_code if exit_code == "as_configured" else exit_code,
        on_exit=section.on_exit if on_exit is None else on_exit,
    )
    return SignalShutdown(engine, options)
