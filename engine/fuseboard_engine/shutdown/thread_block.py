"""The block of a program without `await`: `with shutdown_on_signals(engine): ...`."""

from __future__ import annotations

import queue
import signal
import threading
import time
from types import TracebackType
from typing import Any, Final, Self

from fuseboard_engine.shutdown.block import MEMORY_INTERVAL, Block, BlockOptions, log
from fuseboard_engine.shutdown.sequence import Stoppable

BODY_SECONDS: Final = 0.5  # for the body to take the results of its last calls, before it is interrupted


class _BlockEnded(SystemExit):
    """Ends the body of a block in the main thread once its shutdown is complete.

    A `SystemExit`, because it may arrive at the very end of the body, where no block catches it any more.
    """


class ThreadBlock(Block):
    """A block whose shutdown runs in the engine's own loop, while its body runs in this thread.

    In the main thread the body is interrupted when the shutdown is complete, as Ctrl-C would interrupt it. The body of
    a block in another thread cannot be interrupted: its tasks are rejected from then on.
    """

    def __init__(self, engine: Stoppable, options: BlockOptions) -> None:
        super().__init__(engine, options)
        self._causes: queue.SimpleQueue[str | None] = queue.SimpleQueue()  # its `put` may be called in a signal handler
        self._leaving = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="fuseboard-shutdown", daemon=True)
        self._thread = 0
        self._complete = False

    def trigger(self, reason: str) -> None:
        """Begin the shutdown, from any thread. A second call has no effect."""
        self._causes.put(reason)

    def __enter__(self) -> Self:
        self._thread = threading.get_ident()
        self._enter()
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._left = True
        self._leaving.set()
        if error is not None and not self.reason and isinstance(error, Exception):
            self.trigger(self._note_uncaught(error))
        elif not self.reason and self._shuts_down_on_exit:
            self.trigger("the application ended")
        self._causes.put(None)
        try:
            while self._watcher.is_alive():
                self._watcher.join(1)  # a second Ctrl-C ends the process meanwhile
        finally:
            self._stack.close()
        ours = isinstance(error, _BlockEnded)
        if not self.reason or self.report is None:
            return ours
        if self._hosted:
            self._reopen()
            return ours
        ending = self._exit_error()
        if ending is None:
            return ours
        raise ending from None

    def _on_signal(self, number: signal.Signals) -> None:
        if self._complete:
            if not self._left and not self._hosted:
                raise _BlockEnded(self._options.exit_code)
            return
        super()._on_signal(number)

    # ---------------------------------------------------------------- in the thread that watches

    def _watch(self) -> None:
        reason = self._next_cause()
        if not reason:
            return
        self.reason = reason
        try:
            self.report = self._shut_down(reason)
        except Exception:
            log.exception("The shutdown failed")
        self._complete = True
        self._leaving.wait(BODY_SECONDS)
        numbers = self._chain.installed
        if numbers and not self._left and not self._hosted:
            signal.pthread_kill(self._thread, numbers[0])

    def _next_cause(self) -> str | None:
        """Wait for the cause of a shutdown. Return None if the block was left."""
        options, began = self._options, time.monotonic()
        limit = options.until_limit
        while True:
            remaining = None if limit is None else began + limit[0] - time.monotonic()
            waits = [remaining, MEMORY_INTERVAL if options.memory_limit is not None else None]
            wait = min((max(0.0, seconds) for seconds in waits if seconds is not None), default=None)
            try:
                return self._causes.get(timeout=wait)
            except queue.Empty:
                pass
            if limit is not None and time.monotonic() - began >= limit[0]:
                return limit[1]
            if reason := options.memory_reason():
                return reason

    def _shut_down(self, reason: str) -> Any:
        options = self._options.sequence
        if self._hosted and not self._left:
            self._stop_host()
            end = time.monotonic() + options["grace"]
            self._leaving.wait(options["grace"])
            options = options | {"grace": max(0.0, end - time.monotonic())}
        return self._engine.sync.run(self._engine.shutdown(reason, **options))
