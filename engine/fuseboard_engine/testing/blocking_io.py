"""Notices in virtual time that plain functions use sockets, start programs or sleep, and refuses it.

Watched is the code of the virtual time itself: its event loop, and the functions that run in threads for it. Other
threads, such as those of a test server, are not. Files are never refused.
"""

from __future__ import annotations

import contextvars
import functools
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final, SupportsIndex, TypeVar

from fuseboard_engine.virtual_time import VirtualTimeLoop

T = TypeVar("T")

_REFUSED: Final[Mapping[str, str]] = {
    "socket.connect": "A connection was opened",
    "socket.bind": "A socket was bound to an address",
    "socket.sendto": "A socket was written",
    "socket.getaddrinfo": "The address of a host was looked up",
    "socket.gethostbyname": "The address of a host was looked up",
    "socket.gethostbyaddr": "The name of a host was looked up",
    "socket.getnameinfo": "The name of a host was looked up",
    "subprocess.Popen": "A program was started",
    "os.system": "A program was started",
    "os.posix_spawn": "A program was started",
    "os.fork": "A process was started",
    "os.forkpty": "A process was started",
}
"""What is refused, by the audit event of Python that reports it."""

_SLEEPS: Final = "A plain function slept"
_SLEEP_IS_AUDITED: Final = sys.version_info >= (3, 13)

_running: contextvars.ContextVar[VirtualTimeLoop | None] = contextvars.ContextVar("_running", default=None)
"""The loop whose code this is."""
_installing = Lock()
_installed = False


@contextmanager
def refuse_blocking_io(loop: VirtualTimeLoop) -> Iterator[None]:
    """Refuse it in what runs in the context of the block, and in the tasks and threads that are started from there."""
    _install()
    token, sleep = _running.set(loop), time.sleep
    if not _SLEEP_IS_AUDITED:

        def sleep_outside(seconds: float | SupportsIndex, /) -> None:
            _refuse_sleep(seconds)
            sleep(seconds)

        time.sleep = sleep_outside
    try:
        yield
    finally:
        time.sleep = sleep
        _running.reset(token)


def watched_in_thread(function: Callable[..., T], loop: VirtualTimeLoop) -> Callable[..., T]:
    """Return a function that is refused it as well, in a thread whose context is its own."""

    @functools.wraps(function)
    def watched(*args: Any) -> T:
        token = _running.set(loop)
        try:
            return function(*args)
        finally:
            _running.reset(token)

    return watched


def _install() -> None:
    """Install the hook, once: Python cannot remove one. Outside virtual time it does nothing."""
    global _installed
    with _installing:
        if not _installed:
            sys.addaudithook(_audit)
            _installed = True


def _audit(
    event: str,
    args: tuple[Any, ...],
    # As defaults, because the names of a module are gone when the interpreter ends.
    refused: Mapping[str, str] = _REFUSED,
    running: contextvars.ContextVar[VirtualTimeLoop | None] = _running,
) -> None:
    if event in refused:
        loop = running.get()
        if loop is not None and not loop.is_closed():
            raise loop.refuse(refused[event], event)
    elif event == "time.sleep":
        _refuse_sleep(args[0])


def _refuse_sleep(seconds: float | SupportsIndex) -> None:
    loop = _running.get()
    if loop is None or loop.is_closed() or not seconds:
        return
    caller = sys._getframe(2).f_globals.get("__name__", "")
    if not caller.startswith("fuseboard_storage."):  # a store waits for another process
        raise loop.refuse(_SLEEPS, "time.sleep")
