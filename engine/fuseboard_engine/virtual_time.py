"""An event loop in virtual time: an hour's sleep ends at once, in the correct order.

For scenarios and tests. The clock jumps to the next timer whenever nothing else is left to do, so a run is
deterministic and takes milliseconds. What needs real time, such as sockets and programs, is refused, unless it is
allowed. While plain functions run in threads, and while stores write, the clock stops, for at most a second at a time.
"""

from __future__ import annotations

import asyncio
import functools
import math
import selectors
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

THREAD_WAIT = 1.0  # real seconds that virtual time waits for a thread; a slower one counts as hanging

BEGAN_AT: Final = 1_767_225_600_000_000
"""When virtual time begins: 2026-01-01T00:00:00Z, in UTC microseconds."""


class _JumpingSelector(selectors.SelectSelector):
    """Never waits for a timer; advances the loop's time to it instead."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            # Neither a timer nor a ready event: only another thread can wake the loop.
            return super().select(None)
        if not ready and timeout:
            if self.loop.in_threads or (self.loop.allows_io and self._has_connections()):
                ready = super().select(THREAD_WAIT)
            if not ready:
                self.loop.advance(timeout)
        return ready

    def _has_connections(self) -> bool:
        """Return whether something is registered beside the loop's own pipe and servers that wait for clients."""
        keys = [key for key in self.get_map().values() if key.fileobj is not self.loop._ssock]  # type: ignore[attr-defined]
        return not all(_is_server(key.fd) for key in keys)


def _is_server(fd: int) -> bool:
    """Return whether a file descriptor is a socket that waits for clients."""
    try:
        one = socket.socket(fileno=fd)
    except OSError:
        return False  # a pipe
    try:
        return one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 0
    finally:
        one.detach()


class StoppableLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stops while threads work for it."""

    in_threads = 0
    """Number of answers of threads that the loop waits for, such as those of plain functions and of stores."""

    def on_thread_answer(self, _: object) -> None:
        """Let the time go on after the answer of a thread."""
        self.in_threads -= 1


class VirtualTimeLoop(StoppableLoop):
    """An event loop whose `time()` starts at 0; use it as an engine's clock: `Engine(clock=loop.time)`.

    Args:
        allow_io: whether sockets and programs are allowed. While connections are open, the clock waits for them before
            it jumps, for at most a second at a time.
    """

    def __init__(self, *, allow_io: bool = False) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self._now = 0.0
        self.real_io: RealIO | None = None
        """The first use of something that needs real time, which was refused."""
        self.allows_io = allow_io
        """Whether sockets and programs are allowed."""
        super().__init__(selector)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def run_in_executor(  # type: ignore[override]  # a TypeVarTuple of the base class
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run a plain function in a thread; the time stops meanwhile, as for those of an engine."""
        future = super().run_in_executor(executor, func, *args)
        self.in_threads += 1
        future.add_done_callback(self.on_thread_answer)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the threads of the default executor to end: without a limit, which would pass at once."""
        await super().shutdown_default_executor()

    def advance(self, seconds: float) -> None:
        """Advance the virtual time."""
        self._now += seconds
        # asyncio runs timers due within its clock resolution; after months a float cannot resolve a nanosecond.
        self._clock_resolution = max(1e-9, 2 * math.ulp(self._now))

    def refuse(self, what: str, name: str) -> RealIO:
        """Return the error of something that needs real time, and keep the first one.

        Args:
            what: what was done, as a sentence without its end.
            name: the function that does it.
        """
        error = RealIO(
            f"{what} in virtual time ({name}), which does not wait for what happens outside. Put a function that "
            "answers by itself in its place, use @virtual_time(allow_io=True), or test in real time (asyncio.run)"
        )
        self.real_io = self.real_io or error
        return error

    def wall(self) -> int:
        """Return virtual UTC microseconds, from 2026-01-01T00:00:00Z: `Engine(wall=loop.wall)`."""
        return BEGAN_AT + round(self._now * 1e6)


def stop_time_until(answer: asyncio.Future[Any]) -> None:
    """Stop virtual or paced time until a thread settles a future of this loop. In any other loop this does nothing."""
    loop = answer.get_loop()
    if isinstance(loop, StoppableLoop):
        loop.in_threads += 1
        answer.add_done_callback(loop.on_thread_answer)


class RealIO(RuntimeError):
    """Something was used in virtual time that needs real time, such as a socket or a program."""


def _guarded(name: str, what: str) -> Any:
    """Return a method of event loops that needs real time, made to refuse unless it is allowed."""
    method: Callable[..., Any] = getattr(asyncio.SelectorEventLoop, name)

    @functools.wraps(method)
    def refuse_or_call(self: VirtualTimeLoop, *args: Any, **kwargs: Any) -> Any:
        if not self.allows_io:
            raise self.refuse(what, name)
        return method(self, *args, **kwargs)

    return refuse_or_call


for _name, _what in {
    "create_connection": "A connection was opened",
    "create_server": "A server was started",
    "create_unix_connection": "A connection was opened",
    "create_unix_server": "A server was started",
    "create_datagram_endpoint": "A socket was opened",
    "connect_accepted_socket": "A connection was opened",
    "start_tls": "A connection was encrypted",
    "sendfile": "A file was sent",
    "getaddrinfo": "The address of a host was looked up",
    "getnameinfo": "The name of a host was looked up",
    "sock_connect": "A connection was opened",
    "sock_accept": "A connection was accepted",
    "sock_recv": "A socket was read",
    "sock_recv_into": "A socket was read",
    "sock_recvfrom": "A socket was read",
    "sock_recvfrom_into": "A socket was read",
    "sock_sendall": "A socket was written",
    "sock_sendto": "A socket was written",
    "sock_sendfile": "A file was sent",
    "add_reader": "A socket or pipe was watched",
    "add_writer": "A socket or pipe was watched",
    "connect_read_pipe": "A pipe was read",
    "connect_write_pipe": "A pipe was written",
    "subprocess_exec": "A program was started",
    "subprocess_shell": "A program was started",
}.items():
    setattr(VirtualTimeLoop, _name, _guarded(_name, _what))


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
