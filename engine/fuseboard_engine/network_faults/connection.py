"""One connection of a client through a proxy to the server, in both directions."""

from __future__ import annotations

import asyncio
import math
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

from fuseboard_engine.faults.faulty_call import Values
from fuseboard_engine.network_faults.addresses import Address
from fuseboard_engine.network_faults.delivery import (
    Decision,
    End,
    Piece,
    Progress,
    advance,
    begin_fault,
)
from fuseboard_engine.network_faults.sockets import CHUNK, connect, finish, shut_down
from fuseboard_engine.network_faults.table import NetworkFault

MOST_WAITING: Final = 1_048_576
"""Bytes that may wait in each direction of a connection. While more would, the side that sends them has to wait."""
_PIECE: Final = 256  # bytes that a piece takes beside its data


class ActiveFault(NamedTuple):
    """A fault that is in effect, with its name and its values."""

    name: str
    fault: NetworkFault
    values: Values


NO_FAULT: Final = ActiveFault("", NetworkFault("connections work"), {})


class _Ended(Exception):
    """The connection ends."""

    def __init__(self, end: End) -> None:
        super().__init__(end)
        self.end = end


class _Direction:
    """What waits in one direction of a connection, and how far it is."""

    def __init__(self, is_answer: bool) -> None:
        self.progress = Progress(is_answer)
        self.waiting: deque[Piece] = deque()
        self.size = 0
        self.received_all = False
        self.wake = asyncio.Event()  # something to decide about came, or the fault is another one
        self.room = asyncio.Event()

    def put(self, piece: Piece) -> None:
        self.waiting.append(piece)
        self.size += len(piece.data) + _PIECE
        self.received_all = not piece.data
        self.wake.set()

    def take(self, size: int) -> None:
        """Remove so many bytes of the first piece; all of it if that is its whole data."""
        piece = self.waiting.popleft()
        self.size -= size
        if size < len(piece.data):
            self.waiting.appendleft(Piece(memoryview(piece.data)[size:], piece.arrived))
        else:
            self.size -= _PIECE
        self.room.set()


class Connection:
    """Carries data between a client and a server as the fault in effect says.

    Args:
        client: the accepted socket. It is closed at the end.
        server: the address of the server.
        active: returns the fault in effect.
    """

    def __init__(self, client: socket.socket, server: Address, active: Callable[[], ActiveFault]) -> None:
        self._client = client
        self._address = server
        self._active = active
        self._loop = asyncio.get_running_loop()
        self._server: socket.socket | None = None
        self._changed = asyncio.Event()
        self._requests, self._answers = _Direction(False), _Direction(True)
        self.lost = 0
        """Bytes that were thrown away."""
        self._incomplete = False  # one side has missed something
        self._end: End | None = None
        self.task = asyncio.create_task(self._relay())
        """It ends with the connection."""
        self.task.add_done_callback(self._finish)  # also if the task is cancelled before it runs

    @property
    def waiting(self) -> int:
        """Bytes that wait in both directions, with what keeping them takes."""
        return self._requests.size + self._answers.size

    def end(self, end: End) -> None:
        """End the connection; a second call has no effect."""
        if self._end is None:
            self._end = end
            self.task.cancel()

    def on_fault(self) -> None:
        """Let the fault that is in effect now decide about everything that waits."""
        fault = self._active().fault
        if fault.ends is not None:
            self.end(fault.ends)
        elif self._incomplete:
            self.end("reset")
        for direction in (self._requests, self._answers):
            direction.progress = begin_fault(direction.progress)
            direction.wake.set()
        self._changed.set()

    def _finish(self, relay: asyncio.Task[End]) -> None:
        """Close both sockets."""
        end: End = "close"
        if not relay.cancelled() and (error := relay.exception()) is None:
            end = relay.result()
        elif not relay.cancelled():
            self._loop.call_exception_handler({"message": "a connection of a proxy failed", "exception": error})
        for connected in (self._client, self._server):
            if connected is not None:
                finish(connected, self._end or end)

    async def _relay(self) -> End:
        """Carry data in both directions until both ends are passed on; return how the connection ends."""
        parts: tuple[Coroutine[Any, Any, None], ...] = (
            self._receive(self._client, self._requests),
            self._send(self._requests),
            self._connect(),
            self._send(self._answers),
        )
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        ends = [_end_of(error) for task in tasks if not task.cancelled() and (error := task.exception())]
        return "reset" if "reset" in ends else "close"

    async def _connect(self) -> None:
        """Connect to the server as soon as the fault lets it, and receive its answers."""
        while not self._active().fault.connects:
            self._changed.clear()
            await self._changed.wait()
        self._server = await connect(self._address)
        self._requests.wake.set()
        try:
            await self._receive(self._server, self._answers)
        except OSError:
            if self._active().fault.connects:
                raise
            self._incomplete = True  # nothing of the server reaches the client, its reset neither

    async def _receive(self, source: socket.socket, direction: _Direction) -> None:
        """Receive data until its end, as long as there is room."""
        while not direction.received_all:
            while direction.size >= MOST_WAITING:
                direction.room.clear()
                await direction.room.wait()
            direction.put(Piece(await self._loop.sock_recv(source, CHUNK), self._loop.time()))
        self._answers.wake.set()  # a client that has gone waits for none

    async def _send(self, direction: _Direction) -> None:
        """Send what waits, as the fault says, until the end is passed on."""
        while True:
            direction.wake.clear()
            active = self._active()
            if not direction.waiting or (active.fault.connects and self._server is None):
                await direction.wake.wait()
                continue
            piece = direction.waiting[0]
            decision = active.fault.deliver(active.values, direction.progress, piece, self._loop.time())
            if decision.drops:
                self._drop(direction, piece)
            elif decision.size or decision.passes:
                await self._pass_on(direction, piece, decision.size, active)
            elif decision.end is None:
                await self._wait(direction, decision)
            if decision.end is not None:
                raise _Ended(decision.end)
            if not direction.waiting and direction.received_all:
                return

    def _drop(self, direction: _Direction, piece: Piece) -> None:
        """Throw a piece away. A client that sends nothing more gets no answer any more, so the connection ends."""
        if not piece.data and direction is self._requests:
            raise _Ended("close")
        self._incomplete = True
        self.lost += len(piece.data)
        direction.take(len(piece.data))

    async def _pass_on(self, direction: _Direction, piece: Piece, size: int, active: ActiveFault) -> None:
        """Send the first bytes of a piece, or the end of what one side sends."""
        target = self._client if direction is self._answers else self._server
        assert target is not None
        data = memoryview(piece.data)[:size]
        direction.progress = advance(direction.progress, data, self._loop.time(), active.values)
        direction.take(size)
        if piece.data:
            await self._loop.sock_sendall(target, data)
        else:
            shut_down(target)

    async def _wait(self, direction: _Direction, decision: Decision) -> None:
        """Wait for the time of the next decision, or for another fault."""
        if decision.until < math.inf:
            try:
                async with asyncio.timeout_at(decision.until):
                    await direction.wake.wait()
            except TimeoutError:
                pass
        elif direction is self._answers and self._requests.received_all:
            raise _Ended("close")  # the client has gone and would not be noticed later
        else:
            await direction.wake.wait()


def _end_of(error: BaseException) -> End:
    """Return how a connection ends after the error of one of its parts."""
    if isinstance(error, _Ended):
        return error.end
    if isinstance(error, OSError):
        return "reset"  # as the side did that failed
    raise error
