"""The listening socket of a proxy: accepts connections, pauses, or lets the system refuse them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from fuseboard_engine.network_faults.sockets import BACKLOG, bind

_TRY_AGAIN: Final = 0.1  # seconds, after the system had no file or no port left


class Listener:
    """Accepts connections on one address, in the running event loop. It is bound at once, and listens from `start` on.

    Args:
        family: the family of the address.
        at: the address as the system has it; port 0 is a free port.
        accept: called with each accepted socket.
        allow_remote: whether other hosts may connect.

    Raises:
        OSError: the address is in use, or is not one of this host.
        ValueError: other hosts could connect and may not.
    """

    def __init__(
        self,
        family: socket.AddressFamily,
        at: tuple[object, ...],
        accept: Callable[[socket.socket], object],
        *,
        allow_remote: bool,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._family = family
        self._accept = accept
        self._allow_remote = allow_remote
        self._bound: socket.socket | None = bind(family, at, allow_remote=allow_remote)
        self.at: tuple[object, ...] = self._bound.getsockname()
        """The address that it is bound to."""
        self._paused = False
        self._reading = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept connections from now on."""
        self._cancel_timer()
        try:
            if self._bound is None:
                self._bound = self._bind()
            self._bound.listen(BACKLOG)
        except OSError:  # another program has the port
            self._timer = self._loop.call_later(_TRY_AGAIN, self.start)
        else:
            self._read()

    def stop(self) -> None:
        """Let the system refuse connections from now on. The port stays taken."""
        self.close()
        with suppress(OSError):  # another program took the port; it may refuse connections or not
            self._bound = self._bind()  # bound, but not listening

    def pause(self) -> None:
        """Let new connections wait."""
        self._paused = True
        self._stop_reading()

    def resume(self) -> None:
        """Accept those that waited, if it listens."""
        if self._paused:
            self._paused = False
            self._read()

    def close(self) -> None:
        """Leave the port."""
        self._cancel_timer()
        self._stop_reading()
        if self._bound is not None:
            self._bound.close()
            self._bound = None

    def _bind(self) -> socket.socket:
        return bind(self._family, self.at, allow_remote=self._allow_remote)

    def _read(self) -> None:
        if self._bound is not None and not self._paused and not self._reading and _listens(self._bound):
            self._loop.add_reader(self._bound, self._on_readable)
            self._reading = True

    def _stop_reading(self) -> None:
        if self._reading and self._bound is not None:
            self._loop.remove_reader(self._bound)
        self._reading = False

    def _on_readable(self) -> None:
        """Accept one connection; the event loop calls again while others wait."""
        assert self._bound is not None
        try:
            accepted, _ = self._bound.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return  # it has gone again
        except OSError:  # no file is left: the connection waits until one is
            self._stop_reading()
            self._timer = self._loop.call_later(_TRY_AGAIN, self._read)
            return
        accepted.setblocking(False)
        self._accept(accepted)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _listens(bound: socket.socket) -> bool:
    return bool(bound.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
