"""A bulkhead: limits how many adapters work at a time. Waiting callers get freed slots in order."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from fuseboard_engine.errors import BulkheadFull


class _Waiter:
    """A caller in the queue."""

    __slots__ = ("future", "given", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.given = False


class Bulkhead:
    """A counting semaphore for callers in any event loop; first in, first out.

    Args:
        limit: number of slots.
        queue: how many callers may wait; None for any number.
    """

    __slots__ = ("_lock", "_taken", "_waiting", "limit", "queue")

    def __init__(self, limit: int, queue: int | None = None) -> None:
        self.limit = limit
        self.queue = queue
        self._lock = threading.Lock()
        self._taken = 0
        self._waiting: deque[_Waiter] = deque()

    def after_fork(self) -> None:
        """Free all slots in a forked child: the parent has the calls that hold them."""
        self._lock, self._taken, self._waiting = threading.Lock(), 0, deque()

    @property
    def taken(self) -> int:
        """Slots in use."""
        return self._taken

    @property
    def waiting(self) -> int:
        """Callers in the queue."""
        return len(self._waiting)

    def acquire(self) -> bool:
        """Take a slot if one is free and no caller waits, and return whether it was taken. `release` it in any case."""
        with self._lock:
            if self._taken >= self.limit or self._waiting:
                return False
            self._taken += 1
            return True

    async def wait(self, timeout: float | None) -> None:
        """Wait at most `timeout` seconds (None for no limit) for a slot.

        Raises:
            BulkheadFull: the queue is full, or the timeout passed. No slot was taken.
        """
        with self._lock:
            if self._taken < self.limit and not self._waiting:
                self._taken += 1
                return
            if self.queue is not None and len(self._waiting) >= self.queue:
                raise BulkheadFull(f"all {self.limit} slots are taken and {len(self._waiting)} wait already")
            waiter = _Waiter()
            self._waiting.append(waiter)
        try:
            async with asyncio.timeout(timeout):
                await waiter.future
        except BaseException as error:
            with self._lock:
                given = waiter.given
                if not given:
                    self._waiting.remove(waiter)
            if given:  # a slot was granted, but too late
                self.release()
            if isinstance(error, TimeoutError):
                raise BulkheadFull(f"none of the {self.limit} slots was free within {timeout:.3g} s") from None
            raise

    def release(self) -> None:
        """Return a slot; the first caller in the queue gets it at once."""
        with self._lock:
            self._taken -= 1
            given = self._grant()
        _wake(given)

    def resize(self, limit: int, queue: int | None = None) -> None:
        """Change both limits. Slots in use stay in use; a lower limit is reached as they are released."""
        with self._lock:
            self.limit, self.queue = limit, queue
            given = self._grant()
        _wake(given)

    def _grant(self) -> list[_Waiter]:
        given = []
        while self._waiting and self._taken < self.limit:
            waiter = self._waiting.popleft()
            if waiter.loop.is_closed():
                continue
            waiter.given = True
            self._taken += 1
            given.append(waiter)
        return given


def _wake(waiters: list[_Waiter]) -> None:
    for waiter in waiters:
        try:
            waiter.loop.call_soon_threadsafe(_deliver, waiter.future)
        except RuntimeError:
            pass  # its loop was closed meanwhile


def _deliver(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
