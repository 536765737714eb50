"""An orderly shutdown of a block on signals, uncaught errors, a time limit or a memory limit.

async with record(engine, "checkout.db") as recorder, shutdown_on_signals(engine, recorder=recorder):
    ...
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, Literal, Self

from fuseboard_engine.errors import describe, rebuild_error
from fuseboard_engine.event_log.redact import redact
from fuseboard_engine.routing.gates import InFlightTasks
from fuseboard_engine.shutdown.sequence import Flushable, Save, ShutdownReport, Stoppable, configured

log = logging.getLogger("fuseboard.engine")

MEMORY_INTERVAL: Final = 1.0  # seconds between two checks of the memory


class EmergencyExit(SystemExit):
    """Ends the process after an emergency shutdown. `report` is its report."""

    def __init__(self, code: int, report: ShutdownReport) -> None:
        super().__init__(code)
        self.report = report

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild_error, (type(self), self.args), self.__dict__.copy()


def memory_in_use() -> int:
    """Return this process's resident memory in bytes; its maximum so far if the system offers only that."""
    try:
        with Path("/proc/self/statm").open("rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


class SignalShutdown:
    """The context manager of one block, made by `shutdown_on_signals`. `reason` is empty until a shutdown begins."""

    def __init__(
        self,
        engine: Stoppable,
        *,
        grace: float,
        time_limit: float | None,
        margin: float,
        memory_limit: int | None,
        save: Save | Iterable[Save],
        recorder: Flushable | None,
        instructions: Path | None,
        hook: Any,
        exit_code: int | None,
        signals: Iterable[signal.Signals],
        memory: Callable[[], int],
    ) -> None:
        self.reason = ""
        self.report: ShutdownReport | None = None
        self._engine = engine
        self._options = {
            "grace": grace,
            "save": save,
            "recorder": recorder,
            "instructions": instructions,
            "hook": hook,
        }
        self._time_limit = time_limit
        self._margin = margin
        self._memory_limit = memory_limit
        self._memory = memory
        self._exit_code = exit_code
        self._signals = tuple(signals)
        self._ending: asyncio.Task[None] | None = None
        self._body: asyncio.Task[Any] | None = None
        self._left = False
        self._stack = contextlib.ExitStack()

    def trigger(self, reason: str) -> None:
        """Begin the shutdown, from any thread. A second call has no effect."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing is left to shut down
            self._loop.call_soon_threadsafe(self._begin, reason)

    # ---------------------------------------------------------------- with

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._body = asyncio.current_task()
        attempts = self._engine.router.attempts
        attempts.running = attempts.running or InFlightTasks()
        self._watch_signals()
        self._watch_errors()
        if self._time_limit is not None:
            wait = max(0.0, self._time_limit - self._margin)
            text = f"the time limit of {self._time_limit:g} s is {min(self._margin, self._time_limit):g} s away"
            timer = self._loop.call_later(wait, self._begin, text)
            self._stack.callback(timer.cancel)
        if self._memory_limit is not None:
            watching = asyncio.create_task(self._watch_memory(self._memory_limit), name="fuseboard-memory")
            self._stack.callback(watching.cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._left = True
        if error is not None and not self.reason and isinstance(error, Exception):
            log.critical("Uncaught %s ends the application", type(error).__name__, exc_info=error)
            self._begin(f"uncaught {redact(describe(error))}")
        elif self.reason:
            self._begin(self.reason)  # a signal that the loop has not handled yet
        try:
            if self._ending is not None:
                await self._finish()
        finally:
            self._stack.close()
        if not self.reason or self.report is None:
            return False
        ours = isinstance(error, asyncio.CancelledError)  # cancelled by the shutdown: a call of the block, or the block
        while ours and self._body is not None and self._body.cancelling():
            self._body.uncancel()
        if self._exit_code is None:
            return ours
        raise EmergencyExit(self._exit_code, self.report) from None

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
        self.report = await self._engine.shutdown(reason, **self._options)
        if self._body is not None and not self._left:
            self._body.cancel()

    def _watch_signals(self) -> None:
        for number in self._signals:
            try:
                before = signal.signal(number, self._on_signal)
            except ValueError:  # not the main thread, which alone can handle signals
                return
            self._stack.callback(signal.signal, number, before)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self._ending is not None or self.reason:
            if number == signal.SIGINT:
                os._exit(130)  # the second Ctrl-C ends the process at once
            return
        self.reason = f"{name} received"
        self.trigger(self.reason)

    def _watch_errors(self) -> None:
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
        thread_before = threading.excepthook

        def on_thread(args: threading.ExceptHookArgs) -> None:
            thread_before(args)
            if isinstance(args.exc_value, Exception):
                self.trigger(f"uncaught in a thread: {redact(describe(args.exc_value))}")

        threading.excepthook = on_thread
        self._stack.callback(setattr, threading, "excepthook", thread_before)

    async def _watch_memory(self, limit: int) -> None:
        while True:
            used = self._memory()
            if used >= limit:
                self._begin(f"memory: {used / 1e6:.0f} MB in use, the limit is {limit / 1e6:.0f} MB")
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
    memory: Callable[[], int] = memory_in_use,
) -> SignalShutdown:
    """Return an async context manager that shuts the engine down in order, whatever ends its block.

    SIGTERM, SIGINT, an uncaught exception, an unhandled error in a task or thread, an approaching time limit and too
    much memory each stop admission, let calls in flight finish for `grace` seconds, cancel the rest, save, write
    recovery instructions, call the hook and flush the recorder. Then the process ends with `exit_code`. A second
    Ctrl-C ends it at once, with 130.

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
        exit_code: the exit code of the process; default: as configured, else 0. None: the process continues after
            the block, and an uncaught exception propagates.
        signals: the signals that end the block; default: SIGTERM and SIGINT.
        memory: returns the memory in use, in bytes.

    Raises:
        ValueError: a function that the configuration names cannot be found.
    """
    section = configured(engine)
    path = section.instructions if instructions is None else Path(instructions)
    if path is None and recorder is not None:
        path = recorder.path.with_name(f"{recorder.path.name}.recovery.txt")
    return SignalShutdown(
        engine,
        grace=section.grace if grace is None else grace,
        time_limit=section.time_limit if time_limit is None else time_limit,
        margin=section.margin if margin is None else margin,
        memory_limit=section.memory_limit if memory_limit is None else memory_limit,
        save=section.saves() if save is None else save,
        recorder=recorder,
        instructions=path,
        hook=section.hook_target() if hook is None else hook,
        exit_code=section.exit_code if exit_code == "as_configured" else exit_code,
        signals=[signal.Signals[name] for name in section.signals] if signals is None else signals,
        memory=memory,
    )
