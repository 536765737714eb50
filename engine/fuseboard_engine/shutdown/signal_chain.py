"""Handlers of the signals that end a process, in front of the handlers that were there before."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any


def is_default(handler: object) -> bool:
    """Return whether a handler is one of the system, of Python or of `asyncio.run`: no other code handles the signal.

    None, a handler that C code installed, counts as one of these: it cannot be called from here.
    """
    if handler in (None, signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler):
        return True
    function = handler.func if isinstance(handler, functools.partial) else handler
    return getattr(function, "__func__", None) is getattr(asyncio.Runner, "_on_sigint", function)


class SignalChain:
    """Calls `on_signal` for each of the signals, then the handler that was there before.

    A signal that is ignored stays ignored. A child that was forked meanwhile handles its signals as if this chain did
    not exist.

    Args:
        numbers: the signals.
        on_signal: called with the signal in the main thread, before the previous handler. It may raise.
    """

    def __init__(self, numbers: Iterable[signal.Signals], on_signal: Callable[[signal.Signals], None]) -> None:
        self._numbers = tuple(numbers)
        self._on_signal = on_signal
        self._previous: dict[int, Any] = {}
        self._installed: set[int] = set()
        self._closed = False
        self._pid = os.getpid()
        self.raised: BaseException | None = None
        """What a previous handler raised, as `lambda *_: sys.exit()` does. The owner of the chain raises it later."""

    def install(self) -> None:
        """Install the handlers. Does nothing outside the main thread, which alone can handle signals."""
        self._pid = os.getpid()
        if threading.current_thread() is not threading.main_thread():
            return
        self._previous = {number: signal.getsignal(number) for number in (*self._numbers, signal.SIGTERM)}
        for number in self._numbers:
            if self._previous[number] is not signal.SIG_IGN:
                signal.signal(number, self.handle)
                signal.siginterrupt(number, False)  # system calls of C libraries are restarted, not interrupted
                self._installed.add(number)

    def restore(self) -> None:
        """Put the previous handlers back, except where another handler was installed meanwhile."""
        self._closed = True
        for number in self._installed:
            before = self._previous[number]
            if signal.getsignal(number) == self.handle:
                signal.signal(number, signal.SIG_DFL if before is None else before)

    @property
    def installed(self) -> tuple[int, ...]:
        """The signals that are handled here."""
        return tuple(self._installed)

    def host(self, number: int | None = None) -> int | None:
        """Return the signal whose previous handler ends the process, as a server's does, or None if there is none.

        Args:
            number: the signal that was received; None for another cause, for which the handler of SIGTERM counts.
        """
        asked = signal.SIGTERM if number is None else number
        handled = self.raised is None and not is_default(self._previous.get(asked))
        return asked if handled else None

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        before = self._previous.get(number)
        if self._closed or os.getpid() != self._pid:
            _handle_as_before(number, frame, before)
            return
        self._on_signal(signal.Signals(number))
        if before is None or is_default(before):
            return
        try:
            before(number, frame)
        except BaseException as error:
            # Raised here it would stop the event loop before the calls in flight have ended.
            self.raised = error


def _handle_as_before(number: int, frame: FrameType | None, before: Any) -> None:
    if callable(before) and not isinstance(before, signal.Handlers):
        before(number, frame)
    elif before is not signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
