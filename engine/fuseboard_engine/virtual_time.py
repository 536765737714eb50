"""An event loop in virtual time: an hour's sleep ends at once, in the correct order.

For scenarios and tests. The clock jumps to the next timer whenever nothing else is left to do, so a run is
deterministic and takes milliseconds. Sockets do not work in virtual time: use them in real time. While an engine's
plain functions run in threads, and while its stores write, the clock stops, for at most a second at a time.


deterministic and takes milliseconds. Sockets and programs are refused: use them in real time. While plain functions
run in threads, the clock stops, for at most a second at a time.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

THREAD_WAIT = 1.0  # real seconds that virtual time waits for a thread; a slower one counts as hanging


class _JumpingSelector(selectors.SelectSelector):
    """Never waits for a timer; advances the loop's time to it instead."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            # Neither a timer nor a ready event: only another thread can wake the loop.
            return super().select(None)
        if not ready and timeout:
            if self.loop.in_threads:
                ready = super().select(THREAD_WAIT)
            if not ready:
                self.loop.advance(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` starts at 0; use it as an engine's clock: `Engine(clock=loop.time)`."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self._now = 0.0
        self.in_threads = 0
        """Number of answers of threads that the loop waits for, such as those of plain functions and of stores."""
        self.real_io: RealIO | None = None
        """The first use of a socket or a program, which was refused."""
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

    def advance(self, seconds: float) -> None:
        """Advance the virtual time."""
        self._now += seconds
        # asyncio runs timers due within its clock resolution; after months a float cannot resolve a nanosecond.
        self._clock_resolution = max(1e-9, 2 * math.ulp(self._now))

    def on_thread_answer(self, _: object) -> None:
        """Let the time go on after the answer of a thread."""
        self.in_threads -= 1

    def wall(self) -> int:
        """Return virtual UTC microseconds, from 2026-01-01T00:00:00Z: `Engine(wall=loop.wall)`."""
        return 1_767_225_600_000_000 + round(self._now * 1e6)


def stop_time_until(answer: asyncio.Future[Any]) -> None:
    """Stop virtual time until a thread settles a future of this loop. In any other loop this does nothing."""
    loop = answer.get_loop()
    if isinstance(loop, VirtualTimeLoop):
        loop.in_threads += 1
        answer.add_done_callback(loop.on_thread_answer)


class RealIO(RuntimeError):
    """A socket or a program was used in virtual time, where its answer could never come in time."""


def _refused(name: str, what: str) -> Any:
    def refuse(self: VirtualTimeLoop, *args: Any, **kwargs: Any) -> Any:
        self.real_io = self.real_io or RealIO(
            f"{what} in virtual time ({name}): the time jumps to the next timer and would not wait for it. Use real "
            "time (asyncio.run) for this test, or put a function that answers by itself in place of the adapter"
        )
        raise self.real_io

    refuse.__name__ = name
    return refuse


for _name, _what in {
    "create_connection": "A connection was opened",
    "create_server": "A server was started",
    "create_unix_connection": "A connection was opened",
    "create_unix_server": "A server was started",
    "create_datagram_endpoint": "A socket was opened",
    "getaddrinfo": "The address of a host was looked up",
    "sock_connect": "A connection was opened",
    "sock_recv": "A socket was read",
    "sock_recv_into": "A socket was read",
    "sock_recvfrom": "A socket was read",
    "sock_sendto": "A socket was written",
    "getnameinfo": "The name of a host was looked up",
    "connect_accepted_socket": "A connection was opened",
    "sock_sendall": "A socket was written",
    "sock_accept": "A socket was read",
    "subprocess_exec": "A program was started",
    "subprocess_shell": "A program was started",
}.items():
    setattr(VirtualTimeLoop, _name, _refused(_name, _what))


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
