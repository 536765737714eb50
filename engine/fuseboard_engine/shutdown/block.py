"""The common parts of the asynchronous and the synchronous block with an orderly shutdown."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fuseboard_engine.error_text.redaction import redact
from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import describe, rebuild_error
from fuseboard_engine.routing.gates import InFlightTasks
from fuseboard_engine.shutdown.sequence import ShutdownGate, ShutdownReport, Stoppable
from fuseboard_engine.shutdown.signal_chain import SignalChain

log = get_logger("fuseboard.engine")

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


@dataclass(frozen=True, slots=True)
class BlockOptions:
    """The causes that end a block, and their handling: the arguments of `shutdown_on_signals`.

    Attributes:
        sequence: the arguments of `Engine.shutdown`.
        signals: the signals that end the block.
        time_limit: seconds the process may live.
        margin: seconds before the time limit at which the shutdown begins.
        memory_limit: bytes of resident memory at which the shutdown begins.
        memory: returns the memory in use, in bytes.
        exit_code: the exit code of the process; with None it continues after the block.
        on_exit: a normal end of the block is also a shutdown; with None only where other code ends the process.
    """

    sequence: dict[str, Any]
    signals: tuple[signal.Signals, ...]
    time_limit: float | None
    margin: float
    memory_limit: int | None
    memory: Callable[[], int]
    exit_code: int | None
    on_exit: bool | None

    @property
    def until_limit(self) -> tuple[float, str] | None:
        """Seconds until the time limit begins a shutdown, and its reason; None without a limit."""
        if self.time_limit is None:
            return None
        limit, margin = self.time_limit, min(self.margin, self.time_limit)
        return limit - margin, f"the time limit of {limit:g} s is {margin:g} s away"

    def memory_reason(self) -> str:
        """Return why the memory in use begins a shutdown; empty if it does not."""
        if self.memory_limit is None or (used := self.memory()) < self.memory_limit:
            return ""
        return f"memory: {used / 1e6:.0f} MB in use, the limit is {self.memory_limit / 1e6:.0f} MB"


class Block(ABC):
    """One block. `reason` is empty until a shutdown begins; `report` is set when it is complete."""

    def __init__(self, engine: Stoppable, options: BlockOptions) -> None:
        self.reason = ""
        self.report: ShutdownReport | None = None
        self._engine = engine
        self._options = options
        self._chain = SignalChain(options.signals, self._on_signal)
        self._received: int | None = None  # the signal that began the shutdown
        self._in_main_thread = True
        self._left = False
        self._stack = contextlib.ExitStack()

    @abstractmethod
    def trigger(self, reason: str) -> None:
        """Begin the shutdown, from any thread. A second call has no effect."""

    @property
    def _hosted(self) -> bool:
        """Whether other code, such as a server, ends the process; the block must not."""
        return self._chain.host(self._received) is not None

    @property
    def _shuts_down_on_exit(self) -> bool:
        on_exit = self._options.on_exit
        return self._hosted if on_exit is None else on_exit

    def _enter(self) -> None:
        attempts = self._engine.router.attempts
        attempts.running = attempts.running or InFlightTasks()
        self._reopen()  # an earlier block may have shut the engine down
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        self._chain.install()
        self._stack.callback(self._chain.restore)
        self._watch_threads()

    def _reopen(self) -> None:
        """Admit work again after a shutdown: the process continues, and other code decides when it ends."""
        attempts = self._engine.router.attempts
        if isinstance(attempts.gate, ShutdownGate):
            attempts.gate = attempts.gate.before

    def _on_signal(self, number: signal.Signals) -> None:
        if not self.reason:
            self._received = number
            self.reason = f"{number.name} received"
            self.trigger(self.reason)
        elif number == signal.SIGINT and not self._hosted:
            os._exit(130)  # the second Ctrl-C ends the process at once

    def _stop_host(self) -> None:
        """Ask the code that ends the process to do so, unless a signal was the cause, which it also received."""
        number = self._chain.host()
        if self._received is None and number is not None:
            self._received = number
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, number)  # the thread whose system call it must interrupt

    def _watch_threads(self) -> None:
        before = threading.excepthook

        def on_thread(args: threading.ExceptHookArgs) -> None:
            before(args)
            if isinstance(args.exc_value, Exception):
                self.trigger(f"uncaught in a thread: {redact(describe(args.exc_value))}")

        threading.excepthook = on_thread
        self._stack.callback(_restore_hook, on_thread, before)

    def _note_uncaught(self, error: BaseException) -> str:
        """Log an exception that leaves the block, and return the reason."""
        log.critical("Uncaught %s ends the application", type(error).__name__, exc_info=error)
        return f"uncaught {redact(describe(error))}"

    def _exit_error(self) -> BaseException | None:
        """Return what ends the process after the shutdown, or None if it continues or other code ends it."""
        if self._chain.raised is not None:
            return self._chain.raised
        if self._options.exit_code is None or not self._in_main_thread or self._hosted or self.report is None:
            return None
        return EmergencyExit(self._options.exit_code, self.report)


def _restore_hook(ours: Any, before: Any) -> None:
    if threading.excepthook is ours:
        threading.excepthook = before
