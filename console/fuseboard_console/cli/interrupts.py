"""Ctrl-C: ends the program at any moment with exit code 130, without a traceback, and with at most one line.

SIGINT ends the process at once, because a reader has nothing to tidy up: `KeyboardInterrupt`, raised somewhere in an
event loop or in the import of a module, leaves tracebacks of other threads behind. What has to be tidied up takes the
signal itself: an event loop by `leave_on_signals`, blocking work by `interruptible`.

This module is imported before all others, so it imports next to nothing.
"""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

from fuseboard_console.cli import exit_codes

T = TypeVar("T")

LEAVING = (signal.SIGTERM, signal.SIGHUP)
"""The signals that ask the program to end in order: a polite kill, and a terminal that was closed."""

_remark = ""


def take_interrupts() -> None:
    """Take Ctrl-C over for the whole process: it ends the process until all is done, and has no effect from then on.

    Without the latter it would replace the exit code of a command that has printed its result.
    """
    end_on_interrupt()
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


def end_on_interrupt() -> None:
    """End the process on Ctrl-C from now on. Where SIGINT is ignored, as in a job of `nohup`, it stays ignored."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)


# The defaults keep what the handler needs while the interpreter takes its modules apart.
def _end(
    number: int, frame: FrameType | None, write: Callable[[int, bytes], int] = os.write, end: Any = os._exit
) -> None:
    if _remark:
        with suppress(OSError):
            write(2, _remark.encode("ascii", "backslashreplace"))
    end(exit_codes.INTERRUPTED)


@contextmanager
def remark_on_interrupt(sentence: str) -> Iterator[None]:
    """Print a sentence to standard error if Ctrl-C ends the process in this block, because work was started."""
    global _remark
    _remark = f"\n{sentence}\n"
    try:
        yield
    finally:
        _remark = ""


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise `KeyboardInterrupt` on Ctrl-C in this block, so that it can tidy up."""
    ends = signal.getsignal(signal.SIGINT) is _end
    if ends:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if ends:
            signal.signal(signal.SIGINT, _end)


@contextmanager
def interrupts_set(pressed: Any) -> Iterator[None]:
    """Set an `asyncio.Event` on Ctrl-C in this block, instead of ending the process. Needs a running event loop."""
    import asyncio

    loop = asyncio.get_running_loop()
    ends = signal.getsignal(signal.SIGINT) is _end
    if ends:
        loop.add_signal_handler(signal.SIGINT, pressed.set)
    try:
        yield
    finally:
        if ends:
            loop.remove_signal_handler(signal.SIGINT)
            end_on_interrupt()


def leave_on_signals(leave: Callable[[int], object]) -> None:
    """Have the running event loop call `leave` with the exit code: 130 on Ctrl-C, 0 on SIGTERM and SIGHUP."""
    import asyncio

    loop = asyncio.get_running_loop()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGINT, leave, exit_codes.INTERRUPTED)
    for number in LEAVING:
        loop.add_signal_handler(number, leave, exit_codes.OK)


def run_loop(main: Coroutine[Any, Any, T], make_loop: Callable[[], Any] | None = None) -> T:
    """Run a coroutine that uses `leave_on_signals` in an event loop of its own, and return its result."""
    import asyncio

    try:
        with asyncio.Runner(loop_factory=make_loop) as runner:
            return runner.run(main)
    finally:
        end_on_interrupt()  # the loop has put back Python's own handler
