"""Servers and clients on real sockets of this host, for tests of what is between them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from support.paths import ROOT

CERTIFICATE: Final = ROOT / "tests" / "support" / "tls" / "localhost.pem"
"""A certificate for localhost with its key, for tests only. Nobody has signed it."""

OPEN_FILES: Final = Path("/proc/self/fd")


def open_files() -> int:
    """Return how many files and sockets this process has open."""
    return len(list(OPEN_FILES.iterdir()))


class Peer:
    """A connection of a client: what it sends and receives. The test's own time limit ends what never comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Send data."""
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, size: int) -> bytes:
        """Return so many bytes. Raises IncompleteReadError if the connection ends before."""
        return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Return everything until the connection ends in order."""
        return await self.reader.read()

    async def ask(self, data: bytes) -> bytes:
        """Send data to a server that echoes it, and return as many bytes."""
        await self.send(data)
        return await self.receive(len(data))

    async def is_reset(self) -> bool:
        """Return whether the connection ends with a reset."""
        try:
            await self.rest()
        except ConnectionError:
            return True
        return False

    def end_sending(self) -> None:
        """Send nothing more."""
        self.writer.write_eof()


@asynccontextmanager
async def connected(host: str, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Connect to a server while the `async with` lasts."""
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back everything."""
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def says(answer: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]:
    """Return what answers the same to each client, before it asks, and then waits until it leaves."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        await reader.read()

    return say


@asynccontextmanager
async def server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object] = echo,
    *,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    """Run a server while the `async with` lasts; yield its address, `HOST:PORT`."""
    serving: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            with suppress(OSError, asyncio.CancelledError):
                await serve(reader, writer)  # type: ignore[misc]
        finally:
            writer.close()

    listening = await asyncio.start_server(run, host, 0, ssl=tls, backlog=1_000)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    finally:
        listening.close()
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)


def server_tls() -> ssl.SSLContext:
    """Return the settings of a TLS server with `CERTIFICATE`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def client_tls() -> ssl.SSLContext:
    """Return the settings of a TLS client that accepts any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
