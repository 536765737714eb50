"""The sockets of a proxy: listening, and ending a connection in order or with a reset."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Final

from fuseboard_engine.network_faults.addresses import Address, is_loopback
from fuseboard_engine.network_faults.delivery import End

CHUNK: Final = 65_536
"""Bytes that are read at once."""
BACKLOG: Final = 256
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds
_MOST_DRAINED: Final = 64  # chunks


async def resolve(
    address: Address, *, to_listen: bool = False
) -> list[tuple[socket.AddressFamily, tuple[object, ...]]]:
    """Return the families and socket addresses of an address. Raises OSError if it has none."""
    flags = socket.AI_PASSIVE if to_listen else 0
    where, stream = (address.host, address.port), socket.SOCK_STREAM
    try:
        try:
            found = socket.getaddrinfo(*where, type=stream, flags=flags | socket.AI_NUMERICHOST)
        except socket.gaierror:  # a name, which another thread looks up
            found = await asyncio.get_running_loop().getaddrinfo(*where, type=stream, flags=flags)
    except UnicodeError as error:
        raise OSError(f"{address.host} cannot be the name of a host") from error
    return [(family, at) for family, _, _, _, at in found]


def bind(family: socket.AddressFamily, at: tuple[object, ...], *, allow_remote: bool) -> socket.socket:
    """Return a socket that is bound and does not listen, so that connections to it are refused.

    Raises:
        OSError: the address is in use, or is not one of this host.
        ValueError: other hosts could connect and may not, because a name stands for another address than loopback.
    """
    if not allow_remote and not is_loopback(str(at[0])):
        raise ValueError(f"{at[0]} can be reached from other hosts; write 127.0.0.1, or set allow_remote to true")
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(at)
    except BaseException:
        bound.close()
        raise
    return bound


async def connect(address: Address) -> socket.socket:
    """Return a socket that is connected to an address. Raises OSError if none of its hosts accepts."""
    loop = asyncio.get_running_loop()
    error: OSError = OSError(f"{address} has no address")
    for family, at in await resolve(address):
        candidate = socket.socket(family, socket.SOCK_STREAM)
        try:
            candidate.setblocking(False)
            send_at_once(candidate)
            await loop.sock_connect(candidate, at)
        except OSError as reason:
            candidate.close()
            error = reason
        except BaseException:
            candidate.close()
            raise
        else:
            return candidate
    raise error


def send_at_once(connected: socket.socket) -> None:
    """Let a socket send small pieces without waiting for more."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def shut_down(connected: socket.socket) -> None:
    """Tell the other side that nothing more is sent."""
    with suppress(OSError):  # it has gone
        connected.shutdown(socket.SHUT_WR)


def finish(connected: socket.socket, end: End) -> None:
    """Close a connection in order, or with a reset."""
    if end == "reset":
        with suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    else:
        shut_down(connected)
        _drain(connected)
    connected.close()


def _drain(connected: socket.socket) -> None:
    """Read what is there already: the system resets a connection that is closed with unread data."""
    with suppress(OSError):  # nothing more is there, or the other side has gone
        for _ in range(_MOST_DRAINED):
            if not connected.recv(CHUNK):
                return
