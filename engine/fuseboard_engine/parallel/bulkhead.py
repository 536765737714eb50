"""Slots: how many adapters may be at work at a time. Whoever waits gets the next one that frees, in order."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from fuseboard_engine.errors import BulkheadFull


class _Waiter:
    """A place in the queue."""

    __slots__ = ("future", "given", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.given = False


class Bulkhead:
    """A counting semaphore for callers in any event loop; first come, first served.

    Args:
        most: slots there are.
        queue: callers that may wait; None: any number.
    """

    __slots__ = ("_lock", "_taken", "_waiting", "most", "queue")

    def __init__(self, most: int, queue: int | None = None) -> None:
        self.most = most
        self.queue = queue
        self._lock = threading.Lock()
        self._taken = 0
        self._waiting: deque[_Waiter] = deque()

    @property
    def taken(self) -> int:
        """Slots in use."""
        return self._taken

    @property
    def waiting(self) -> int:
        """Callers in the queue."""
        return len(self._waiting)

    def take(self) -> bool:
        """Take a slot if one is free and nobody waits. `give_back` it whatever happens."""
        with self._lock:
            if self._taken >= self.most or self._waiting:
                return False
            self._taken += 1
            return True

    async def wait(self, limit: float | None) -> None:
        """Wait at most `limit` seconds (None: as long as it takes) for a slot.

        Raises:
            BulkheadFull: too many wait already, or the limit passed. No slot was taken.
        """
        with self._lock:
            if self._taken < self.most and not self._waiting:
                self._taken += 1
                return
            if self.queue is not None and len(self._waiting) >= self.queue:
                raise BulkheadFull(f"all {self.most} slots are taken and {len(self._waiting)} wait already")
            waiter = _Waiter()
            self._waiting.append(waiter)
        try:
            async with asyncio.timeout(limit):
                await waiter.future
        except BaseException as error:
            with self._lock:
                given = waiter.given
                if not given:
                    self._waiting.remove(waiter)
            if given:  # it came, but too late
                self.give_back()
            if isinstance(error, TimeoutError):
                raise BulkheadFull(f"none of the {self.most} slots was free within {limit:.3g} s") from None
            raise

    def give_back(self) -> None:
        """Give a slot back; the first in the queue has it at once."""
        with self._lock:
            self._taken -= 1
            given = self._grant()
        _wake(given)

    def resize(self, most: int, queue: int | None = None) -> None:
        """Go on with other numbers. Slots in use stay so; fewer than before are reached as they are given back."""
        with self._lock:
            self.most, self.queue = most, queue
            given = self._grant()
        _wake(given)

    def _grant(self) -> list[_Waiter]:
        given = []
        while self._waiting and self._taken < self.most:
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
            pass  # its loop was closed this moment


def _deliver(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
